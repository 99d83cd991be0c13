"""Exactly-once accounting: what each ended attempt does to its job's counters (B.5-B.7, B.14)."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from jobyard.core.backoff import advised, delay
from jobyard.core.indexes import IndexSet
from jobyard.core.job import FailureAction
from jobyard.core.policies import match_failure
from jobyard.core.state import Ended, JobState, Tries
from jobyard.core.states import (
    COUNTS_AS_FAILED,
    AttemptReason,
    AttemptStatus,
    Reason,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

LOST_LIMIT = 5
"""Lost workers in a row after which a program is taken to be what kills them (house.md 4)."""

Verdict = tuple[Reason | str, str]
"""Why a job must fail, and the sentence that says so."""


def count(job: JobState, ended: Iterable[Ended], drawn: float = 0.0) -> Verdict | None:
    """Add ended attempts to ``job``'s counters, each once, and tell if one of them fails the job.

    The caller hands in every attempt exactly once, in the transaction that marks it as counted.
    """
    completed: list[int] = []
    failed: list[int] = []
    gone: list[int] = []
    left: list[int] = []
    verdict: Verdict | None = None
    total = job.policy.completions if job.policy.indexed else None
    for attempt in _in_order(ended):
        _take_off(job, attempt, gone, left)
        if total is not None and attempt.index is not None and attempt.index >= total:
            # Elastic completions let go of this index: how it ended is no news (B.3).
            continue
        if attempt.status is AttemptStatus.SUCCEEDED:
            _succeeded(job, attempt, completed)
        elif _was_stopped(attempt):
            _stopped(job, attempt)
        else:
            said = _failed(job, attempt, failed, drawn)
            verdict = verdict or said
    if completed:
        job.completed |= IndexSet.of(completed)
        job.succeeded = len(job.completed)
    if failed:
        job.failed_indexes |= IndexSet.of(failed) - job.completed
    for index in (*completed, *failed):
        job.tries.pop(index, None)
    if gone:
        job.live -= IndexSet.of(gone)
    if left:
        job.leaving -= IndexSet.of(left)
    job.held = job.held and job.terminating > 0
    return verdict


def _in_order(ended: Iterable[Ended]) -> list[Ended]:
    """Tell the news as it happened: a success ends only the streak of failures before it."""
    return sorted(ended, key=attrgetter("finished_at"))


def _take_off(job: JobState, attempt: Ended, gone: list[int], left: list[int]) -> None:
    """Take an attempt off the number of those that run, and note its index."""
    if attempt.asked is None:
        job.active -= 1
        job.restarts -= attempt.restarts
    else:
        job.terminating -= 1
    if attempt.index is not None:
        (gone if attempt.asked is None else left).append(attempt.index)


def _was_stopped(attempt: Ended) -> bool:
    """Tell whether we ended it; a worker that was lost while it stopped is as good as obeyed."""
    if attempt.status is AttemptStatus.LOST:
        return attempt.asked is not None
    return attempt.status is AttemptStatus.STOPPED


def _succeeded(job: JobState, attempt: Ended, completed: list[int]) -> None:
    index = attempt.index
    job.overall = Tries(number=job.overall.number)
    if index is None:
        job.succeeded += 1
        return
    # An index that was given up stays given up: a first count stands (B.14).
    if index not in job.failed_indexes:
        completed.append(index)


def _stopped(job: JobState, attempt: Ended) -> None:
    _remember(job, attempt)
    if attempt.asked is not None and COUNTS_AS_FAILED[attempt.asked]:
        job.failed += 1


def _remember(job: JobState, attempt: Ended) -> Tries:
    """Keep the number of an undecided index, and return its record, else the job's."""
    index = attempt.index
    if index is None or index in job.completed or index in job.failed_indexes:
        return job.overall
    record = job.tries.setdefault(index, Tries())
    if attempt.started_at is not None:
        record.number = max(record.number, attempt.number)
    return record


def _failed(job: JobState, attempt: Ended, failed: list[int], drawn: float) -> Verdict | None:
    own = _remember(job, attempt)
    record = job.overall if job.policy.backoff_limit_per_index is None else own
    matched = match_failure(job.policy.failure_rules, attempt)
    action = matched[0] if matched else None
    if attempt.status is AttemptStatus.LOST and action in (None, FailureAction.IGNORE):
        return _lost(job, attempt, own)
    own.lost = 0
    if action is FailureAction.IGNORE:
        _ignored(job, attempt, record, drawn)
        return None
    job.failed += 1
    if action is FailureAction.FAIL_JOB and matched:
        return Reason.POD_FAILURE_POLICY, _tell_rule(attempt, matched[1])
    if action is FailureAction.FAIL_INDEX and attempt.index is not None:
        failed.append(attempt.index)
        return None
    return _counted(job, attempt, record, failed, drawn)


def _counted(
    job: JobState, attempt: Ended, record: Tries, failed: list[int], drawn: float
) -> Verdict | None:
    may_retry, asked_delay = advised(attempt.advice)
    limit = job.policy.backoff_limit_per_index
    exhausted = limit is not None and record.failures >= limit
    record.failures += 1
    record.streak += 1
    wait = delay(job.policy.backoff, record.streak, drawn) if asked_delay is None else asked_delay
    record.retry_at = max(record.retry_at, attempt.finished_at + wait)
    if limit is not None and attempt.index is not None:
        if exhausted or not may_retry:
            failed.append(attempt.index)
        return None
    if not may_retry:
        started = attempt.reason != AttemptReason.START_FAILED
        reason = Reason.RETRY_REFUSED if started else AttemptReason.START_FAILED
        return reason, f"{tell(attempt)} and a retry makes no sense{_why(attempt)}"
    return None


def _ignored(job: JobState, attempt: Ended, record: Tries, drawn: float) -> None:
    """Replace at once, but with growing delays when it goes on: a rule must not make a hot loop."""
    if record.ignored:
        wait = delay(job.policy.backoff, record.ignored, drawn)
        record.retry_at = max(record.retry_at, attempt.finished_at + wait)
    record.ignored += 1


def _lost(job: JobState, attempt: Ended, record: Tries) -> Verdict | None:
    """Replace at once, within a bound: lost one after the other, not with one and the same worker.

    An index is lost again when its next attempt is; where attempts are interchangeable, only one
    that was made after the last counted loss is the next.
    """
    if attempt.index is None:
        if attempt.number <= record.lost_upto:
            return None
        record.lost_upto = record.number
    elif record is job.overall:
        return None
    record.lost += 1
    if record.lost < LOST_LIMIT:
        return None
    return (
        Reason.WORKER_LOST_LIMIT,
        f"{_subject(attempt)} was lost with its worker {record.lost} times in a row",
    )


def tell(attempt: Ended) -> str:
    """Say in words how an attempt failed."""
    subject = _subject(attempt)
    if attempt.reason == AttemptReason.START_FAILED:
        return f"{subject} could not start"
    if attempt.status is AttemptStatus.LOST:
        return f"{subject} was lost with its worker"
    if attempt.reason and attempt.reason != AttemptReason.ERROR:
        return f"{subject} ended with {attempt.reason}"
    if attempt.signal is not None:
        return f"{subject} was ended by signal {attempt.signal}"
    return f"{subject} failed with exit code {attempt.exit_code}"


def _subject(attempt: Ended) -> str:
    of_index = "" if attempt.index is None else f" of index {attempt.index}"
    return f"attempt {attempt.number}{of_index}"


def _tell_rule(attempt: Ended, position: int) -> str:
    told = f"{tell(attempt)}, matching the FailJob rule at position {position}"
    return told + _why(attempt)


def _why(attempt: Ended) -> str:
    """Repeat what the program itself says of why another try makes no sense."""
    word, colon, why = (attempt.advice or "").partition(":")
    return f": {why.strip()}" if colon and word.strip().lower() == "no" else ""
