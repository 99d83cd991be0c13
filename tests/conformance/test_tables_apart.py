"""Tables, revisions and jobs beside each other: what is done to one is not done to the next."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.conformance.writers import EMPTY, LINE, ORDERED, Writer, a, writer_path

from jobyard.core.extraction import Cost
from jobyard.errors import Unusable

if TYPE_CHECKING:
    from jobyard.core.extract import Extract
    from jobyard.testing.stage import Stage

FALSE = {"sqlite": "0", "postgres": "false"}
OTHERS = [replace(ORDERED, name="other"), replace(ORDERED, manifest_hash="other")]


@pytest.fixture
def writer(stage: Stage) -> Writer:
    writer = Writer(stage)
    writer.open()
    return writer


@pytest.mark.parametrize("extract", OTHERS)
def test_another_revision_has_tables_of_its_own(
    stage: Stage, writer: Writer, extract: Extract
) -> None:
    other = Writer(stage, extract=extract)

    assert other.open() == writer_path(other)
    assert writer.publish(LINE[0], cost=Cost(requests=2)) == []
    assert other.chain() == EMPTY
    assert (other.extraction().requests, writer.extraction().requests) == (0, 2)


def test_each_table_of_a_revision_is_opened_by_its_name(stage: Stage) -> None:
    writer = Writer(stage)
    job_id = writer.job_id

    assert writer.open("blocks", "logs") == [f"/data/blocks/{job_id}", f"/data/logs/{job_id}"]
    assert writer.open("logs") == [f"/data/logs/{job_id}"]


def test_a_job_has_no_tables_but_its_own(stage: Stage, writer: Writer) -> None:
    other = Writer(stage, extract=OTHERS[0])
    other.open("logs")

    assert (set(writer.extraction().tables), set(other.extraction().tables)) == (
        {"blocks"},
        {"logs"},
    )


def test_a_revision_that_is_not_active_is_not_gone_on_with(stage: Stage, writer: Writer) -> None:
    writer.publish(LINE[0])
    writer.worker.end(writer.claim)
    stage.sql(f"UPDATE table_revisions SET active = {FALSE[stage.kind]}")

    other = Writer(stage)
    assert other.open() == writer_path(other)
    assert other.chain() == EMPTY


def test_taking_over_a_table_leaves_the_writers_of_others(stage: Stage, writer: Writer) -> None:
    neighbour = Writer(stage, extract=OTHERS[0])
    neighbour.open()
    writer.worker.end(writer.claim)
    Writer(stage).open()

    assert neighbour.publish(LINE[0]) == []


def test_a_job_writes_a_table_no_more_that_was_taken_from_it(stage: Stage, writer: Writer) -> None:
    stage.sql("UPDATE table_revisions SET writer = NULL")

    with pytest.raises(Unusable):
        writer.publish(LINE[0])


def test_what_one_job_says_of_its_failure_is_said_of_no_other(stage: Stage, writer: Writer) -> None:
    other = Writer(stage, extract=OTHERS[0])
    other.open()
    told = (writer.worker.session, writer.claim.attempt_id, writer.job_id, "{}")
    stage.do(stage.store.note_failure(*told))

    assert (writer.extraction().failure, other.extraction().failure) == ("{}", None)


def test_a_deleted_job_takes_nothing_of_another_with_it(stage: Stage, writer: Writer) -> None:
    other = Writer(stage, extract=OTHERS[0])
    other.open()
    other.publish(LINE[0])
    writer.worker.end(writer.claim)
    assert stage.do(stage.store.delete(writer.job_id))

    assert other.chain() == (0, 10, 1, 10, 3)
    assert other.extraction().blocks == 10


def test_a_deleted_job_leaves_no_word_of_its_tables(stage: Stage, writer: Writer) -> None:
    writer.worker.end(writer.claim)
    assert stage.do(stage.store.delete(writer.job_id))

    for table in ("extractions", "extraction_tables"):
        assert stage.sql(f"SELECT count(*) FROM {table}", count=True) == [0]


@pytest.fixture
def pair(stage: Stage) -> Writer:
    """A job of two tables, so that what is done to `blocks` can be looked for in `logs`."""
    writer = Writer(stage)
    writer.open("blocks", "logs")
    return writer


def test_the_same_files_in_two_tables_are_two(pair: Writer) -> None:
    for segment in LINE:
        assert pair.publish(segment, table="logs") == []
        assert pair.publish(segment) == []

    assert pair.chain() == pair.chain("logs") == (0, 30, 3, 30, 9)


def test_a_reorganisation_of_one_table_leaves_another(pair: Writer) -> None:
    for segment in LINE:
        pair.publish(segment, table="logs")
        pair.publish(segment)

    assert pair.publish(a("b2", 10, 21, "9", "20'")) == ["b", "c"]
    assert pair.chain() == (0, 21, 2, 20, 6)
    assert pair.chain("logs") == (0, 30, 3, 30, 9)
    assert pair.names("logs") == {"a", "b", "c"}
    assert pair.lacking(0, 30).known == [(9, "9"), (20, "20'")]


def test_a_table_is_not_linked_by_the_segments_of_another(pair: Writer) -> None:
    pair.publish(LINE[0], table="logs")
    pair.publish(LINE[2], table="logs")
    pair.publish(a("a2", 0, 10, "-", "9'"))

    assert pair.publish(LINE[1]) == []
    assert pair.chain()[:3] == (0, 10, 1)
    assert pair.publish(a("b2", 10, 20, "9'", "19")) == ["b"]
    assert pair.chain()[:3] == (0, 20, 2)


def test_what_waits_in_one_table_is_neither_covered_nor_kept_in_another(pair: Writer) -> None:
    pair.publish(LINE[0])
    pair.publish(LINE[0], table="logs")
    pair.publish(a("x", 12, 18, "11", "17"), table="logs")

    assert pair.lacking(0, 20).spans == [(10, 20)]
    assert pair.lacking(0, 20, "logs").spans == [(10, 12), (18, 20)]
    assert pair.publish(LINE[1]) == []
    assert pair.names("logs") == {"a", "x"}
