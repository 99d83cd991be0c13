"""What is printed for people cannot play with their terminal, whoever wrote it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from jobyard.cli import explain, printer, shown
from jobyard.errors import InvalidDocument, JobyardError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable

EVIL = "a\x1b[2Jb\x9b31mc\r\nd\u202ee"
ESCAPED = r"a\x1b[2Jb\x9b31mc\r\nd\u202ee"


def problem() -> InvalidDocument:
    return InvalidDocument([Problem(EVIL, EVIL)], source=EVIL)


@pytest.mark.parametrize(
    "show",
    [
        lambda: printer.say(EVIL),
        lambda: printer.show_error(JobyardError(EVIL, hint=EVIL)),
        lambda: printer.show_error(problem()),
    ],
    ids=["a line", "an error", "problems"],
)
def test_talk_has_control_characters_as_escapes(
    show: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    show()

    said = capsys.readouterr().err
    assert ESCAPED in said
    assert all(line.isprintable() for line in said.split("\n"))


def test_tables_have_control_characters_as_escapes_and_stay_aligned() -> None:
    lines = printer.table(("A", "B"), [(EVIL, "x"), ("b", "x")], on=False).split("\n")

    assert len(lines) == 3
    assert ESCAPED in lines[1]
    assert len({len(line) for line in lines}) == 1
    assert all(line.isprintable() for line in lines)


def test_pages_have_control_characters_as_escapes() -> None:
    text = shown.page({"message": EVIL, "spec": {"args": [EVIL]}})

    assert ESCAPED in text
    assert all(line.isprintable() for line in text.split("\n"))


def test_explanations_have_control_characters_as_escapes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {
        "summary": EVIL,
        "reasons": [f"because {EVIL}"],
        "retry_at": None,
        "workers": [{"id": "w", "fits": False, "why": EVIL}],
        "dependencies": [],
        "last_failures": [],
        "hints": [EVIL],
    }
    monkeypatch.setattr(explain, "ask", lambda *_: found)

    explain.explain.main(["1"], standalone_mode=False)

    told = capsys.readouterr().out
    assert told.count(ESCAPED) == 4
    assert all(line.isprintable() for line in told.split("\n"))


@pytest.mark.parametrize("show", [printer.show_json, printer.show_indented])
def test_json_says_the_same_without_what_a_terminal_obeys(
    show: Callable[[Any], None], capsys: pytest.CaptureFixture[str]
) -> None:
    value = {EVIL: [EVIL, "äöü ✓"]}

    show(value)

    printed = capsys.readouterr().out
    assert json.loads(printed) == value
    assert "äöü ✓" in printed
    assert all(line.isprintable() for line in printed.split("\n"))
