"""The canonical chain: gaps, reorganisations, compaction; kept up to date as if computed anew."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from jobyard.core.segments import Chain, Segment, canonical, fork, missing, rewrite_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

NET = "mainnet"


def a(
    name: str, start: int, stop: int, prev_hash: str, own_hash: str, created_at: int = 0
) -> Segment:
    return Segment(name, NET, start, stop, own_hash, prev_hash, created_at, size=stop - start)


def names(chain: Sequence[Segment]) -> str:
    return "".join(segment.name for segment in chain)


LINE = [a("a", 0, 10, "-", "9"), a("b", 10, 20, "9", "19"), a("c", 20, 30, "19", "29")]


def test_segments_that_follow_by_hash_are_one_chain() -> None:
    assert names(canonical(LINE)) == "abc"
    assert missing(LINE, (0, 35)) == [(30, 35)]


def test_a_gap_of_skipped_numbers_is_no_gap_when_the_hashes_join() -> None:
    line = [a("a", 0, 10, "-", "9"), a("b", 14, 20, "9", "19")]

    assert names(canonical(line)) == "ab"


def test_what_is_written_ahead_of_a_gap_waits_for_it() -> None:
    ahead = [LINE[0], LINE[2]]

    assert names(canonical(ahead)) == "a"
    assert missing(ahead, (0, 30)) == [(10, 20)]
    assert fork(ahead, canonical(ahead)) == []


def test_another_network_does_not_follow() -> None:
    other = Segment("x", "testnet", 10, 20, "19", "9")

    assert names(canonical([LINE[0], other])) == "a"


def test_a_reorganised_head_is_fetched_one_segment_back_until_the_hashes_join() -> None:
    head = a("d", 30, 31, "29'", "30'", created_at=1)
    assert missing([*LINE, head], (0, 31)) == [(20, 30)]

    again = a("e", 20, 30, "19'", "29'", created_at=2)
    assert names(canonical([*LINE, head, again])) == "abc"
    assert missing([*LINE, head, again], (0, 31)) == [(10, 20)]

    joined = a("f", 10, 20, "9", "19'", created_at=3)
    assert names(canonical([*LINE, head, again, joined])) == "afed"
    assert missing([*LINE, head, again, joined], (0, 31)) == []


def test_compaction_takes_the_place_of_what_it_joined_and_keeps_progress() -> None:
    joined = a("x", 0, 20, "-", "19", created_at=5)

    assert names(canonical([*LINE, joined])) == "xc"
    assert missing([*LINE, joined], (0, 30)) == []


def test_a_block_inside_a_segment_is_rewritten_from_where_its_segment_begins() -> None:
    assert [rewrite_from(LINE, number) for number in (0, 17, 20, 29, 30, 44)] == [
        0, 10, 20, 20, 30, 44,
    ]  # fmt: skip


def test_adding_at_the_end_of_a_long_chain_looks_at_nothing_else() -> None:
    looks = 0

    class Counted(str):
        __slots__ = ()

        def __hash__(self) -> int:
            nonlocal looks
            looks += 1
            return super().__hash__()

    def line(number: int) -> Segment:
        return a(f"{number}", number, number + 1, Counted(number - 1), Counted(number))

    chain = Chain(map(line, range(2000)))
    looks = 0
    chain.add(line(2000))

    assert chain.span == (0, 2001)
    assert looks < 20


SEGMENTS = st.builds(
    lambda number, start, length, prev_hash, own_hash, created_at: a(
        f"{number}", start, start + length, prev_hash, own_hash, created_at
    ),
    st.integers(0, 10**6),
    st.integers(0, 12),
    st.integers(1, 5),
    st.sampled_from("abcd"),
    st.sampled_from("abcd"),
    st.integers(0, 3),
)


@given(st.lists(SEGMENTS, unique_by=lambda segment: segment.name), st.data())
def test_a_chain_kept_up_to_date_equals_one_computed_anew(
    segments: list[Segment], data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, len(segments)))
    chain, there = Chain(segments[:first]), segments[:first]
    for segment in segments[first:]:
        chain.add(segment)
        there.append(segment)
        if data.draw(st.booleans()):
            gone = data.draw(st.sampled_from(there))
            there.remove(gone)
            chain.remove(gone.name)
        assert list(chain.segments) == canonical(there)
        assert chain.size == sum(one.size for one in canonical(there))


class Extraction(RuleBasedStateMachine):
    """A chain that grows and is reorganised, an extraction that only looks at its segments."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = itertools.count()
        self.blocks = ["genesis"]
        self.segments: list[Segment] = []
        self.clock = itertools.count(1)
        self.incremental = Chain()
        self.fork = 10**9

    def hash(self, number: int) -> str:
        return self.blocks[number] if number >= 0 else "-"

    @rule(count=st.integers(1, 5))
    def grow(self, count: int) -> None:
        self.blocks += [f"{len(self.blocks) + n}.{next(self.branch)}" for n in range(count)]

    @rule(depth=st.integers(1, 4), more=st.integers(1, 3))
    def reorganise(self, depth: int, more: int) -> None:
        kept = max(1, len(self.blocks) - depth)
        count = len(self.blocks) - kept + more
        self.fork = min(self.fork, kept)
        del self.blocks[kept:]
        self.blocks += [f"{kept + n}.{next(self.branch)}" for n in range(count)]

    @precondition(lambda self: len(self.blocks) > 0)
    @rule(sizes=st.lists(st.integers(1, 4), min_size=30, max_size=30))
    def catch_up(self, sizes: list[int]) -> None:
        before = self.incremental.span
        for _ in range(60):
            spans = missing(self.segments, (0, len(self.blocks)))
            if not spans:
                break
            for start, stop in spans:
                self.extract(start, stop, itertools.cycle(sizes))
            if before is not None and self.incremental.span is not None:
                assert self.incremental.span[1] >= min(before[1], self.start_of(self.fork))
        else:
            raise AssertionError("it never ends")
        self.fork = 10**9
        chain = canonical(self.segments)
        assert chain[-1].stop == len(self.blocks)
        assert [(one.prev_hash, one.hash) for one in chain] == [
            (self.hash(one.start - 1), self.hash(one.stop - 1)) for one in chain
        ]

    def start_of(self, number: int) -> int:
        """Where the segment begins in which the branches part: nothing below may be lost."""
        return min([one.start for one in self.segments if one.stop > number], default=number)

    def extract(self, start: int, stop: int, sizes: itertools.cycle[int]) -> None:
        while start < stop:
            end = min(stop, start + next(sizes))
            moment = next(self.clock)
            segment = a(f"{moment}", start, end, self.hash(start - 1), self.hash(end - 1), moment)
            self.segments.append(segment)
            self.incremental.add(segment)
            start = end

    @precondition(lambda self: len(self.incremental.segments) > 2)
    @rule(data=st.data())
    def compact(self, data: st.DataObject) -> None:
        chain = canonical(self.segments)
        first = data.draw(st.integers(0, len(chain) - 2))
        last = data.draw(st.integers(first + 1, len(chain) - 1))
        before = self.incremental.span
        joined = Segment(
            f"c{next(self.clock)}", NET, chain[first].start, chain[last].stop,
            chain[last].hash, chain[first].prev_hash, next(self.clock),
        )  # fmt: skip
        self.segments.append(joined)
        self.incremental.add(joined)
        assert self.incremental.span == before

    @invariant()
    def kept_up_to_date(self) -> None:
        assert list(self.incremental.segments) == canonical(self.segments)


TestExtraction = Extraction.TestCase


def test_looking_for_a_branch_asks_each_link_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    follows = Segment.follows

    def counted(self: Segment, other: Segment) -> bool:
        asked.append(self)
        return follows(self, other)

    monkeypatch.setattr(Segment, "follows", counted)
    chain = [Segment("first", "net", 0, 1, "h1", "h0")]
    ahead = [Segment(f"s{n}", "net", n, n + 1, f"h{n + 1}", f"h{n}", n) for n in range(5, 500)]

    assert fork(ahead, chain) == []
    assert len(asked) < 2 * len(ahead)
