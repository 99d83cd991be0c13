"""Suspend and resume, stop and cancel (kubernetes-job-cases.md 6)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.yard import INDEXED, ONLY_FAILED, START, a_job, drive

from jobyard.core import decide as core
from jobyard.core.backoff import SECOND
from jobyard.core.job import Policy
from jobyard.core.state import Request
from jobyard.core.states import AttemptStatus, Event, JobStatus, Reason, StopReason

P2_C5 = Policy(parallelism=2, completions=5)


def test_suspending_ends_what_runs_and_counts_nothing() -> None:
    """Row 100."""
    yard = a_job(P2_C5, "R P").change(suspend=True)
    assert [stop.reason for stop in yard.stops] == [StopReason.SUSPENDED]
    assert (yard.job.status, yard.counts) == (JobStatus.PENDING, (0, 1, 0, 0))
    assert yard.end_stopped().counts == (0, 0, 0, 0)
    assert yard.wake_at is None


def test_resuming_admits_the_job_anew() -> None:
    """Row 102."""
    yard = a_job(P2_C5, "R R").change(suspend=True).end_stopped()
    assert yard.job.admitted_at is None
    yard.job = replace(yard.job, queued_at=START)
    yard.now += 60 * SECOND
    yard.change(suspend=False)
    assert (len(yard.created), yard.job.admitted_at) == (2, yard.now)
    assert yard.job.queued_at is None
    assert yard.ledger == [Event.SUSPENDED, Event.DUE]


def test_a_suspended_job_can_be_canceled() -> None:
    """Row 103, with a cancel in the place of a deletion."""
    yard = a_job(Policy(suspend=True)).decide().ask(Request.CANCEL)
    assert (yard.job.status, yard.made) == (JobStatus.CANCELED, 0)


def test_a_job_created_suspended_starts_nothing_until_it_is_resumed() -> None:
    """Row 104."""
    yard = a_job(Policy(suspend=True, parallelism=2, completions=2)).decide().advance(3600)
    assert (yard.made, yard.job.admitted_at, yard.job.status) == (0, None, JobStatus.PENDING)
    assert drive(yard.change(suspend=False)).job.status is JobStatus.COMPLETED


def test_suspend_and_resume_keep_what_was_counted() -> None:
    """Row 105."""
    policy = Policy(parallelism=2, completions=4, completion_mode=INDEXED)
    yard = a_job(policy, "0S 1F 1R 2R").change(suspend=True).end_stopped()
    assert (str(yard.job.completed), yard.job.failed) == ("0", 1)
    yard.change(suspend=False)
    assert [(c.index, c.number) for c in yard.created] == [(1, 3), (2, 2)]


def test_a_suspend_is_told_once_however_often_it_is_looked_at() -> None:
    """Row 106."""
    yard = a_job(P2_C5, "R R").change(suspend=True).decide().end_stopped().decide()
    assert yard.ledger == [Event.SUSPENDED]


@pytest.mark.parametrize("mode", ["indexed", "not"])
def test_after_a_resume_an_attempt_begins_when_the_old_one_has_ended(mode: str) -> None:
    """Row 109: whatever the replacement policy."""
    policy = Policy(parallelism=2, completions=3)
    if mode == "indexed":
        policy = Policy(parallelism=2, completions=3, completion_mode=INDEXED)
    yard = a_job(policy, "0R 1R" if mode == "indexed" else "R R").change(suspend=True)
    assert yard.change(suspend=False).created == []
    assert yard.job.status is JobStatus.SCHEDULED
    first, second = yard.live()
    yard.end(first, AttemptStatus.STOPPED)
    assert yard.decide().indexes == ([0] if mode == "indexed" else [None])
    yard.end(second, AttemptStatus.STOPPED)
    assert yard.decide().indexes == ([1] if mode == "indexed" else [None])


def test_what_a_scale_down_left_behind_is_waited_for_after_a_resume_too() -> None:
    """Row 109."""
    policy = Policy(completions=2, completion_mode=INDEXED)
    yard = a_job(policy, "0R").change(parallelism=0).change(suspend=True, parallelism=1)
    assert yard.change(suspend=False).created == []
    assert yard.end_stopped().indexes == [0]


def test_what_ran_before_a_suspend_starts_nothing_after_it() -> None:
    yard = a_job(Policy(), "R").change(suspend=True).change(suspend=False)
    yard.end_stopped()
    assert (yard.job.status, yard.ledger) == (JobStatus.SCHEDULED, [Event.SUSPENDED, Event.DUE])


def test_an_attempt_asked_to_suspend_may_succeed_first() -> None:
    yard = a_job(Policy(completions=2), "S R").change(suspend=True)
    yard.end(yard.live()[0], AttemptStatus.SUCCEEDED)
    assert yard.decide().job.status is JobStatus.COMPLETED


# Stop and cancel, raced against a natural end.


@pytest.mark.parametrize(
    ("request_", "status", "reason", "grace"),
    [
        (Request.STOP, JobStatus.STOPPED, Reason.STOP_REQUESTED, 30),
        (Request.CANCEL, JobStatus.CANCELED, Reason.CANCEL_REQUESTED, core.CANCEL_GRACE),
    ],
)
def test_a_request_ends_what_runs_and_then_the_job(
    request_: Any, status: Any, reason: Any, grace: Any
) -> None:
    yard = a_job(P2_C5, "R P").ask(request_)
    seen = [yard.job.status]
    assert [stop.grace for stop in yard.stops] == [grace]
    yard._note(core.stop_seen(yard.job, yard.now))
    seen.append(yard.job.status)
    assert seen == [JobStatus.STOP_REQUESTED, JobStatus.STOPPING]
    yard.end_stopped()
    assert (yard.job.status, yard.job.reason, yard.counts) == (status, reason, (0, 0, 0, 0))
    assert yard.job.message == f"{request_} was requested"


@pytest.mark.parametrize("before", ["PENDING", "SCHEDULED", "QUEUED"])
def test_a_job_that_nobody_began_stops_at_once(before: str) -> None:
    yard = a_job(P2_C5, waiting_on=int(before == "PENDING")).decide()
    if before == "QUEUED":
        yard.claim(yard.live()[0])
    assert yard.job.status == before
    yard.ask(Request.STOP).end_stopped()
    assert yard.job.status is JobStatus.STOPPED


def test_the_first_request_fixes_the_end() -> None:
    yard = a_job(Policy(), "R").ask(Request.STOP).ask(Request.CANCEL).end_stopped()
    assert yard.job.status is JobStatus.STOPPED
    assert yard.ledger.count(Event.STOP_ASKED) == 1


@pytest.mark.parametrize("told_first", [True, False])
def test_a_completion_that_wins_the_race_against_a_stop_stands(told_first: bool) -> None:
    yard = a_job(Policy(), "R")
    attempt = yard.live()[0]
    if told_first:
        yard.end(attempt, AttemptStatus.SUCCEEDED)
        yard.ask(Request.STOP)
    else:
        yard.ask(Request.STOP)
        yard.end(attempt, AttemptStatus.SUCCEEDED)
        yard.decide()
    assert (yard.job.status, yard.job.succeeded) == (JobStatus.COMPLETED, 1)


def test_a_failure_while_stopping_ends_stopped_and_is_counted() -> None:
    yard = a_job(Policy(backoff_limit=0), "R").ask(Request.STOP)
    yard.end(yard.live()[0], AttemptStatus.FAILED, exit_code=1)
    yard.decide()
    assert (yard.job.status, yard.job.failed) == (JobStatus.STOPPED, 1)


def test_a_worker_lost_while_stopping_is_as_good_as_stopped() -> None:
    yard = a_job(Policy(), "R").ask(Request.STOP)
    yard.end(yard.live()[0], AttemptStatus.LOST)
    yard.decide()
    assert (yard.job.status, yard.job.failed) == (JobStatus.STOPPED, 0)


def test_late_news_about_a_stopping_job_changes_no_status() -> None:
    yard = a_job(Policy(), "Q").ask(Request.STOP)
    yard._note(core.started(yard.job, yard.now))
    yard._note(core.claimed(yard.job, "w2", yard.now))
    assert yard.job.status is JobStatus.STOP_REQUESTED
    yard._note(core.stop_seen(yard.job, yard.now))
    assert core.stop_seen(yard.job, yard.now).events == []


# Waiting: for a time, for other jobs.


def test_a_job_for_later_waits_until_then() -> None:
    yard = a_job(Policy(), scheduled_at=START + 90 * SECOND).decide()
    assert (yard.job.status, yard.seconds_to_wake, yard.made) == (JobStatus.PENDING, 90, 0)
    assert len(yard.sleep().created) == 1


def test_a_job_waits_for_those_it_depends_on() -> None:
    yard = a_job(Policy(), waiting_on=2).decide().advance(9)
    assert (yard.job.status, yard.wake_at) == (JobStatus.PENDING, None)
    yard.job.waiting_on = 0
    assert drive(yard.decide()).job.status is JobStatus.COMPLETED


def test_a_failed_dependency_cancels_the_job() -> None:
    yard = a_job(Policy(completions=0), waiting_on=1, dependency_failed=7).decide()
    assert (yard.job.status, yard.job.reason) == (JobStatus.CANCELED, Reason.DEPENDENCY_FAILED)
    assert "job 7" in (yard.job.message or "")


def test_under_policy_failed_a_resume_waits_as_well() -> None:
    """Row 109."""
    policy = Policy(replacement_policy=ONLY_FAILED)
    yard = a_job(policy, "R").change(suspend=True).change(suspend=False)
    assert yard.created == []
    assert len(yard.end_stopped().created) == 1


def test_the_first_start_is_kept_though_told_late() -> None:
    yard = a_job(Policy(completions=3, parallelism=3)).decide()
    first, second, _ = yard.live()
    yard.now = START + 5
    yard.start(second)
    yard._note(core.started(yard.job, START + 2))
    assert (yard.job.started_at, yard.job.queued_at) == (START + 2, START + 5)
    yard.start(first)
    assert yard.job.started_at == START + 2


def test_a_start_that_is_told_with_the_end_makes_the_job_run_in_passing() -> None:
    yard = a_job(Policy(completions=2)).decide()
    attempt = yard.live()[0]
    attempt.status, attempt.started_at = AttemptStatus.RUNNING, START + 1
    yard.end(attempt, AttemptStatus.SUCCEEDED)
    yard.decide()
    assert yard.ledger == [Event.DUE, Event.STARTED]
    assert (yard.job.started_at, yard.job.queued_at) == (START + 1, START + 1)


def test_once_everything_old_has_ended_a_suspend_holds_nothing_back() -> None:
    """Row 38: the replacement policy speaks again."""
    policy = Policy(completion_mode=INDEXED)
    yard = a_job(policy, "0R").change(suspend=True).change(suspend=False).end_stopped()
    yard.start_all().change(parallelism=0)
    assert yard.change(parallelism=1).indexes == [0]
