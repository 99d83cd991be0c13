"""What the answers look like, for OpenAPI; the answers themselves are written by ``wire``."""

from __future__ import annotations

from typing import Any

from jobyard.core.states import AttemptStatus, Event, JobStatus

Schema = dict[str, Any]


def _maybe(kind: str) -> Schema:
    return {"type": [kind, "null"]}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties}


def _listed(name: str, of: str, *, paged: bool = True, **more: Schema) -> Schema:
    schema = _object(**more, **{name: {"type": "array", "items": _ref(of)}})
    if paged:
        schema["properties"]["next_cursor"] = {
            "type": "integer",
            "description": "The last id of this page; absent on the last page.",
        }
    return schema


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_ID: Schema = {"type": "integer", "minimum": 1}
_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_MAP: Schema = {"type": "object"}
_TIME: Schema = {"type": ["string", "null"], "format": "date-time"}
_JOB_STATUS: Schema = {"enum": [status.value for status in JobStatus]}

SCHEMAS: dict[str, Schema] = {
    "Job": _object(
        id=_ID, name=_TEXT, namespace=_TEXT, labels=_MAP, status=_JOB_STATUS,
        outcome={"enum": ["COMPLETED", "FAILED", "STOPPED", "CANCELED", None]},
        reason=_maybe("string"), message=_maybe("string"), waiting_reason=_maybe("string"),
        trigger=_TEXT, workflow_id=_maybe("integer"), executor=_TEXT, priority={"type": "integer"},
        dataset=_maybe("object"), manifest_hash=_maybe("string"), worker_id=_maybe("string"),
        node_id=_maybe("string"), end_block=_maybe("integer"), parallelism=_COUNT,
        completions=_maybe("integer"), completion_mode={"enum": ["NonIndexed", "Indexed"]},
        suspend={"type": "boolean"}, active=_COUNT, terminating=_COUNT, succeeded=_COUNT,
        failed=_COUNT, completed_indexes=_maybe("string"), failed_indexes=_maybe("string"),
        retry_at=_TIME, retried_from=_maybe("integer"), scheduled_at=_TIME, admitted_at=_TIME,
        queued_at=_TIME, started_at=_TIME, finished_at=_TIME, created_at=_TIME, updated_at=_TIME,
        result={}, descriptor=_MAP, spec=_MAP,
    ),
    "Attempt": _object(
        id=_ID, job_id=_ID, index=_maybe("integer"), number=_COUNT,
        status={"enum": [status.value for status in AttemptStatus]}, reason=_maybe("string"),
        exit_code=_maybe("integer"), signal=_maybe("integer"), restarts=_COUNT,
        worker_id=_maybe("string"), cpu_seconds=_maybe("number"),
        peak_memory_bytes=_maybe("integer"), progress=_maybe("object"), result={},
        queued_at=_TIME, started_at=_TIME, finished_at=_TIME,
    ),
    "Event": _object(
        id=_ID, job_id=_ID, event={"enum": [event.value for event in Event]}, status=_JOB_STATUS,
        at=_TIME, reason=_maybe("string"), message=_maybe("string"),
    ),
    "LogLine": {
        **_object(
            attempt_id=_ID, index=_maybe("integer"), number=_COUNT,
            stream={"enum": ["stdout", "stderr"]}, at=_TIME, offset=_COUNT, line=_TEXT,
            partial={"type": "boolean", "description": "Whether no newline follows."},
        ),
        "description": "A line, or a piece of one. `base64` is there only where the bytes are no "
        "UTF-8, which is replaced in `line`.",
    },
    "Worker": _object(
        id=_TEXT, host=_TEXT, pid={"type": "integer"}, version=_TEXT, slots=_MAP,
        cpu={"type": "number"}, memory={"type": "integer"}, labels=_MAP, lease={"type": "number"},
        draining={"type": "boolean"}, running=_COUNT, heartbeat_age={"type": "number"},
        started_at=_TIME, heartbeat_at=_TIME,
    ),
    "Progress": _object(
        job_id=_ID, job_status=_JOB_STATUS, tables=_MAP,
        completions=_object(
            total=_maybe("integer"), succeeded=_COUNT, active=_COUNT, failed=_COUNT
        ),
    ),
    "Problem": _object(
        type=_TEXT, title=_TEXT, status={"type": "integer"}, detail=_TEXT, error_code=_TEXT,
        error_message=_TEXT,
    ),
    "Jobs": _listed("jobs", "Job"),
    "Attempts": _listed("attempts", "Attempt"),
    "Events": _listed("events", "Event", job_id=_ID),
    "Workers": _listed("workers", "Worker", paged=False),
    "Health": _object(status=_TEXT),
}  # fmt: skip
"""Every schema of the answers, by name."""

_MEANING = {
    400: "What was asked is not valid.",
    403: "The request is for another host, or comes from a page of another site.",
    404: "There is none such.",
    409: "At odds with what is.",
    413: "The body is too large.",
    416: "The range begins behind the end.",
    503: "The store is not available; nothing that was accepted is lost.",
}


def answers(shape: str | Schema, *problems: int, status: int = 200) -> dict[int | str, Any]:
    """Describe a route's answers: its own, and the problems it may end in."""
    schema = _ref(shape) if isinstance(shape, str) else shape
    described: dict[int | str, Any] = {
        status: {"description": "Done.", "content": {"application/json": {"schema": schema}}}
    }
    for code in sorted({403, 503, *problems}):
        described[code] = {
            "description": _MEANING[code],
            "content": {"application/problem+json": {"schema": _ref("Problem")}},
        }
    return described


def either(*names: str) -> Schema:
    """Describe an answer that has one of several shapes."""
    return {"anyOf": [_ref(name) for name in names]}
