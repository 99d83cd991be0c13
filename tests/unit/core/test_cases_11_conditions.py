"""Conditions (kubernetes-job-cases.md 11): derived from the state, hence never out of step."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.core.yard import INDEXED, START, a_job

from jobyard.core.conditions import ConditionType, JobCondition, conditions
from jobyard.core.job import Policy, SuccessRule
from jobyard.core.state import Request
from jobyard.core.states import Event, JobStatus

T = ConditionType


def types(yard: Any) -> list[str]:
    return [condition.type for condition in conditions(yard.job)]


def test_a_condition_appears_when_it_becomes_true() -> None:
    """Row 183."""
    yard = a_job(Policy(), "R")
    assert types(yard) == []
    yard.change(suspend=True)
    assert conditions(yard.job) == (
        JobCondition(T.SUSPENDED, "JobSuspended", "the job is suspended"),
    )


def test_a_condition_that_is_not_true_is_not_told() -> None:
    """Row 184; row 102: a resumed job is no longer Suspended, its ledger tells the story."""
    yard = a_job(Policy(), "R").change(suspend=True).end_stopped()
    assert types(yard.change(suspend=False)) == []
    assert yard.ledger == [Event.SUSPENDED, Event.DUE]


def test_no_condition_is_ever_told_twice() -> None:
    """Rows 98, 185 and 186: looking again changes neither number, reason nor time."""
    yard = a_job(Policy(backoff_limit=0, active_deadline=5, parallelism=2), "f R").decide()
    first = conditions(yard.job)
    assert [condition.type for condition in first] == [T.FAILURE_TARGET]
    assert conditions(yard.advance(9).job) == first
    yard.end_stopped().advance(9)
    assert [c.type for c in conditions(yard.job)] == [T.FAILURE_TARGET, T.FAILED]
    assert {c.reason for c in conditions(yard.job)} == {"BackoffLimitExceeded"}


def test_success_is_announced_before_the_job_is_complete() -> None:
    """Rows 41, 164 and 165."""
    yard = a_job(Policy(), "s T").decide()
    assert types(yard) == [T.SUCCESS_CRITERIA_MET]
    yard.now += 7
    yard.end_stopped()
    assert conditions(yard.job) == (
        JobCondition(T.SUCCESS_CRITERIA_MET, "CompletionsReached", None, START),
        JobCondition(T.COMPLETE, "CompletionsReached", None, START + 7),
    )


def test_the_reason_of_a_success_rule_is_told() -> None:
    """Row 154."""
    rules = (SuccessRule(count=1),)
    policy = Policy(completions=2, completion_mode=INDEXED, success_rules=rules)
    found = conditions(a_job(policy, "0s").decide().job)
    assert {(c.reason, c.message) for c in found} == {
        ("SuccessPolicy", "the success rule at position 0 is met")
    }


def test_conditions_of_both_kinds_never_meet() -> None:
    """Rows 187 and 215: nobody can set one by hand, they follow the outcome."""
    for outcome in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.STOPPED, JobStatus.CANCELED):
        yard = a_job(Policy(suspend=True), status=outcome, outcome=outcome, finished_at=START)
        good = outcome is JobStatus.COMPLETED
        assert types(yard) == (
            [T.SUCCESS_CRITERIA_MET, T.COMPLETE] if good else [T.FAILURE_TARGET, T.FAILED]
        )
        assert conditions(yard.job)[0].reason == outcome


@pytest.mark.parametrize(
    ("request_", "reason"),
    [(Request.STOP, "StopRequested"), (Request.CANCEL, "CancelRequested")],
)
def test_a_stopped_job_is_failed_in_kubernetes_words(request_: Any, reason: Any) -> None:
    yard = a_job(Policy(), "R").ask(request_).end_stopped()
    found = conditions(yard.job)
    assert [(c.type, c.reason) for c in found] == [(T.FAILURE_TARGET, reason), (T.FAILED, reason)]
