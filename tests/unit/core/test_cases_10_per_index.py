"""Back-off by index (kubernetes-job-cases.md 10)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.core.yard import INDEXED, START, a_job

from jobyard.core.backoff import SECOND
from jobyard.core.job import ExitCodes, FailureAction, FailureRule, Operator, Policy
from jobyard.core.states import AttemptReason, AttemptStatus, JobStatus, Reason


def by_index(limit: int, completions: int = 2, parallelism: int = 2, **policy: Any) -> Policy:
    return Policy(
        completions=completions,
        parallelism=parallelism,
        completion_mode=INDEXED,
        backoff_limit=policy.pop("backoff_limit", 2**31 - 1),
        backoff_limit_per_index=limit,
        **policy,
    )


def on_3(action: FailureAction) -> tuple[FailureRule, ...]:
    return (FailureRule(action, ExitCodes(Operator.IN, (3,))),)


def test_an_index_that_fails_beyond_its_limit_is_given_up_and_the_others_go_on() -> None:
    """Row 167."""
    yard = a_job(by_index(1), "0F 0f 1R").decide()
    assert (str(yard.job.failed_indexes), yard.counts) == ("0", (1, 0, 0, 2))
    assert (yard.job.outcome, yard.created) == (None, [])


def test_an_index_within_its_limit_is_tried_again_after_the_delay() -> None:
    """Row 168."""
    yard = a_job(by_index(1), "0f 1R").decide()
    assert (yard.created, yard.seconds_to_wake, yard.job.retry_at) == ([], 10, yard.wake_at)
    yard.sleep()
    assert [(c.index, c.number) for c in yard.created] == [(0, 2)]
    assert yard.job.tries[0].failures == 1


def test_a_fail_index_rule_gives_an_index_up_at_once() -> None:
    """Row 169."""
    policy = by_index(9, failure_rules=on_3(FailureAction.FAIL_INDEX))
    yard = a_job(policy, "0f:3 1R").decide()
    assert (str(yard.job.failed_indexes), yard.job.failed) == ("0", 1)


def test_an_ignored_failure_leaves_the_limit_of_its_index_alone() -> None:
    """Row 170."""
    policy = by_index(0, failure_rules=on_3(FailureAction.IGNORE))
    yard = a_job(policy, "0f:3 1R").decide()
    record = yard.job.tries[0]
    assert (yard.indexes, yard.job.failed) == ([0], 0)
    assert (record.failures, record.ignored) == (0, 1)


def test_a_fail_job_rule_fails_the_whole_job() -> None:
    """Row 171."""
    policy = by_index(9, failure_rules=on_3(FailureAction.FAIL_JOB))
    yard = a_job(policy, "0f:3 1R").decide()
    assert yard.job.reason == Reason.POD_FAILURE_POLICY


def test_the_limit_of_the_job_may_speak_before_that_of_an_index() -> None:
    """Row 172."""
    yard = a_job(by_index(5, backoff_limit=1), "0F 1f").decide()
    assert (yard.job.reason, str(yard.job.failed_indexes)) == (Reason.BACKOFF_LIMIT_EXCEEDED, "")


def test_when_every_index_is_decided_a_failed_one_fails_the_job() -> None:
    """Row 173."""
    yard = a_job(by_index(0), "0F 1s").decide()
    assert (yard.job.status, yard.job.reason) == (JobStatus.FAILED, Reason.FAILED_INDEXES)
    assert yard.job.message == "failed indexes: 0"
    assert (str(yard.job.failed_indexes), str(yard.job.completed)) == ("0", "1")


def test_more_failed_indexes_than_allowed_fail_the_job() -> None:
    """Row 174."""
    policy = by_index(0, completions=4, parallelism=4, max_failed_indexes=1)
    yard = a_job(policy, "0F 1R 2f").decide()
    assert yard.job.reason == Reason.MAX_FAILED_INDEXES_EXCEEDED
    assert yard.counts == (0, 1, 0, 2)
    assert yard.end_stopped().job.failed == 3


def test_one_failed_index_may_be_too_many() -> None:
    """Row 175."""
    yard = a_job(by_index(0, completions=3, parallelism=1, max_failed_indexes=0)).decide().fail(0)
    assert yard.job.reason == Reason.MAX_FAILED_INDEXES_EXCEEDED
    assert (str(yard.job.failed_indexes), yard.job.failed, yard.made) == ("0", 1, 1)


def test_indexes_that_always_fail_do_not_keep_the_others_from_completing() -> None:
    """Row 176."""
    yard = a_job(by_index(1, completions=4, parallelism=2)).decide()
    while not yard.job.terminal:
        for attempt in yard.start_all().live():
            odd = (attempt.index or 0) % 2
            status = AttemptStatus.FAILED if odd else AttemptStatus.SUCCEEDED
            yard.end(attempt, status, exit_code=odd)
        yard.decide()
        if not yard.live() and not yard.job.terminal:
            yard.sleep()
    job = yard.job
    assert (str(job.failed_indexes), str(job.completed)) == ("1,3", "0,2")
    assert (job.failed, job.succeeded, job.reason) == (4, 2, Reason.FAILED_INDEXES)


def test_one_index_that_is_given_up_fails_the_job_when_the_other_is_done() -> None:
    """Row 177."""
    policy = by_index(9, failure_rules=on_3(FailureAction.FAIL_INDEX))
    yard = a_job(policy).decide().fail(1, exit_code=3).succeed(0)
    assert (str(yard.job.failed_indexes), str(yard.job.completed)) == ("1", "0")
    assert yard.job.reason == Reason.FAILED_INDEXES


def test_an_index_that_is_not_delayed_is_begun_before_one_that_is() -> None:
    """Row 178."""
    yard = a_job(by_index(6, completions=4, parallelism=4), "0R 2R 1f").decide()
    assert (yard.indexes, yard.seconds_to_wake) == ([3], 10)


def test_when_all_are_delayed_the_earliest_wakes_the_job() -> None:
    """Row 179."""
    yard = a_job(by_index(6), "0R 1R")
    yard.end(yard.live(1)[0], AttemptStatus.FAILED, finished_at=START)
    yard.end(yard.live(0)[0], AttemptStatus.FAILED, finished_at=START + 4 * SECOND)
    yard.now = START + 5 * SECOND
    yard.decide()
    assert (yard.created, yard.wake_at) == ([], START + 10 * SECOND)
    assert yard.sleep().indexes == [1]
    assert (yard.seconds_to_wake, yard.sleep().indexes) == (4, [0])


def test_indexes_double_their_delays_on_their_own() -> None:
    """Row 180."""
    yard = a_job(by_index(6, completions=3, parallelism=3), "0F 0f 1f 2R").decide()
    waits = {index: record.retry_at - START for index, record in yard.job.tries.items()}
    assert waits == {0: 20 * SECOND, 1: 10 * SECOND}
    assert yard.succeed(2).seconds_to_wake == 10


def test_the_record_of_an_index_lies_with_the_job_not_with_its_attempts() -> None:
    """Row 181."""
    yard = a_job(by_index(1), "0f 1R").decide()
    yard.attempts = [a for a in yard.attempts if a.live]
    yard.sleep().fail(0)
    assert str(yard.job.failed_indexes) == "0"


@pytest.mark.parametrize("reason", [None, AttemptReason.START_FAILED])
def test_an_index_whose_retry_makes_no_sense_is_given_up_not_the_job(reason: Any) -> None:
    yard = a_job(by_index(9), "0R 1R").fail(0, advice="no", reason=reason)
    assert (str(yard.job.failed_indexes), yard.job.outcome) == ("0", None)


def test_a_long_list_of_failed_indexes_is_shortened_in_the_message() -> None:
    size = 400
    policy = by_index(0, completions=size, parallelism=0)
    attempts = " ".join(f"{i}{'S' if i % 2 else 'F'}" for i in range(size))
    yard = a_job(policy, attempts).decide()
    message = yard.job.message or ""
    assert yard.job.reason == Reason.FAILED_INDEXES
    assert message.startswith("failed indexes: 0,2,4,")
    assert message.endswith(",…")
    assert len(message) < 230


def test_lost_attempts_of_an_index_have_their_own_bound() -> None:
    yard = a_job(by_index(0)).decide()
    for _ in range(4):
        yard.lose(0).lose(1)
    assert (yard.job.outcome, yard.job.failed) == (None, 0)
    assert yard.lose(1).job.reason == Reason.WORKER_LOST_LIMIT
