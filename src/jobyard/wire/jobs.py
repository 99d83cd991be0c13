"""Jobs, attempts, events and workers as JSON; nulls are present, never omitted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jobyard.clock import rfc3339
from jobyard.core.states import Event
from jobyard.core.waiting import FOR_A_WORKER, waiting_reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobyard.core.records import Attempt, Job, LedgerRecord, WorkerRecord

_WORD_BEGINS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def job_object(
    job: Job, now: int, unplaced: Mapping[int, str | None] | None = None
) -> dict[str, Any]:
    """Write a job.

    ``now`` (microseconds) is what its waiting reason is told against; ``unplaced`` says more of
    jobs that wait for a worker, by id.
    """
    state, policy = job.state, job.state.policy
    indexed = policy.indexed
    return {
        "id": state.id,
        "name": job.name,
        "namespace": job.namespace,
        "labels": dict(job.labels),
        "status": state.status,
        "outcome": state.outcome,
        "reason": state.reason,
        "message": state.message,
        "waiting_reason": reason_to_wait(job, now, unplaced or {}),
        "trigger": job.trigger,
        "workflow_id": job.workflow_id,
        "executor": job.executor,
        "priority": job.priority,
        "dataset": _dataset(job),
        "manifest_hash": job.manifest_hash,
        "worker_id": state.worker_id,
        "node_id": state.worker_id,
        "end_block": _extract(job).get("end"),
        "parallelism": policy.parallelism,
        "completions": policy.completions,
        "completion_mode": policy.completion_mode,
        "indexes": None if policy.indexes is None else str(policy.indexes),
        "suspend": policy.suspend,
        "active": state.active,
        "terminating": state.terminating,
        "succeeded": state.succeeded,
        "failed": state.failed,
        "restarts": state.restarts,
        "completed_indexes": str(state.completed) if indexed else None,
        "failed_indexes": _failed_indexes(job),
        "retry_at": rfc3339(state.retry_at),
        "retried_from": job.retried_from,
        "scheduled_at": rfc3339(state.scheduled_at),
        "admitted_at": rfc3339(state.admitted_at),
        "queued_at": rfc3339(state.queued_at),
        "started_at": rfc3339(state.started_at),
        "finished_at": rfc3339(state.finished_at),
        "created_at": rfc3339(state.created_at),
        "updated_at": rfc3339(job.updated_at),
        "result": job.result,
        "descriptor": _descriptor(job),
        "spec": job.spec,
    }


def reason_to_wait(job: Job, now: int, unplaced: Mapping[int, str | None]) -> str | None:
    """Say what a job waits for, as exactly as is known; None when it does not."""
    reason = waiting_reason(job.state, now)
    return (unplaced.get(job.id) or reason) if reason == FOR_A_WORKER else reason


def _dataset(job: Job) -> dict[str, Any] | None:
    if job.dataset is None:
        return None
    namespace, _, name = job.dataset.partition("/")
    return {"namespace": namespace, "name": name, "version": _extract(job).get("version")}


def _extract(job: Job) -> Mapping[str, Any]:
    found: Mapping[str, Any] = job.spec.get("extract") or {}
    return found


def _descriptor(job: Job) -> dict[str, Any]:
    extract = _extract(job)
    if not extract:
        return {"kind": job.executor}
    share = extract["verify"]
    return {
        "kind": "materialize-raw",
        "end_block": extract["end"],
        "max_writers": extract["parallelism"],
        "dataset_namespace": extract["namespace"],
        "dataset_name": extract["name"],
        "manifest_hash": extract["manifest_hash"],
        "verify": bool(share) if share in (0, 1) else share,
    }


def _failed_indexes(job: Job) -> str | None:
    """Present, if only as empty text, whenever indexes can fail one by one (B.6)."""
    if job.state.policy.backoff_limit_per_index is None:
        return None
    return str(job.state.failed_indexes)


def attempt_object(attempt: Attempt) -> dict[str, Any]:
    """Write an attempt."""
    return {
        "id": attempt.id,
        "job_id": attempt.job_id,
        "index": attempt.index,
        "number": attempt.number,
        "status": attempt.status,
        "reason": attempt.reason,
        "exit_code": attempt.exit_code,
        "signal": attempt.signal,
        "restarts": attempt.restarts,
        "worker_id": attempt.worker_id,
        "cpu_seconds": attempt.cpu_seconds,
        "peak_memory_bytes": attempt.peak_memory_bytes,
        "progress": _progress(attempt),
        "result": attempt.result,
        "queued_at": rfc3339(attempt.queued_at),
        "started_at": rfc3339(attempt.started_at),
        "finished_at": rfc3339(attempt.finished_at),
    }


def _progress(attempt: Attempt) -> dict[str, int | None] | None:
    if attempt.progress_done is None:
        return None
    return {"done": attempt.progress_done, "total": attempt.progress_total}


def event_object(event: LedgerRecord) -> dict[str, Any]:
    """Write a line of a job's ledger; ``event_type`` and ``created_at`` are other names."""
    at = rfc3339(event.at)
    return {
        "id": event.id,
        "job_id": event.job_id,
        "event": event.event,
        "event_type": event.status,
        "status": event.status,
        "at": at,
        "created_at": at,
        "node_id": event.worker_id,
        "worker_id": event.worker_id,
        "reason": event.reason,
        "message": event.message,
    }


def whole_event_object(event: LedgerRecord, job: Job) -> dict[str, Any]:
    """Write a line of a job's ledger with its ``detail``.

    The detail of a line that made or scheduled the job is its descriptor, that of a line with a
    reason says the error, and null is that of any other.
    """
    detail: dict[str, Any] | None = None
    if event.reason is not None:
        detail = error_detail(event.reason, event.message)
    elif event.event in (Event.CREATED, Event.DUE):
        detail = _descriptor(job)
    return {**event_object(event), "detail": detail}


def error_detail(reason: str | None, message: str | None) -> dict[str, Any]:
    """Write why something ended; ``error_code`` is the reason as error codes are written."""
    return {
        "reason": reason,
        "message": message,
        "error_code": None if reason is None else _WORD_BEGINS.sub("_", reason).upper(),
        "error_message": message,
    }


def worker_object(worker: WorkerRecord, now: int) -> dict[str, Any]:
    """Write a worker; ``now`` (microseconds) is what its heartbeat's age is told against.

    ``node_id``, ``registered_at``, ``created_at`` and ``info`` are other names of its id, its
    start and its version.
    """
    started_at = rfc3339(worker.started_at)
    return {
        "id": worker.id,
        "node_id": worker.id,
        "host": worker.host,
        "pid": worker.pid,
        "version": worker.version,
        "info": {"version": worker.version},
        "slots": dict(worker.executors),
        "cpu": worker.cpu,
        "memory": worker.memory,
        "labels": dict(worker.labels),
        "lease": worker.lease,
        "draining": worker.draining,
        "running": worker.running,
        "heartbeat_age": round((now - worker.heartbeat_at) / 1_000_000, 3),
        "started_at": started_at,
        "registered_at": started_at,
        "created_at": started_at,
        "heartbeat_at": rfc3339(worker.heartbeat_at),
    }
