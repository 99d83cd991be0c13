"""The rules of failure and success policies: one table each, in either spelling."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from jobyard.core.indexes import IndexSet
from jobyard.core.job import (
    Condition,
    ExitCodes,
    FailureAction,
    FailureRule,
    Operator,
    SuccessRule,
)
from jobyard.spec.kinds import Choice, ListOf, Text, Whole
from jobyard.spec.naming import KEY_RULE, is_qualified_name
from jobyard.spec.report import BROKEN, Place
from jobyard.spec.shape import Field, Shape

MOST_RULES = 20
MOST_VALUES = 255
INDEX_TEXT_LENGTH = 64 * 1024

NO_FAILURE_RULE = FailureRule(FailureAction.COUNT)
"""Stands in for a rule with a problem; it matches nothing."""

NO_SUCCESS_RULE = SuccessRule()
"""Stands in for a rule with a problem; it asks for nothing."""

_INT32 = Whole(-(2**31), 2**31 - 1)


class _ConditionStatus(StrEnum):
    """What a condition may be."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


def camel(name: str) -> str:
    """Spell a name as Kubernetes does: ``on_exit_codes`` is ``onExitCodes``."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


class _ExitValues(ListOf):
    """Exit codes in strictly ascending order."""

    def read(self, value: Any, place: Place) -> Any:
        """Take a list of whole numbers; each one out of order is named."""
        values = super().read(value, place)
        if values is BROKEN:
            return BROKEN
        for at in range(1, len(values)):
            here = place / at
            if values[at] in values[:at]:
                here.problem("stands in the list already", code="Duplicate", value=values[at])
            elif values[at] < values[at - 1]:
                here.problem("values must ascend", value=values[at], legal="ascending order")
        return values


class _ExitCodesShape(Shape):
    """Exit codes with an operator; 0 makes no sense with In."""

    def read(self, value: Any, place: Place) -> Any:
        """Read the object, then look at both fields together."""
        codes = super().read(value, place)
        if isinstance(codes, ExitCodes) and codes.operator is Operator.IN and 0 in codes.values:
            where = place.at("values", codes.values.index(0))
            where.problem("0 is success, which no failure has", value=0, legal="1 to 255")
        return codes


class _FailureRuleShape(Shape):
    """A failure rule; exactly one of its two matchers is given."""

    def read(self, value: Any, place: Place) -> Any:
        """Read the object, then count its matchers."""
        draft = self.draft(value, place)
        matchers = {"exit_codes", "conditions"} & (draft.values.keys() | draft.broken)
        if isinstance(value, dict) and len(matchers) != 1:
            names = " and ".join(
                f"`{row.name}`" for row in self.fields if row.key in ("exit_codes", "conditions")
            )
            number = "neither of" if not matchers else "both"
            place.problem(f"has {number} {names}", legal="exactly one of them")
        if "action" in draft.broken:
            return BROKEN
        return FailureRule(**draft.values)


class _SuccessRuleShape(Shape):
    """A success rule; it says which indexes, how many, or both."""

    def read(self, value: Any, place: Place) -> Any:
        """Read the object, then look whether it says anything."""
        draft = self.draft(value, place)
        if isinstance(value, dict) and not draft.values and not draft.broken:
            names = " or ".join(f"`{row.name}`" for row in self.fields)
            place.problem("asks for nothing", code="Required", legal=f"{names}, or both")
        return SuccessRule(**draft.values)


class _IndexText(Text):
    """Indexes as Kubernetes writes them: ``0,2-4``, increasing."""

    def read(self, value: Any, place: Place) -> Any:
        """Take text that parses; an empty one names nothing."""
        text = super().read(value, place)
        if text is BROKEN:
            return BROKEN
        try:
            IndexSet.parse(text)
        except ValueError as error:
            return place.problem(str(error), value=text, legal="such as 0,2-4, increasing")
        return text


class Indexes(_IndexText):
    """Indexes of the job itself, as the set that they are."""

    def read(self, value: Any, place: Place) -> Any:
        """Take text that parses and names something, as a set."""
        text = super().read(value, place)
        return BROKEN if text is BROKEN else IndexSet.parse(text)


def failure_rules(*, camel_case: bool) -> ListOf:
    """Make the table of failure rules in one of the two spellings."""
    spell = camel if camel_case else str
    exit_codes = _ExitCodesShape(
        "an exit code matcher",
        Field(spell("operator"), Choice(Operator), "In or NotIn", "operator", required=True),
        Field(
            "values", _ExitValues(_INT32, 1, MOST_VALUES), "Exit codes, ascending.", required=True
        ),
        Field(spell("container_name"), Text(least=1), "The container meant.", "container"),
        build=lambda values: ExitCodes(**values),
    )
    condition = Shape(
        "a condition",
        Field(
            "type", Text(is_qualified_name, KEY_RULE, 1), "Usually DisruptionTarget.", required=True
        ),
        Field("status", Choice(_ConditionStatus), "True, False or Unknown; True by default."),
        build=lambda values: Condition(**{name: str(value) for name, value in values.items()}),
    )
    rule = _FailureRuleShape(
        "a failure rule",
        Field("action", Choice(FailureAction), "What a match means.", required=True),
        Field(spell("on_exit_codes"), exit_codes, "Match by exit code.", "exit_codes"),
        Field(
            "onPodConditions" if camel_case else "on_conditions",
            ListOf(condition, 1, MOST_RULES),
            "Match by a condition of the attempt.",
            "conditions",
            aliases=() if camel_case else ("on_pod_conditions",),
        ),
    )
    return ListOf(rule, 0, MOST_RULES, broken=NO_FAILURE_RULE)


def success_rules(*, camel_case: bool) -> ListOf:
    """Make the table of success rules in one of the two spellings."""
    spell = camel if camel_case else str
    rule = _SuccessRuleShape(
        "a success rule",
        Field(
            spell("succeeded_indexes"),
            _IndexText(most=INDEX_TEXT_LENGTH),
            "Of these indexes.",
            "indexes",
        ),
        Field(spell("succeeded_count"), Whole(), "So many must have succeeded.", "count"),
    )
    return ListOf(rule, 1, MOST_RULES, broken=NO_SUCCESS_RULE)
