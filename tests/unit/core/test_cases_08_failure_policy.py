"""Failure policies (kubernetes-job-cases.md 8)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.core.yard import INDEXED, START, a_job

from jobyard.core.job import (
    Condition,
    ExitCodes,
    FailureAction,
    FailureRule,
    Operator,
    Policy,
)
from jobyard.core.policies import DISRUPTION, match_failure
from jobyard.core.state import Ended
from jobyard.core.states import AttemptStatus, JobStatus, Reason

FAIL_JOB, IGNORE, COUNT = FailureAction.FAIL_JOB, FailureAction.IGNORE, FailureAction.COUNT


def on(action: FailureAction, *codes: int, operator: Operator = Operator.IN) -> FailureRule:
    return FailureRule(action, ExitCodes(operator, codes))


def on_disruption(action: FailureAction) -> FailureRule:
    return FailureRule(action, conditions=(DISRUPTION,))


def exited(exit_code: int | None, status: AttemptStatus = AttemptStatus.FAILED) -> Ended:
    return Ended(1, None, 1, status, START, exit_code=exit_code)


TWO_RULES = (on(IGNORE, 1, 2, 3), on(FAIL_JOB, 5, 6, 7))
NOT_IN = (on(FAIL_JOB, 5, 6, 7, operator=Operator.NOT_IN),)
NOT_FIVE = (on(FAIL_JOB, 5, operator=Operator.NOT_IN),)


@pytest.mark.parametrize(
    ("rules", "ended", "match"),
    [
        pytest.param(TWO_RULES, exited(5), (FAIL_JOB, 1), id="row-133"),
        pytest.param(TWO_RULES, exited(4), None, id="row-144"),
        pytest.param(NOT_IN, exited(42), (FAIL_JOB, 0), id="row-138-not-in"),
        pytest.param(NOT_IN, exited(5), None, id="row-138-default"),
        pytest.param(NOT_FIVE, exited(42), (FAIL_JOB, 0), id="row-140-other"),
        pytest.param(NOT_FIVE, exited(0), None, id="row-140-zero"),
        pytest.param(NOT_FIVE, exited(None), None, id="row-141"),
        pytest.param(NOT_FIVE, exited(143, AttemptStatus.LOST), None, id="row-137-only-own-ends"),
        pytest.param(
            (on(IGNORE, 5), on(FAIL_JOB, 5)), exited(5), (IGNORE, 0), id="row-142-first-wins"
        ),
        pytest.param(
            (on(COUNT, 5), on(FAIL_JOB, 5)), exited(5), (COUNT, 0), id="row-145-first-wins"
        ),
        pytest.param(
            (on_disruption(IGNORE),), exited(None, AttemptStatus.LOST), (IGNORE, 0), id="row-146"
        ),
        pytest.param((on_disruption(IGNORE),), exited(1), None, id="row-146-other-failure"),
        pytest.param(
            (FailureRule(IGNORE, conditions=(Condition("DisruptionTarget", "False"),)),),
            exited(None, AttemptStatus.LOST),
            None,
            id="row-147",
        ),
        pytest.param(
            (FailureRule(IGNORE, conditions=(Condition("Other", "Unknown"),)),),
            exited(None, AttemptStatus.LOST),
            None,
            id="row-148",
        ),
        pytest.param(
            (FailureRule(IGNORE, conditions=(Condition("Other"), DISRUPTION)),),
            exited(None, AttemptStatus.LOST),
            (IGNORE, 0),
            id="any-condition",
        ),
    ],
)
def test_the_first_rule_that_matches_decides(rules: Any, ended: Any, match: Any) -> None:
    assert match_failure(rules, ended) == match


def test_a_fail_job_rule_fails_the_job_and_tells_which_it_was() -> None:
    """Row 133."""
    yard = a_job(Policy(failure_rules=TWO_RULES), "f:5").decide()
    assert (yard.job.status, yard.job.reason) == (JobStatus.FAILED, Reason.POD_FAILURE_POLICY)
    assert yard.job.message == (
        "attempt 1 failed with exit code 5, matching the FailJob rule at position 1"
    )


def test_the_reason_is_kept_until_the_end() -> None:
    """Rows 131 and 134."""
    yard = a_job(Policy(failure_rules=TWO_RULES, parallelism=2, completions=2), "f:5 R").decide()
    first = (yard.job.reason, yard.job.message)
    yard.end(yard.live()[0], AttemptStatus.FAILED, exit_code=6)
    yard.decide()
    assert (yard.job.reason, yard.job.message) == first


def test_what_else_runs_is_ended_and_counted() -> None:
    """Row 135."""
    yard = a_job(Policy(failure_rules=TWO_RULES, parallelism=2, completions=2), "f:5 R").decide()
    assert yard.end_stopped().job.failed == 2


def test_an_attempt_has_one_container_so_that_its_name_is_no_filter() -> None:
    """Rows 136 and 139: spec refuses names that the program does not have."""
    rule = FailureRule(FAIL_JOB, ExitCodes(Operator.IN, (5,), container="main"))
    assert match_failure((rule,), exited(5)) == (FAIL_JOB, 0)


def test_an_ignored_failure_is_replaced_and_never_counted() -> None:
    """Rows 142 and 143."""
    yard = a_job(Policy(failure_rules=TWO_RULES, backoff_limit=0), "f:1").decide()
    assert (yard.counts, len(yard.created), yard.job.outcome) == ((1, 0, 0, 0), 1, None)


def test_ignored_failures_in_a_row_are_replaced_after_growing_delays() -> None:
    """Row 143, if it goes on: a rule must not make a hot loop."""
    yard = a_job(Policy(failure_rules=TWO_RULES, backoff_limit=0)).decide()
    delays = []
    for _ in range(4):
        delays.append(yard.fail(exit_code=1).seconds_to_wake)
        if yard.wake_at is not None:
            yard.sleep()
    assert delays == [None, 10, 20, 40]
    assert yard.job.failed == 0


def test_an_exit_that_no_rule_names_counts_as_usual() -> None:
    """Row 144."""
    yard = a_job(Policy(failure_rules=TWO_RULES, backoff_limit=0), "f:10").decide()
    assert yard.job.reason == Reason.BACKOFF_LIMIT_EXCEEDED


def test_a_count_rule_keeps_later_rules_from_speaking() -> None:
    """Row 145."""
    rules = (on(COUNT, 5), on(FAIL_JOB, 5))
    yard = a_job(Policy(failure_rules=rules), "f:5").decide()
    assert (yard.job.outcome, yard.job.failed, yard.seconds_to_wake) == (None, 1, 10)


def test_a_disruption_that_is_ignored_is_replaced_and_has_the_bound_of_lost_workers() -> None:
    """Row 146."""
    yard = a_job(Policy(failure_rules=(on_disruption(IGNORE),), backoff_limit=0)).decide()
    for _ in range(4):
        yard.lose()
        assert (yard.counts, yard.job.outcome) == ((1, 0, 0, 0), None)
    assert yard.lose().job.reason == Reason.WORKER_LOST_LIMIT


@pytest.mark.parametrize(
    ("action", "reason"),
    [(COUNT, Reason.BACKOFF_LIMIT_EXCEEDED), (FAIL_JOB, Reason.POD_FAILURE_POLICY)],
)
def test_a_rule_may_take_a_lost_worker_for_a_failure(action: Any, reason: Any) -> None:
    yard = a_job(Policy(failure_rules=(on_disruption(action),), backoff_limit=0), "l").decide()
    assert (yard.job.status, yard.job.reason, yard.job.failed) == (JobStatus.FAILED, reason, 1)


def test_a_fail_job_rule_ends_an_indexed_job_with_what_is_completed() -> None:
    """Row 150."""
    policy = Policy(completions=3, completion_mode=INDEXED, failure_rules=TWO_RULES)
    yard = a_job(policy, "0S 1f:6").decide()
    assert (yard.job.status, str(yard.job.completed)) == (JobStatus.FAILED, "0")
    assert "attempt 1 of index 1" in (yard.job.message or "")


def test_a_fail_job_rule_waits_for_no_limit() -> None:
    """Row 151."""
    yard = a_job(Policy(failure_rules=TWO_RULES, backoff_limit=1000)).decide().fail(exit_code=7)
    assert (yard.job.status, yard.made) == (JobStatus.FAILED, 1)


def test_ignored_evictions_let_a_job_without_retries_complete() -> None:
    """Row 152."""
    rules = (on(IGNORE, 137),)
    yard = a_job(Policy(completions=2, failure_rules=rules, backoff_limit=0)).decide()
    yard.fail(exit_code=137).succeed().fail(exit_code=137).succeed()
    assert (yard.job.status, yard.job.failed) == (JobStatus.COMPLETED, 0)


def test_a_fail_index_rule_counts_as_usual_where_there_are_no_indexes() -> None:
    yard = a_job(Policy(failure_rules=(on(FailureAction.FAIL_INDEX, 5),)), "f:5").decide()
    assert (yard.job.outcome, yard.job.failed) == (None, 1)
