"""Deadlines (kubernetes-job-cases.md 5)."""

from __future__ import annotations

from tests.unit.core.yard import START, a_job

from jobyard.core.backoff import SECOND
from jobyard.core.job import Policy
from jobyard.core.states import Event, JobStatus, Reason, StopReason

DEADLINE = Reason.DEADLINE_EXCEEDED


def test_what_runs_at_the_deadline_is_ended_and_counts_as_failed() -> None:
    """Row 91."""
    yard = a_job(Policy(active_deadline=10), "R").advance(15)
    assert [stop.reason for stop in yard.stops] == [StopReason.JOB_FAILED]
    yard.end_stopped()
    assert (yard.job.status, yard.job.reason, yard.job.failed) == (JobStatus.FAILED, DEADLINE, 1)


def test_what_succeeded_before_the_deadline_stays_counted() -> None:
    """Row 92."""
    yard = a_job(Policy(active_deadline=10, completions=2), "S R").advance(15).end_stopped()
    assert (yard.job.reason, yard.counts) == (DEADLINE, (0, 0, 1, 1))


def test_a_job_without_any_attempt_fails_at_its_deadline_too() -> None:
    """Row 93."""
    policy = Policy(active_deadline=10, parallelism=0)
    yard = a_job(policy, status=JobStatus.SCHEDULED, admitted_at=START).advance(10)
    assert (yard.job.status, yard.job.reason) == (JobStatus.FAILED, DEADLINE)
    assert yard.counts == (0, 0, 0, 0)


def test_the_backoff_limit_speaks_before_the_deadline() -> None:
    """Row 94."""
    yard = a_job(Policy(active_deadline=10, backoff_limit=0), "f").advance(15)
    assert yard.job.reason == Reason.BACKOFF_LIMIT_EXCEEDED


def test_a_suspended_job_has_no_deadline() -> None:
    """Row 95."""
    yard = a_job(Policy(active_deadline=10), "R").change(suspend=True)
    yard.end_stopped().advance(1000)
    assert (yard.job.status, yard.wake_at) == (JobStatus.PENDING, None)


def test_a_suspend_that_is_seen_with_the_deadline_comes_first() -> None:
    """Row 95."""
    yard = a_job(Policy(active_deadline=10), "R")
    yard.now += 15 * SECOND
    assert yard.change(suspend=True).job.outcome is None


def test_a_job_looks_again_at_the_moment_of_its_deadline_and_not_before() -> None:
    """Row 96."""
    yard = a_job(Policy(active_deadline=1)).decide().start_all().decide()
    assert yard.wake_at == START + SECOND
    yard.now = START + SECOND - 1
    assert yard.decide().job.outcome is None
    assert yard.sleep().job.outcome is JobStatus.FAILED


def test_a_task_that_overruns_its_deadline_is_gone_afterwards() -> None:
    """Row 97."""
    yard = a_job(Policy(active_deadline=1)).decide().start_all().sleep().end_stopped()
    assert (yard.job.status, yard.live()) == (JobStatus.FAILED, [])


def test_a_deadline_that_passes_twice_is_told_once() -> None:
    """Row 98."""
    yard = a_job(Policy(active_deadline=1), "R").advance(2)
    outcome_at = yard.job.outcome_at
    yard.advance(2).end_stopped().advance(2)
    assert (yard.job.outcome_at, yard.ledger.count(Event.FAILED)) == (outcome_at, 1)


def test_a_deadline_may_be_added_or_shortened_while_the_job_runs() -> None:
    """Row 99."""
    yard = a_job(Policy(), "R").advance(60)
    assert yard.wake_at is None
    assert yard.change(active_deadline=100).seconds_to_wake == 40
    assert yard.change(active_deadline=50).job.reason == DEADLINE


def test_a_deadline_counts_from_the_admission_not_from_the_submission() -> None:
    yard = a_job(Policy(active_deadline=10), scheduled_at=START + 60 * SECOND).decide()
    assert yard.seconds_to_wake == 60
    yard.sleep()
    assert (yard.seconds_to_wake or yard.decide().seconds_to_wake) == 10


def test_a_job_that_no_worker_takes_fails_after_its_pending_timeout() -> None:
    yard = a_job(Policy(pending_timeout=30, completions=2, parallelism=2)).decide().decide()
    assert yard.seconds_to_wake == 30
    yard.sleep()
    assert (yard.job.status, yard.job.reason) == (JobStatus.FAILED, Reason.PENDING_TIMEOUT)
    # Nobody had begun, so nobody failed.
    assert (yard.counts, yard.withdrawn) == ((0, 0, 0, 0), 2)


def test_a_claimed_job_is_no_longer_pending() -> None:
    yard = a_job(Policy(pending_timeout=30)).decide()
    yard.claim(yard.live()[0])
    assert yard.advance(60).job.outcome is None


def test_the_deadline_is_known_from_the_first_look() -> None:
    yard = a_job(Policy(active_deadline=10, pending_timeout=5)).decide()
    assert (yard.job.status, yard.seconds_to_wake) == (JobStatus.SCHEDULED, 5)


def test_a_deadline_of_nothing_fails_the_job_before_it_begins() -> None:
    yard = a_job(Policy(active_deadline=0)).decide()
    while not yard.job.terminal:
        yard.sleep()
    assert (yard.now, yard.job.reason, yard.job.failed) == (START, DEADLINE, 0)


def test_a_job_that_may_run_nothing_is_not_blamed_for_waiting() -> None:
    policy = Policy(pending_timeout=10, parallelism=0)
    yard = a_job(policy, status=JobStatus.SCHEDULED, admitted_at=START).advance(15)
    assert yard.job.status is JobStatus.SCHEDULED
