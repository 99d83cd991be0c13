"""Pages for people: what of a job's progress is shown."""

from __future__ import annotations

from typing import Any

import pytest

from jobyard.cli.shown import progress_page


def progress(**tables: list[list[int]]) -> dict[str, Any]:
    return {
        "job_id": 1,
        "job_status": "RUNNING",
        "completions": {"total": 2, "succeeded": 0, "active": 2, "failed": 0},
        "tables": {
            name: {
                "current_block": 9, "start_block": 0, "files_count": 2, "total_size_bytes": 2048,
                "gaps": gaps[:100], "gaps_count": len(gaps),
            }
            for name, gaps in tables.items()
        },
    }  # fmt: skip


def test_gaps_are_drawn_where_there_are_any() -> None:
    page = progress_page(progress(blocks=[], logs=[[10, 19], [25, 25]]))

    assert [line.rstrip() for line in page.splitlines()[-3:]] == [
        "TABLE   BLOCKS  FILES  SIZE    GAPS",
        "blocks  0 - 9   2      2.0 KB",
        "logs    0 - 9   2      2.0 KB  10 - 19, 25",
    ]


def test_of_many_gaps_the_first_are_drawn_and_the_others_counted() -> None:
    page = progress_page(progress(blocks=[[at, at + 4] for at in range(10, 5000, 10)]))

    assert page.splitlines()[-1].endswith("10 - 14, 20 - 24, 30 - 34, 496 more")


@pytest.mark.parametrize("gaps", [[], None])
def test_no_column_is_drawn_for_no_gaps(gaps: list[list[int]] | None) -> None:
    found = progress(blocks=[])
    if gaps is None:
        # A server that is older than this program does not tell.
        for one in found["tables"].values():
            del one["gaps"], one["gaps_count"]

    assert "GAPS" not in progress_page(found)
