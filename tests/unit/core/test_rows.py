"""Every row of Kubernetes' cases is tested or told why not (docs/reference/kubernetes-cases.md)."""

from __future__ import annotations

import re
from pathlib import Path

import draw_statuses
from jobyard.core.states import TRANSITIONS

HERE = Path(__file__).parent
DOCS = HERE.parents[2] / "docs"
ROWS_OF_CORE = {*range(1, 195), *range(222, 230)}
_ROWS = re.compile(r"[Rr]ows?[- ](\d[\d, -]*(?:and[ -]\d+)?)")


def rows_tested() -> set[int]:
    texts = [path.read_text() for path in HERE.glob("test_*.py") if path != Path(__file__)]
    found = (match for text in texts for match in _ROWS.findall(text))
    return {int(number) for match in found for number in re.findall(r"\d+", match)}


def rows_told() -> set[int]:
    rows: set[int] = set()
    for line in (DOCS / "reference" / "kubernetes-cases.md").read_text().splitlines():
        first = line.split("|")[1] if line.startswith("|") else ""
        for start, stop in re.findall(r"(\d+)(?:\u2013(\d+))?", first):
            rows |= set(range(int(start), int(stop or start) + 1))
    return rows


def test_every_row_is_tested_or_told() -> None:
    assert ROWS_OF_CORE - rows_tested() - rows_told() == set()


def test_rows_without_a_meaning_are_not_tested() -> None:
    page = (DOCS / "reference" / "kubernetes-cases.md").read_text()
    assert "## Rows without a meaning here" in page
    assert rows_tested() <= ROWS_OF_CORE | {210, 215}


def test_the_drawing_of_the_statuses_is_current_and_complete() -> None:
    page = (DOCS / "concepts" / "statuses.md").read_text()
    assert draw_statuses.page(page) == page
    drawn = draw_statuses.drawing()
    for status, event in TRANSITIONS:
        after = TRANSITIONS[status, event]
        words = str(event).replace("_", " ")
        line = f"{status} --> {after}: {words}"
        assert (line in drawn) != (f"active --> {after}: {words}" in drawn)
