# made by scripts/generate.py
"""What a server answers, as types: the shapes of docs/reference/openapi.json."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

JobStatus = Literal[
    "PENDING",
    "SCHEDULED",
    "QUEUED",
    "RUNNING",
    "STOP_REQUESTED",
    "STOPPING",
    "COMPLETED",
    "FAILED",
    "STOPPED",
    "CANCELED",
]
"""Where a job is in its life."""

AttemptStatus = Literal["SCHEDULED", "QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "STOPPED", "LOST"]
"""Where an attempt is in its life."""

EventWord = Literal[
    "created",
    "due",
    "claimed",
    "handed_back",
    "started",
    "suspended",
    "stop_asked",
    "stop_seen",
    "changed",
    "completed",
    "failed",
    "stopped",
    "canceled",
]
"""What happened to a job."""


class Job(TypedDict):
    """A job: what was asked for, and what became of it."""

    id: int
    name: str
    namespace: str
    labels: dict[str, Any]
    status: JobStatus
    outcome: Literal["COMPLETED", "FAILED", "STOPPED", "CANCELED"] | None
    reason: str | None
    message: str | None
    waiting_reason: str | None
    trigger: str
    workflow_id: int | None
    executor: str
    priority: int
    dataset: dict[str, Any] | None
    manifest_hash: str | None
    worker_id: str | None
    node_id: str | None
    end_block: str | None
    parallelism: int
    completions: int | None
    completion_mode: Literal["NonIndexed", "Indexed"]
    indexes: str | None
    suspend: bool
    active: int
    terminating: int
    succeeded: int
    failed: int
    restarts: int
    completed_indexes: str | None
    failed_indexes: str | None
    retry_at: str | None
    retried_from: int | None
    scheduled_at: str | None
    admitted_at: str | None
    queued_at: str | None
    started_at: str | None
    finished_at: str | None
    created_at: str
    updated_at: str
    result: Any
    descriptor: dict[str, Any]
    spec: dict[str, Any]


class Attempt(TypedDict):
    """One try of one index of a job."""

    id: int
    job_id: int
    index: int | None
    number: int
    status: AttemptStatus
    reason: str | None
    exit_code: int | None
    signal: int | None
    restarts: int
    worker_id: str | None
    cpu_seconds: float | None
    peak_memory_bytes: int | None
    progress: dict[str, Any] | None
    result: Any
    queued_at: str | None
    started_at: str | None
    finished_at: str | None


class Event(TypedDict):
    """One line of the story of a job."""

    id: int
    job_id: int
    event: EventWord
    event_type: JobStatus
    status: JobStatus
    at: str
    created_at: str
    node_id: str | None
    worker_id: str | None
    reason: str | None
    message: str | None


class WholeEvent(Event):
    """An event with all that is known of it."""

    detail: dict[str, Any] | None


class LogLine(TypedDict):
    """A line, or a piece of one; `base64` is there where its bytes are no UTF-8."""

    attempt_id: int
    index: int | None
    number: int
    stream: Literal["stdout", "stderr"]
    at: str
    offset: int
    line: str
    partial: bool


class WorkerInfo(TypedDict):
    """What a worker is made of."""

    version: str


class Worker(TypedDict):
    """A process that claims attempts and runs them."""

    id: str
    node_id: str
    host: str
    pid: int
    version: str
    info: WorkerInfo
    slots: dict[str, Any]
    cpu: float
    memory: int
    labels: dict[str, Any]
    lease: float
    draining: bool
    running: int
    heartbeat_age: float
    started_at: str
    registered_at: str
    created_at: str
    heartbeat_at: str


class WholeWorker(Worker):
    """A worker, and what it is running."""

    attempts: list[Attempt]


class Completions(TypedDict):
    """How many indexes of a job are done, and when the rest may be."""

    total: int | None
    succeeded: int
    active: int
    failed: int
    rate: float | None
    eta: str | None


class Progress(TypedDict):
    """How far a job is."""

    job_id: int
    job_status: JobStatus
    tables: dict[str, Any]
    completions: Completions
    detail: NotRequired[dict[str, Any]]


class FittingWorker(TypedDict):
    """Whether a worker could have a job, and why."""

    id: str
    fits: bool
    why: str


class ExplainedDependency(TypedDict):
    """What a job waits for, and what became of it."""

    job_id: int
    condition: Literal["completed", "failed", "finished"]
    job_status: JobStatus | None
    satisfied: bool | None


class ExplainedFailure(TypedDict):
    """Why an attempt failed."""

    attempt_id: int
    index: int | None
    number: int
    reason: str | None
    exit_code: int | None
    signal: int | None
    message: str


class Explanation(TypedDict):
    """Why a job is where it is."""

    job_id: int
    job_status: JobStatus
    summary: str
    waiting_reason: str | None
    reasons: list[str]
    workers: list[FittingWorker]
    dependencies: list[ExplainedDependency]
    retry_at: str | None
    last_failures: list[ExplainedFailure]
    hints: list[str]


class Jobs(TypedDict):
    """A page of jobs."""

    jobs: list[Job]
    next_cursor: NotRequired[int]


class Applied(TypedDict):
    """What became of one document."""

    action: Literal["created", "patched", "unchanged"]
    job: Job


class AppliedJobs(TypedDict):
    """What became of the documents, in their order."""

    jobs: list[Applied]


class Attempts(TypedDict):
    """A page of attempts."""

    attempts: list[Attempt]
    next_cursor: NotRequired[int]


class Events(TypedDict):
    """A page of the events of a job."""

    job_id: int
    events: list[Event]
    next_cursor: NotRequired[int]


class Workers(TypedDict):
    """All workers."""

    workers: list[Worker]


class ManifestLine(TypedDict):
    """A manifest in a list."""

    hash: str
    kind: Literal["evm-rpc", "solana", "recorded", "manifest"]
    dataset_count: int


class Manifests(TypedDict):
    """A page of manifests."""

    manifests: list[ManifestLine]
    next_cursor: NotRequired[str]


class RegisteredManifest(TypedDict):
    """The hash that a manifest is known by."""

    hash: str


class Schemas(TypedDict):
    """The columns of tables, as manifests have them."""

    schemas: dict[str, Any]


class Pruned(TypedDict):
    """How many were deleted."""

    deleted_count: int


class ManifestUser(TypedDict):
    """A dataset that has a manifest, and a tag of it that means it."""

    namespace: str
    name: str
    version: str | None


class ManifestDatasets(TypedDict):
    """The datasets that have a manifest."""

    hash: str
    datasets: list[ManifestUser]


class Dataset(TypedDict):
    """A dataset in a list."""

    namespace: str
    name: str
    versions: list[str]
    latest_version: str | None


class Datasets(TypedDict):
    """A page of datasets."""

    datasets: list[Dataset]
    next_cursor: NotRequired[str]


class DatasetRevision(TypedDict):
    """One revision of a dataset."""

    namespace: str
    name: str
    revision: str
    version: str | None
    manifest_hash: str
    kind: Literal["evm-rpc", "solana", "recorded", "manifest"]
    network: str | None
    start_block: int | None
    finalized_blocks_only: bool
    tables: list[str]


class Version(TypedDict):
    """A version of a dataset."""

    version: str
    manifest_hash: str
    created_at: str
    updated_at: str


class SpecialTags(TypedDict):
    """The hashes that `latest` and `dev` stand for."""

    latest: str | None
    dev: str | None


class Versions(TypedDict):
    """The versions of a dataset."""

    namespace: str
    name: str
    versions: list[Version]
    special_tags: SpecialTags


class Deployed(TypedDict):
    """The job that extracts a revision."""

    job_id: int
    warnings: NotRequired[list[str]]


class TableMetadata(TypedDict):
    """Which table a revision is of."""

    dataset_namespace: str
    dataset_name: str
    manifest_hash: str
    table_name: str


class TableRevision(TypedDict):
    """One generation of a table; its numbers are of its canonical chain."""

    id: int
    path: str
    url: str
    active: bool
    writer: int | None
    metadata: TableMetadata
    start_block: int | None
    current_block: int | None
    files_count: int
    total_size_bytes: int
    rows: int
    created_at: str
    updated_at: str


class RegisteredRevision(TypedDict):
    """The id of a revision."""

    location_id: int


class RestoredFiles(TypedDict):
    """How many files a revision has, and which could not be read."""

    total_files: int
    damaged: list[str]


class RestoredTable(RestoredFiles):
    """The revision that a table has now."""

    table_name: str
    location_id: int
    url: str


class RestoredTables(TypedDict):
    """The revisions that the tables of a dataset have now."""

    tables: list[RestoredTable]


class DeletedFiles(TypedDict):
    """How many files were removed."""

    files_deleted: int


class ScheduledFiles(TypedDict):
    """How many files will be removed, and after how many seconds."""

    files_scheduled: int
    gc_delay_secs: int


class TableFile(TypedDict):
    """A file of a table; blocks are inclusive, a retired one says since when and why."""

    id: int
    location_id: int
    file_name: str
    url: str
    start_block: int
    end_block: int
    object_size: int
    rows: int | None
    canonical: bool
    created_at: str | None
    retired_at: str | None
    reason: str | None


class TableFiles(TypedDict):
    """A page of the files of a revision."""

    files: list[TableFile]
    next_cursor: NotRequired[str]


class WholeTableFile(TableFile):
    """A file, and what it says of itself."""

    object_e_tag: str | None
    object_version: str | None
    metadata: dict[str, Any] | None


class Rematerialized(TypedDict):
    """The job that extracts blocks anew, and which these are."""

    job_id: int
    start_block: int
    end_block: int
    files: int
    new_job_created: bool


class Provider(TypedDict):
    """A source of blocks, without its secrets."""

    name: str
    source: Literal["store", "file"]
    kind: NotRequired[str]
    network: NotRequired[str]


class Providers(TypedDict):
    """All providers."""

    providers: list[Provider]
