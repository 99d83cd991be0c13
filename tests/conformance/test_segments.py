"""Segments of tables and the chain that they make, on both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conformance.writers import EMPTY, LINE, Writer, a, writer_path

from jobyard.core.extraction import Cost
from jobyard.core.segments import Segment, canonical
from jobyard.core.shares import Share
from jobyard.core.states import AttemptStatus
from jobyard.core.tables import TableOf
from jobyard.errors import ActiveJobConflict, LeaseLost, Unusable
from jobyard.store.transactions import segments
from jobyard.store.transactions.segments import KNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.testing.stage import Stage


@pytest.fixture
def writer(stage: Stage) -> Writer:
    writer = Writer(stage)
    writer.open()
    return writer


def test_a_published_segment_is_part_of_its_table(writer: Writer) -> None:
    assert writer.publish(LINE[0], 7) == []

    assert writer.chain() == (0, 10, 1, 10, 7)
    assert writer.lacking(0, 30).spans == [(10, 30)]


def test_a_segment_of_a_lost_attempt_is_refused(writer: Writer, stage: Stage) -> None:
    stage.lose(writer.worker)

    with pytest.raises(LeaseLost):
        writer.publish(LINE[0])
    assert writer.chain() == EMPTY


def test_a_segment_of_an_ended_attempt_is_refused(writer: Writer) -> None:
    writer.worker.end(writer.claim, status=AttemptStatus.SUCCEEDED)

    with pytest.raises(LeaseLost):
        writer.publish(LINE[0])


def test_the_same_segment_twice_counts_once(writer: Writer) -> None:
    cost = Cost(requests=2, retries=1, bytes_fetched=100, head=40)
    assert [writer.publish(LINE[0], cost=cost) for _ in range(2)] == [[], []]

    assert writer.chain() == (0, 10, 1, 10, 3)
    assert writer.extraction().head == 40


def test_a_second_file_of_the_very_same_blocks_is_not_needed(writer: Writer) -> None:
    writer.publish(LINE[0])
    writer.publish(LINE[1])

    assert writer.publish(replace(LINE[0], name="again")) == ["again"]
    assert writer.names() == {"a", "b"}
    assert writer.extraction().blocks == 20


def test_a_table_that_the_job_does_not_write_takes_nothing(stage: Stage) -> None:
    with pytest.raises(Unusable):
        Writer(stage).publish(LINE[0])


def test_a_table_has_one_writer_until_its_job_is_over(stage: Stage, writer: Writer) -> None:
    with pytest.raises(ActiveJobConflict):
        Writer(stage)

    writer.publish(LINE[0])
    writer.worker.end(writer.claim)
    other = Writer(stage)
    assert other.open() == writer_path(writer)
    assert other.chain() == (0, 10, 1, 10, 3)
    other.publish(LINE[1])
    assert other.chain()[:3] == (0, 20, 2)


def test_a_table_outlives_the_job_that_wrote_it(stage: Stage, writer: Writer) -> None:
    writer.publish(LINE[0])
    writer.worker.end(writer.claim)
    assert stage.do(stage.store.delete(writer.job_id))

    other = Writer(stage)
    assert other.open() == writer_path(writer)
    assert other.chain() == (0, 10, 1, 10, 3)
    assert stage.do(stage.store.extraction(writer.job_id)) is None


def test_what_is_ahead_of_a_gap_waits_for_it(writer: Writer) -> None:
    writer.publish(LINE[0])
    writer.publish(LINE[2])
    assert writer.chain()[:3] == (0, 10, 1)
    lack = writer.lacking(0, 40)
    assert (lack.spans, lack.repairs, lack.known) == ([(10, 20), (30, 40)], [], [(9, "9")])

    writer.publish(LINE[1])
    assert writer.chain() == (0, 30, 3, 30, 9)


def test_the_first_segment_may_come_last(writer: Writer) -> None:
    for segment in reversed(LINE):
        assert writer.publish(segment) == []

    assert writer.chain() == (0, 30, 3, 30, 9)


def test_two_segments_that_do_not_belong_together_are_to_be_repaired(writer: Writer) -> None:
    writer.publish(LINE[0])
    writer.publish(LINE[1])
    writer.publish(a("x", 20, 30, "19'", "29'"))
    lack = writer.lacking(0, 30)
    assert (lack.spans, lack.repairs) == ([], [(10, 30)])

    assert sorted(writer.publish(a("y", 10, 30, "9", "29'"))) == ["b", "x"]
    assert writer.chain()[:3] == (0, 30, 2)
    assert writer.names() == {"a", "y"}


def test_a_reorganisation_replaces_what_it_must_and_nothing_below(writer: Writer) -> None:
    for segment in LINE:
        writer.publish(segment)

    assert writer.publish(a("b2", 10, 21, "9", "20'")) == ["b", "c"]
    assert writer.chain() == (0, 21, 2, 20, 6)
    assert writer.names() == {"a", "b2"}


def test_files_joined_into_one_never_move_progress(writer: Writer) -> None:
    for segment in LINE:
        writer.publish(segment)

    assert writer.publish(a("ab", 0, 20, "-", "19"), rows=6) == ["a", "b"]
    assert writer.chain() == (0, 30, 2, 20, 9)


def test_blocks_that_are_fetched_again_take_their_place_from_newer_ones(writer: Writer) -> None:
    writer.publish(LINE[0])
    writer.publish(a("long", 10, 30, "9'", "29"))
    writer.publish(a("short", 10, 20, "9'", "19"))
    writer.publish(a("a2", 0, 10, "-", "9'"))
    assert writer.chain()[:3] == (0, 20, 2)
    assert writer.names() == {"a2", "short", "long"}

    assert sorted(writer.publish(a("again", 10, 30, "9'", "29"))) == ["long", "short"]
    assert writer.chain()[:3] == (0, 30, 2)
    assert writer.names() == {"a2", "again"}


@pytest.mark.parametrize(
    ("segment", "gone"),
    [
        (a("x", 0, 10, "-'", "9"), ["a"]),
        (a("x", 5, 10, "-", "9"), []),
        (a("x", 0, 12, "-", "9"), ["a"]),
        (a("x", 0, 10, "-", "9'"), ["a"]),
    ],
    ids=["parent", "start", "stop", "hash"],
)
def test_a_file_that_differs_in_anything_is_not_the_same(
    writer: Writer, segment: Segment, gone: list[str]
) -> None:
    writer.publish(LINE[0])

    assert writer.publish(segment) == gone
    assert "x" in writer.names()


@pytest.mark.parametrize(
    "segment",
    [
        a("x", 10, 20, "9'", "19"),
        a("x", 5, 15, "9", "14"),
        replace(a("x", 10, 20, "9", "19"), network="other"),
    ],
    ids=["parent", "start", "network"],
)
@pytest.mark.parametrize("first", [True, False])
def test_only_what_follows_the_chain_becomes_part_of_it(
    writer: Writer, segment: Segment, *, first: bool
) -> None:
    for each in [segment, LINE[0]] if first else [LINE[0], segment]:
        assert writer.publish(each) == []

    assert writer.chain() == (0, 10, 1, 10, 3)
    assert writer.names() == {"a", "x"}


def test_what_follows_a_segment_beside_the_chain_is_beside_it_too(writer: Writer) -> None:
    writer.publish(LINE[0])
    for segment in LINE[2], a("d", 30, 40, "29", "39"):
        assert writer.publish(segment) == []

    assert writer.chain()[:3] == (0, 10, 1)


def test_a_new_first_segment_does_not_count_what_is_beside_the_chain(writer: Writer) -> None:
    writer.publish(LINE[0])
    writer.publish(LINE[2])

    assert writer.publish(a("a2", 0, 10, "-", "9'"), rows=4) == ["a"]
    assert writer.chain() == (0, 10, 1, 10, 4)
    assert writer.names() == {"a2", "c"}


def test_what_a_segment_covers_in_part_stays_beside_the_chain(writer: Writer) -> None:
    writer.publish(LINE[0])
    writer.publish(LINE[1])
    beside = [
        a("below", 15, 25, "14'", "24'"),
        a("inside", 22, 28, "21'", "27'"),
        a("above", 25, 35, "24'", "34'"),
    ]
    for segment in beside:
        assert writer.publish(segment) == []

    assert writer.publish(LINE[2]) == ["inside"]
    assert writer.names() == {"a", "b", "c", "below", "above"}


def test_a_repair_goes_no_further_back_than_the_end_of_the_chain(writer: Writer) -> None:
    for segment in (LINE[0], a("x", 30, 40, "19", "39"), LINE[2], LINE[1]):
        assert writer.publish(segment) == []

    assert writer.chain()[:3] == (0, 30, 3)
    lack = writer.lacking(0, 40)
    assert (lack.spans, lack.repairs) == ([], [(20, 40)])


def test_of_a_share_the_lowest_spans_are_told_the_same_blocks_of_all_tables(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(stage)
    writer.open("blocks", "logs")
    for start in (0, 20, 40, 60, 80):
        ends = str(start - 1), str(start + 9)
        writer.publish(a(f"s{start}", start, start + 10, *ends))
    writer.publish(a("other", 0, 75, "-", "74"), table="logs")
    monkeypatch.setattr(segments, "MOST_SPANS", 2)

    def told(index: int) -> dict[str, list[tuple[int, int]]]:
        found = stage.do(stage.store.lacking(writer.job_id, (0, 200), Share(10, index, 2)))
        return {table: list(one.spans) for table, one in found.items()}

    assert told(0) == {"blocks": [(90, 200)], "logs": [(75, 200)]}
    assert told(1) == {"blocks": [(10, 20), (30, 40)], "logs": []}
    for start in (10, 30):
        writer.publish(a(f"s{start}", start, start + 10, str(start - 1), str(start + 9)))
    assert told(1) == {"blocks": [(50, 60), (70, 80)], "logs": [(75, 80)]}


def test_no_more_than_the_newest_ends_of_a_long_chain_are_told(writer: Writer) -> None:
    for number in range(KNOWN + 2):
        writer.publish(a(f"s{number}", number, number + 1, str(number - 1), str(number)))

    known = writer.lacking(0, KNOWN + 2).known
    assert known == [(number, str(number)) for number in range(2, KNOWN + 2)]


LINKS = st.tuples(st.integers(0, 5), st.integers(1, 3), st.integers(0, 1), st.integers(0, 1)).map(
    lambda drawn: (drawn[0], drawn[0] + drawn[1], *drawn[2:])
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(drawn=st.lists(LINKS, max_size=12))
def test_the_chain_that_is_kept_is_the_one_computed_anew(
    stage: Stage, drawn: Sequence[tuple[int, int, int, int]]
) -> None:
    stage.clear()
    writer = Writer(stage)
    writer.open()
    kept: dict[str, Segment] = {}
    for place, (start, stop, before, own) in enumerate(drawn):
        at = stage.clock.advance(1)
        segment = Segment(
            f"s{place}", "net", start, stop, f"{stop}/{own}", f"{start}/{before}", at, 10
        )
        kept[segment.name] = segment
        for name in writer.publish(segment):
            del kept[name]

        assert writer.names() == set(kept)
        chain = canonical(kept.values())
        whole = (chain[0].start, chain[-1].stop, len(chain), 10 * len(chain), 3 * len(chain))
        assert writer.chain() == whole


def of(writer: Writer, table: str = "blocks") -> tuple[str, str, str]:
    return writer.extract.dataset, writer.extract.manifest_hash, table


def test_a_table_that_others_are_made_of_is_told_as_far_as_it_is(
    stage: Stage, writer: Writer
) -> None:
    read = stage.store.source
    other = stage.do(read(("eth/main", "other hash", "blocks")))
    assert (other.revision, other.path, other.stop, other.files) == (None, None, None, 0)
    assert not other.active
    assert stage.do(read(("eth/other", "hash", "blocks"))).revision is None
    assert stage.do(read(of(writer, "logs"))).revision is None

    assert stage.do(read(of(writer))).stop is None
    writer.publish(LINE[0])
    writer.publish(LINE[2])
    told = stage.do(read(of(writer)))
    assert (told.start, told.stop, told.hash, told.files) == (0, 10, "9", 1)
    assert (told.path, told.network, told.active) == (writer_path(writer)[0], "net", True)
    assert told.changed_at > 0

    writer.worker.end(writer.claim)
    assert not stage.do(read(of(writer))).active
    stage.do(stage.store.deactivate_revision(TableOf(*of(writer))))
    assert stage.do(read(of(writer))).revision is None


def test_the_files_of_a_chain_are_read_from_its_end_some_at_a_time(
    stage: Stage, writer: Writer
) -> None:
    writer.open("blocks", "logs")
    for segment in LINE:
        writer.publish(segment)
    writer.publish(a("aside", 40, 50, "x", "y"))
    writer.publish(a("log", 0, 10, "-", "9"), table="logs")
    told = stage.do(stage.store.source(of(writer)))
    assert told.revision is not None
    read = stage.store.source_segments

    page = stage.do(read(of(writer), told.revision, 1000, 2))
    rest = stage.do(read(of(writer), told.revision, 10, 2))

    assert [[one.name for one in part or ()] for part in (page, rest)] == [["c", "b"], ["a"]]
    assert page is not None
    assert (page[0].start, page[0].stop, page[0].hash, page[0].prev_hash) == (20, 30, "29", "19")
    assert page[0].size == 10
    assert stage.do(read(of(writer), told.revision + 1000, 1000, 2)) is None
