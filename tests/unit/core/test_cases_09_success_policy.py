"""Success policies and what comes first (kubernetes-job-cases.md 9)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.core.yard import INDEXED, START, a_job

from jobyard.core.indexes import IndexSet
from jobyard.core.job import ExitCodes, FailureAction, FailureRule, Operator, Policy, SuccessRule
from jobyard.core.policies import met_success_rule
from jobyard.core.state import Request
from jobyard.core.states import AttemptStatus, JobStatus, Reason, StopReason

FAIL_ON_5 = (FailureRule(FailureAction.FAIL_JOB, ExitCodes(Operator.IN, (5,))),)
LEADER = (SuccessRule(indexes="0"),)


def indexed(*rules: SuccessRule, **policy: Any) -> Policy:
    policy = {"completions": 5, "parallelism": 5} | policy
    return Policy(completion_mode=INDEXED, success_rules=rules or LEADER, **policy)


@pytest.mark.parametrize(
    ("rules", "completed", "met"),
    [
        pytest.param((SuccessRule(indexes="0"),), "0", 0, id="row-154"),
        pytest.param((SuccessRule(count=2),), "1,4", 0, id="row-155"),
        pytest.param((SuccessRule(count=2),), "1", None, id="row-155-not-yet"),
        pytest.param((SuccessRule("1-4", 3),), "1,3,5", None, id="row-156"),
        pytest.param((SuccessRule("1-4", 3),), "1,3,4", 0, id="row-156-met"),
        pytest.param((SuccessRule("0-2"),), "0,2", None, id="row-157"),
        pytest.param((SuccessRule("0-2"),), "0-3", 0, id="row-157-met"),
        pytest.param((SuccessRule("7"), SuccessRule(count=1)), "3", 1, id="row-158"),
        pytest.param((), "0-9", None, id="no-rules"),
        pytest.param((SuccessRule(),), "0-9", None, id="an-empty-rule-is-never-met"),
    ],
)
def test_a_rule_is_met_by_enough_of_its_indexes(rules: Any, completed: Any, met: Any) -> None:
    assert met_success_rule(rules, IndexSet.parse(completed)) == met


def test_a_met_rule_ends_what_runs_and_completes_the_job() -> None:
    """Row 154."""
    yard = a_job(indexed(), "0s 1R 2P").decide()
    assert [stop.reason for stop in yard.stops] == [StopReason.SUCCESS_POLICY]
    assert (yard.job.outcome, yard.job.status) == (JobStatus.COMPLETED, JobStatus.RUNNING)
    yard.end_stopped()
    job = yard.job
    assert (job.status, job.reason) == (JobStatus.COMPLETED, Reason.SUCCESS_POLICY)
    assert (str(job.completed), job.failed) == ("0", 0)
    assert job.message == "the success rule at position 0 is met"


def test_the_message_names_the_rule_that_was_met() -> None:
    """Rows 155 and 158."""
    yard = a_job(indexed(SuccessRule("4"), SuccessRule(count=2)), "0S 1s").decide()
    assert yard.job.message == "the success rule at position 1 is met"


@pytest.mark.parametrize(
    ("policy", "attempts", "reason"),
    [
        pytest.param(
            indexed(failure_rules=FAIL_ON_5),
            "0s 1f:5",
            Reason.POD_FAILURE_POLICY,
            id="row-159",
        ),
        pytest.param(
            indexed(backoff_limit=0), "0s 1f", Reason.BACKOFF_LIMIT_EXCEEDED, id="row-160"
        ),
        pytest.param(
            indexed(completions=2, backoff_limit_per_index=0),
            "0s 1f",
            Reason.FAILED_INDEXES,
            id="row-161",
        ),
        pytest.param(
            indexed(backoff_limit_per_index=0, max_failed_indexes=0),
            "0s 1f",
            Reason.MAX_FAILED_INDEXES_EXCEEDED,
            id="row-161-too-many",
        ),
    ],
)
def test_a_failure_of_the_same_look_wins_over_a_success_rule(
    policy: Any, attempts: Any, reason: Any
) -> None:
    yard = a_job(policy, attempts).decide()
    assert (yard.job.status, yard.job.reason) == (JobStatus.FAILED, reason)


def test_once_success_is_decided_nothing_fails_the_job() -> None:
    """Row 162."""
    yard = a_job(indexed(failure_rules=FAIL_ON_5), "0s 1R").decide()
    yard.end(yard.live()[0], AttemptStatus.FAILED, exit_code=5)
    yard.decide()
    assert (yard.job.status, yard.job.reason) == (JobStatus.COMPLETED, Reason.SUCCESS_POLICY)


def test_once_failure_is_decided_nothing_completes_the_job() -> None:
    """Row 163."""
    yard = a_job(indexed(failure_rules=FAIL_ON_5), "1f:5 0R").decide()
    yard.end(yard.live()[0], AttemptStatus.SUCCEEDED)
    yard.decide()
    assert (yard.job.status, str(yard.job.completed)) == (JobStatus.FAILED, "0")


def test_the_end_waits_for_what_is_stopping_and_counts_none_of_it_as_failed() -> None:
    """Row 164."""
    yard = a_job(indexed(), "0s 1R 2R").decide()
    assert (yard.job.status, yard.counts) == (JobStatus.RUNNING, (0, 2, 1, 0))
    assert yard.end_stopped().counts == (0, 0, 1, 0)


def test_all_successes_complete_the_job_by_their_number() -> None:
    """Row 165."""
    yard = a_job(Policy(completions=2, completion_mode=INDEXED), "0S 1s").decide()
    assert (yard.job.status, yard.job.reason) == (JobStatus.COMPLETED, Reason.COMPLETIONS_REACHED)


def test_failed_indexes_are_kept_though_a_rule_completes_the_job() -> None:
    """Row 166."""
    yard = a_job(indexed(backoff_limit_per_index=0), "1F").decide()
    yard.succeed(0).end_stopped()
    assert yard.job.status is JobStatus.COMPLETED
    assert (str(yard.job.failed_indexes), yard.job.failed) == ("1", 1)


def test_what_still_runs_after_success_has_the_completed_timeout() -> None:
    policy = indexed(completed_timeout=60, active_deadline=30)
    yard = a_job(policy, "0s 1R 2R").decide()
    assert [stop.unclaimed for stop in yard.stops] == [True]
    assert (yard.counts, yard.job.outcome) == ((2, 0, 1, 0), "COMPLETED")
    assert yard.succeed(1).counts == (1, 0, 2, 0)
    while yard.seconds_to_wake is not None:
        yard.sleep()
    assert yard.now == START + 60_000_000
    assert (yard.counts, yard.job.status) == ((0, 1, 2, 0), JobStatus.RUNNING)
    assert yard.end_stopped().job.status is JobStatus.COMPLETED


def test_nothing_starts_any_more_during_the_completed_timeout() -> None:
    yard = a_job(indexed(completed_timeout=60), "0s 1R 2P").decide()
    waiting = [a for a in yard.live() if a.status is AttemptStatus.SCHEDULED]
    assert waiting == []
    assert [a.index for a in yard.live() if a.status is AttemptStatus.RUNNING] == [1]


@pytest.mark.parametrize("request_", list(Request))
def test_a_request_cuts_the_completed_timeout_short(request_: Request) -> None:
    yard = a_job(indexed(completed_timeout=3600), "0s 1R").decide().ask(request_)
    assert yard.counts == (0, 1, 1, 0)
    assert yard.end_stopped().job.status is JobStatus.COMPLETED


def test_finished_work_beats_every_failure_of_the_same_look() -> None:
    """Row 159, other than there: nothing is left that a failure could spoil."""
    policy = Policy(completions=1, backoff_limit=0, failure_rules=FAIL_ON_5, active_deadline=1)
    yard = a_job(policy, "s f:5").advance(5)
    assert (yard.job.status, yard.job.failed) == (JobStatus.COMPLETED, 1)
