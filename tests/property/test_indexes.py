"""An IndexSet is a set of numbers; Python's own sets tell what that means."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from jobyard.core.indexes import IndexSet

MEMBERS = st.sets(st.integers(0, 40)) | st.sets(st.integers(0, 2**31 - 1), max_size=8)
SMALL_MEMBERS = st.sets(st.integers(0, 40))


def well_formed(indexes: IndexSet) -> bool:
    """Tell whether the ranges are sorted, not empty, and never touch."""
    ends = [end for start_stop in indexes.ranges for end in start_stop]
    return all(a < b for a, b in pairwise(ends))


@given(MEMBERS)
def test_it_has_its_members_and_no_other(members: set[int]) -> None:
    indexes = IndexSet.of(members)
    assert list(indexes) == sorted(members)
    assert len(indexes) == len(members)
    assert well_formed(indexes)
    around = members | {m + 1 for m in members} | {m - 1 for m in members} | {0}
    assert {m for m in around if m in indexes} == members


@given(st.lists(st.integers(0, 20)))
def test_it_is_built_from_members_in_any_order_with_repeats(members: list[int]) -> None:
    assert set(IndexSet.of(members)) == set(members)


@given(MEMBERS, MEMBERS)
def test_two_sets_unite(left: set[int], right: set[int]) -> None:
    united = IndexSet.of(left) | IndexSet.of(right)
    assert (united, well_formed(united)) == (IndexSet.of(left | right), True)


@given(SMALL_MEMBERS, SMALL_MEMBERS)
def test_one_set_is_taken_from_another(left: set[int], right: set[int]) -> None:
    rest = IndexSet.of(left) - IndexSet.of(right)
    assert (rest, well_formed(rest)) == (IndexSet.of(left - right), True)


@given(SMALL_MEMBERS, SMALL_MEMBERS)
def test_two_sets_share_members(left: set[int], right: set[int]) -> None:
    shared = IndexSet.of(left) & IndexSet.of(right)
    assert (shared, well_formed(shared)) == (IndexSet.of(left & right), True)


@given(MEMBERS, st.integers(0, 10))
def test_the_lowest_members_are_named(members: set[int], count: int) -> None:
    assert IndexSet.of(members).first(count) == sorted(members)[:count]


@given(st.integers(0, 40))
def test_a_number_of_indexes_begins_at_0(limit: int) -> None:
    assert IndexSet.upto(limit) == IndexSet.of(range(limit))


@given(SMALL_MEMBERS, st.integers(0, 42))
def test_a_limit_cuts_a_set(members: set[int], limit: int) -> None:
    below = IndexSet.of(members).below(limit)
    assert below == IndexSet.of({m for m in members if m < limit})


@given(SMALL_MEMBERS, st.integers(0, 45), st.integers(0, 45))
def test_the_lowest_missing_are_named(members: set[int], stop: int, count: int) -> None:
    missing = [n for n in range(stop) if n not in members][:count]
    assert IndexSet.of(members).missing(stop, count) == missing


@given(MEMBERS)
def test_what_is_written_is_read_again(members: set[int]) -> None:
    indexes = IndexSet.of(members)
    assert IndexSet.parse(str(indexes)) == indexes


@given(SMALL_MEMBERS, st.integers(0, 42))
def test_members_at_or_above_a_limit_are_dropped_on_reading(members: set[int], limit: int) -> None:
    text = str(IndexSet.of(members))
    assert IndexSet.parse(text, limit) == IndexSet.of(members).below(limit)


@given(SMALL_MEMBERS, SMALL_MEMBERS)
def test_sets_are_equal_by_their_members(left: set[int], right: set[int]) -> None:
    one, other = IndexSet.of(left), IndexSet.of(right)
    assert (one == other) is (left == right)
    if left == right:
        assert hash(one) == hash(other)
