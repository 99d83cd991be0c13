"""Gaps of tables, as progress lists them, on both databases."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conformance.writers import LINE, Writer, a

from jobyard.core.extraction import Gaps
from jobyard.core.ranges import subtract
from jobyard.core.segments import Segment, canonical
from jobyard.store.query import load_migrations, load_statements

if TYPE_CHECKING:
    from jobyard.testing.stage import Stage

WANTED = (0, 1000)


@pytest.fixture
def writer(stage: Stage) -> Writer:
    writer = Writer(stage)
    writer.open()
    return writer


def gaps(writer: Writer, start: int = 0, stop: int = 1000, most: int = 100) -> Gaps:
    return replace(told(writer, start, stop, most), beyond=None)


def told(writer: Writer, start: int, stop: int = 1000, most: int = 100) -> Gaps:
    found = writer.stage.do(writer.stage.store.gaps(writer.job_id, (start, stop), most))
    return found["blocks"]


def beside(writer: Writer, *spans: tuple[int, int]) -> None:
    for start, stop in spans:
        writer.publish(a(f"{start}-{stop}", start, stop, f"before {start}", f"{stop}"))


def test_what_is_not_there_yet_above_the_highest_block_is_no_gap(writer: Writer) -> None:
    assert gaps(writer) == Gaps([], 0)

    writer.publish(LINE[0])

    assert gaps(writer) == Gaps([], 0)


def test_gaps_lie_below_the_chain_and_between_what_is_beside_it(writer: Writer) -> None:
    writer.publish(a("first", 5, 10, "-", "9"))
    beside(writer, (20, 40), (25, 30), (50, 60), (60, 70), (80, 90))

    assert gaps(writer) == Gaps([(0, 5), (10, 20), (40, 50), (70, 80)], 4)
    assert gaps(writer, start=5) == Gaps([(10, 20), (40, 50), (70, 80)], 3)
    assert gaps(writer, start=45) == Gaps([(45, 50), (70, 80)], 2)


def test_a_range_above_the_chain_is_told_as_far_as_its_links_lead(writer: Writer) -> None:
    writer.publish(LINE[0])
    writer.publish(a("30", 30, 40, "h29", "h39"))
    writer.publish(a("40", 40, 50, "h39", "h49"))
    writer.publish(a("50", 50, 60, "another", "h59"))

    assert told(writer, 0).beyond is None
    assert told(writer, 10).beyond is None
    assert told(writer, 20).beyond is None
    for start in (30, 35):
        beyond = told(writer, start).beyond
        assert beyond is not None
        assert (beyond.start, beyond.stop, beyond.files) == (30, 50, 2)


def test_gaps_end_with_the_blocks_that_are_wanted(writer: Writer) -> None:
    writer.publish(LINE[0])
    beside(writer, (20, 40), (50, 60))

    assert gaps(writer, stop=45) == Gaps([(10, 20), (40, 45)], 2)
    assert gaps(writer, stop=40) == Gaps([(10, 20)], 1)
    assert gaps(writer, stop=15) == Gaps([(10, 15)], 1)


def test_no_more_gaps_are_listed_than_asked_for_and_all_are_counted(writer: Writer) -> None:
    writer.publish(a("first", 5, 10, "-", "9"))
    beside(writer, *((start, start + 5) for start in range(20, 200, 10)))

    found = gaps(writer, most=3)

    assert (found.spans, found.count) == ([(0, 5), (10, 20), (25, 30)], 19)


def test_gaps_of_another_table_are_its_own(stage: Stage) -> None:
    writer = Writer(stage)
    writer.open("blocks", "logs")
    writer.publish(LINE[0])
    writer.publish(LINE[0], table="logs")
    writer.publish(LINE[2], table="logs")

    found = stage.do(stage.store.gaps(writer.job_id, WANTED, 100))

    assert found == {"blocks": Gaps([], 0), "logs": Gaps([(10, 20)], 1)}


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    drawn=st.lists(
        st.tuples(st.integers(0, 30), st.integers(1, 6), st.integers(0, 1)), min_size=1, max_size=10
    ),
    wanted=st.tuples(st.integers(0, 20), st.integers(1, 25)),
)
def test_gaps_are_what_no_file_covers_computed_anew(
    stage: Stage, drawn: list[tuple[int, int, int]], wanted: tuple[int, int]
) -> None:
    stage.clear()
    writer = Writer(stage)
    writer.open()
    kept: dict[str, Segment] = {}
    for place, (start, length, branch) in enumerate(drawn):
        stop, at = start + length, stage.clock.advance(1)
        segment = Segment(
            f"s{place}", "net", start, stop, f"{stop}/{branch}", f"{start}/{branch}", at, 10
        )
        kept[segment.name] = segment
        for name in writer.publish(segment):
            del kept[name]
    begin, end = wanted[0], wanted[0] + wanted[1]
    chain = canonical(kept.values())
    covered = [(chain[0].start, chain[-1].stop), *((one.start, one.stop) for one in kept.values())]
    highest = max(stop for _, stop in covered)

    found = gaps(writer, begin, end)

    assert found.spans == subtract([(begin, max(begin, min(end, highest)))], covered)
    assert found.count == len(found.spans)


def test_the_search_for_gaps_reads_the_index_of_what_is_beside_the_chain(writer: Writer) -> None:
    search = load_statements("jobyard.store.sqlite")["gaps_beside"].sql
    with closing(sqlite3.connect(":memory:")) as database:
        for step in load_migrations("jobyard.store.sqlite"):
            database.executescript(step.sql)
        plan = database.execute(f"EXPLAIN QUERY PLAN {search}", (1, 0, 1000, 100)).fetchall()

    steps = [row[3] for row in plan]
    assert any("segments USING INDEX segments_beside (revision_id=?)" in step for step in steps)
    assert not any("SCAN segments" in step for step in steps)
