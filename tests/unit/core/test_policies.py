"""What the tables of rows 133-158 do not say (test_cases_08_*, test_cases_09_*)."""

from __future__ import annotations

from jobyard.core.indexes import IndexSet
from jobyard.core.job import ExitCodes, FailureAction, FailureRule, Operator, SuccessRule
from jobyard.core.policies import match_failure, met_success_rule
from jobyard.core.state import Ended
from jobyard.core.states import AttemptStatus

FAILED = Ended(1, None, 1, AttemptStatus.FAILED, 0, exit_code=5)


def test_without_rules_nothing_matches() -> None:
    assert match_failure((), FAILED) is None


def test_a_rule_without_a_matcher_never_matches() -> None:
    """Row 149: what nobody understands is skipped."""
    follower = FailureRule(FailureAction.COUNT, ExitCodes(Operator.IN, (5,)))
    rules = (FailureRule(FailureAction.FAIL_JOB), follower)
    assert match_failure(rules, FAILED) == (FailureAction.COUNT, 1)


def test_a_rule_of_a_million_indexes_is_met_without_walking_them() -> None:
    rule = SuccessRule("0-999999", 999_999)
    assert met_success_rule((rule,), IndexSet(((0, 999_999),))) == 0
    assert met_success_rule((rule,), IndexSet(((0, 999_998),))) is None
