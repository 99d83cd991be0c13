# made by scripts/generate.py
"""What a server answers, as types: the shapes of docs/reference/openapi.json."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict


class Job(TypedDict):
    """The shape of job."""

    id: int
    name: str
    namespace: str
    labels: dict[str, Any]
    status: Literal[
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
    """The shape of attempt."""

    id: int
    job_id: int
    index: int | None
    number: int
    status: Literal["SCHEDULED", "QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "STOPPED", "LOST"]
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
    """The shape of event."""

    id: int
    job_id: int
    event: Literal[
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
    event_type: Literal[
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
    status: Literal[
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
    at: str
    created_at: str
    node_id: str | None
    worker_id: str | None
    reason: str | None
    message: str | None


class WholeEvent(TypedDict):
    """The shape of whole event."""

    id: int
    job_id: int
    event: Literal[
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
    event_type: Literal[
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
    status: Literal[
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
    at: str
    created_at: str
    node_id: str | None
    worker_id: str | None
    reason: str | None
    message: str | None
    detail: dict[str, Any] | None


class LogLine(TypedDict):
    """The shape of log line."""

    attempt_id: int
    index: int | None
    number: int
    stream: Literal["stdout", "stderr"]
    at: str
    offset: int
    line: str
    partial: bool


class WorkerInfo(TypedDict):
    """The shape of worker info."""

    version: str


class Worker(TypedDict):
    """The shape of worker."""

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


class WholeWorker(TypedDict):
    """The shape of whole worker."""

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
    attempts: list[Attempt]


class Completions(TypedDict):
    """The shape of completions."""

    total: int | None
    succeeded: int
    active: int
    failed: int
    rate: float | None
    eta: str | None


class Progress(TypedDict):
    """The shape of progress."""

    job_id: int
    job_status: Literal[
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
    tables: dict[str, Any]
    completions: Completions
    detail: NotRequired[dict[str, Any]]


class FittingWorker(TypedDict):
    """The shape of fitting worker."""

    id: str
    fits: bool
    why: str


class ExplainedDependency(TypedDict):
    """The shape of explained dependency."""

    job_id: int
    condition: Literal["completed", "failed", "finished"]
    job_status: (
        Literal[
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
        | None
    )
    satisfied: bool | None


class ExplainedFailure(TypedDict):
    """The shape of explained failure."""

    attempt_id: int
    index: int | None
    number: int
    reason: str | None
    exit_code: int | None
    signal: int | None
    message: str


class Explanation(TypedDict):
    """The shape of explanation."""

    job_id: int
    job_status: Literal[
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
    summary: str
    waiting_reason: str | None
    reasons: list[str]
    workers: list[FittingWorker]
    dependencies: list[ExplainedDependency]
    retry_at: str | None
    last_failures: list[ExplainedFailure]
    hints: list[str]


class Jobs(TypedDict):
    """The shape of jobs."""

    jobs: list[Job]
    next_cursor: NotRequired[int]


class Applied(TypedDict):
    """The shape of applied."""

    action: Literal["created", "patched", "unchanged"]
    job: Job


class AppliedJobs(TypedDict):
    """The shape of applied jobs."""

    jobs: list[Applied]


class Attempts(TypedDict):
    """The shape of attempts."""

    attempts: list[Attempt]
    next_cursor: NotRequired[int]


class Events(TypedDict):
    """The shape of events."""

    job_id: int
    events: list[Event]
    next_cursor: NotRequired[int]


class Workers(TypedDict):
    """The shape of workers."""

    workers: list[Worker]


class ManifestLine(TypedDict):
    """The shape of manifest line."""

    hash: str
    kind: Literal["evm-rpc", "solana", "recorded", "manifest"]
    dataset_count: int


class Manifests(TypedDict):
    """The shape of manifests."""

    manifests: list[ManifestLine]
    next_cursor: NotRequired[str]


class RegisteredManifest(TypedDict):
    """The shape of registered manifest."""

    hash: str


class Pruned(TypedDict):
    """The shape of pruned."""

    deleted_count: int


class ManifestUser(TypedDict):
    """The shape of manifest user."""

    namespace: str
    name: str
    version: str | None


class ManifestDatasets(TypedDict):
    """The shape of manifest datasets."""

    hash: str
    datasets: list[ManifestUser]


class Dataset(TypedDict):
    """The shape of dataset."""

    namespace: str
    name: str
    versions: list[str]
    latest_version: str | None


class Datasets(TypedDict):
    """The shape of datasets."""

    datasets: list[Dataset]
    next_cursor: NotRequired[str]


class DatasetRevision(TypedDict):
    """The shape of dataset revision."""

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
    """The shape of version."""

    version: str
    manifest_hash: str
    created_at: str
    updated_at: str


class SpecialTags(TypedDict):
    """The shape of special tags."""

    latest: str | None
    dev: str | None


class Versions(TypedDict):
    """The shape of versions."""

    namespace: str
    name: str
    versions: list[Version]
    special_tags: SpecialTags


class Deployed(TypedDict):
    """The shape of deployed."""

    job_id: int


class Provider(TypedDict):
    """The shape of provider."""

    name: str
    source: Literal["store", "file"]
    kind: NotRequired[str]
    network: NotRequired[str]


class Providers(TypedDict):
    """The shape of providers."""

    providers: list[Provider]
