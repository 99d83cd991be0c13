"""Revisions of tables on both databases: which is active, which files it has, how it goes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conformance.writers import DELAY, LINE, Writer, a, writer_path

from jobyard.core.segments import Segment, canonical
from jobyard.core.tables import TableOf
from jobyard.errors import (
    FileNotKnown,
    JobyardError,
    RevisionIsActive,
    RevisionNotFound,
    RevisionPathTaken,
    TableNotFound,
    TableNotRegistered,
    WriterJobNotTerminal,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from jobyard.core.tables import RetiredFile, TableRevision
    from jobyard.testing.stage import Stage

BLOCKS = TableOf("eth/main", "hash", "blocks", "net")
OTHER = replace(BLOCKS, table="logs")
FAR = 2**62


@pytest.fixture
def writer(stage: Stage) -> Writer:
    writer = Writer(stage)
    writer.open()
    return writer


def register(stage: Stage, path: str = "/data/new", of: TableOf = BLOCKS) -> int:
    return stage.do(stage.store.register_revision(of, path))


def revision(stage: Stage, number: int) -> TableRevision:
    return stage.do(stage.store.table_revision(number))


def chain(stage: Stage, number: int) -> tuple[int | None, int | None, int, int, int]:
    one = revision(stage, number)
    return one.start, one.stop, one.files, one.size, one.rows


def own(writer: Writer) -> int:
    """Find the revision that a writer writes."""
    (number,) = [
        one.id
        for one in writer.stage.do(writer.stage.store.table_revisions(limit=1000))
        if one.path == writer_path(writer)[0]
    ]
    return number


def finish(writer: Writer) -> None:
    writer.worker.end(writer.claim)


def retired(stage: Stage, number: int, **chosen: str | int) -> list[RetiredFile]:
    return stage.do(stage.store.retired_files(number, **chosen))  # type: ignore[arg-type]


def test_a_registered_folder_is_an_inactive_revision_once(stage: Stage) -> None:
    number = register(stage)

    assert register(stage) == number
    one = revision(stage, number)
    assert (one.path, one.of, one.active, one.writer) == ("/data/new", BLOCKS, False, None)
    assert (one.created_at, one.updated_at) == (stage.clock.now, stage.clock.now)
    assert chain(stage, number) == (None, None, 0, 0, 0)


@pytest.mark.parametrize(
    "of", [OTHER, replace(BLOCKS, dataset="eth/other"), replace(BLOCKS, manifest_hash="other")]
)
def test_a_folder_is_a_revision_of_one_table(stage: Stage, of: TableOf) -> None:
    register(stage)

    with pytest.raises(RevisionPathTaken):
        register(stage, of=of)


def test_revisions_are_listed_by_id_in_pages(stage: Stage, writer: Writer) -> None:
    numbers = [own(writer), *(register(stage, f"/data/{at}") for at in range(4))]

    def listed(**chosen: int | bool) -> list[int]:
        return [one.id for one in stage.do(stage.store.table_revisions(**chosen))]  # type: ignore[arg-type]

    assert listed() == numbers
    assert listed(limit=2) + listed(after=numbers[1], limit=2) == numbers[:4]
    assert listed(active=True) == numbers[:1]
    assert listed(active=False) == numbers[1:]


def test_what_is_not_there_is_not_found(stage: Stage) -> None:
    store = stage.store
    for ask in (
        store.table_revision(7), store.delete_revision(7), store.truncate_revision(7),
        store.prune_revision(7, FAR, 0), store.known_files(7), store.take_in(7, [], 0),
        store.lose_files(7, ["a"]), store.revision_files(7),
    ):  # fmt: skip
        with pytest.raises(RevisionNotFound):
            stage.do(ask)
    with pytest.raises(FileNotKnown):
        stage.do(store.table_file(7))


def test_activating_takes_the_place_of_the_active_one(stage: Stage, writer: Writer) -> None:
    writer.publish(LINE[0])
    finish(writer)
    number, old = register(stage), own(writer)
    register(stage, "/data/logs", OTHER)

    for wanted in (number, number, old, number):
        stage.clock.advance(1)
        stage.do(stage.store.activate_revision(BLOCKS, wanted))
        assert [revision(stage, one).active for one in (number, old)] == [
            wanted == number,
            wanted == old,
        ]
        assert revision(stage, wanted).updated_at <= stage.clock.now
    assert Writer(stage).open() == ["/data/new"]


def test_only_a_revision_of_the_table_becomes_active(stage: Stage) -> None:
    with pytest.raises(TableNotRegistered):
        stage.do(stage.store.activate_revision(BLOCKS, 1))
    register(stage)
    number = register(stage, "/data/logs", OTHER)

    for wrong in (number, 10**6):
        with pytest.raises(RevisionNotFound):
            stage.do(stage.store.activate_revision(BLOCKS, wrong))


def test_a_table_without_an_active_revision_begins_a_new_one(stage: Stage, writer: Writer) -> None:
    finish(writer)
    for _ in range(2):
        stage.do(stage.store.deactivate_revision(BLOCKS))

    assert not revision(stage, own(writer)).active
    other = Writer(stage)
    assert other.open() == writer_path(other)
    for of in (OTHER, replace(BLOCKS, dataset="eth/other"), replace(BLOCKS, manifest_hash="no")):
        with pytest.raises(TableNotFound):
            stage.do(stage.store.deactivate_revision(of))


def test_deactivating_one_table_leaves_the_others(stage: Stage) -> None:
    writer = Writer(stage)
    writer.open("blocks", "logs")
    finish(writer)
    stage.do(stage.store.deactivate_revision(OTHER))

    active = stage.do(stage.store.table_revisions(active=True))
    assert [one.of.table for one in active] == ["blocks"]


def test_what_a_job_writes_is_left_alone_until_it_is_over(stage: Stage, writer: Writer) -> None:
    writer.publish(LINE[0])
    old, number, store = own(writer), register(stage), stage.store
    asking: list[Callable[[], Coroutine[Any, Any, Any]]] = [
        lambda: store.activate_revision(BLOCKS, number),
        lambda: store.deactivate_revision(BLOCKS),
        lambda: store.prune_revision(old, FAR, 0),
        lambda: store.known_files(old),
        lambda: store.take_in(old, [], 0),
        lambda: store.lose_files(old, ["a"]),
    ]
    for ask in asking:
        with pytest.raises(WriterJobNotTerminal):
            stage.do(ask())
    stage.do(store.activate_revision(BLOCKS, old))
    stage.do(store.delete_revision(number))

    finish(writer)
    assert stage.do(store.delete(writer.job_id))
    assert stage.do(store.known_files(old)) == ({"a"}, set())


@pytest.mark.parametrize("verb", ["delete_revision", "truncate_revision"])
def test_neither_an_active_nor_a_written_revision_goes(
    stage: Stage, writer: Writer, verb: str
) -> None:
    number = own(writer)
    refused: list[tuple[str, type[JobyardError]]] = [
        ("true", RevisionIsActive),
        ("false", WriterJobNotTerminal),
    ]
    for active, error in refused:
        stage.sql(f"UPDATE table_revisions SET active = {active}")
        with pytest.raises(error):
            stage.do(getattr(stage.store, verb)(number))
    finish(writer)

    stage.do(getattr(stage.store, verb)(number))
    with pytest.raises(RevisionNotFound):
        revision(stage, number)


def two_revisions(stage: Stage) -> tuple[int, int]:
    """Make one revision that is inactive and one that is not, of the same files."""
    numbers = []
    for _ in range(2):
        writer = Writer(stage)
        writer.open()
        for segment in LINE:
            writer.publish(replace(segment, name=f"{segment.name}{writer.job_id}"))
        writer.publish(a(f"ab{writer.job_id}", 0, 20, "-", "19"))
        finish(writer)
        numbers.append(own(writer))
        stage.do(stage.store.deactivate_revision(BLOCKS))
    first, second = numbers
    stage.do(stage.store.activate_revision(BLOCKS, second))
    return first, second


def test_a_deleted_revision_leaves_its_files_and_the_other_one(stage: Stage) -> None:
    first, second = two_revisions(stage)
    before = stage.do(stage.store.revision_files(second))
    stage.do(stage.store.delete_revision(first))

    assert stage.do(stage.store.revision_files(second)) == before
    assert chain(stage, second)[:3] == (0, 30, 2)
    stage.clock.advance(DELAY / 1_000_000)
    # What was retired goes all the same; the others are nobody's now.
    assert len(stage.do(stage.store.collectable(10))) == 4
    assert stage.sql("SELECT count(*) FROM segments", count=True) == [2]


def test_a_truncated_revision_has_all_its_files_collected_at_once(stage: Stage) -> None:
    first, second = two_revisions(stage)
    before = stage.do(stage.store.revision_files(second))
    stage.do(stage.store.truncate_revision(first))

    assert stage.do(stage.store.revision_files(second)) == before
    due = stage.do(stage.store.collectable(10))
    assert {one.id for one in due} == {one.id for one in retired(stage, first)}
    assert len(due) == 4
    reasons = [stage.do(stage.store.table_file(one.id)).reason for one in due]
    assert sorted(map(str, reasons)) == ["superseded", "superseded", "truncated", "truncated"]


def test_retired_files_are_listed_in_pages(stage: Stage) -> None:
    first, second = two_revisions(stage)
    stage.do(stage.store.truncate_revision(first))
    whole = retired(stage, first)

    assert [one.name for one in whole] == sorted(one.name for one in whole)
    assert retired(stage, first, limit=3) + retired(stage, first, after=whole[2].name) == whole
    assert len(retired(stage, second)) == 2


def test_a_prune_retires_what_is_beside_the_chain_and_below(stage: Stage, writer: Writer) -> None:
    for segment in (
        LINE[0],
        a("x", 12, 18, "11", "17"),
        a("y", 20, 30, "19", "29"),
        a("z", 31, 40, "30", "39"),
    ):
        writer.publish(segment)
    finish(writer)
    number, prune = own(writer), stage.store.prune_revision

    assert stage.do(prune(number, 17, DELAY)) == []
    assert stage.do(prune(number, 30, DELAY, 1)) == ["x"]
    assert stage.do(prune(number, 30, DELAY)) == ["y"]
    assert stage.do(prune(number, FAR, DELAY)) == ["z"]
    assert stage.do(prune(number, FAR, DELAY)) == []
    assert chain(stage, number) == (0, 10, 1, 10, 3)
    assert stage.do(stage.store.known_files(number)) == ({"a"}, {"x", "y", "z"})
    assert stage.do(stage.store.collectable(10)) == []
    stage.clock.advance(DELAY / 1_000_000)
    assert len(stage.do(stage.store.collectable(10))) == 3


def test_a_prune_of_one_revision_leaves_another(stage: Stage) -> None:
    first, second = two_revisions(stage)
    for number, start in ((first, 40), (second, 50)):
        beside = replace(a("beside", start, start + 10, "39", "49"), created_at=1)
        stage.do(stage.store.take_in(number, [(beside, 1)], DELAY))

    assert stage.do(stage.store.prune_revision(second, FAR, DELAY, 1)) == ["beside"]
    assert "beside" in stage.do(stage.store.known_files(first))[0]


def test_files_that_are_found_become_part_of_their_revision(stage: Stage) -> None:
    number = register(stage)
    at = stage.clock.now
    found = [(replace(segment, created_at=at + 1), 3) for segment in LINE]
    joined = (replace(a("ab", 0, 20, "-", "19"), created_at=at + 2), 6)

    assert stage.do(stage.store.take_in(number, [*found, joined], DELAY)) == ["a", "b"]
    assert chain(stage, number) == (0, 30, 2, 20, 9)
    assert stage.do(stage.store.take_in(number, [*found, joined], DELAY)) == []
    assert stage.do(stage.store.known_files(number)) == ({"ab", "c"}, {"a", "b"})
    assert stage.do(stage.store.revision_files(number))[0].created_at == at + 2


def test_a_file_that_is_found_never_replaces_a_newer_one(stage: Stage) -> None:
    number = register(stage)
    newer = [(replace(segment, created_at=9), 3) for segment in LINE]
    stage.do(stage.store.take_in(number, newer, DELAY))
    older = [
        (replace(a("old", 0, 12, "-", "11"), created_at=8), 3),
        (replace(a("late", 10, 15, "9", "14"), created_at=8), 3),
        (replace(LINE[2], name="twin", created_at=8), 3),
    ]

    assert stage.do(stage.store.take_in(number, older, DELAY)) == ["old", "late", "twin"]
    assert chain(stage, number) == (0, 30, 3, 30, 9)
    assert stage.do(stage.store.known_files(number))[1] == {"old", "late", "twin"}


def test_files_that_are_gone_leave_their_revision(stage: Stage) -> None:
    first, second = two_revisions(stage)
    names = sorted(stage.do(stage.store.known_files(first))[0])

    assert stage.do(stage.store.lose_files(first, [names[0], "unknown"])) == 1
    assert chain(stage, first) == (20, 30, 1, 10, 3)
    assert chain(stage, second)[:3] == (0, 30, 2)
    assert stage.do(stage.store.lose_files(first, [])) == 0


def test_a_file_is_found_by_its_id_until_it_is_collected(stage: Stage, writer: Writer) -> None:
    writer.publish(LINE[0], 7)
    writer.publish(LINE[2])
    chained, beside = stage.do(stage.store.revision_files(own(writer)))
    found = stage.do(stage.store.table_file(chained.id))

    assert found == chained
    assert (found.path, found.name, found.start, found.stop, found.size, found.rows) == (
        writer_path(writer)[0], "a", 0, 10, 10, 7,
    )  # fmt: skip
    assert (chained.chained, beside.chained) == (True, False)
    writer.publish(a("x", 0, 12, "-", "11"))
    gone = stage.do(stage.store.table_file(found.id))
    assert (gone.retired_at, gone.reason, gone.rows) == (stage.clock.now, "superseded", None)
    stage.do(stage.store.collected([gone.id]))
    with pytest.raises(FileNotKnown):
        stage.do(stage.store.table_file(gone.id))


def test_files_are_listed_in_pages_by_name(stage: Stage, writer: Writer) -> None:
    for segment in reversed(LINE):
        writer.publish(segment)
    number = own(writer)

    def listed(**chosen: str | int) -> list[str]:
        found = stage.do(stage.store.revision_files(number, **chosen))  # type: ignore[arg-type]
        return [one.name for one in found]

    assert listed() == ["a", "b", "c"]
    assert listed(limit=2) + listed(after="b") == ["a", "b", "c"]


LINKS = st.tuples(st.integers(0, 5), st.integers(1, 3), st.integers(0, 1), st.integers(0, 1)).map(
    lambda drawn: (drawn[0], drawn[0] + drawn[1], *drawn[2:])
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    drawn=st.lists(st.tuples(LINKS, st.integers(1, 4)), max_size=10),
    lost=st.sets(st.integers(0, 9), max_size=3),
    cut=st.integers(0, 10),
)
def test_a_restored_chain_is_the_one_computed_anew(
    stage: Stage, drawn: Sequence[tuple[tuple[int, int, int, int], int]], lost: set[int], cut: int
) -> None:
    stage.clear()
    number = register(stage)
    kept: dict[str, Segment] = {}

    def settle(found: Sequence[Segment]) -> None:
        ordered = sorted(found, key=lambda one: (one.created_at, one.key))
        gone = stage.do(stage.store.take_in(number, [(one, 3) for one in ordered], DELAY))
        kept.update({one.name: one for one in ordered})
        for name in gone:
            del kept[name]
        check()

    def check() -> None:
        expected = canonical(kept.values())
        size = len(expected)
        ends = (expected[0].start, expected[-1].stop) if expected else (None, None)
        assert chain(stage, number) == (*ends, size, 10 * size, 3 * size)
        assert stage.do(stage.store.known_files(number))[0] == set(kept)

    # No two files are made in the same microsecond.
    segments = [
        Segment(
            f"s{place}",
            "net",
            start,
            stop,
            f"{stop}/{own}",
            f"{start}/{before}",
            16 * age + place,
            10,
        )
        for place, ((start, stop, before, own), age) in enumerate(drawn)
    ]
    settle(segments[:cut])
    for name in [f"s{place}" for place in lost]:
        assert stage.do(stage.store.lose_files(number, [name])) == (name in kept)
        kept.pop(name, None)
        check()
    settle(segments[cut:])
