"""What the answers look like, for OpenAPI; the answers themselves are written by ``wire``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobyard.core.dataset import DERIVED_KIND, RAW_KINDS
from jobyard.core.job import DependencyCondition
from jobyard.core.states import AttemptStatus, Event, JobStatus
from jobyard.store.base import Action

if TYPE_CHECKING:
    from collections.abc import Iterable

Schema = dict[str, Any]


def _maybe(kind: str) -> Schema:
    return {"type": [kind, "null"]}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties}


def _perhaps(schema: Schema, **properties: Schema) -> Schema:
    """Add members that are not always there."""
    return {**schema, "properties": {**schema["properties"], **properties}}


def _more_than(name: str, **properties: Schema) -> Schema:
    """Add members to those of another shape."""
    return {"allOf": [_ref(name), _object(**properties)]}


def _listed(name: str, of: str, *, paged: bool = True, **more: Schema) -> Schema:
    schema = _object(**more, **{name: {"type": "array", "items": _ref(of)}})
    if paged:
        schema["properties"]["next_cursor"] = {
            "type": "integer",
            "description": "The last id of this page; absent on the last page.",
        }
    return schema


def _listed_by_name(name: str, of: Schema) -> Schema:
    cursor = {"type": "string", "description": "The last of this page; absent on the last page."}
    return _perhaps(_object(**{name: _list(of)}), next_cursor=cursor)


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


_ID: Schema = {"type": "integer", "minimum": 1}
_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_MAP: Schema = {"type": "object"}
_TIME: Schema = {"type": "string", "format": "date-time"}
_MAYBE_TIME: Schema = {"type": ["string", "null"], "format": "date-time"}
_JOB_STATUS = _ref("JobStatus")
_ATTEMPT_STATUS = _ref("AttemptStatus")

_HASH: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_DATASET_KIND: Schema = {"enum": [*RAW_KINDS, DERIVED_KIND]}
_PROVIDER = _perhaps(
    _object(name=_TEXT, source={"enum": ["store", "file"]}), kind=_TEXT, network=_TEXT
)
"""Its other members are those of its kind."""

_SHAPES: dict[str, Schema] = {
    "JobStatus": {"enum": [status.value for status in JobStatus]},
    "AttemptStatus": {"enum": [status.value for status in AttemptStatus]},
    "EventWord": {"enum": [event.value for event in Event]},
    "Job": _object(
        id=_ID, name=_TEXT, namespace=_TEXT, labels=_MAP, status=_JOB_STATUS,
        outcome={"enum": ["COMPLETED", "FAILED", "STOPPED", "CANCELED", None]},
        reason=_maybe("string"), message=_maybe("string"), waiting_reason=_maybe("string"),
        trigger=_TEXT, workflow_id=_maybe("integer"), executor=_TEXT, priority={"type": "integer"},
        dataset=_maybe("object"), manifest_hash=_maybe("string"), worker_id=_maybe("string"),
        node_id=_maybe("string"), end_block=_maybe("string"), parallelism=_COUNT,
        completions=_maybe("integer"), completion_mode={"enum": ["NonIndexed", "Indexed"]},
        indexes=_maybe("string"),
        suspend={"type": "boolean"}, active=_COUNT, terminating=_COUNT, succeeded=_COUNT,
        failed=_COUNT, restarts=_COUNT,
        completed_indexes=_maybe("string"), failed_indexes=_maybe("string"),
        retry_at=_MAYBE_TIME, retried_from=_maybe("integer"), scheduled_at=_MAYBE_TIME,
        admitted_at=_MAYBE_TIME, queued_at=_MAYBE_TIME, started_at=_MAYBE_TIME,
        finished_at=_MAYBE_TIME, created_at=_TIME, updated_at=_TIME,
        result={}, descriptor=_MAP, spec=_MAP,
    ),
    "Attempt": _object(
        id=_ID, job_id=_ID, index=_maybe("integer"), number=_COUNT,
        status=_ATTEMPT_STATUS, reason=_maybe("string"),
        exit_code=_maybe("integer"), signal=_maybe("integer"), restarts=_COUNT,
        worker_id=_maybe("string"), cpu_seconds=_maybe("number"),
        peak_memory_bytes=_maybe("integer"), progress=_maybe("object"), result={},
        queued_at=_MAYBE_TIME, started_at=_MAYBE_TIME, finished_at=_MAYBE_TIME,
    ),
    "Event": _object(
        id=_ID, job_id=_ID, event=_ref("EventWord"), event_type=_JOB_STATUS, status=_JOB_STATUS,
        at=_TIME, created_at=_TIME, node_id=_maybe("string"), worker_id=_maybe("string"),
        reason=_maybe("string"), message=_maybe("string"),
    ),
    "WholeEvent": _more_than("Event", detail=_maybe("object")),
    "LogLine": _object(
        attempt_id=_ID, index=_maybe("integer"), number=_COUNT,
        stream={"enum": ["stdout", "stderr"]}, at=_TIME, offset=_COUNT, line=_TEXT,
        partial={"type": "boolean", "description": "Whether no newline follows."},
    ),
    "Worker": _object(
        id=_TEXT, node_id=_TEXT, host=_TEXT, pid={"type": "integer"}, version=_TEXT,
        info=_object(version=_TEXT), slots=_MAP, cpu={"type": "number"},
        memory={"type": "integer"}, labels=_MAP, lease={"type": "number"},
        draining={"type": "boolean"}, running=_COUNT, heartbeat_age={"type": "number"},
        started_at=_TIME, registered_at=_TIME, created_at=_TIME, heartbeat_at=_TIME,
    ),
    "WholeWorker": _more_than("Worker", attempts=_list(_ref("Attempt"))),
    "Progress": _perhaps(
        _object(
            job_id=_ID, job_status=_JOB_STATUS, tables=_MAP,
            completions=_object(
                total=_maybe("integer"), succeeded=_COUNT, active=_COUNT, failed=_COUNT,
                rate=_maybe("number"), eta=_MAYBE_TIME,
            ),
        ),
        detail=_MAP,
    ),
    "Explanation": _object(
        job_id=_ID, job_status=_JOB_STATUS, summary=_TEXT, waiting_reason=_maybe("string"),
        reasons=_list(_TEXT),
        workers=_list(_object(id=_TEXT, fits={"type": "boolean"}, why=_TEXT)),
        dependencies=_list(_object(
            job_id=_ID, condition={"enum": [word.value for word in DependencyCondition]},
            job_status={"anyOf": [_JOB_STATUS, {"type": "null"}]}, satisfied=_maybe("boolean"),
        )),
        retry_at=_MAYBE_TIME,
        last_failures=_list(_object(
            attempt_id=_ID, index=_maybe("integer"), number=_COUNT, reason=_maybe("string"),
            exit_code=_maybe("integer"), signal=_maybe("integer"), message=_TEXT,
        )),
        hints=_list(_TEXT),
    ),
    "Problem": _object(
        type=_TEXT, title=_TEXT, status={"type": "integer"}, detail=_TEXT, error_code=_TEXT,
        error_message=_TEXT,
    ),
    "Jobs": _listed("jobs", "Job"),
    "AppliedJobs": _object(jobs=_list(_object(
        action={"enum": [action.value for action in Action]}, job=_ref("Job")
    ))),
    "Attempts": _listed("attempts", "Attempt"),
    "Events": _listed("events", "Event", job_id=_ID),
    "Workers": _listed("workers", "Worker", paged=False),
    "Manifest": _MAP,
    "Manifests": _listed_by_name(
        "manifests", _object(hash=_HASH, kind=_DATASET_KIND, dataset_count=_COUNT)
    ),
    "RegisteredManifest": _object(hash=_HASH),
    "Schemas": _object(schemas=_MAP),
    "Pruned": _object(deleted_count=_COUNT),
    "ManifestDatasets": _object(hash=_HASH, datasets=_list(_object(
        namespace=_TEXT, name=_TEXT, version=_maybe("string")
    ))),
    "Datasets": _listed_by_name("datasets", _object(
        namespace=_TEXT, name=_TEXT, versions=_list(_TEXT), latest_version=_maybe("string")
    )),
    "DatasetRevision": _object(
        namespace=_TEXT, name=_TEXT, revision=_TEXT, version=_maybe("string"),
        manifest_hash=_HASH, kind=_DATASET_KIND, network=_maybe("string"),
        start_block=_maybe("integer"), finalized_blocks_only={"type": "boolean"},
        tables=_list(_TEXT),
    ),
    "Versions": _object(
        namespace=_TEXT, name=_TEXT,
        versions=_list(_object(
            version=_TEXT, manifest_hash=_HASH, created_at=_TIME, updated_at=_TIME
        )),
        special_tags=_object(latest=_maybe("string"), dev=_maybe("string")),
    ),
    "Deployed": _perhaps(_object(job_id=_ID), warnings=_list(_TEXT)),
    "TableRevision": _object(
        id=_ID, path=_TEXT, url=_TEXT, active={"type": "boolean"}, writer=_maybe("integer"),
        metadata=_object(
            dataset_namespace=_TEXT, dataset_name=_TEXT, manifest_hash=_TEXT, table_name=_TEXT
        ),
        start_block=_maybe("integer"), current_block=_maybe("integer"), files_count=_COUNT,
        total_size_bytes=_COUNT, rows=_COUNT, created_at=_TIME, updated_at=_TIME,
    ),
    "RegisteredRevision": _object(location_id=_ID),
    "RestoredFiles": _object(total_files=_COUNT, damaged=_list(_TEXT)),
    "RestoredTable": _more_than("RestoredFiles", table_name=_TEXT, location_id=_ID, url=_TEXT),
    "RestoredTables": _object(tables=_list(_ref("RestoredTable"))),
    "DeletedFiles": _object(files_deleted=_COUNT),
    "ScheduledFiles": _object(files_scheduled=_COUNT, gc_delay_secs=_COUNT),
    "TableFile": _object(
        id=_ID, location_id=_ID, file_name=_TEXT, url=_TEXT, start_block=_COUNT, end_block=_COUNT,
        object_size=_COUNT, rows=_maybe("integer"), canonical={"type": "boolean"},
        created_at=_MAYBE_TIME, retired_at=_MAYBE_TIME, reason=_maybe("string"),
    ),
    "TableFiles": _listed_by_name("files", _ref("TableFile")),
    "WholeTableFile": _more_than(
        "TableFile", object_e_tag=_maybe("string"), object_version=_maybe("string"),
        metadata=_maybe("object"),
    ),
    "Rematerialized": _object(
        job_id=_ID, start_block=_COUNT, end_block=_COUNT, files=_COUNT,
        new_job_created={"type": "boolean"},
    ),
    "Provider": _PROVIDER,
    "Providers": _object(providers=_list(_ref("Provider"))),
    "Health": _object(status=_TEXT),
}  # fmt: skip

ABOUT = {
    "JobStatus": "Where a job is in its life.",
    "AttemptStatus": "Where an attempt is in its life.",
    "EventWord": "What happened to a job.",
    "Job": "A job: what was asked for, and what became of it.",
    "Attempt": "One try of one index of a job.",
    "Event": "One line of the story of a job.",
    "WholeEvent": "An event with all that is known of it.",
    "LogLine": "A line, or a piece of one; `base64` is there where its bytes are no UTF-8.",
    "Worker": "A process that claims attempts and runs them.",
    "WorkerInfo": "What a worker is made of.",
    "WholeWorker": "A worker, and what it is running.",
    "Completions": "How many indexes of a job are done, and when the rest may be.",
    "Progress": "How far a job is.",
    "FittingWorker": "Whether a worker could have a job, and why.",
    "ExplainedDependency": "What a job waits for, and what became of it.",
    "ExplainedFailure": "Why an attempt failed.",
    "Explanation": "Why a job is where it is.",
    "Problem": "What is wrong (RFC 9457).",
    "Jobs": "A page of jobs.",
    "Applied": "What became of one document.",
    "AppliedJobs": "What became of the documents, in their order.",
    "Attempts": "A page of attempts.",
    "Events": "A page of the events of a job.",
    "Workers": "All workers.",
    "Manifest": "What a dataset consists of, as it was registered.",
    "ManifestLine": "A manifest in a list.",
    "Manifests": "A page of manifests.",
    "RegisteredManifest": "The hash that a manifest is known by.",
    "Schemas": "The columns of tables, as manifests have them.",
    "Pruned": "How many were deleted.",
    "ManifestUser": "A dataset that has a manifest, and a tag of it that means it.",
    "ManifestDatasets": "The datasets that have a manifest.",
    "Dataset": "A dataset in a list.",
    "Datasets": "A page of datasets.",
    "DatasetRevision": "One revision of a dataset.",
    "Version": "A version of a dataset.",
    "SpecialTags": "The hashes that `latest` and `dev` stand for.",
    "Versions": "The versions of a dataset.",
    "Deployed": "The job that extracts a revision.",
    "TableRevision": "One generation of a table; its numbers are of its canonical chain.",
    "TableMetadata": "Which table a revision is of.",
    "RegisteredRevision": "The id of a revision.",
    "RestoredFiles": "How many files a revision has, and which could not be read.",
    "RestoredTable": "The revision that a table has now.",
    "RestoredTables": "The revisions that the tables of a dataset have now.",
    "DeletedFiles": "How many files were removed.",
    "ScheduledFiles": "How many files will be removed, and after how many seconds.",
    "TableFile": "A file of a table; blocks are inclusive, a retired one says since when and why.",
    "TableFiles": "A page of the files of a revision.",
    "WholeTableFile": "A file, and what it says of itself.",
    "Rematerialized": "The job that extracts blocks anew, and which these are.",
    "Provider": "A source of blocks, without its secrets.",
    "Providers": "All providers.",
    "Health": "Whether the server lives.",
}
"""What each shape is, also of those that stand inside others (`scripts/typed_shapes.py`)."""
SCHEMAS = {name: {**shape, "description": ABOUT[name]} for name, shape in _SHAPES.items()}
"""Every schema of the answers, by name."""

_MEANING = {
    400: "What was asked is not valid.",
    401: "No token came with the request, or one that is not known.",
    403: "The token's role may not do this, or the request is for another host or from a page of "
    "another site.",
    404: "There is none such.",
    408: "The request did not arrive whole in time.",
    409: "At odds with what is.",
    413: "The body is too large.",
    416: "The range begins behind the end.",
    422: "Understood, but not to be had here.",
    500: "Storage did not do what was asked of it.",
    503: "The store is not available; nothing that was accepted is lost.",
}


def answers(shape: str | Schema, *problems: int, status: int = 200) -> dict[int | str, Any]:
    """Describe a route's answers: its own, and the problems it may end in."""
    schema = _ref(shape) if isinstance(shape, str) else shape
    own = {"description": "Done.", "content": {"application/json": {"schema": schema}}}
    return {status: own, **_problems(problems)}


def listed(shape: str) -> Schema:
    """Describe an answer that is a plain list."""
    return _list(_ref(shape))


def nothing(*problems: int, headers: Schema | None = None) -> dict[int | str, Any]:
    """Describe a route that answers without a body, and the problems it may end in."""
    own: Schema = {"description": "Done.", **({"headers": headers} if headers else {})}
    return {204: own, **_problems(problems)}


def text(*problems: int) -> dict[int | str, Any]:
    """Describe a route that answers with plain text, and the problems it may end in."""
    schema: Schema = {"type": "string"}
    own: Schema = {"description": "The text.", "content": {"text/plain": {"schema": schema}}}
    return {200: own, **_problems(problems)}


def _problems(codes: Iterable[int]) -> dict[int | str, Any]:
    return {
        code: {
            "description": _MEANING[code],
            "content": {"application/problem+json": {"schema": _ref("Problem")}},
        }
        for code in sorted({401, 403, 503, *codes})
    }


def either(*names: str) -> Schema:
    """Describe an answer that has one of several shapes."""
    return {"anyOf": [_ref(name) for name in names]}
