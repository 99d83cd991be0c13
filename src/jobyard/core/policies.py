"""Pure matching: what a failure policy makes of a failed attempt, when a success policy is met."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobyard.core.indexes import IndexSet
from jobyard.core.job import Condition, ExitCodes, FailureAction, FailureRule, Operator, SuccessRule
from jobyard.core.states import AttemptStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.core.state import Ended

DISRUPTION = Condition("DisruptionTarget", "True")
"""What an attempt carries whose worker was lost."""


def match_failure(rules: Sequence[FailureRule], ended: Ended) -> tuple[FailureAction, int] | None:
    """Find the first rule that matches, with its position; None means count as usual (B.7)."""
    for position, rule in enumerate(rules):
        if rule.exit_codes is not None:
            if ended.status is AttemptStatus.FAILED and _matches(rule.exit_codes, ended.exit_code):
                return rule.action, position
        elif any(_carries(ended, condition) for condition in rule.conditions):
            return rule.action, position
    return None


def _matches(codes: ExitCodes, exit_code: int | None) -> bool:
    # An exit code of 0 never matches, not even NotIn (kubernetes-job-cases.md row 140).
    if not exit_code:
        return False
    return (exit_code in codes.values) is (codes.operator is Operator.IN)


def _carries(ended: Ended, condition: Condition) -> bool:
    return ended.status is AttemptStatus.LOST and condition == DISRUPTION


def met_success_rule(rules: Sequence[SuccessRule], completed: IndexSet) -> int | None:
    """Find the position of the first success rule that is met, if any (B.8)."""
    for position, rule in enumerate(rules):
        if rule.indexes is None:
            if rule.count is not None and len(completed) >= rule.count:
                return position
            continue
        wanted = IndexSet.parse(rule.indexes)
        missing = len(wanted - completed)
        needed = len(wanted) if rule.count is None else rule.count
        if len(wanted) - missing >= needed:
            return position
    return None
