"""What people ask of a job that is there: stop, cancel, suspend, resume, change; and deciding."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jobyard.core import decide as core
from jobyard.core.states import ACTIVE, JobStatus
from jobyard.errors import JobNotFound, StateConflict
from jobyard.spec.encode import encode_json, policy_json
from jobyard.store.base import Decided
from jobyard.store.query import Query, Transaction
from jobyard.store.rows import job_of
from jobyard.store.transactions.deciding import (
    Book,
    Entry,
    Written,
    decide_all,
    gather_news,
    lock,
    lock_waiting,
    read_now,
    write,
)
from jobyard.store.transactions.submit import insert_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobyard.core.job import JobSpec
    from jobyard.core.records import Job
    from jobyard.core.state import Request

MAY_SUSPEND = tuple(
    status for status in ACTIVE if status not in (JobStatus.STOP_REQUESTED, JobStatus.STOPPING)
)


def decide(job_ids: Sequence[int]) -> Transaction[tuple[Decided, Written]]:
    """Decide on these jobs, as far as nobody else holds them."""
    now = yield from read_now()
    book = Book()
    yield from lock(book, job_ids)
    yield from gather_news(book)
    yield from decide_all(book, now)
    written = yield from write(book, now)
    return Decided(jobs=len(book.entries), wake_at=written.wake_at), written


def decide_due(limit: int) -> Transaction[tuple[Decided, Written]]:
    """Decide on jobs whose time has come or that have news nobody counted."""
    now = yield from read_now()
    due = yield Query("due_jobs", (now, limit))
    book = Book()
    yield from lock(book, [row[0] for row in due])
    yield from gather_news(book)
    yield from decide_all(book, now)
    written = yield from write(book, now)
    next_rows = yield Query("next_wake")
    decided = Decided(len(book.entries), next_rows[0][0], more=len(due) >= limit)
    return decided, written


def ask(job_id: int, request: Request) -> Transaction[tuple[Job, bool]]:
    """Stop or cancel a job; tell also whether somebody else has something to do now."""

    def change(entry: Entry, now: int) -> Transaction[None]:
        entry.note(core.ask(entry.job, request, now))
        yield from ()

    return (yield from _change(job_id, change))


def suspend(job_id: int, *, suspend: bool) -> Transaction[tuple[Job, bool]]:
    """Suspend or resume a job.

    Raises:
        StateConflict: the job is stopping or terminal.
    """

    def change(entry: Entry, now: int) -> Transaction[None]:
        del now
        job = entry.job
        if job.status not in MAY_SUSPEND or job.outcome is not None:
            what = f"to {'suspend' if suspend else 'resume'} job {job.id}"
            expected = tuple(str(status) for status in MAY_SUSPEND)
            raise StateConflict(what, expected=expected, actual=str(job.outcome or job.status))
        if job.policy.suspend is not suspend:
            entry.job = core.change_policy(job, suspend=suspend)
            entry.changed = True
            yield Query("update_policy", (job.id, policy_json(entry.job.policy)))

    return (yield from _change(job_id, change))


def replace_spec(job_id: int, spec: JobSpec) -> Transaction[tuple[Job, bool]]:
    """Put a changed spec in place of the old one, and decide.

    Raises:
        StateConflict: the job is terminal.
    """

    def change(entry: Entry, now: int) -> Transaction[None]:
        del now
        if entry.job.terminal:
            expected = tuple(str(status) for status in ACTIVE)
            what = f"to change job {job_id}"
            raise StateConflict(what, expected=expected, actual=str(entry.job.status))
        entry.job = core.replace_policy(entry.job, spec.policy)
        entry.changed = True
        yield Query("update_policy", (job_id, policy_json(spec.policy)))
        yield Query("update_spec", (job_id, encode_json(spec)))
        yield from replace_labels(job_id, spec)

    return (yield from _change(job_id, change))


def replace_labels(job_id: int, spec: JobSpec) -> Transaction[None]:
    """Put a changed spec's labels in place of a held job's old ones."""
    yield Query("delete_labels", ([job_id],))
    yield Query("update_labels", (job_id, json.dumps(dict(spec.labels))))
    yield from insert_labels([(job_id, spec)])


def _change(
    job_id: int, change: Callable[[Entry, int], Transaction[None]]
) -> Transaction[tuple[Job, bool]]:
    now = yield from read_now()
    book = Book()
    yield from lock_waiting(book, job_id)
    if job_id not in book:
        raise JobNotFound(job_id)
    yield from change(book[job_id], now)
    yield from gather_news(book)
    yield from decide_all(book, now)
    written = yield from write(book, now)
    rows = yield Query("jobs_by_id", ([job_id],))
    return job_of(rows[0]), written.hint
