from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from jobyard.core.compaction import Plan, plan
from jobyard.core.layout import FileLayout
from jobyard.core.segments import Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RULE = FileLayout(
    file_bytes=1000, file_blocks=100, compact_files=3, compact_after=10.0, compact_distance=5
)
OLD = 10_000_000
HEAD = 10_000


def line(*sizes: int, blocks: int = 1, start: int = 0) -> list[Segment]:
    found = []
    for place, size in enumerate(sizes):
        at = start + place * blocks
        segment = Segment(f"s{at}", "net", at, at + blocks, str(at + blocks), str(at), 0, size)
        found.append(segment)
    return found


def planned(
    chain: Sequence[Segment],
    rule: FileLayout = RULE,
    *,
    now: int = OLD,
    head: int = HEAD,
    is_mine: Callable[[Segment], bool] = lambda _: True,
) -> Plan:
    return plan(chain, rule, now=now, head=head, is_mine=is_mine)


def names(found: Plan) -> list[list[str]]:
    return [[segment.name for segment in group] for group in found.groups]


def test_small_neighbours_become_one() -> None:
    assert names(planned(line(10, 10, 10))) == [["s0", "s1", "s2"]]


def test_too_few_are_left_until_there_are_more() -> None:
    found = planned(line(10, 10))

    assert (found.groups, found.resume) == ([], 0)


def test_a_file_that_is_large_enough_begins_a_group_anew() -> None:
    found = planned(line(10, 10, 10, 999, 10, 10, 10))

    assert names(found) == [["s0", "s1", "s2"], ["s4", "s5", "s6"]]
    assert found.resume == 4


def test_what_is_young_is_not_touched_and_nothing_above_it() -> None:
    chain = line(10, 10, 10, 10, 10, 10, 10)
    chain[3] = replace(chain[3], created_at=1)

    found = planned(chain)
    assert names(found) == [["s0", "s1", "s2"]]
    assert found.resume == 0


def test_what_is_near_the_head_is_not_touched() -> None:
    assert names(planned(line(10, 10, 10), head=7)) == [["s0", "s1", "s2"]]
    assert planned(line(10, 10, 10), head=6).groups == []


def test_what_is_of_another_writer_is_not_touched() -> None:
    found = planned(line(*[10] * 7), is_mine=lambda segment: segment.start != 3)

    assert names(found) == [["s0", "s1", "s2"], ["s4", "s5", "s6"]]


def test_files_that_do_not_follow_each_other_are_not_joined() -> None:
    below, above = line(10, 10), line(10, 10, start=2)
    above[0] = replace(above[0], prev_hash="2'")

    assert planned([*below, *above]).groups == []


def test_a_group_is_no_larger_than_a_file_may_be() -> None:
    assert names(planned(line(300, 300, 300, 300))) == [["s0", "s1", "s2"]]
    assert names(planned(line(1, 1, 1, 1, blocks=30))) == [["s0", "s30", "s60"]]


def test_a_large_file_is_not_copied_for_the_sake_of_small_ones() -> None:
    assert names(planned(line(100, 10, 10, 10))) == [["s1", "s2", "s3"]]
    assert names(planned(line(30, 10, 10, 10))) == [["s0", "s1", "s2", "s3"]]


SIZES = st.lists(st.integers(1, 1200), max_size=40)


def join(chain: list[Segment], group: Sequence[Segment]) -> int:
    """Do as a writer does; tell what was copied."""
    place, size = chain.index(group[0]), sum(one.size for one in group)
    joined = replace(group[0], stop=group[-1].stop, hash=group[-1].hash, size=size)
    chain[place : place + len(group)] = [joined]
    return size


@given(SIZES, st.integers(2, 5))
def test_joining_ends_and_never_copies_much(sizes: list[int], least: int) -> None:
    rule = replace(RULE, compact_files=least)
    chain, copied = line(*sizes), 0
    while groups := planned(chain, rule).groups:
        assert all(len(group) >= least for group in groups)
        assert all(sum(one.size for one in group) <= rule.file_bytes for group in groups)
        copied += join(chain, groups[0])
    assert [(one.start, one.prev_hash) for one in chain[1:]] == [
        (one.stop, one.hash) for one in chain[:-1]
    ]
    # Each copy at least doubles the file that a row is in, and 1000 is about 2 to the 10th.
    assert copied <= 10 * sum(sizes)


@given(SIZES)
def test_whoever_goes_on_from_where_he_was_misses_nothing(sizes: list[int]) -> None:
    chain: list[Segment] = []
    resume = 0
    for segment in line(*sizes):
        chain.append(segment)
        while (found := planned([one for one in chain if one.start >= resume])).groups:
            join(chain, found.groups[0])
            resume = min(found.resume, found.groups[0][0].start)
        resume = max(resume, found.resume)
    assert planned(chain).groups == []
