"""Small files that become one leave the chain as it was, on both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conformance.writers import DELAY, LINE, ORDERED, Writer, a

from jobyard.core.compaction import MOST_PARENTS, Merger, plan
from jobyard.core.extraction import Cost
from jobyard.core.layout import FileLayout
from jobyard.core.segments import Segment, canonical
from jobyard.errors import LeaseLost, Unusable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.testing.stage import Stage

WARM = FileLayout(compact_after=10.0, compact_distance=5, compact_files=2)
ANY = FileLayout(compact_after=0.0, compact_distance=0, compact_files=2)
AB = a("ab", 0, 20, "-", "19")


@pytest.fixture
def writer(stage: Stage) -> Writer:
    writer = Writer(stage)
    writer.open()
    for segment in LINE:
        writer.publish(segment)
    return writer


def compact(
    writer: Writer,
    segment: Segment = AB,
    parents: Sequence[str] = ("a", "b"),
    *,
    rows: int = 6,
    layout: FileLayout = ANY,
    table: str = "blocks",
) -> list[str] | None:
    return writer.stage.do(
        writer.stage.store.compact(
            writer.worker.session,
            writer.claim.attempt_id,
            writer.job_id,
            Merger(table, segment, rows, parents),
            layout,
            DELAY,
        )
    )


def part(writer: Writer, start: int = 0) -> Any:
    return writer.stage.do(writer.stage.store.chain_part(writer.job_id, "blocks", start))


def test_one_file_takes_the_place_of_its_neighbours(stage: Stage, writer: Writer) -> None:
    assert compact(writer, replace(AB, size=15)) == ["a", "b"]

    assert writer.chain() == (0, 30, 2, 25, 9)
    assert writer.names() == {"ab", "c"}
    assert writer.lacking(0, 30).spans == []
    assert stage.do(stage.store.retired_names(writer.job_id, "blocks")) == ["a", "b"]
    assert writer.extraction().blocks == 30


def test_the_last_files_of_the_chain_may_be_joined_too(writer: Writer) -> None:
    assert compact(writer, a("bc", 10, 30, "9", "29"), ["b", "c"]) == ["b", "c"]

    assert writer.chain() == (0, 30, 2, 20, 9)
    writer.publish(a("d", 30, 40, "29", "39"))
    assert writer.chain() == (0, 40, 3, 30, 12)


@pytest.mark.parametrize(
    ("segment", "parents", "rows"),
    [
        (AB, ["a", "c"], 6),
        (AB, ["b", "a"], 6),
        (AB, ["a"], 6),
        (AB, ["a", "b", "c"], 9),
        (AB, ["a", "x"], 6),
        (AB, ["a", "b"], 7),
        (replace(AB, stop=19), ["a", "b"], 6),
        (replace(AB, start=1), ["a", "b"], 6),
        (replace(AB, hash="19'"), ["a", "b"], 6),
        (replace(AB, prev_hash="-'"), ["a", "b"], 6),
        (replace(AB, network="other"), ["a", "b"], 6),
        (replace(AB, stop=10, hash="9"), ["a"], 3),
    ],
)
def test_a_file_that_is_not_what_the_others_were_changes_nothing(
    writer: Writer, segment: Segment, parents: list[str], rows: int
) -> None:
    assert compact(writer, segment, parents, rows=rows) is None

    assert writer.chain() == (0, 30, 3, 30, 9)
    assert writer.names() == {"a", "b", "c"}


def test_files_that_were_replaced_meanwhile_are_not_joined(writer: Writer) -> None:
    writer.publish(a("b2", 10, 21, "9", "20'"))

    assert compact(writer) is None
    assert writer.names() == {"a", "b2"}


def test_files_beside_the_chain_are_not_joined(writer: Writer) -> None:
    for segment in (a("x", 40, 50, "39'", "49'"), a("y", 50, 60, "49'", "59'")):
        writer.publish(segment)

    assert compact(writer, a("xy", 40, 60, "39'", "59'"), ["x", "y"]) is None


def test_a_file_without_blocks_between_two_others_is_not_left_out(stage: Stage) -> None:
    writer = Writer(stage)
    writer.open()
    # Skipped slots alone: the hash before them is the one behind them.
    for segment in (LINE[0], a("skip", 10, 15, "9", "9"), a("z", 15, 20, "9", "19")):
        writer.publish(segment)

    assert compact(writer, AB, ["a", "z"]) is None
    assert compact(writer, AB, ["a", "skip", "z"], rows=9) == ["a", "skip", "z"]
    assert writer.chain()[:3] == (0, 20, 1)


def test_young_files_are_not_joined(stage: Stage, writer: Writer) -> None:
    stage.clock.advance(9)
    assert compact(writer, layout=WARM) is None

    stage.clock.advance(1)
    assert compact(writer, layout=WARM) == ["a", "b"]


def test_a_joined_file_is_as_old_as_the_newest_of_them(stage: Stage, writer: Writer) -> None:
    stage.clock.advance(10)
    compact(writer)

    assert part(writer).segments[0].created_at == part(writer, 20).segments[0].created_at


def test_files_near_the_head_are_not_joined(stage: Stage, writer: Writer) -> None:
    stage.clock.advance(10)
    whole = a("abc", 0, 30, "-", "29")
    assert compact(writer, whole, ["a", "b", "c"], rows=9, layout=WARM) is None

    cost = Cost(head=34)
    stage.do(
        stage.store.count_cost(writer.worker.session, writer.claim.attempt_id, writer.job_id, cost)
    )
    assert compact(writer, whole, ["a", "b", "c"], rows=9, layout=WARM) == ["a", "b", "c"]


def test_a_lost_attempt_joins_nothing(stage: Stage, writer: Writer) -> None:
    stage.lose(writer.worker)

    with pytest.raises(LeaseLost):
        compact(writer)
    assert writer.names() == {"a", "b", "c"}


def test_a_job_joins_nothing_of_a_table_that_it_does_not_write(writer: Writer) -> None:
    with pytest.raises(Unusable):
        compact(writer, table="logs")
    with pytest.raises(Unusable):
        writer.stage.do(writer.stage.store.chain_part(writer.job_id, "logs", 0))


def test_a_chain_is_read_page_by_page(stage: Stage) -> None:
    writer = Writer(stage)
    writer.open()
    for number in range(MOST_PARENTS + 2):
        writer.publish(a(f"s{number}", number, number + 1, str(number - 1), str(number)))
    writer.publish(a("beside", 5000, 5001, "?", "!"))

    other = Writer(stage, extract=replace(ORDERED, name="other"))
    other.open()
    other.publish(LINE[0])

    first, second = part(writer), part(writer, MOST_PARENTS)
    assert [one.start for one in first.segments] == list(range(MOST_PARENTS))
    assert first.more
    assert [one.name for one in second.segments] == [f"s{MOST_PARENTS}", f"s{MOST_PARENTS + 1}"]
    assert (second.more, second.head) == (False, MOST_PARENTS + 1)


STEPS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(1, 3), st.integers(0, 1), st.integers(0, 1))
    | st.just("compact"),
    max_size=24,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_joining_never_changes_what_is_covered_whatever_else_happens(
    stage: Stage, steps: Sequence[Any]
) -> None:
    stage.clear()
    writer = Writer(stage)
    writer.open()
    kept: dict[str, Segment] = {}
    rows: dict[str, int] = {}
    for place, step in enumerate([*steps, "compact"]):
        at = stage.clock.advance(1)
        if step == "compact":
            _compact_all(writer, kept, rows)
            continue
        start, length, before, own = step
        stop = start + length
        segment = Segment(
            f"s{place}", "net", start, stop, f"{stop}/{own}", f"{start}/{before}", at, 10
        )
        kept[segment.name], rows[segment.name] = segment, length
        for name in writer.publish(segment, rows=length):
            del kept[name]
        _same_as_anew(writer, kept, rows)


def _compact_all(writer: Writer, kept: dict[str, Segment], rows: dict[str, int]) -> None:
    before, lack = writer.chain(), writer.lacking(0, 20).spans
    chain = part(writer)
    found = plan(chain.segments, ANY, now=chain.now, head=chain.head, is_mine=lambda _: True)
    for group in found.groups:
        name = f"{group[0].name}+"
        created = max(one.created_at for one in group)
        joined = replace(
            group[-1], name=name, start=group[0].start, prev_hash=group[0].prev_hash, size=12,
            created_at=created,
        )  # fmt: skip
        parents = [one.name for one in group]
        rows[name] = sum(rows[parent] for parent in parents)
        assert compact(writer, joined, parents, rows=rows[name]) == sorted(parents)
        for parent in parents:
            del kept[parent]
        kept[name] = joined
        _same_as_anew(writer, kept, rows)
    after = writer.chain()
    assert (after[:2], after[4]) == (before[:2], before[4])
    assert writer.lacking(0, 20).spans == lack


def _same_as_anew(writer: Writer, kept: dict[str, Segment], rows: dict[str, int]) -> None:
    assert writer.names() == set(kept)
    chain = canonical(kept.values())
    assert writer.chain() == (
        chain[0].start,
        chain[-1].stop,
        len(chain),
        sum(one.size for one in chain),
        sum(rows[one.name] for one in chain),
    )
    assert writer.lacking(0, 20).known[-1:] == [(chain[-1].stop - 1, chain[-1].hash)]
