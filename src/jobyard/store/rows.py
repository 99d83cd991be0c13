"""From rows to frozen records and back; the only place that knows the order of columns."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from jobyard.core.indexes import IndexSet
from jobyard.core.records import (
    Attempt,
    Change,
    DependencyRecord,
    Job,
    LedgerPlace,
    LedgerRecord,
    WorkerRecord,
)
from jobyard.core.state import Ended, JobState, Request, Tries
from jobyard.core.states import AttemptStatus, Event, JobStatus, StopReason
from jobyard.spec.encode import policy_from_json

if TYPE_CHECKING:
    from jobyard.core.job import JobSpec
    from jobyard.store.query import Row

STATE_WIDTH = 30
"""How many columns of `lock_jobs` and `jobs_by_id` make a JobState."""

_NO_TRIES = "[0,0,0,0,0,0,0]"


class Placement(NamedTuple):
    """Where a job's attempts may run."""

    executor: str
    priority: int
    cpu: float
    memory: int
    worker_pin: str | None
    worker_selector: str | None


def placement(spec: JobSpec, owner: str | None = None) -> Placement:
    """Tell where a spec's attempts may run; ``owner`` is the only worker that may have them."""
    resources = spec.program.resources
    return Placement(
        spec.executor,
        spec.priority,
        resources.request_cpu,
        resources.request_memory,
        owner or spec.worker_id,
        json.dumps(dict(spec.worker_selector)) if spec.worker_selector else None,
    )


def state_of(row: Row, policy: str) -> JobState:
    """Read a job's narrow row; ``policy`` is its policy's JSON."""
    (
        job_id, status, outcome, outcome_at, reason, message, request, waiting_on,
        dependency_failed, active, terminating, succeeded, failed, restarts, completed,
        failed_indexes, live, leaving, held, overall, tries, worker_id, retry_at, scheduled_at,
        admitted_at, queued_at, started_at, finished_at, expires_at, created_at,
    ) = row[:STATE_WIDTH]  # fmt: skip
    return JobState(
        job_id,
        policy_from_json(policy),
        _STATUS[status],
        _STATUS[outcome] if outcome else None,
        outcome_at,
        reason,
        message,
        Request(request) if request else None,
        waiting_on,
        dependency_failed,
        active,
        terminating,
        succeeded,
        failed,
        restarts,
        IndexSet.parse(completed),
        IndexSet.parse(failed_indexes),
        IndexSet.parse(live),
        IndexSet.parse(leaving),
        bool(held),
        Tries() if overall == _NO_TRIES else Tries(*json.loads(overall)),
        _tries_of(tries) if tries else {},
        worker_id,
        retry_at,
        scheduled_at,
        admitted_at,
        queued_at,
        started_at,
        finished_at,
        expires_at,
        created_at,
    )


_STATUS = {str(status): status for status in JobStatus}


def _tries_of(text: str) -> dict[int, Tries]:
    return {int(index): Tries(*record) for index, record in json.loads(text).items()}


def _tries_text(tries: dict[int, Tries]) -> str:
    if not tries:
        return ""
    return json.dumps(
        {index: _record(record) for index, record in tries.items()}, separators=(",", ":")
    )


def _record(tries: Tries) -> tuple[int, ...]:
    return (
        tries.number, tries.failures, tries.streak, tries.lost, tries.ignored, tries.retry_at,
        tries.lost_upto,
    )  # fmt: skip


def state_row(job: JobState, wake_at: int | None, now: int) -> tuple[Any, ...]:
    """Write a job's narrow row in the order of `update_jobs` and `insert_jobs`."""
    overall = "[{},{},{},{},{},{},{}]".format(*_record(job.overall))
    return (
        job.id, str(job.status), job.outcome and str(job.outcome), job.outcome_at, job.reason,
        job.message, job.request and str(job.request), job.waiting_on, job.dependency_failed,
        job.active, job.terminating, job.succeeded, job.failed, job.restarts, str(job.completed),
        str(job.failed_indexes), str(job.live), str(job.leaving), job.held, overall,
        _tries_text(job.tries), job.worker_id, job.retry_at, job.scheduled_at, job.admitted_at,
        job.queued_at, job.started_at, job.finished_at, job.expires_at, job.created_at,
        wake_at, now,
    )  # fmt: skip


def placement_of(row: Row) -> Placement:
    """Read a row of `placements` without its job id and policy."""
    return Placement(*row)


def job_of(row: Row) -> Job:
    """Read a row of the lists: the state, the policy, then what the job was asked as."""
    (
        policy, name, namespace, labels, executor, priority, trigger, workflow_id, retried_from,
        updated_at, spec, result, dataset, manifest_hash,
    ) = row[STATE_WIDTH:]  # fmt: skip
    return Job(
        state_of(row, policy),
        name,
        namespace,
        json.loads(labels),
        executor,
        priority,
        trigger,
        workflow_id,
        retried_from,
        updated_at,
        spec_of(spec),
        json.loads(result) if result else None,
        dataset,
        manifest_hash,
    )


@lru_cache(maxsize=1024)
def spec_of(text: str) -> Any:
    """Read a spec's JSON; not to be changed, for it is shared."""
    return json.loads(text)


def attempt_of(row: Row) -> Attempt:
    """Read a row of `list_attempts`."""
    values = list(row)
    values[4] = AttemptStatus(values[4])
    values[14] = json.loads(values[14]) if values[14] else None
    return Attempt(*values)


def ended_of(row: Row) -> Ended:
    """Read a row of `uncounted_attempts` without its job id."""
    values = list(row)
    values[3] = AttemptStatus(values[3])
    values[10] = StopReason(values[10]) if values[10] else None
    return Ended(*values)


def ledger_of(row: Row) -> LedgerRecord:
    """Read a row of `list_events`."""
    values = list(row)
    values[2], values[3] = Event(values[2]), JobStatus(values[3])
    return LedgerRecord(*values)


LEDGER_WIDTH = 8
"""How many columns of `ledger_since` make a LedgerRecord."""


def change_of(row: Row) -> Change:
    """Read a row of `ledger_since`."""
    order, name, namespace, labels = row[LEDGER_WIDTH:]
    return Change(
        ledger_of(row[:LEDGER_WIDTH]),
        LedgerPlace(order, row[0]),
        name,
        namespace,
        json.loads(labels) if labels is not None else None,
    )


def worker_of(row: Row) -> WorkerRecord:
    """Read a row of `list_workers`."""
    values = list(row)
    values[5], values[8] = json.loads(values[5]), json.loads(values[8])
    values[9], values[10] = values[9] / 1_000_000, bool(values[10])
    return WorkerRecord(*values)


def dependency_of(row: Row) -> DependencyRecord:
    """Read a row of `dependencies_of`."""
    on_job, condition, status, satisfied = row
    return DependencyRecord(
        on_job,
        condition,
        _STATUS[status] if status else None,
        None if satisfied is None else bool(satisfied),
    )
