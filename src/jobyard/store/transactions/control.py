"""What people ask of a job that is there: stop, cancel, suspend, resume, change; and deciding."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from jobyard.core import decide as core
from jobyard.core.state import LedgerLine
from jobyard.core.states import ACTIVE, Event, JobStatus
from jobyard.errors import JobNotFound, StateConflict
from jobyard.spec.encode import decode, encode_json, policy_json
from jobyard.spec.update import MUTABLE_WHEN_OVER, differing
from jobyard.store.base import Decided
from jobyard.store.query import Query, Transaction
from jobyard.store.rows import job_of, placement, spec_of
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
from jobyard.store.transactions.labels import delete_labels, insert_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobyard.core.job import JobSpec
    from jobyard.core.records import Job
    from jobyard.core.state import JobState, Request

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
    wake_at = next_rows[0][0] if next_rows else None
    decided = Decided(len(book.entries), wake_at, more=len(due) >= limit)
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

    def alter(spec: JobSpec, claimed: bool) -> JobSpec:
        del claimed
        return replace(spec, policy=replace(spec.policy, suspend=suspend))

    def step(entry: Entry, now: int) -> Transaction[None]:
        _check_suspendable(entry, suspend=suspend)
        yield from _alter(entry, alter, now)

    return (yield from _change(job_id, step))


def change(job_id: int, alter: Callable[[JobSpec, bool], JobSpec]) -> Transaction[tuple[Job, bool]]:
    """Alter a job's spec under its lock, and decide.

    Raises:
        StateConflict: the job is stopping or over, and the change needs it otherwise.
    """
    return (yield from _change(job_id, lambda entry, now: _alter(entry, alter, now)))


def was_claimed(job: JobState) -> bool:
    """Tell whether a worker ever had an attempt of a job, and with it the job's spec."""
    return job.worker_id is not None or job.started_at is not None


def _alter(entry: Entry, alter: Callable[[JobSpec, bool], JobSpec], now: int) -> Transaction[None]:
    [(_, _, _, text)] = yield Query("specs_of", ([entry.job.id],))
    old = replace(decode(spec_of(text)), policy=entry.job.policy)
    yield from alter_spec(entry, old, alter(old, was_claimed(entry.job)), now)


def alter_spec(entry: Entry, old: JobSpec, new: JobSpec, now: int) -> Transaction[None]:
    """Write a held job's new spec wherever it is kept, to be decided upon.

    Raises:
        StateConflict: the job is stopping or over, and the change needs it otherwise.
    """
    if new == old:
        return
    job, names = entry.job, differing(old, new)
    if job.terminal and not set(names) <= set(MUTABLE_WHEN_OVER):
        raise _over(job)
    if new.policy.suspend is not old.policy.suspend:
        _check_suspendable(entry, suspend=new.policy.suspend)
    entry.job = core.replace_policy(job, new.policy)
    entry.changed = True
    pin = entry.placement.worker_pin
    # A pin that is not the spec's own belongs to whoever submitted it for itself.
    entry.placement = placement(new, None if pin == old.worker_id else pin)
    relabelled = new.labels != old.labels
    if relabelled:
        # What is to go is told by the spec's row, so this comes before its change.
        yield from delete_labels([job.id])
    yield Query("update_spec", (job.id, json.dumps(dict(new.labels)), *entry.placement[1:],
                                policy_json(new.policy), encode_json(new)))  # fmt: skip
    if relabelled:
        yield from insert_labels([(job.id, new)])
    if job.terminal:
        yield Query("touch_finished", (job.id, entry.job.expires_at, now))
    elif new.priority != old.priority:
        yield Query("reprioritize", (job.id, new.priority))
    told = [name for name in names if name != "suspend"]
    if told:
        # A suspend and a resume have lines of their own.
        entry.events.append(LedgerLine(Event.CHANGED, job.status, now, None, ", ".join(told)))


def _check_suspendable(entry: Entry, *, suspend: bool) -> None:
    job = entry.job
    if job.status not in MAY_SUSPEND or job.outcome is not None:
        what = f"to {'suspend' if suspend else 'resume'} job {job.id}"
        expected = tuple(str(status) for status in MAY_SUSPEND)
        raise StateConflict(what, expected=expected, actual=str(job.outcome or job.status))


def _over(job: JobState) -> StateConflict:
    expected = tuple(str(status) for status in ACTIVE)
    return StateConflict(f"to change job {job.id}", expected=expected, actual=str(job.status))


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
