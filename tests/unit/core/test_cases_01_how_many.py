"""How many attempts to create or to end (kubernetes-job-cases.md 1)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.core.yard import INDEXED, START, a_job, drive

from jobyard.core.decide import decide
from jobyard.core.job import Policy
from jobyard.core.state import JobState, Request
from jobyard.core.states import AttemptStatus, Event, JobStatus, Reason, StopReason
from jobyard.core.target import WINDOW

P2_C5 = Policy(parallelism=2, completions=5)
QUEUE = Policy(parallelism=2, completions=None)


@pytest.mark.parametrize(
    ("policy", "attempts", "created", "counts"),
    [
        pytest.param(P2_C5, "", 2, (2, 0, 0, 0), id="row-1"),
        pytest.param(QUEUE, "", 2, (2, 0, 0, 0), id="row-2"),
        pytest.param(QUEUE, "P P", 0, (2, 0, 0, 0), id="row-3"),
        pytest.param(P2_C5, "R S", 1, (2, 0, 1, 0), id="row-5"),
        pytest.param(P2_C5, "R S F", 1, (2, 0, 1, 1), id="row-9"),
        pytest.param(P2_C5, "R F", 1, (2, 0, 0, 1), id="row-10"),
        pytest.param(QUEUE, "R S", 0, (1, 0, 1, 0), id="row-13"),
        pytest.param(Policy(parallelism=0, completions=5), "", 0, (0, 0, 0, 0), id="row-17"),
    ],
)
def test_what_is_missing_is_created(policy: Any, attempts: Any, created: Any, counts: Any) -> None:
    yard = a_job(policy, attempts).decide()
    assert (len(yard.created), yard.counts, yard.stops) == (created, counts, [])
    assert not yard.job.terminal


@pytest.mark.parametrize(
    ("policy", "attempts", "ended", "counts"),
    [
        pytest.param(P2_C5, "P P P", 1, (2, 0, 0, 0), id="row-6"),
        pytest.param(P2_C5, " ".join("P" * 10), 8, (2, 0, 0, 0), id="row-7"),
        pytest.param(P2_C5, " ".join("R" * 10), 8, (2, 8, 0, 0), id="row-7-when-running"),
        pytest.param(
            Policy(parallelism=3, completions=4), "P P P S S", 1, (2, 0, 2, 0), id="row-8"
        ),
    ],
)
def test_what_is_too_much_is_ended(policy: Any, attempts: Any, ended: Any, counts: Any) -> None:
    yard = a_job(policy, attempts).decide()
    (stop,) = yard.stops
    assert (stop.count, stop.reason) == (ended, StopReason.SCALED_DOWN)
    assert (yard.created, yard.counts) == ([], counts)


def test_a_failure_of_just_now_delays_its_replacement() -> None:
    """Row 11."""
    yard = a_job(P2_C5, "R f").decide()
    assert (yard.created, yard.seconds_to_wake) == ([], 10)
    assert len(yard.sleep().created) == 1


def test_without_failures_nothing_is_delayed() -> None:
    """Row 12."""
    yard = a_job(P2_C5, "R s").decide()
    assert (len(yard.created), yard.wake_at) == (1, None)


@pytest.mark.parametrize(
    ("policy", "attempts", "succeeded", "failed"),
    [
        pytest.param(QUEUE, "S s", 2, 0, id="row-14"),
        pytest.param(QUEUE, "F s", 1, 1, id="row-15"),
        pytest.param(QUEUE, "s f", 1, 1, id="row-15-in-one-look"),
        pytest.param(P2_C5, "S S S s s", 5, 0, id="row-16"),
    ],
)
def test_finished_work_completes_the_job(
    policy: Any, attempts: Any, succeeded: Any, failed: Any
) -> None:
    yard = a_job(policy, attempts).decide()
    job = yard.job
    assert (job.status, job.reason) == (JobStatus.COMPLETED, Reason.COMPLETIONS_REACHED)
    assert (job.succeeded, job.failed, job.finished_at) == (succeeded, failed, yard.now)


@pytest.mark.parametrize("parallelism", [0, 1, 7])
def test_nothing_to_do_is_done_when_it_is_due(parallelism: int) -> None:
    """Row 18."""
    policy = Policy(parallelism=parallelism, completions=0)
    yard = a_job(policy, scheduled_at=START + 5).decide()
    assert yard.job.status is JobStatus.PENDING
    yard.sleep()
    assert (yard.job.status, yard.made) == (JobStatus.COMPLETED, 0)
    assert yard.ledger == [Event.DUE, Event.COMPLETED]


@pytest.mark.parametrize("waits", [{"waiting_on": 1}, {"scheduled_at": START + 5}, {}])
def test_a_job_with_nothing_to_do_can_be_stopped_before_it_is_due(waits: Any) -> None:
    """Row 18."""
    yard = a_job(Policy(completions=0, suspend=not waits), **waits).decide().ask(Request.STOP)
    assert yard.job.status is JobStatus.STOPPED


def test_a_wide_job_keeps_a_window_of_waiting_attempts_and_refills_it() -> None:
    """Rows 19 and 21: one decision never makes more than the window, whatever is wanted."""
    yard = a_job(Policy(parallelism=5 * WINDOW, completions=10 * WINDOW)).decide()
    assert len(yard.created) == WINDOW
    assert yard.decide().created == []
    for attempt in yard.live()[:300]:
        yard.start(attempt)
    assert len(yard.decide().created) == 300
    assert yard.job.active == WINDOW + 300


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "STOPPED", "CANCELED"])
def test_a_finished_job_stays_as_it_is(status: str) -> None:
    """Row 25."""
    end = JobStatus(status)
    yard = a_job(P2_C5, status=end, outcome=end, reason="X", finished_at=START)
    before = yard.job
    for decided in (
        yard.decide(),
        yard.ask(Request.STOP),
        yard.change(parallelism=4),
        yard.advance(9),
    ):
        assert decided.decisions[0].create == []
        assert decided.ledger == []
    assert yard.job.status is before.status
    assert yard.job.finished_at == START


def test_unclaimed_attempts_go_first_then_those_not_running_then_the_youngest() -> None:
    """Row 28."""
    yard = a_job(Policy(parallelism=4, completions=9), "R R Q P").decide()
    running = [a.id for a in yard.live()]
    yard.change(parallelism=3)
    assert [a.id for a in yard.live()] == running[:3]
    yard.change(parallelism=1)
    assert [a.asked for a in yard.live()] == [None, StopReason.SCALED_DOWN, StopReason.SCALED_DOWN]


def test_a_look_that_ends_attempts_creates_none() -> None:
    """Rows 29 and 51: attempts beyond the completions go first, what is missing comes next."""
    policy = Policy(parallelism=3, completions=3, completion_mode=INDEXED)
    yard = a_job(policy, "0R 7R 8R").decide()
    first, second = yard.decisions
    assert first.stop is not None
    assert (first.stop.beyond, first.create) == (3, [])
    assert ([c.index for c in second.create], second.stop) == ([1, 2], None)
    assert yard.counts == (3, 2, 0, 0)


def test_the_number_of_active_attempts_follows_the_parallelism() -> None:
    """Row 31: what is trimmed is no failure."""
    yard = a_job(Policy(parallelism=5, completions=9, backoff_limit=2)).decide().start_all()
    active = [yard.job.active]
    for parallelism in (2, 4):
        active.append(yard.change(parallelism=parallelism).job.active)
        yard.end_stopped()
    assert active == [5, 2, 4]
    assert (yard.job.failed, yard.job.status) == (0, JobStatus.RUNNING)


def test_the_last_attempts_are_fewer_than_the_parallelism() -> None:
    """Row 32."""
    yard = a_job(Policy(parallelism=54, completions=56)).decide()
    for attempt in yard.start_all().live():
        yard.end(attempt, AttemptStatus.SUCCEEDED, exit_code=0)
    yard.decide()
    assert yard.counts == (2, 0, 54, 0)
    assert drive(yard).counts == (0, 0, 56, 0)


def test_a_paused_job_ends_what_runs_and_starts_again_when_it_may() -> None:
    """Row 17, seen from a job that runs."""
    yard = a_job(P2_C5, "R R S").change(parallelism=0)
    assert yard.counts == (0, 2, 1, 0)
    yard.end_stopped()
    assert (yard.counts, yard.wake_at) == ((0, 0, 1, 0), None)
    assert len(yard.change(parallelism=3).created) == 3


def test_a_job_that_is_over_budget_and_has_waiting_attempts_withdraws_them() -> None:
    """Row 23, with a stop in the place of a deletion: a success of before counts, no more start."""
    yard = a_job(P2_C5, "P R s").ask(Request.CANCEL)
    assert yard.counts == (0, 1, 1, 0)
    assert yard.created == []
    yard.end_stopped()
    assert (yard.job.status, yard.counts) == (JobStatus.CANCELED, (0, 0, 1, 0))


def test_one_decision_creates_no_more_than_it_is_let_and_the_next_goes_on_at_once() -> None:
    """Row 21."""
    job = JobState(id=1, policy=Policy(completions=50, parallelism=40), created_at=START)

    first = decide(job, (), START, most=16)
    assert (len(first.create), first.wake_at) == (16, START)

    second = decide(first.job, (), START)
    assert (len(second.create), second.wake_at, second.job.active) == (24, None, 40)
