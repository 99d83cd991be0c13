"""Exactly-once accounting (kubernetes-job-cases.md 7).

What Kubernetes does with finalizers and lists of uncounted pods, a store does here with one
transaction that hands every ended attempt to ``decide`` once; the three-step dance has no rows.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.core.yard import INDEXED, START, a_job

from jobyard.core.count import count, tell
from jobyard.core.job import Policy, SuccessRule
from jobyard.core.state import Ended
from jobyard.core.states import AttemptReason, AttemptStatus, JobStatus, StopReason


@pytest.mark.parametrize(
    ("attempts", "succeeded", "failed"),
    [
        pytest.param("S S F s s f", 4, 2, id="row-110"),
        pytest.param("S S F F s s f f", 4, 4, id="row-111"),
        pytest.param("s s f f f", 2, 3, id="row-114"),
        pytest.param("S F s s f", 3, 2, id="row-115"),
    ],
)
def test_only_news_is_added_to_the_counters(attempts: Any, succeeded: Any, failed: Any) -> None:
    yard = a_job(Policy(completions=99, parallelism=0, backoff_limit=99), attempts).decide()
    assert (yard.job.succeeded, yard.job.failed) == (succeeded, failed)
    assert yard.decide().counts == (0, 0, succeeded, failed)


def test_an_attempt_that_we_ended_while_the_job_goes_on_is_no_failure() -> None:
    """Row 113, other than there."""
    yard = a_job(Policy(completions=5, parallelism=2), "R R").change(parallelism=1)
    assert yard.end_stopped().counts == (1, 0, 0, 0)


def test_the_end_is_written_last() -> None:
    """Row 119: the outcome first, the end when nothing is active or terminating."""
    yard = a_job(Policy(completions=1, parallelism=1), "s T")
    assert yard.decide().job.finished_at is None
    assert yard.end_stopped().job.finished_at == START


def test_what_runs_when_a_job_fails_is_counted_failed() -> None:
    """Row 120."""
    yard = a_job(Policy(parallelism=2, completions=2, backoff_limit=0), "f R").decide()
    assert yard.end_stopped().counts == (0, 0, 0, 2)


def test_what_no_worker_began_is_not_counted_when_a_success_rule_is_met() -> None:
    """Row 121."""
    rules = (SuccessRule(indexes="0"),)
    policy = Policy(parallelism=2, completions=2, completion_mode=INDEXED, success_rules=rules)
    yard = a_job(policy, "0s 1P").decide()
    assert (yard.job.status, yard.counts, yard.withdrawn) == (JobStatus.COMPLETED, (0, 0, 1, 0), 1)


@pytest.mark.parametrize("size", [501, 5000])
def test_many_ended_attempts_are_counted_in_one_look(size: int) -> None:
    """Rows 123 and 124: there is no limit of five hundred."""
    attempts = " ".join(f"{index}s" for index in range(size))
    policy = Policy(completions=size + 1, parallelism=0, completion_mode=INDEXED)
    yard = a_job(policy, attempts).decide()
    assert str(yard.job.completed) == f"0-{size - 1}"


def test_two_successes_of_one_index_count_once() -> None:
    """Row 125."""
    yard = a_job(Policy(completions=5, parallelism=0, completion_mode=INDEXED), "1s 3s")
    yard.job.terminating += 1
    yard.news.append(Ended(99, 3, 2, AttemptStatus.SUCCEEDED, START, asked=StopReason.SCALED_DOWN))
    assert str(yard.decide().job.completed) == "1,3"


def test_an_index_that_is_out_of_range_now_leaves_the_counters() -> None:
    """Row 126."""
    policy = Policy(completions=4, parallelism=0, completion_mode=INDEXED)
    yard = a_job(policy, "0S 3S 2s").change(completions=2)
    assert (str(yard.job.completed), yard.job.succeeded) == ("0", 1)


def test_an_index_that_was_given_up_stays_given_up() -> None:
    """Row 127, for an index: a late success of another attempt changes nothing."""
    policy = Policy(
        completions=3, parallelism=3, completion_mode=INDEXED, backoff_limit_per_index=0
    )
    yard = a_job(policy, "1R").change(parallelism=0)
    yard.change(parallelism=2).start_all()
    old, new = yard.live(1)
    yard.end(new, AttemptStatus.FAILED, exit_code=1)
    yard.decide()
    yard.end(old, AttemptStatus.SUCCEEDED)
    yard.decide()
    assert (str(yard.job.failed_indexes), str(yard.job.completed)) == ("1", "")


def test_a_failure_of_an_index_that_is_done_keeps_no_record_of_it() -> None:
    policy = Policy(
        completions=3, parallelism=3, completion_mode=INDEXED, backoff_limit_per_index=0
    )
    yard = a_job(policy, "1R").change(parallelism=0)
    yard.change(parallelism=2).start_all()
    old, new = yard.live(1)
    yard.end(new, AttemptStatus.SUCCEEDED)
    yard.end(old, AttemptStatus.FAILED, exit_code=1)
    yard.decide()
    assert (str(yard.job.completed), str(yard.job.failed_indexes)) == ("1", "")
    assert yard.job.tries == {}
    for _ in range(3):
        yard.job.active += 1
        late = Ended(99, 1, 3, AttemptStatus.LOST, START)
        assert count(yard.job, [late]) is None
    assert (yard.job.tries, yard.job.overall.lost) == ({}, 0)


@pytest.mark.parametrize("status", [AttemptStatus.SUCCEEDED, AttemptStatus.FAILED])
def test_an_attempt_that_ended_by_itself_before_its_stop_is_counted_as_it_ended(
    status: Any,
) -> None:
    yard = a_job(Policy(completions=5, parallelism=1, backoff_limit=5), "R R").decide()
    yard.end(next(a for a in yard.live() if a.asked), status, exit_code=1)
    failed = status is AttemptStatus.FAILED
    assert yard.decide().counts == (1, 0, not failed, failed)


def test_a_failure_after_the_success_of_the_job_is_counted_and_changes_no_outcome() -> None:
    """Row 162: what we ended is no failure, what failed by itself is one."""
    rules = (SuccessRule(count=1),)
    policy = Policy(
        parallelism=3, completions=3, completion_mode=INDEXED, success_rules=rules, backoff_limit=0
    )
    yard = a_job(policy, "0s 1R 2R").decide()
    yard.end(yard.live(1)[0], AttemptStatus.FAILED, exit_code=1)
    yard.decide().end_stopped()
    assert (yard.job.status, yard.counts) == (JobStatus.COMPLETED, (0, 0, 1, 1))


def test_a_lost_attempt_of_a_failing_job_is_counted_like_one_that_was_killed() -> None:
    yard = a_job(Policy(parallelism=2, completions=2, backoff_limit=0), "f R").decide()
    yard.end(yard.live()[0], AttemptStatus.LOST)
    assert yard.decide().counts == (0, 0, 0, 2)


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"exit_code": 3}, "attempt 2 of index 4 failed with exit code 3"),
        ({"exit_code": 143, "signal": 15}, "attempt 2 of index 4 was ended by signal 15"),
        (
            {"exit_code": 137, "signal": 9, "reason": AttemptReason.OOM_KILLED},
            "attempt 2 of index 4 ended with OOMKilled",
        ),
        (
            {"exit_code": 127, "reason": AttemptReason.START_FAILED},
            "attempt 2 of index 4 could not start",
        ),
        (
            {"exit_code": 1, "reason": AttemptReason.ERROR},
            "attempt 2 of index 4 failed with exit code 1",
        ),
    ],
)
def test_a_failed_attempt_is_told_in_words(how: Any, sentence: Any) -> None:
    assert tell(Ended(1, 4, 2, AttemptStatus.FAILED, START, **how)) == sentence


def test_a_lost_attempt_is_told_in_words() -> None:
    lost = Ended(1, None, 2, AttemptStatus.LOST, START, reason=AttemptReason.WORKER_LOST)
    assert tell(lost) == "attempt 2 was lost with its worker"
