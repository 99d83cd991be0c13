"""The heart: from a job and the attempts that ended since, tell what is to be done next.

Pure: the clock's reading and the random draw are arguments. Its cost follows the news, never the
history. The order of the checks is law (house.md 5, kubernetes-jobs.md B.12).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobyard.core.backoff import SECOND
from jobyard.core.count import Verdict, count
from jobyard.core.indexes import IndexSet
from jobyard.core.policies import met_success_rule
from jobyard.core.state import (
    END_OF_REQUEST,
    REASON_OF_OUTCOME,
    Decision,
    Ended,
    JobState,
    Request,
    Stop,
    Tries,
)
from jobyard.core.states import AttemptStatus, Event, JobStatus, Reason, StopReason
from jobyard.core.target import WINDOW, toward_target

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jobyard.core.job import Policy

CANCEL_GRACE = 0.5
"""Seconds that a canceled program has between SIGTERM and SIGKILL: time to tidy, not to finish."""


def decide(
    job: JobState,
    ended: Sequence[Ended],
    now: int,
    *,
    drawn: float = 0.0,
    waiting: int = 0,
    most: int = WINDOW,
) -> Decision:
    """Count what ended, judge the job, and tell what to create or to stop.

    A decision that stops attempts is not the last word: the caller ends them, applies
    ``stopped`` to the job, and decides again.

    Args:
        job: the job as stored; it is not changed.
        ended: attempts that ended and were not counted, each exactly once.
        now: microseconds since 1970, of the store's clock.
        drawn: a random number from 0 to 1 that spreads back-off delays.
        waiting: how many of the job's attempts wait for a worker; only looked at when
            ``parallelism`` exceeds ``WINDOW``, and when attempts of a QUEUED job ended.
        most: how many attempts one decision may create; the next one goes on at once.
    """
    if job.terminal:
        return Decision(job)
    job = _own(job)
    decision = Decision(job)
    _notice_starts(decision, ended)
    verdict = count(job, ended, drawn)
    _fit_to_completions(job)
    decided_before = job.outcome is not None
    if not decided_before:
        _judge(decision, verdict, now)
    if job.outcome is not None:
        _wind_down(decision, job.outcome, now)
        if not decided_before and job.active and decision.stop is None:
            # What runs may go on for a while; nothing more starts.
            decision.stop = Stop(StopReason.COMPLETED, job.policy.grace, unclaimed=True)
    elif not _hold_back(decision, now):
        _notice_hand_back(decision, ended, now, waiting)
        toward_target(decision, now, waiting, most)
    job.retry_at = _retry_at(job, now)
    _leave_worker(job, ended)
    return decision


def ask(job: JobState, request: Request, now: int) -> Decision:
    """Note that a person wants ``job`` to stop or to be canceled, to be decided upon.

    Idempotent: a terminal job stays as it is, and the first request fixes the end.
    """
    decision = Decision(_own(job))
    if job.terminal or job.request is not None:
        return decision
    decision.job.request = request
    decision.move(Event.STOP_ASKED, now, END_OF_REQUEST[request][1])
    return decision


def claimed(job: JobState, worker_id: str, at: int) -> Decision:
    """Note that a worker claimed an attempt of ``job``."""
    decision = Decision(_own(job))
    decision.job.worker_id = worker_id
    if job.status is JobStatus.SCHEDULED:
        decision.move(Event.CLAIMED, at)
        decision.job.queued_at = at
    return decision


def started(job: JobState, at: int) -> Decision:
    """Note that a program of ``job`` started; late news about a stopping job changes no status."""
    decision = Decision(_own(job))
    _start(decision, at)
    return decision


def stop_seen(job: JobState, at: int) -> Decision:
    """Note that a worker knows of the stop."""
    decision = Decision(_own(job))
    if job.status is JobStatus.STOP_REQUESTED:
        decision.move(Event.STOP_SEEN, at)
    return decision


def stopped(
    job: JobState,
    withdrawn: Iterable[int | None],
    asked: Iterable[int | None],
    restarts: int = 0,
) -> JobState:
    """Apply what a decision's stop did.

    Args:
        job: the job as the decision left it.
        withdrawn: indexes of attempts that no worker had claimed; they are gone.
        asked: indexes of attempts that a worker must now end.
        restarts: the sum of restarts in place of the latter.
    """
    job = _own(job)
    job.restarts -= restarts
    for indexes, terminates in ((list(withdrawn), False), (list(asked), True)):
        job.active -= len(indexes)
        known = IndexSet.of(index for index in indexes if index is not None)
        job.live -= known
        if terminates:
            job.terminating += len(indexes)
            job.leaving |= known
    if job.policy.suspend and job.terminating:
        job.held = True
    return job


def may_restart(job: JobState) -> bool:
    """Tell whether an attempt may restart its program in place once more.

    Kubernetes fails the job as soon as the sum of restarts reaches the limit, which kills the
    last restart in the act; here the last restart that the limit grants runs to its end (B.4).
    """
    return job.outcome is None and job.request is None and job.restarts < job.policy.backoff_limit


def refuse_restart(job: JobState, now: int) -> Decision:
    """Fail a job one of whose attempts asked for a restart beyond the limit."""
    decision = Decision(_own(job))
    if job.outcome is None and job.request is None and not job.policy.suspend:
        limit = job.policy.backoff_limit
        times = "once" if job.restarts == 1 else f"{job.restarts} times"
        done = f"after being restarted {times}" if job.restarts else "and is not to be restarted"
        message = f"a program failed {done}, the limit is {limit}"
        _end_as(decision.job, JobStatus.FAILED, Reason.BACKOFF_LIMIT_EXCEEDED, message, now)
    return decision


def _own(job: JobState) -> JobState:
    """Copy a job so that the caller's stays as it was."""
    job = job.copy()
    job.overall = job.overall.copy()
    job.tries = {index: record.copy() for index, record in job.tries.items()}
    return job


def _start(decision: Decision, at: int) -> None:
    job = decision.job
    if job.started_at is None or at < job.started_at:
        job.started_at = at
    if job.status in (JobStatus.SCHEDULED, JobStatus.QUEUED):
        if job.queued_at is None:
            job.queued_at = at
        decision.move(Event.STARTED, at)


def _notice_starts(decision: Decision, ended: Sequence[Ended]) -> None:
    status = decision.job.status
    if status is JobStatus.SCHEDULED or status is JobStatus.QUEUED:
        # What was stopped by a suspend says nothing about the job after it.
        starts = (e.started_at for e in ended if e.asked is not StopReason.SUSPENDED)
        first = min((at for at in starts if at is not None), default=None)
        if first is not None:
            _start(decision, first)


def _notice_hand_back(decision: Decision, ended: Sequence[Ended], now: int, waiting: int) -> None:
    """Go back to waiting for a worker when none has an attempt of the job any more."""
    job = decision.job
    if ended and job.status is JobStatus.QUEUED and job.active <= waiting:
        decision.move(Event.HANDED_BACK, now)
        _watch_time(decision, now)


def _fit_to_completions(job: JobState) -> None:
    """Let go of indexes beyond a lowered ``completions`` (B.3, elastic)."""
    total = job.policy.completions
    if not job.policy.indexed or total is None:
        return
    if job.completed.ranges and job.completed.ranges[-1][1] > total:
        job.completed = job.completed.below(total)
        job.succeeded = len(job.completed)
    job.failed_indexes = job.failed_indexes.below(total)
    if job.tries and max(job.tries) >= total:
        job.tries = {index: record for index, record in job.tries.items() if index < total}


def _judge(decision: Decision, verdict: Verdict | None, now: int) -> None:
    """Set the outcome if there is one; the first check that speaks wins."""
    job = decision.job
    if _work_is_done(job):
        _end_as(job, JobStatus.COMPLETED, Reason.COMPLETIONS_REACHED, None, now)
        return
    if job.request is not None:
        if not job.active and not job.terminating:
            status, reason, _ = END_OF_REQUEST[job.request]
            _end_as(job, status, reason, f"{job.request} was requested", now)
        return
    if job.dependency_failed is not None:
        message = f"job {job.dependency_failed}, which it depends on, did not end as required"
        _end_as(job, JobStatus.CANCELED, Reason.DEPENDENCY_FAILED, message, now)
        return
    verdict = (
        verdict
        or _over_backoff_limit(job)
        or _over_time(decision, now)
        or _over_failed_indexes(job)
    )
    if verdict is not None:
        _end_as(job, JobStatus.FAILED, verdict[0], verdict[1], now)
        return
    rule = met_success_rule(job.policy.success_rules, job.completed)
    if rule is not None:
        message = f"the success rule at position {rule} is met"
        _end_as(job, JobStatus.COMPLETED, Reason.SUCCESS_POLICY, message, now)
    elif job.policy.completions is None and job.succeeded and not job.active:
        _end_as(job, JobStatus.COMPLETED, Reason.COMPLETIONS_REACHED, None, now)


def _end_as(
    job: JobState, status: JobStatus, reason: Reason | str, message: str | None, now: int
) -> None:
    job.outcome, job.outcome_at = status, now
    job.reason, job.message = str(reason), message


def _work_is_done(job: JobState) -> bool:
    total = job.policy.total
    if total == 0 and job.admitted_at is None:
        # Nothing to do is done when it is due, not before.
        return False
    return total is not None and job.succeeded >= total


def _over_backoff_limit(job: JobState) -> Verdict | None:
    limit = job.policy.backoff_limit
    if job.failed <= limit:
        return None
    tries = "try" if job.failed == 1 else "tries"
    return Reason.BACKOFF_LIMIT_EXCEEDED, f"{job.failed} failed {tries}, the limit is {limit}"


def _over_time(decision: Decision, now: int) -> Verdict | None:
    job, policy = decision.job, decision.job.policy
    if policy.suspend or job.admitted_at is None:
        return None
    if policy.active_deadline is not None:
        due = job.admitted_at + int(policy.active_deadline * SECOND)
        if now >= due:
            message = f"active for longer than {policy.active_deadline:g} s"
            return Reason.DEADLINE_EXCEEDED, message
        decision.wake(due)
    waits = job.status is JobStatus.SCHEDULED and policy.parallelism > 0
    if policy.pending_timeout is not None and waits:
        # A hand-back starts the wait anew.
        since = max(job.admitted_at, job.queued_at or 0)
        due = since + int(policy.pending_timeout * SECOND)
        if now >= due:
            message = f"no worker claimed it within {policy.pending_timeout:g} s"
            return Reason.PENDING_TIMEOUT, message
        decision.wake(due)
    return None


def _watch_time(decision: Decision, now: int) -> None:
    """Wake for the time limits of a status that the job took on after it was judged."""
    if _over_time(decision, now) is not None:
        decision.wake(now)


def _over_failed_indexes(job: JobState) -> Verdict | None:
    policy, failed = job.policy, len(job.failed_indexes)
    if policy.max_failed_indexes is not None and failed > policy.max_failed_indexes:
        return (
            Reason.MAX_FAILED_INDEXES_EXCEEDED,
            f"{failed} failed indexes, the limit is {policy.max_failed_indexes}",
        )
    if failed and policy.total == failed + len(job.completed):
        return Reason.FAILED_INDEXES, f"failed indexes: {_shortened(str(job.failed_indexes))}"
    return None


def _shortened(text: str, limit: int = 200) -> str:
    return text if len(text) <= limit else f"{text[:limit].rsplit(',', 1)[0]},…"


def _wind_down(decision: Decision, outcome: JobStatus, now: int) -> None:
    """End what still runs; when nothing does, end the job."""
    job = decision.job
    event, stop_reason = REASON_OF_OUTCOME[outcome]
    if job.active:
        due = job.outcome_at or 0
        if outcome is JobStatus.COMPLETED:
            due += int(job.policy.completed_timeout * SECOND)
            if job.reason == Reason.SUCCESS_POLICY:
                stop_reason = StopReason.SUCCESS_POLICY
        if now < due and job.request is None:
            decision.wake(due)
        else:
            decision.stop = Stop(stop_reason, job.policy.grace)
        return
    if job.terminating:
        return
    job.finished_at = now
    job.tries = {}
    job.overall = Tries(number=job.overall.number)
    job.expires_at = _expiry(job, now)
    decision.wake_at = None
    decision.move(event, now, job.reason, job.message)


def _expiry(job: JobState, finished_at: int) -> int | None:
    return None if job.policy.ttl is None else finished_at + int(job.policy.ttl * SECOND)


def _hold_back(decision: Decision, now: int) -> bool:
    """Deal with a job that must not start anything; return whether it is one."""
    job = decision.job
    if job.request is not None:
        if job.active:
            grace = job.policy.grace
            if job.request is Request.CANCEL:
                grace = min(grace, CANCEL_GRACE)
            decision.stop = Stop(END_OF_REQUEST[job.request][2], grace)
        return True
    if job.policy.suspend:
        if job.status is not JobStatus.PENDING:
            decision.move(Event.SUSPENDED, now)
        job.admitted_at = None
        job.held = job.terminating > 0
        if job.active:
            decision.stop = Stop(StopReason.SUSPENDED, job.policy.grace)
        return True
    if job.status is not JobStatus.PENDING:
        return False
    if job.waiting_on:
        return True
    if job.scheduled_at is not None and job.scheduled_at > now:
        decision.wake(job.scheduled_at)
        return True
    return _admit(decision, now)


def _admit(decision: Decision, now: int) -> bool:
    """Let a job begin that is due; return whether it is over already."""
    job = decision.job
    decision.move(Event.DUE, now)
    job.admitted_at, job.queued_at = now, None
    if _work_is_done(job):
        _end_as(job, JobStatus.COMPLETED, Reason.COMPLETIONS_REACHED, None, now)
        _wind_down(decision, JobStatus.COMPLETED, now)
        return True
    _watch_time(decision, now)
    return False


def _retry_at(job: JobState, now: int) -> int | None:
    """Tell when the next try is due that waits for a back-off, for people to see."""
    if job.outcome is not None or job.request is not None or job.terminal:
        return None
    if job.policy.backoff_limit_per_index is None:
        return job.overall.retry_at if job.overall.retry_at > now else None
    delayed = [record.retry_at for record in job.tries.values() if record.retry_at > now]
    return min(delayed, default=None)


def _leave_worker(job: JobState, ended: Sequence[Ended]) -> None:
    """Name no worker that was lost, nor any during a back-off: the next claim names its own."""
    if job.outcome is not None or job.worker_id is None:
        return
    idle = job.retry_at is not None and not job.active and not job.terminating
    if idle or any(attempt.status is AttemptStatus.LOST for attempt in ended):
        job.worker_id = None


def replace_policy(job: JobState, policy: Policy) -> JobState:
    """Return the job with another policy, to be decided upon; a new ``ttl`` counts from the end."""
    job = _own(job)
    job.policy = policy
    if job.finished_at is not None:
        job.expires_at = _expiry(job, job.finished_at)
    return job
