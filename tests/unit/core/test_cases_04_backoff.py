"""Back-off and its limit (kubernetes-job-cases.md 4)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.core.yard import INDEXED, START, a_job, drive

from jobyard.core.backoff import SECOND
from jobyard.core.job import Backoff, Policy, RestartPolicy
from jobyard.core.state import Request
from jobyard.core.states import AttemptReason, AttemptStatus, JobStatus, Reason, StopReason

ON_FAILURE = RestartPolicy.ON_FAILURE
EXCEEDED = Reason.BACKOFF_LIMIT_EXCEEDED


@pytest.mark.parametrize(
    ("limit", "attempts", "reason"),
    [
        pytest.param(1, "f", None, id="row-66"),
        pytest.param(1, "F f", EXCEEDED, id="row-67"),
        pytest.param(6, "F F F F F f", None, id="row-68-goes-on"),
        pytest.param(6, "F F F F F F f", EXCEEDED, id="row-68-failed"),
        pytest.param(0, "f", EXCEEDED, id="row-69"),
        pytest.param(0, "F", EXCEEDED, id="row-69-counted-before"),
    ],
)
def test_one_failure_more_than_the_limit_fails_the_job(
    limit: Any, attempts: Any, reason: Any
) -> None:
    yard = a_job(Policy(backoff_limit=limit), attempts).decide()
    assert yard.job.reason == reason
    assert yard.job.status is (JobStatus.FAILED if reason else JobStatus.RUNNING)


@pytest.mark.parametrize(
    ("limit", "granted"),
    [
        pytest.param(0, 0, id="rows-70-and-71"),
        pytest.param(1, 1, id="row-72"),
        pytest.param(2, 2, id="row-73"),
        pytest.param(3, 3, id="row-74"),
    ],
)
def test_so_many_restarts_in_place_are_granted_and_the_next_fails_the_job(
    limit: Any, granted: Any
) -> None:
    policy = Policy(parallelism=2, completions=2, backoff_limit=limit, restart_policy=ON_FAILURE)
    yard = a_job(policy, "R R")
    for number in range(granted):
        assert yard.restart(yard.live()[number % 2])
        assert yard.decide().job.status is JobStatus.RUNNING
    assert not yard.restart(yard.live()[0])
    assert (yard.job.outcome, yard.job.reason) == (JobStatus.FAILED, EXCEEDED)
    told = {
        0: "a program failed and is not to be restarted, the limit is 0",
        1: "a program failed after being restarted once, the limit is 1",
    }
    assert yard.job.message == told.get(
        limit, f"a program failed after being restarted {limit} times, the limit is {limit}"
    )
    # Row 73: what is killed because the job failed counts as failed.
    assert yard.end_stopped().job.failed == 2
    assert yard.job.restarts == 0


def test_restarts_of_an_attempt_that_ended_are_no_longer_charged() -> None:
    """Row 74: only the restarts of the attempts that are active add up."""
    policy = Policy(completions=2, backoff_limit=2, restart_policy=ON_FAILURE)
    yard = a_job(policy, "R")
    assert yard.restart(yard.live()[0])
    assert yard.restart(yard.live()[0])
    yard.succeed()
    assert (yard.job.restarts, yard.start_all().restart(yard.live()[0])) == (0, True)


def test_a_suspended_job_does_not_fail_by_its_restarts() -> None:
    """Row 75."""
    yard = a_job(Policy(backoff_limit=0, restart_policy=ON_FAILURE), "R").change(suspend=True)
    assert not yard.restart(yard.live()[0])
    assert (yard.job.status, yard.job.outcome) == (JobStatus.PENDING, None)
    assert yard.end_stopped().counts == (0, 0, 0, 0)


@pytest.mark.parametrize("ended", ["stopped", "over"])
def test_no_restart_is_granted_to_a_job_that_ends(ended: str) -> None:
    yard = a_job(Policy(restart_policy=ON_FAILURE, completed_timeout=60, completions=None), "R R")
    yard.ask(Request.STOP) if ended == "stopped" else yard.change(active_deadline=0)
    reason = yard.job.reason
    assert not yard.restart(yard.live()[0])
    assert yard.job.reason == reason


def test_finished_work_beats_a_suspend() -> None:
    """Row 76."""
    yard = a_job(Policy(completions=4), "S S S s").change(suspend=True)
    assert (yard.job.status, yard.job.reason) == (JobStatus.COMPLETED, Reason.COMPLETIONS_REACHED)


def test_failures_in_a_row_double_the_delay() -> None:
    """Rows 77 and 78."""
    yard = a_job(Policy(backoff_limit=9)).decide()
    delays = []
    for _ in range(7):
        yard.now += 3 * SECOND
        delays.append(yard.fail().seconds_to_wake)
        assert yard.job.retry_at == yard.wake_at
        assert (yard.created, yard.job.active) == ([], 0)
        assert len(yard.sleep().created) == 1
        assert yard.job.retry_at is None
    # Row 79: never above the cap.
    assert delays == [10, 20, 40, 80, 160, 320, 360]


def test_the_delay_runs_from_the_finish_of_the_failure_not_from_its_news() -> None:
    """Row 78: a late look waits less."""
    yard = a_job(Policy(), "R")
    yard.end(yard.live()[0], AttemptStatus.FAILED, exit_code=1)
    assert yard.advance(4).seconds_to_wake == 6


def test_the_latest_of_several_failures_sets_the_time() -> None:
    """Row 78: whatever the order in which they are told."""
    yard = a_job(Policy(parallelism=2, completions=2, backoff_limit=9), "R R")
    first, second = yard.live()
    yard.now += 5 * SECOND
    yard.end(second, AttemptStatus.FAILED, finished_at=START + 5 * SECOND)
    yard.end(first, AttemptStatus.FAILED, finished_at=START)
    assert yard.decide().wake_at == START + 25 * SECOND


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_success_ends_the_streak_of_failures_before_it(order: Any) -> None:
    """Row 80: in the order in which they finished, not in which they are told."""
    yard = a_job(Policy(parallelism=3, completions=5, backoff_limit=9), "R R R")
    attempts = yard.live()
    statuses = (AttemptStatus.FAILED, AttemptStatus.SUCCEEDED, AttemptStatus.FAILED)
    for position in order:
        at = START + position * SECOND
        yard.end(attempts[position], statuses[position], finished_at=at)
    assert yard.decide().wake_at == START + 12 * SECOND


def test_a_program_may_ask_for_a_delay_of_its_own() -> None:
    yard = a_job(Policy(), "R").fail(advice="after 90s")
    assert yard.seconds_to_wake == 90


@pytest.mark.parametrize("drawn", [0.0, 0.5, 1.0])
def test_the_gaps_lie_between_the_delay_and_its_spread(drawn: float) -> None:
    """Row 85."""
    yard = a_job(Policy(backoff=Backoff(base=2, jitter=1)), "R")
    yard.end(yard.live()[0], AttemptStatus.FAILED, exit_code=1)
    assert yard.decide(drawn).seconds_to_wake == 2 * (1 + drawn)


def test_no_attempt_is_left_when_a_wide_job_fails() -> None:
    """Row 86."""
    yard = a_job(Policy(parallelism=100, completions=200, backoff_limit=0), " ".join("R" * 100))
    yard.fail()
    assert yard.counts == (0, 99, 0, 1)
    yard.end_stopped()
    assert (yard.job.status, yard.counts) == (JobStatus.FAILED, (0, 0, 0, 100))


def test_a_program_that_always_fails_is_tried_once_more_than_the_limit() -> None:
    """Row 87."""
    yard = a_job(Policy(backoff_limit=1)).decide()
    tries = 0
    while not yard.job.terminal:
        tries += 1
        yard.fail()
        if yard.wake_at is not None:
            yard.sleep()
    assert (tries, yard.job.failed, yard.job.reason) == (2, 2, EXCEEDED)


def test_a_program_that_fails_every_other_time_completes_in_place() -> None:
    """Row 88."""
    yard = a_job(Policy(completions=4, restart_policy=ON_FAILURE)).decide()
    while not yard.job.terminal:
        assert yard.start_all().restart(yard.live()[0])
        yard.succeed()
    assert (yard.job.status, yard.job.failed) == (JobStatus.COMPLETED, 0)


def test_a_program_that_fails_every_other_time_completes_with_new_attempts() -> None:
    """Row 89."""
    yard = a_job(Policy(completions=4)).decide()
    while not yard.job.terminal:
        assert yard.fail().seconds_to_wake == 10
        yard.sleep().succeed()
    assert (yard.job.status, yard.job.failed) == (JobStatus.COMPLETED, 4)


# What a worker cannot help: lost, handed back, not started.


def test_a_lost_attempt_is_replaced_at_once_and_is_no_failure() -> None:
    yard = a_job(Policy(backoff_limit=0), "R").lose()
    assert (len(yard.created), yard.counts, yard.job.status) == (1, (1, 0, 0, 0), "RUNNING")


@pytest.mark.parametrize("indexed", [False, True])
def test_five_lost_workers_in_a_row_fail_the_job(indexed: bool) -> None:
    policy = Policy(completion_mode=INDEXED) if indexed else Policy()
    yard = a_job(policy).decide()
    for _ in range(4):
        assert yard.lose().job.outcome is None
    yard.lose()
    assert (yard.job.status, yard.job.reason) == (JobStatus.FAILED, Reason.WORKER_LOST_LIMIT)
    assert "5 times in a row" in (yard.job.message or "")
    assert yard.job.failed == 0


@pytest.mark.parametrize("indexed", [False, True])
def test_one_lost_worker_may_take_many_attempts_with_it(indexed: bool) -> None:
    policy = Policy(parallelism=200, completions=300)
    if indexed:
        policy = Policy(parallelism=200, completions=300, completion_mode=INDEXED)
    yard = a_job(policy).decide()
    for _ in range(4):
        yard.start_all().lose_all()
        assert (yard.job.outcome, yard.job.active) == (None, 200)
    yard.start_all().lose_all()
    assert yard.job.reason == Reason.WORKER_LOST_LIMIT


def test_the_losses_of_one_worker_may_be_told_one_by_one() -> None:
    yard = a_job(Policy(parallelism=9, completions=9), " ".join("R" * 9))
    for attempt in yard.live():
        yard.end(attempt, AttemptStatus.LOST)
        yard.decide()
    assert yard.job.outcome is None


@pytest.mark.parametrize("indexed", [False, True])
def test_a_program_that_ends_in_between_ends_the_row_of_losses(indexed: bool) -> None:
    mode = INDEXED if indexed else Policy().completion_mode
    yard = a_job(Policy(completion_mode=mode)).decide()
    for _ in range(3):
        for _ in range(4):
            yard.lose()
        if indexed:
            yard.fail().sleep()
        else:
            yard.change(completions=(yard.job.policy.completions or 0) + 1).succeed()
    assert yard.job.outcome is None


def test_a_program_that_never_started_fails_the_job_at_once() -> None:
    yard = a_job(Policy(parallelism=2, completions=2), status=JobStatus.PENDING).decide()
    attempt = yard.live()[0]
    yard.claim(attempt)
    reason = AttemptReason.START_FAILED
    yard.end(attempt, AttemptStatus.FAILED, exit_code=127, reason=reason, advice="no")
    yard.decide()
    assert (yard.job.status, yard.job.reason) == (JobStatus.FAILED, "StartFailed")
    assert "could not start" in (yard.job.message or "")
    assert yard.job.started_at is None
    # Nothing was handed back on the way: QUEUED, then FAILED.
    assert [str(event) for event in yard.ledger] == ["due", "claimed", "failed"]


def test_a_program_that_refuses_a_retry_gets_none() -> None:
    yard = a_job(Policy(), "R").fail(advice="no", exit_code=3)
    assert (yard.job.status, yard.job.reason) == (JobStatus.FAILED, Reason.RETRY_REFUSED)
    assert yard.job.message == "attempt 1 failed with exit code 3 and a retry makes no sense"


def test_a_handed_back_attempt_is_replaced_at_once_and_is_no_failure() -> None:
    yard = a_job(Policy(), "R")
    yard.end(yard.live()[0], AttemptStatus.STOPPED, reason=StopReason.WORKER_SHUTDOWN)
    yard.decide()
    assert (len(yard.created), yard.counts) == (1, (1, 0, 0, 0))


def test_an_index_that_never_started_keeps_its_number() -> None:
    policy = Policy(completions=2, parallelism=2, completion_mode=INDEXED)
    yard = a_job(policy).decide()
    waiting, begun = yard.live()
    yard.claim(waiting)
    yard.start(begun)
    yard.end(waiting, AttemptStatus.STOPPED)
    yard.end(begun, AttemptStatus.STOPPED)
    yard.decide()
    assert [(c.index, c.number) for c in yard.created] == [(0, 1), (1, 2)]


def test_a_job_handed_back_before_anything_started_waits_again_for_a_worker() -> None:
    yard = a_job(Policy(pending_timeout=60)).decide()
    yard.now += 50 * SECOND
    yard.claim(yard.live()[0])
    assert (yard.job.status, yard.decide().wake_at) == (JobStatus.QUEUED, None)
    yard.end(yard.live()[0], AttemptStatus.STOPPED)
    yard.decide()
    assert (yard.job.status, len(yard.created)) == (JobStatus.SCHEDULED, 1)
    assert [str(event) for event in yard.ledger] == ["due", "claimed", "handed_back"]
    assert yard.seconds_to_wake == 60
    assert drive(yard).job.status is JobStatus.COMPLETED
