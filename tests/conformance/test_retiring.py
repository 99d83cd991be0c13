"""Files that leave their table: noted until they are collected, and the chain without them."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conformance.writers import DELAY, EMPTY, LINE, ORDERED, Writer, a, writer_path

from jobyard.core.segments import Segment, canonical
from jobyard.errors import RevisionNotFound
from jobyard.store.postgres import migrate as postgres_migrations
from jobyard.store.query import load_statements
from jobyard.store.sqlite import driver as sqlite_driver
from jobyard.store.transactions import chains
from jobyard.store.transactions.chains import withdraw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.core.tables import RetiredFile
    from jobyard.testing.stage import Stage

PACKAGES = {"sqlite": sqlite_driver.PACKAGE, "postgres": postgres_migrations.PACKAGE}
SECONDS = DELAY // 1_000_000


@pytest.fixture
def writer(stage: Stage) -> Writer:
    writer = Writer(stage)
    writer.open()
    return writer


def due(stage: Stage, limit: int = 100) -> list[RetiredFile]:
    return stage.do(stage.store.collectable(limit))


def take_out(writer: Writer, *names: str, revision: int | None = None) -> list[str]:
    """Withdraw segments by their names."""
    stage = writer.stage
    listed = ", ".join(f"'{name}'" for name in ("", *names))
    ids = stage.sql(f"SELECT id FROM segments WHERE name IN ({listed}) ORDER BY id", count=True)
    found = revision or stage.sql("SELECT min(id) FROM table_revisions", count=True)[0]
    return stage.do(stage.store._driver.write(lambda: withdraw(found, ids, "test", DELAY)))


def test_a_superseded_file_is_collected_when_its_time_has_come(
    stage: Stage, writer: Writer
) -> None:
    for segment in LINE:
        writer.publish(segment)
    assert writer.publish(a("ab", 0, 20, "-", "19")) == ["a", "b"]

    stage.clock.advance(SECONDS - 1)
    assert due(stage) == []
    stage.clock.advance(1)
    found = due(stage)
    assert {(one.path, one.name) for one in found} == {
        (writer_path(writer)[0], "a"),
        (writer_path(writer)[0], "b"),
    }

    stage.do(stage.store.collected([found[0].id]))
    assert due(stage) == found[1:]


def test_a_file_keeps_its_number_when_it_is_retired(stage: Stage, writer: Writer) -> None:
    writer.publish(LINE[0])
    (number,) = stage.sql("SELECT id FROM segments", count=True)
    writer.publish(a("x", 0, 12, "-", "11"))
    stage.clock.advance(SECONDS)

    assert [one.id for one in due(stage)] == [number]


def test_a_file_that_is_not_needed_is_its_writers_to_remove(stage: Stage, writer: Writer) -> None:
    writer.publish(LINE[0])

    assert writer.publish(replace(LINE[0], name="again")) == ["again"]
    stage.clock.advance(SECONDS)
    assert due(stage) == []


def test_a_file_that_was_retired_is_not_part_of_its_table_again(
    stage: Stage, writer: Writer
) -> None:
    writer.publish(LINE[0])
    writer.publish(a("x", 0, 12, "-", "11"))

    assert writer.publish(LINE[0]) == []
    assert writer.names() == {"x"}
    assert stage.do(stage.store.retired_names(writer.job_id, "blocks")) == ["a"]


def test_only_the_retired_files_of_a_jobs_own_table_are_named(stage: Stage, writer: Writer) -> None:
    other = Writer(stage, extract=replace(ORDERED, name="other"))
    other.open()
    for one in writer, other:
        one.publish(replace(LINE[0], name=f"old{one.job_id}"))
    writer.publish(a("x", 0, 12, "-", "11"))
    other.publish(replace(LINE[0], name=f"old{writer.job_id}", prev_hash="-'"))

    assert stage.do(stage.store.retired_names(writer.job_id, "blocks")) == [f"old{writer.job_id}"]
    assert stage.do(stage.store.retired_names(writer.job_id, "logs")) == []
    assert other.names() == {f"old{writer.job_id}"}


def test_files_are_collected_in_the_order_of_their_times(stage: Stage, writer: Writer) -> None:
    for segment in LINE:
        writer.publish(segment)
    for name in "cab":
        take_out(writer, name)
        stage.clock.advance(1)
    stage.clock.advance(SECONDS)

    assert [one.name for one in due(stage)] == ["c", "a", "b"]
    assert [one.name for one in due(stage, 2)] == ["c", "a"]


def test_what_cannot_be_removed_lets_others_go_first(stage: Stage, writer: Writer) -> None:
    for segment in LINE[:2]:
        writer.publish(segment)
    take_out(writer, "a", "b")
    stage.clock.advance(SECONDS)
    first, second = due(stage)

    stage.do(stage.store.postpone([first.id], 5_000_000))
    assert due(stage) == [second]
    stage.clock.advance(5)
    assert due(stage) == [second, first]


def test_a_withdrawn_end_leaves_the_chain_before_it(stage: Stage, writer: Writer) -> None:
    for segment in LINE:
        writer.publish(segment)

    assert take_out(writer, "c") == ["c"]
    assert writer.chain() == (0, 20, 2, 20, 6)
    assert writer.lacking(0, 30).spans == [(20, 30)]
    writer.publish(replace(LINE[2], name="c2"))
    assert writer.chain() == (0, 30, 3, 30, 9)


def test_a_hole_is_missing_and_what_is_behind_it_waits(writer: Writer) -> None:
    for segment in LINE:
        writer.publish(segment)

    assert take_out(writer, "b") == ["b"]
    assert writer.chain() == (0, 10, 1, 10, 3)
    lack = writer.lacking(0, 30)
    assert (lack.spans, lack.repairs) == ([(10, 20)], [])
    writer.publish(replace(LINE[1], name="b2"))
    assert writer.chain() == (0, 30, 3, 30, 9)


def test_a_hole_in_a_long_table_is_closed_all_the_same(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chains, "STRIDE", 2)
    for number in range(7):
        writer.publish(a(f"s{number}", number, number + 1, str(number - 1), str(number)))
    take_out(writer, "s1")
    assert writer.chain()[:3] == (0, 1, 1)

    writer.publish(a("new", 1, 2, "0", "1"))
    assert writer.chain() == (0, 7, 7, 70, 21)


def test_without_its_first_segment_a_chain_begins_with_the_next(writer: Writer) -> None:
    for segment in LINE:
        writer.publish(segment)

    take_out(writer, "a")
    assert writer.chain() == (10, 30, 2, 20, 6)
    take_out(writer, "b", "c")
    assert writer.chain() == EMPTY


def test_a_chain_whose_first_segment_is_withdrawn_is_another_one(writer: Writer) -> None:
    writer.publish(LINE[1])
    writer.publish(LINE[2])
    writer.publish(a("a", 0, 10, "-", "9'"))
    assert writer.chain() == (0, 10, 1, 10, 3)

    take_out(writer, "a")
    assert writer.chain() == (10, 30, 2, 20, 6)


def test_what_is_withdrawn_beside_the_chain_leaves_the_chain(writer: Writer) -> None:
    writer.publish(LINE[0])
    writer.publish(LINE[2])

    assert take_out(writer, "c") == ["c"]
    assert writer.chain() == (0, 10, 1, 10, 3)


def test_only_segments_of_the_revision_are_withdrawn(stage: Stage, writer: Writer) -> None:
    writer.publish(LINE[0])
    other = Writer(stage, extract=replace(ORDERED, name="other"))
    other.open()
    other.publish(replace(LINE[0], name="theirs"))

    assert take_out(writer, "a", "theirs") == ["a"]
    assert (writer.chain(), other.chain()) == (EMPTY, (0, 10, 1, 10, 3))
    assert other.names() == {"theirs"}


def test_nothing_is_withdrawn_from_a_revision_that_is_not_there(writer: Writer) -> None:
    with pytest.raises(RevisionNotFound):
        take_out(writer, revision=10**6)


LINKS = st.tuples(st.integers(0, 5), st.integers(1, 3), st.integers(0, 1), st.integers(0, 1)).map(
    lambda drawn: (drawn[0], drawn[0] + drawn[1], *drawn[2:])
)
STEPS = st.lists(st.one_of(LINKS, st.sets(st.integers(0, 11), min_size=1, max_size=3)), max_size=14)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_the_chain_is_the_one_computed_anew_whatever_comes_and_goes(
    stage: Stage, steps: Sequence[tuple[int, int, int, int] | set[int]]
) -> None:
    stage.clear()
    writer = Writer(stage)
    writer.open()
    kept: dict[str, Segment] = {}
    for place, step in enumerate(steps):
        at = stage.clock.advance(1)
        if isinstance(step, set):
            gone = take_out(writer, *(f"s{number}" for number in step))
            assert set(gone) == {f"s{number}" for number in step} & set(kept)
        else:
            start, stop, before, own = step
            name = f"s{place}"
            ends = f"{stop}/{own}", f"{start}/{before}"
            kept[name] = Segment(name, "net", start, stop, *ends, at, 10)
            gone = writer.publish(kept[name])
        for name in gone:
            del kept[name]

        assert writer.names() == set(kept)
        chain = canonical(kept.values())
        size = len(chain)
        ends_at = (chain[0].start, chain[-1].stop) if chain else (None, None)
        assert writer.chain() == (*ends_at, size, 10 * size, 3 * size)


COSTS = {
    "collectable_files": (1, 10),
    "is_retired": (1, "a"),
    "retired_names": (1,),
    "retired_of_revision": (1, "", 10),
    "revision_at": ("/data",),
    "revisions_of_table": ("a/b", "hash", "blocks"),
    "beside_below": (1, 10, 10),
    "files_page": (1, "", 10),
    "find_file": (1,),
    "find_retired": (1,),
    "lowest_segment": (1,),
}
"""Queries whose cost must not grow with what they do not answer, with arguments."""


@pytest.mark.parametrize("name", list(COSTS))
def test_nothing_is_looked_for_in_a_whole_table(stage: Stage, name: str) -> None:
    sql = load_statements(PACKAGES[stage.kind])[name].sql
    args = COSTS[name]
    for number in range(len(args), 0, -1):
        own = args[number - 1]
        written = f"'{own}'" if isinstance(own, str) else str(own)
        sql = sql.replace(f"?{number}", written).replace(f"${number}", written)
    if stage.kind == "sqlite":
        with contextlib.closing(sqlite3.connect(stage.place)) as connection:
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
        assert [line for line in plan if line.startswith("SCAN")] == []
    else:
        # An empty table is scanned by choice; what can be done otherwise is what counts.
        plan = stage.do(_plan(stage.place, sql))
        assert [line for line in plan if "Seq Scan" in line] == []


async def _plan(place: str, sql: str) -> list[str]:
    connection = await asyncpg.connect(place)
    try:
        await connection.execute("SET enable_seqscan = off")
        return [row[0] for row in await connection.fetch(f"EXPLAIN {sql}")]
    finally:
        await connection.close()
