from __future__ import annotations

import pytest

from jobyard.core.job import Program
from jobyard.spec.expand import argument_vector, environment, expand


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(B)", "x1y"),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$$$$(A)", "$$(A)"),
        ("$$", "$"),
        ("$A", "$A"),
        ("${A}", "${A}"),
        ("$", "$"),
        ("a$", "a$"),
        ("$(A", "$(A"),
        ("$(", "$("),
        ("$()", "$()"),
        ("$(A$(A)", "$(A$(A)"),
        ("plain", "plain"),
    ],
)
def test_references_expand_as_in_kubernetes(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1", "B": ""}) == expanded


def test_an_entry_may_refer_to_earlier_ones_and_to_what_the_attempt_brings() -> None:
    program = Program(env={"A": "$(INDEX)", "B": "$(A)/$(C)", "C": "c", "INDEX": "own"})

    assert environment(program, {"INDEX": "7"}) == {
        "INDEX": "own",
        "A": "7",
        "B": "7/$(C)",
        "C": "c",
    }


def test_command_and_arguments_are_expanded_with_the_environment() -> None:
    program = Program(command=("run", "$(A)"), args=("$(B)", "$(C)"))

    assert argument_vector(program, {"A": "1", "B": "$(A)"}) == ("run", "1", "$(A)", "$(C)")
