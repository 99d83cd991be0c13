"""Who extracts which blocks: everything is somebody's, nothing is two people's."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from jobyard.core.ranges import merge
from jobyard.core.shares import LARGEST_CHUNK, Share, chunk_size, owner, share

SPANS = st.lists(
    st.tuples(st.integers(0, 200), st.integers(1, 40)).map(lambda one: (one[0], sum(one))),
    max_size=5,
).map(merge)


@given(
    lacking=st.dictionaries(st.sampled_from(["a", "b", "c"]), SPANS, max_size=3),
    chunk=st.integers(1, 50),
    writers=st.integers(1, 5),
)
def test_what_is_missing_is_shared_out_whole_and_once(
    lacking: dict[str, list[tuple[int, int]]], chunk: int, writers: int
) -> None:
    shares = [share(lacking, chunk, index, writers) for index in range(writers)]
    pieces = [piece for mine in shares for piece in mine]

    for table, spans in lacking.items():
        theirs = [(piece.start, piece.stop) for piece in pieces if table in piece.tables]
        assert merge(theirs) == spans
        assert sum(stop - start for start, stop in theirs) == sum(b - a for a, b in spans)
    for mine in shares:
        assert mine == sorted(mine)
        for before, after in itertools.pairwise(mine):
            assert before.stop <= after.start


@given(
    start=st.integers(0, 90),
    length=st.integers(1, 40),
    chunk=st.integers(1, 12),
    writers=st.integers(1, 5),
    index=st.integers(0, 4),
)
def test_a_span_is_in_the_share_of_whoever_one_of_its_blocks_is_for(
    start: int, length: int, chunk: int, writers: int, index: int
) -> None:
    blocks = range(start, start + length)
    owners = {owner(block, chunk, writers) for block in blocks}

    mine = Share(chunk, index % writers, writers)
    assert mine.touches((start, start + length)) is (mine.index in owners)


def test_writers_of_a_short_range_all_have_something_to_do() -> None:
    chunk = chunk_size(0, 1000, 4)

    assert all(share({"a": [(0, 1000)]}, chunk, index, 4) for index in range(4))
    assert chunk_size(0, 10_000_000, 4) == chunk_size(0, None, 4) == LARGEST_CHUNK
