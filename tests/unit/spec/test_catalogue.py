"""Every row of the catalogue of validation, in both shapes, as YAML and as JSON."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import yaml

from jobyard.spec.document import read
from jobyard.spec.report import dotted, shown
from validation.catalogue import Case, Change, Text, lay
from validation.documents import CHANGES, TEXTS
from validation.page import GROUPS

CASES = [case for rows in GROUPS.values() for row in rows for case in row.cases()]
SENTINEL = "here it is"


def block_yaml(document: Any) -> str:
    """Write a document as people do, a line for each member."""
    text: str = yaml.dump(
        document, sort_keys=False, default_flow_style=False, width=10**6, allow_unicode=True
    )
    return text


def indented_json(document: Any) -> str:
    return json.dumps(document, indent=2)


WRITERS = {"json": indented_json, "yaml": block_yaml}


def value_at(document: Any, steps: Any) -> Any:
    for step in steps:
        if isinstance(document, dict) and step not in document:
            return None
        document = document[step]
    return document


def expected_line(case: Case, syntax: str) -> int:
    """Find the line without the reader: by a mark in the place of what stands there."""
    steps = case.steps
    while steps:
        document = copy.deepcopy(case.document())
        if is_there(document, steps):
            lay(document, steps, SENTINEL)
            lines = WRITERS[syntax](document).splitlines()
            return next(at for at, line in enumerate(lines, 1) if SENTINEL in line)
        steps = steps[:-1]
    return 1


def is_there(document: Any, steps: Any) -> bool:
    above = value_at(document, steps[:-1])
    return steps[-1] in (above if isinstance(above, dict) else range(len(above or ())))


@pytest.mark.parametrize("syntax", WRITERS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.row.rule}, {case.shape}")
def test_a_broken_rule_is_the_one_thing_that_is_told(case: Case, syntax: Any) -> None:
    row, document = case.row, case.document()

    (problem,) = case.found(read(WRITERS[syntax](document), syntax=syntax))

    value = shown(value_at(document, case.steps)) if row.value is ... else row.value
    assert (problem.path, problem.code) == (dotted(case.steps), row.code)
    assert row.message in problem.message
    assert problem.line == expected_line(case, syntax)
    assert problem.value == value
    assert (row.legal or "") in (problem.legal or "")


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.rule)
def test_an_unreadable_document_is_refused_at_its_line(text: Text) -> None:
    (problem,) = text.found()

    assert (problem.line, problem.code) == (text.line, text.code)
    assert text.message in problem.message


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: f"{change.rule} {change.change}")
def test_a_change_is_made_or_refused(change: Change) -> None:
    found = change.found()

    if not change.message:
        assert found == []
        return
    (problem,) = found
    assert problem.code == change.code
    assert change.message in problem.message
