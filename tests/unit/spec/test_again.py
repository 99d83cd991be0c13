"""What of a finished job runs again, as a spec."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobyard.core.indexes import EMPTY, IndexSet
from jobyard.core.job import SuccessRule
from jobyard.core.state import JobState
from jobyard.core.states import JobStatus
from jobyard.spec.again import Which, run_again

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobyard.core.job import JobSpec

FIVE = {"completion_mode": "Indexed", "completions": 5, "parallelism": 5}


def over(spec: JobSpec, completed: str = "0,2,4", failed: str = "1,3") -> JobState:
    done = IndexSet.parse(completed)
    return JobState(
        1,
        spec.policy,
        JobStatus.FAILED,
        succeeded=len(done),
        completed=done,
        failed_indexes=IndexSet.parse(failed),
    )


@pytest.mark.parametrize(
    ("rule", "rest"),
    [
        # Of 0-3 three are asked for; 0 and 2 are complete, so one of 1 and 3 is.
        ({"succeeded_indexes": "0-3", "succeeded_count": 3}, (SuccessRule("1,3", 1),)),
        ({"succeeded_indexes": "1,2"}, (SuccessRule("1", 1),)),
        ({"succeeded_count": 5}, (SuccessRule(None, 2),)),
        # Met already: then all of what was asked for runs.
        ({"succeeded_indexes": "0,2"}, ()),
    ],
)
def test_a_success_rule_asks_the_rest_of_the_rest(
    a_job: Callable[..., JobSpec], rule: dict[str, object], rest: tuple[SuccessRule, ...]
) -> None:
    spec = a_job(**FIVE, success_policy=[rule])

    again = run_again(spec, over(spec), Which.FAILED, EMPTY).spec.policy

    assert again.success_rules == rest
    assert str(again.indexes) == "1,3"


def test_a_rule_that_the_chosen_indexes_cannot_meet_is_left_out(
    a_job: Callable[..., JobSpec],
) -> None:
    spec = a_job(**FIVE, success_policy=[{"succeeded_indexes": "1,3", "succeeded_count": 2}])

    again = run_again(spec, over(spec, "0", "1"), Which.FAILED, EMPTY).spec.policy

    assert again.success_rules == ()


def test_all_keeps_rules_and_indexes_as_they_were_asked_for(
    a_job: Callable[..., JobSpec],
) -> None:
    spec = a_job(**FIVE, indexes="1-3", success_policy=[{"succeeded_count": 2}])

    again = run_again(spec, over(spec, "1", "2"), Which.ALL, IndexSet.of([3]))

    assert again.spec == spec
    assert again.resumed == ()
