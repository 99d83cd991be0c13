"""Ranges of blocks: coverage, gaps and partitions, each against plain sets of numbers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard.core.ranges import intersect, merge, split, subtract, total, uncovered

SPANS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda p: (p[0], p[0] + p[1]))
)


def numbers(spans: list[tuple[int, int]]) -> set[int]:
    return {number for start, stop in spans for number in range(start, stop)}


@given(SPANS)
def test_merged_spans_are_apart_and_cover_the_same(spans: list[tuple[int, int]]) -> None:
    merged = merge(spans)

    assert numbers(merged) == numbers(spans)
    assert all(stop < later for (_, stop), (later, _) in pairwise(merged))


@given(SPANS, SPANS)
def test_what_is_missing_is_what_a_set_would_say(
    wanted: list[tuple[int, int]], had: list[tuple[int, int]]
) -> None:
    assert numbers(subtract(wanted, had)) == numbers(wanted) - numbers(had)
    assert numbers(intersect(wanted, had)) == numbers(wanted) & numbers(had)


@given(SPANS, st.tuples(st.integers(0, 60), st.integers(0, 60)))
def test_what_is_not_covered_is_what_is_missing(
    covers: list[tuple[int, int]], wanted: tuple[int, int]
) -> None:
    had = sorted((start, stop) for start, stop in covers if start < stop)

    assert list(uncovered(wanted, had)) == subtract([wanted], had)


@given(SPANS, st.integers(1, 9), st.integers(1, 7), st.integers(1, 8))
def test_partitions_share_out_everything_once_and_cut_at_buckets(
    spans: list[tuple[int, int]], most: int, least: int, bucket: int
) -> None:
    partitions = split(spans, most, least=least, bucket=bucket)

    assert len(partitions) <= most
    assert [span for part in partitions for span in part if span[0] >= span[1]] == []
    assert merge(span for part in partitions for span in part) == merge(spans)
    assert sum(map(total, partitions)) == total(merge(spans))
    starts = {start for start, _ in merge(spans)}
    assert all(part[0][0] in starts or part[0][0] % bucket == 0 for part in partitions)


@pytest.mark.parametrize(
    ("spans", "most", "parts"),
    [
        ([(0, 10_000)], 4, [[(0, 2500)], [(2500, 5000)], [(5000, 7500)], [(7500, 10_000)]]),
        ([(0, 3999)], 4, [[(0, 3999)]]),
        ([(0, 100), (5000, 5100)], 9, [[(0, 100), (5000, 5100)]]),
        ([(0, 3000), (9000, 10_000)], 2, [[(0, 2000)], [(2000, 3000), (9000, 10_000)]]),
        ([], 3, []),
    ],
)
def test_partitions_are_even_and_never_small(
    spans: list[tuple[int, int]], most: int, parts: list[list[tuple[int, int]]]
) -> None:
    assert split(spans, most) == parts


def test_a_bucket_stays_in_one_partition() -> None:
    assert split([(100, 1900)], 3, least=1, bucket=500) == [
        [(100, 1000)],
        [(1000, 1500)],
        [(1500, 1900)],
    ]
