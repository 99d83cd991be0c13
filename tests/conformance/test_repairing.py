"""Blocks that are extracted anew, and damaged files that leave their table, on both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.conformance.writers import DELAY, EMPTY, LINE, ORDERED, Writer, a, writer_path

from jobyard.core.extraction import Quarantined
from jobyard.core.state import Request
from jobyard.core.states import JobStatus
from jobyard.errors import ActiveJobConflict, NothingToRematerialize, WorkerNotAvailable
from jobyard.spec.extraction import job_of

if TYPE_CHECKING:
    from jobyard.core.extraction import Rematerialized
    from jobyard.testing.stage import Stage

BOUNDED = replace(ORDERED, end="29")


def writing(stage: Stage, *, over: bool = False, **changes: Any) -> Writer:
    """A job that has published all of the line."""
    writer = Writer(stage, extract=replace(ORDERED, **changes))
    writer.open()
    for segment in LINE:
        writer.publish(segment)
    if over:
        writer.worker.end(writer.claim)
    return writer


def again(stage: Stage, start: int, stop: int, *, worker_id: str | None = None) -> Rematerialized:
    spec = replace(job_of(ORDERED, worker_id), executor="fake")
    return stage.do(stage.store.rematerialize(spec, (start, stop), delay_us=DELAY))


def test_the_files_of_some_blocks_leave_their_table_and_a_job_fetches_them(stage: Stage) -> None:
    old = writing(stage, over=True, end="29")

    done = again(stage, 12, 13)

    assert (done.is_new, done.span) == (True, (10, 20))
    assert [(one.table, one.path, one.names) for one in done.taken] == [
        ("blocks", writer_path(old)[0], ["b"])
    ]
    job = stage.job(done.job_id)
    ordered = job.spec["extract"]
    assert (ordered["start"], ordered["end"]) == (10, "19")
    assert (job.state.status, job.state.waiting_on) == (JobStatus.SCHEDULED, 0)
    assert old.chain() == (0, 10, 1, 10, 3)
    assert old.lacking(0, 30).spans == [(10, 20)]
    assert old.lacking(0, 30).repairs == []


def test_what_is_fetched_anew_joins_what_was_above_it(stage: Stage) -> None:
    writing(stage, over=True, end="29")
    again(stage, 12, 13)
    new = Writer.__new__(Writer)
    new.stage, new.extract, new.worker = stage, ORDERED, stage.worker("repairing")
    new.claim = new.worker.claim_one()
    new.job_id = new.claim.job_id
    new.open()

    new.publish(a("b2", 10, 20, "9", "19"))

    assert new.chain() == (0, 30, 3, 30, 9)
    assert new.names() == {"a", "b2", "c"}


def test_a_job_that_follows_the_head_fetches_them_itself(stage: Stage) -> None:
    writer = writing(stage)

    done = again(stage, 0, 5)

    assert (done.job_id, done.is_new, done.span) == (writer.job_id, False, (0, 10))
    assert writer.chain() == (10, 30, 2, 20, 6)
    assert writer.lacking(0, 30).spans == [(0, 10)]
    writer.publish(replace(LINE[0], name="a2"))
    assert writer.chain() == (0, 30, 3, 30, 9)


def test_a_job_with_an_end_may_be_past_them_so_another_waits_for_it(stage: Stage) -> None:
    writer = writing(stage, end="29")

    done = again(stage, 25, 26)

    behind = stage.job(done.job_id)
    assert done.is_new
    assert (behind.state.status, behind.state.waiting_on) == (JobStatus.PENDING, 1)
    writer.worker.end(writer.claim)
    stage.decide_due()
    assert stage.job(done.job_id).state.status is JobStatus.SCHEDULED


def test_a_job_that_has_not_begun_fetches_them_with_the_rest(stage: Stage) -> None:
    writing(stage, over=True, end="29")
    spec = replace(job_of(replace(ORDERED, end="50")), executor="fake")
    waiting = stage.do(stage.store.deploy(spec))

    assert again(stage, 12, 13).job_id == waiting.id


@pytest.mark.parametrize("changes", [{"end": "18"}, {"end": "latest"}, {"start": 11, "end": "50"}])
def test_a_job_that_goes_not_as_far_leaves_them_to_another(stage: Stage, changes: Any) -> None:
    writing(stage, over=True, end="29")
    spec = replace(job_of(replace(ORDERED, **changes)), executor="fake")
    waiting = stage.do(stage.store.deploy(spec))

    done = again(stage, 12, 13)
    assert (done.is_new, stage.job(done.job_id).state.waiting_on) == (True, 1)
    assert done.job_id != waiting.id


def test_the_same_blocks_once_more_are_for_the_job_that_is_to_fetch_them(stage: Stage) -> None:
    writing(stage, over=True, end="29")
    first = again(stage, 12, 13)

    second = again(stage, 12, 13)
    assert (second.job_id, second.is_new, second.span) == (first.job_id, False, (12, 13))


def test_a_job_that_is_ending_is_waited_for(stage: Stage) -> None:
    writer = writing(stage)
    stage.do(stage.store.ask(writer.job_id, Request.STOP))

    with pytest.raises(ActiveJobConflict):
        again(stage, 12, 13)
    assert writer.names() == {"a", "b", "c"}


def test_a_range_goes_no_further_than_the_tables_do(stage: Stage) -> None:
    writing(stage, over=True, end="29")

    assert again(stage, 25, 1000).span == (20, 30)


@pytest.mark.parametrize("span", [(30, 40), (1000, 2000)])
def test_blocks_that_were_never_there_are_not_extracted_anew(
    stage: Stage, span: tuple[int, int]
) -> None:
    writer = writing(stage, over=True, end="29")

    with pytest.raises(NothingToRematerialize):
        again(stage, *span)
    assert writer.names() == {"a", "b", "c"}


def test_a_dataset_without_tables_has_nothing_to_extract_anew(stage: Stage) -> None:
    with pytest.raises(NothingToRematerialize):
        again(stage, 0, 1)


def test_only_a_worker_that_is_there_gets_the_job(stage: Stage) -> None:
    writer = writing(stage, over=True, end="29")

    with pytest.raises(WorkerNotAvailable):
        again(stage, 12, 13, worker_id="nobody")
    assert writer.names() == {"a", "b", "c"}


def test_files_beside_the_chain_go_too(stage: Stage) -> None:
    writer = writing(stage)
    for segment in (a("x", 12, 14, "?", "!"), a("y", 40, 50, "39'", "49'")):
        writer.publish(segment)

    done = again(stage, 13, 14)
    assert [one.names for one in done.taken] == [["b", "x"]]
    assert writer.names() == {"a", "c", "y"}


def test_what_another_table_has_neither_goes_nor_counts(stage: Stage) -> None:
    other = Writer(stage, extract=replace(ORDERED, name="other"))
    other.open()
    others = [
        a("x", 0, 12, "-", "11"), a("b", 12, 100, "11", "99"), a("y", 200, 210, "199'", "209'"),
        a("z", 300, 310, "299'", "309'"), a("u", 5, 25, "4'", "24'"),
    ]  # fmt: skip
    for segment in others:
        other.publish(segment)
    stage.do(stage.store.quarantine(writer_path(other)[0], ["z"]))
    writer = writing(stage, end="29")
    for segment in (a("w", 2, 4, "1'", "3'"), a("v", 35, 36, "34'", "35'")):
        writer.publish(segment)
    writer.worker.end(writer.claim)

    assert again(stage, 13, 14).span == (10, 20)
    assert again(stage, 25, 1000).span == (20, 36)
    assert other.names() == {"x", "b", "y", "u"}
    assert writer.names() == {"a", "w"}
    (taken,) = stage.do(stage.store.quarantine(writer_path(writer)[0], ["x", "y", "b", "a"]))
    assert taken.name == "a"
    assert other.chain()[:2] == (0, 100)


def test_a_damaged_file_leaves_its_table_and_is_never_collected(stage: Stage) -> None:
    writer = writing(stage, over=True, end="29")
    (path,) = writer_path(writer)

    (taken,) = stage.do(stage.store.quarantine(path, ["b", "unknown"]))
    assert taken == Quarantined("eth/main", "hash", "blocks", "b", 10, 20)
    assert writer.chain() == (0, 10, 1, 10, 3)
    stage.clock.advance(10 * 365 * 86_400)
    assert stage.do(stage.store.collectable(10)) == []
    assert stage.do(stage.store.retired_names(writer.job_id, "blocks")) == ["b"]
    # It is known yet that they were there.
    assert len(stage.do(stage.store.quarantine(path, ["c"]))) == 1
    assert again(stage, 10, 30).span == (10, 30)


def test_nothing_leaves_a_folder_that_no_table_has(stage: Stage) -> None:
    writer = writing(stage)

    assert stage.do(stage.store.quarantine("/elsewhere", ["a"])) == []
    assert writer.chain() != EMPTY
