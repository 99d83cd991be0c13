"""Reading jobs, attempts and the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobyard.core.records import LedgerPlace
from jobyard.errors import JobNotFound
from jobyard.store.query import Query, Transaction
from jobyard.store.rows import attempt_of, change_of, job_of, ledger_of
from jobyard.store.transactions.find import LARGEST_ID

if TYPE_CHECKING:
    from jobyard.core.records import Attempt, Change, Job, LedgerRecord


def job(job_id: int) -> Transaction[Job]:
    """Read one job.

    Raises:
        JobNotFound: there is none of this id.
    """
    rows = yield Query("jobs_by_id", ([job_id],))
    if not rows:
        raise JobNotFound(job_id)
    return job_of(rows[0])


def attempts(job_id: int, after: int, limit: int, index: int | None) -> Transaction[list[Attempt]]:
    """List a job's attempts, oldest first."""
    if index is None:
        rows = yield Query("list_attempts", (job_id, after, limit))
    else:
        rows = yield Query("list_attempts_of_index", (job_id, after, limit, index))
    return [attempt_of(row) for row in rows]


def latest_attempts(
    job_id: int, before: int | None, limit: int, index: int | None
) -> Transaction[list[Attempt]]:
    """List a job's attempts, newest first."""
    below = LARGEST_ID if before is None else before
    if index is None:
        rows = yield Query("latest_attempts", (job_id, below, limit))
    else:
        rows = yield Query("latest_attempts_of_index", (job_id, below, limit, index))
    return [attempt_of(row) for row in rows]


def ledger_horizon() -> Transaction[int]:
    """Tell below what the ledger is complete for whoever looks after this answer."""
    rows = yield Query("ledger_horizon")
    return int(rows[0][0])


def ledger_end(horizon: int) -> Transaction[LedgerPlace]:
    """Tell the place behind all events below the horizon."""
    rows = yield Query("ledger_end", (horizon,))
    return LedgerPlace(*rows[0])


def ledger_since(after: LedgerPlace, horizon: int, limit: int) -> Transaction[list[Change]]:
    """List the events of all jobs behind a place and below the horizon."""
    rows = yield Query("ledger_since", (after.order, after.event_id, horizon, limit))
    return [change_of(row) for row in rows]


def events(job_id: int, after: int, limit: int) -> Transaction[list[LedgerRecord]]:
    """List a job's ledger, oldest first."""
    rows = yield Query("list_events", (job_id, after, limit))
    return [ledger_of(row) for row in rows]


def last_checkpoint(job_id: int, index: int | None) -> Transaction[str | None]:
    """Read the newest checkpoint of a job's index."""
    rows = yield Query("last_checkpoint", (job_id, -1 if index is None else index))
    return rows[0][0] if rows else None
