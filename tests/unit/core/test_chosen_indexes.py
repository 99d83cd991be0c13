"""Jobs of which only chosen indexes run: the same rules, about these indexes."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.core.yard import INDEXED, a_job, drive

from jobyard.core.indexes import IndexSet
from jobyard.core.job import ExitCodes, FailureAction, FailureRule, Operator, Policy, SuccessRule
from jobyard.core.states import JobStatus, Reason


def chosen(text: str, completions: int = 10, parallelism: int = 2, **policy: Any) -> Policy:
    indexes = IndexSet.parse(text)
    return Policy(
        completions=completions,
        parallelism=parallelism,
        completion_mode=INDEXED,
        indexes=indexes,
        **policy,
    )


@pytest.mark.parametrize(
    ("attempts", "begun"),
    [("", [1, 4]), ("1R", [4]), ("1S 4S", [5, 6]), ("1S 4S 5S 6S", [9]), ("1F 4P", [1])],
)
def test_the_lowest_chosen_indexes_are_begun(attempts: str, begun: list[int]) -> None:
    assert a_job(chosen("1,4-6,9"), attempts).decide().indexes == begun


def test_a_job_is_complete_when_the_chosen_indexes_are() -> None:
    yard = drive(a_job(chosen("1,4-6,9")))

    assert (yard.job.status, str(yard.job.completed)) == (JobStatus.COMPLETED, "1,4-6,9")
    assert yard.job.reason == Reason.COMPLETIONS_REACHED
    assert yard.made == 5


def test_no_more_run_than_chosen_indexes_are_undecided() -> None:
    yard = a_job(chosen("2,3", parallelism=8)).decide()

    assert yard.indexes == [2, 3]
    assert yard.succeed(2).indexes == []


def test_a_chosen_index_that_fails_for_good_fails_the_job_when_the_rest_is_decided() -> None:
    policy = chosen("2,7", backoff_limit=99, backoff_limit_per_index=0)
    yard = a_job(policy).decide().fail(2)
    assert yard.job.outcome is None

    yard.succeed(7)

    assert (yard.job.status, yard.job.reason) == (JobStatus.FAILED, Reason.FAILED_INDEXES)
    assert str(yard.job.failed_indexes) == "2"


def test_a_rule_that_gives_up_an_index_is_about_chosen_ones() -> None:
    rule = FailureRule(FailureAction.FAIL_INDEX, ExitCodes(Operator.IN, (3,)))
    policy = chosen(
        "2,7", backoff_limit=99, backoff_limit_per_index=5, failure_rules=(rule,), parallelism=1
    )
    yard = a_job(policy).decide().fail(2, exit_code=3)

    assert yard.indexes == [7]


def test_a_success_rule_counts_chosen_indexes() -> None:
    policy = chosen("2,5,7", success_rules=(SuccessRule(count=2),), parallelism=1)
    yard = a_job(policy).decide().succeed(2).succeed(5)

    assert (yard.job.status, yard.job.reason) == (JobStatus.COMPLETED, Reason.SUCCESS_POLICY)


def test_growing_begins_no_index_that_was_not_chosen() -> None:
    policy = chosen("0,2", completions=4, parallelism=4)
    yard = a_job(policy).decide().change(completions=8, parallelism=8)

    assert yard.indexes == []
    assert drive(yard).job.succeeded == 2
