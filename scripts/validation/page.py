"""Write the catalogue of validation as a page of the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobyard.errors import printable
from validation.counts import COUNTS, INDEXES, RESTARTING
from validation.documents import CHANGES, SHAPES, TEXTS, WARNINGS
from validation.policies import FAILURE_POLICY, SUCCESS_POLICY
from validation.programs import NAMES, OTHER_JOBS, PROGRAM, TIMES

if TYPE_CHECKING:
    from jobyard.errors import Problem
    from validation.catalogue import Row

_LONGEST_EXAMPLE = 160
"""Characters of an example on the page; the tests have it whole."""

GROUPS: dict[str, tuple[Row, ...]] = {
    "Counts": COUNTS,
    "Indexes": INDEXES,
    "Restarting": RESTARTING,
    "Failure policies": FAILURE_POLICY,
    "Success policies": SUCCESS_POLICY,
    "Names": NAMES,
    "Programs": PROGRAM,
    "Times and priority": TIMES,
    "Other jobs": OTHER_JOBS,
    "Shapes": SHAPES,
    "Warnings": WARNINGS,
}


def page() -> str:
    """Write the catalogue as a page; what is said is what the program says."""
    lines = [_PROSE]
    for title, rows in GROUPS.items():
        lines += [f"## {title}", "", "| rule | application document | Kubernetes | said | legal |"]
        lines += ["| --- | --- | --- | --- | --- |", *map(_row, rows), ""]
    lines += ["## Reading", "", "| rule | text | said |", "| --- | --- | --- |"]
    lines += [f"| {text.rule} | {_code(text.text)} | {_said(text.found())} |" for text in TEXTS]
    lines += ["", "## Changes", "", "| rule | change | said |", "| --- | --- | --- |"]
    for change in CHANGES:
        lines.append(f"| {change.rule} | {_code(change.change)} | {_said(change.found())} |")
    return "\n".join(lines) + "\n"


_PROSE = """\
# Validation

<!-- made by scripts/generate.py -->

Everything that is refused in a document, and what is said of it. `jobyard validate` tells all
problems of a file at once, each with its line, its path, the value found and what would be legal;
over HTTP they are the `errors` of the answer. Every row is a test: the document of the row is
loaded in both shapes, as YAML and as JSON.

The examples are what breaks the rule in a document that is sound without it. `pod` stands for
`spec.template.spec` of a manifest, `container` for `spec.template.spec.containers[0]`. A rule
without an example in a shape does not concern it.
"""


def _row(row: Row) -> str:
    cells = {case.shape: case for case in row.cases()}
    [problem] = next(iter(cells.values())).problems()
    shown = [
        "<br>".join(map(_code, cells[shape].lines)) if shape in cells else ""
        for shape in ("application", "kubernetes")
    ]
    legal = "" if problem.legal is None else _cell(problem.legal)
    return f"| {' | '.join([row.rule, *shown, _said([problem]), legal])} |"


def _said(found: list[Problem]) -> str:
    return "<br>".join(f"{problem.code}: {_cell(problem.message)}" for problem in found)


def _code(text: str) -> str:
    short = text if len(text) <= _LONGEST_EXAMPLE else f"{text[: _LONGEST_EXAMPLE - 1]}…"
    return f"`{_cell(printable(short))}`" if short else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
