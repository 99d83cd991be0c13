"""Which attempts a job that goes on should have: how many, of which indexes, and which to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobyard.core.indexes import IndexSet
from jobyard.core.job import ReplacementPolicy
from jobyard.core.state import Creation, Stop, Tries
from jobyard.core.states import StopReason

if TYPE_CHECKING:
    from jobyard.core.state import Decision, JobState

WINDOW = 1000
"""Attempts of one job that may wait for a worker at a time; refilled as they are claimed."""

MAX_OPEN_TRIES = 10_000
"""Undecided indexes with a history beyond which no fresh index is begun."""


def toward_target(decision: Decision, now: int, waiting: int, most: int) -> None:
    """Create or stop toward the target, never both in one decision (B.12).

    ``waiting`` is how many of the job's attempts wait for a worker, ``most`` how many may be
    created now.
    """
    job, policy = decision.job, decision.job.policy
    total = policy.completions
    if policy.indexed and total is not None and job.live and job.live.ranges[-1][1] > total:
        decision.stop = Stop(StopReason.SCALED_DOWN, policy.grace, beyond=total)
        return
    want = _target(job)
    if job.active > want:
        decision.stop = Stop(StopReason.SCALED_DOWN, policy.grace, count=job.active - want)
        return
    room = want - job.active
    if _waits_for_leaving(job):
        room -= job.terminating
    if policy.parallelism > WINDOW:
        room = min(room, WINDOW - waiting)
    if room <= 0:
        return
    if policy.backoff_limit_per_index is None and job.overall.retry_at > now:
        decision.wake(job.overall.retry_at)
        return
    if room > most:
        room = most
        decision.wake(now)
    if policy.indexed and total is not None:
        _create_indexes(decision, total, room, now)
    else:
        _create_interchangeable(decision, room)


def _target(job: JobState) -> int:
    """Tell how many attempts should be active (B.2)."""
    policy = job.policy
    if policy.completions is None:
        return min(policy.parallelism, job.active) if job.succeeded else policy.parallelism
    undecided = (policy.total or 0) - job.succeeded - len(job.failed_indexes)
    return max(0, min(policy.parallelism, undecided))


def _waits_for_leaving(job: JobState) -> bool:
    return job.held or job.policy.replacement_policy is ReplacementPolicy.FAILED


def _create_interchangeable(decision: Decision, room: int) -> None:
    job = decision.job
    first = job.overall.number + 1
    decision.create = [Creation(None, number) for number in range(first, first + room)]
    job.overall.number += room
    job.active += room


def _create_indexes(decision: Decision, total: int, room: int, now: int) -> None:
    job = decision.job
    taken = job.completed | job.failed_indexes | job.live
    if _waits_for_leaving(job):
        taken |= job.leaving
        if job.terminating > len(job.leaving):
            # Several attempts of one index are leaving; the set forgets it with the first.
            return
    delayed = IndexSet.of(index for index, record in job.tries.items() if record.retry_at > now)
    if delayed:
        taken |= delayed
    if job.policy.indexes is None:
        chosen = taken.missing(total, room)
    else:
        chosen = (job.policy.indexes - taken).first(room)
    if len(job.tries) >= MAX_OPEN_TRIES:
        chosen = sorted(index for index in job.tries if index not in taken)[:room]
    if delayed and len(chosen) < room:
        decision.wake(min(job.tries[index].retry_at for index in delayed))
    for index in chosen:
        if index in job.leaving:
            # The attempt that it overlaps has the next number.
            job.tries.setdefault(index, Tries()).number += 1
        record = job.tries.get(index)
        decision.create.append(Creation(index, record.number + 1 if record else 1))
    job.live |= IndexSet.of(chosen)
    job.active += len(chosen)
