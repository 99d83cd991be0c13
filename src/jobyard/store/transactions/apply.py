"""Make the newest jobs of some names be as specs say: leave, change or create them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from jobyard.errors import ApplyConflict, InvalidRequest
from jobyard.spec.encode import decode
from jobyard.spec.update import MUTABLE_WHEN_OVER, differing, immutable, take_over
from jobyard.store.base import Action, Applied, Submission
from jobyard.store.query import Query, Transaction
from jobyard.store.rows import job_of, spec_of
from jobyard.store.transactions.control import alter_spec, was_claimed
from jobyard.store.transactions.deciding import (
    Book,
    decide_all,
    gather_news,
    lock_waiting,
    read_now,
    write,
)
from jobyard.store.transactions.submit import submit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from jobyard.core.job import JobSpec

_Name = tuple[str, str]
"""Namespace and name."""


@dataclass(slots=True)
class _Plan:
    """What is to become of each name, and what stands in the way."""

    create: list[JobSpec] = field(default_factory=list)
    patch: dict[int, tuple[JobSpec, JobSpec]] = field(default_factory=dict)
    """Old and new spec by job id."""
    keep: dict[_Name, int] = field(default_factory=dict)
    """Jobs that stand for their specs, changed or not."""
    conflicts: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Found:
    """The newest job of a name, locked."""

    job_id: int
    spec: JobSpec
    retried: bool


def apply(
    specs: Sequence[JobSpec], trigger: str, *, rerun: bool
) -> Transaction[tuple[list[Applied], bool]]:
    """Apply specs, all or none; tell also whether somebody else has something to do now."""
    names = _names(specs)
    book, found = yield from _newest(names)
    plan = _Plan()
    for name, spec in zip(names, specs, strict=True):
        if name in found:
            _judge(plan, book, found[name], spec, rerun=rerun)
        else:
            plan.create.append(spec)
    if plan.conflicts:
        raise ApplyConflict(plan.conflicts)
    hint = yield from _patch(plan, book)
    # An idempotency key names a request; here the job's name does.
    fresh = [replace(spec, idempotency_key=None) for spec in plan.create]
    jobs = {}
    if fresh:
        submission = Submission(fresh, trigger=trigger, beside=plan.keep)
        [made], claimable = yield from submit([submission])
        hint = hint or claimable
        jobs = {(job.namespace, job.name): Applied(Action.CREATED, job) for job in made}
    if plan.keep:
        for row in (yield Query("jobs_by_id", (sorted(plan.keep.values()),))):
            job = job_of(row)
            action = Action.PATCHED if job.id in plan.patch else Action.UNCHANGED
            jobs[job.namespace, job.name] = Applied(action, job)
    return [jobs[name] for name in names], hint


def _names(specs: Sequence[JobSpec]) -> list[_Name]:
    names = [(spec.namespace, spec.name) for spec in specs]
    for at, name in enumerate(names):
        if name in names[:at]:
            raise InvalidRequest(
                f"two jobs are called `{name[1]}`",
                hint="apply finds a job by its name, so a name stands once in what is applied",
            )
    return names


def _newest(names: Sequence[_Name]) -> Transaction[tuple[Book, dict[_Name, _Found]]]:
    """Lock names against others who apply them, and the newest job of each."""
    spaces, own = [name[0] for name in names], [name[1] for name in names]
    yield Query("lock_names", ([f"{space}/{name}" for space, name in names],))
    while True:
        book = Book()
        rows = yield Query("newest_by_name", (spaces, own))
        for job_id in sorted(row[2] for row in rows):
            yield from lock_waiting(book, job_id)
        if all(row[2] in book for row in rows):
            break
    specs = {}
    if rows:
        for job_id, _, _, text in (yield Query("specs_of", (sorted(row[2] for row in rows),))):
            specs[job_id] = replace(decode(spec_of(text)), policy=book[job_id].job.policy)
    found = {
        (space, name): _Found(job_id, specs[job_id], retried_from is not None)
        for space, name, job_id, retried_from in rows
    }
    return book, found


def _judge(plan: _Plan, book: Book, found: _Found, spec: JobSpec, *, rerun: bool) -> None:
    job, old = book[found.job_id].job, found.spec
    names = differing(old, spec, retried=found.retried)
    if job.terminal and (rerun or not set(names) <= set(MUTABLE_WHEN_OVER)):
        plan.create.append(spec)
        return
    stuck = immutable(old, spec, names, started=was_claimed(job))
    if found.retried and "completions" in names:
        # The indexes that it runs again are those of the old number.
        stuck = (*stuck, "completions")
    if stuck and not job.terminal:
        plan.conflicts.append(
            {
                "job_id": job.id,
                "name": spec.name,
                "namespace": spec.namespace,
                "job_status": str(job.status),
                "fields": list(stuck),
            }
        )
        return
    plan.keep[spec.namespace, spec.name] = job.id
    if names:
        plan.patch[job.id] = old, take_over(old, spec, names)


def _patch(plan: _Plan, book: Book) -> Transaction[bool]:
    """Change those jobs that differ; the others stay untouched."""
    if not plan.patch:
        return False
    now = yield from read_now()
    changed = Book()
    changed.entries = {job_id: book[job_id] for job_id in sorted(plan.patch)}
    for entry in changed:
        yield from alter_spec(entry, *plan.patch[entry.job.id], now)
    yield from gather_news(changed)
    yield from decide_all(changed, now)
    written = yield from write(changed, now)
    return written.hint
