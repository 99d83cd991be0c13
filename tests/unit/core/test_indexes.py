from __future__ import annotations

import pytest

from jobyard.core.indexes import IndexSet, IndexTextError


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("1-2-3", "`1-2-3` has more than two parts"),
        ("a", "`a` is not a number"),
        ("1,", "`` is not a number"),
        ("-1", "is not a number"),
        ("1, 2", "` 2` is not a number"),
        ("²", "is not a number"),
        (str(2**31), "is too large"),
        ("3-1", "must increase, but 1 follows 3"),
        ("3-3", "must increase, but 3 follows 3"),
        ("4,2", "must increase, but 2 follows 4"),
        ("0-4,4", "must increase, but 4 follows 4"),
    ],
)
def test_bad_index_text_is_refused_and_the_part_named(text: str, complaint: str) -> None:
    """Row 210, its index text."""
    with pytest.raises(IndexTextError) as refused:
        IndexSet.parse(text)
    assert complaint in str(refused.value)


def test_ranges_that_touch_are_one() -> None:
    assert IndexSet.parse("0-2,3,4-5").ranges == ((0, 6),)


def test_a_set_reads_as_it_is_written() -> None:
    assert repr(IndexSet.parse("0,2-4")) == "IndexSet('0,2-4')"


def test_only_numbers_are_members() -> None:
    assert "1" not in IndexSet.parse("0-4")
    assert IndexSet.parse("1") != "1"
