"""The ledger of the whole yard and the output of a job, in an order that never changes."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING, Any, Self

import asyncpg
import pytest

from jobyard.core.records import LedgerPlace
from jobyard.store.base import BEGINNING, Chunk, LogPlace
from jobyard.store.sqlite.logs import SqliteLogs
from jobyard.testing.stage import make_spec

if TYPE_CHECKING:
    from pathlib import Path

    from jobyard.core.records import Change
    from jobyard.testing.stage import Stage

START = LedgerPlace(0, 0)
EVENT = """
INSERT INTO job_events (job_id, event, status, at)
VALUES (1, 'started', 'RUNNING', 5) RETURNING id
"""
CHUNK = """
INSERT INTO log_chunks (attempt_id, start, length, job_id, at, runs, data)
VALUES ({}, 0, 1, 1, 5, '1:1:0', '\\x0041') RETURNING attempt_id
"""
only_postgres = pytest.mark.parametrize("stage", ["postgres"], indirect=True)


def since(stage: Stage, after: LedgerPlace = START, limit: int = 1000) -> list[Change]:
    return stage.do(stage.store.events_since(after, limit))


def ids(stage: Stage, after: LedgerPlace = START) -> list[int]:
    return [change.line.id for change in since(stage, after)]


def chunk(attempt: int, offset: int, data: bytes = b"x", job: int = 1) -> Chunk:
    return Chunk(job, attempt, offset, 5, ((1, len(data), 0),), data)


def append(stage: Stage, *chunks: Chunk) -> None:
    stage.do(stage.logs.append(chunks))


def followed(stage: Stage, after: LogPlace = BEGINNING, **how: Any) -> list[tuple[int, int]]:
    found = stage.do(stage.logs.follow(1, after, **how))
    return [(piece.attempt_id, piece.offset) for piece in found]


def test_the_events_of_all_jobs_come_in_one_order_with_whose_they_are(stage: Stage) -> None:
    stage.submit(make_spec("a", namespace="n", labels={"k": "v"}), make_spec("b"))

    found = since(stage)

    assert [(c.name, c.namespace, c.labels) for c in found[:1]] == [("a", "n", {"k": "v"})]
    assert {c.name for c in found} == {"a", "b"}
    assert [c.line for c in found if c.line.job_id == 1] == stage.do(stage.store.events(1))


def test_events_go_on_behind_a_place_and_in_pages(stage: Stage) -> None:
    stage.submit(make_spec("a"), make_spec("b"))
    everything = since(stage)

    paged = []
    place = START
    while page := since(stage, place, limit=1):
        paged += page
        place = page[-1].place
    assert paged == everything
    assert sorted(c.place for c in everything) == [c.place for c in everything]
    assert since(stage, everything[-1].place) == []


def test_the_last_place_is_before_what_comes_and_behind_what_was(stage: Stage) -> None:
    stage.submit(make_spec("a"))
    place = stage.do(stage.store.last_place())
    assert since(stage, place) == []
    stage.submit(make_spec("b"))

    assert {c.name for c in since(stage, place)} == {"b"}


def test_events_of_deleted_jobs_have_no_name(stage: Stage) -> None:
    stage.submit(make_spec())
    stage.sql("DELETE FROM job_specs")

    assert {(c.name, c.namespace, c.labels) for c in since(stage)} == {(None, None, None)}


def test_an_event_says_which_worker_the_job_was_with(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec())
    worker = stage.worker("w7")
    worker.start(worker.claim_one())

    by_event = {str(c.line.event): c.line.worker_id for c in since(stage)}
    assert by_event["created"] is None
    assert by_event["started"] == "w7"
    assert stage.do(stage.store.events(job_id))[-1].worker_id == "w7"


def test_latest_attempts_are_listed_newest_first(stage: Stage) -> None:
    policy = {"completions": 4, "parallelism": 4}
    job_id = stage.submit_one(make_spec(indexed=True, policy=policy))
    stage.submit_one(make_spec())
    latest = stage.store.latest_attempts

    found = stage.do(latest(job_id))
    assert found == list(reversed(stage.attempts(job_id)))
    assert stage.do(latest(job_id, limit=2)) == found[:2]
    assert stage.do(latest(job_id, before=found[1].id)) == found[2:]
    assert [a.index for a in stage.do(latest(job_id, index=3))] == [3]

    other = stage.submit_one(make_spec(indexed=True, policy=policy | {"backoff_limit": 9}))
    worker = stage.worker()
    worker.fail(*worker.claim(20))
    stage.clock.advance(600)
    stage.decide_due()
    tries = stage.do(latest(other, index=3))
    assert [(a.job_id, a.index, a.number) for a in tries] == [(other, 3, 2), (other, 3, 1)]
    assert stage.do(latest(other, index=3, before=tries[0].id)) == tries[1:]


def test_the_output_of_a_job_comes_in_the_order_in_which_it_was_kept(stage: Stage) -> None:
    append(stage, chunk(7, 0))
    append(stage, chunk(3, 0), chunk(3, 1))
    append(stage, chunk(7, 1), chunk(9, 0, job=2))

    assert followed(stage) == [(7, 0), (3, 0), (3, 1), (7, 1)]
    assert followed(stage, limit=2) == [(7, 0), (3, 0)]
    back = stage.do(stage.logs.follow_back(1))
    assert [(piece.attempt_id, piece.offset) for piece in reversed(back)] == followed(stage)
    assert len(stage.do(stage.logs.follow_back(1, limit=3))) == 3


def test_following_goes_on_behind_every_place(stage: Stage) -> None:
    append(stage, chunk(7, 0, b"ab"), chunk(7, 2, b"cd"), chunk(8, 0, b"ef"))
    append(stage, chunk(7, 4, b"gh"))
    found = stage.do(stage.logs.follow(1, BEGINNING))

    for at, piece in enumerate(found):
        assert stage.do(stage.logs.follow(1, piece.end)) == found[at + 1 :]
        inside = piece.end._replace(offset=piece.offset + 1)
        assert stage.do(stage.logs.follow(1, inside)) == found[at:]
        begin = piece.end._replace(offset=piece.offset)
        before = stage.do(stage.logs.follow_back(1, before=begin))
        assert list(reversed(before)) == found[:at]


def test_an_attempt_is_read_from_its_end(stage: Stage) -> None:
    append(stage, *(chunk(7, offset) for offset in range(4)), chunk(8, 0))

    found = stage.do(stage.logs.read_back(7, limit=3))
    assert [piece.offset for piece in found] == [3, 2, 1]
    assert [p.offset for p in stage.do(stage.logs.read_back(7, before=1))] == [0]


def test_whoever_listens_hears_whose_output_was_kept(stage: Stage) -> None:
    heard: list[frozenset[int]] = []
    stage.logs.listen(heard.append)
    append(stage, chunk(7, 0), chunk(9, 0, job=2))

    assert heard == [frozenset({1, 2})]


class Pair:
    """Two connections beside the store, whose transactions overlap as told."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def __enter__(self) -> Self:
        self.early, self.late = (self.stage.do(asyncpg.connect(self.stage.place)) for _ in range(2))
        self.say(self.early, "BEGIN")
        return self

    def __exit__(self, *unused: object) -> None:
        for connection in (self.early, self.late):
            connection.terminate()

    def say(self, connection: Any, sql: str) -> Any:
        return self.stage.do(connection.fetchval(sql))


@only_postgres
@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_an_event_that_is_committed_late_holds_up_the_later_ones(stage: Stage, end: str) -> None:
    with Pair(stage) as pair:
        first = pair.say(pair.early, EVENT)
        second = pair.say(pair.late, EVENT)

        assert second > first
        assert ids(stage) == []
        pair.say(pair.early, end)
        assert ids(stage) == ([first, second] if end == "COMMIT" else [second])


@only_postgres
def test_a_writer_that_has_yet_to_write_its_event_holds_up_the_later_ones(stage: Stage) -> None:
    stage.submit(make_spec())
    place = stage.do(stage.store.last_place())
    with Pair(stage) as pair:
        pair.say(pair.early, "SELECT id FROM jobs FOR UPDATE")
        later = pair.say(pair.late, EVENT)

        assert ids(stage, place) == []
        # Its id is greater, but its place is before the other's, as its transaction is.
        latest = pair.say(pair.early, EVENT)
        assert latest > later
        pair.say(pair.early, "COMMIT")
        assert ids(stage, place) == [latest, later]


@only_postgres
def test_a_place_taken_meanwhile_is_before_what_is_committed_late(stage: Stage) -> None:
    with Pair(stage) as pair:
        first = pair.say(pair.early, EVENT)
        place = stage.do(stage.store.last_place())
        pair.say(pair.early, "COMMIT")

        assert ids(stage, place) == [first]


@only_postgres
def test_a_transaction_of_a_stranger_holds_up_nobody(stage: Stage) -> None:
    stage.sql("CREATE SCHEMA IF NOT EXISTS stranger")
    stage.sql("CREATE TABLE IF NOT EXISTS stranger.things (id integer)")
    with Pair(stage) as pair:
        pair.say(pair.early, "INSERT INTO stranger.things VALUES (1)")
        # Reading ours does not make it a writer of ours.
        pair.say(pair.early, "SELECT count(*) FROM job_events")
        event = pair.say(pair.late, EVENT)

        assert ids(stage) == [event]


@only_postgres
def test_strangers_and_writers_are_told_apart(stage: Stage) -> None:
    stage.submit(make_spec())
    stage.sql("CREATE SCHEMA IF NOT EXISTS stranger")
    stage.sql("CREATE TABLE IF NOT EXISTS stranger.things (id integer)")
    place = stage.do(stage.store.last_place())
    with Pair(stage) as strangers, Pair(stage) as writers:
        strangers.say(strangers.early, "INSERT INTO stranger.things VALUES (1)")
        before = strangers.say(strangers.late, EVENT)
        writers.say(writers.early, "SELECT id FROM jobs FOR UPDATE")
        after = writers.say(writers.late, EVENT)

        assert ids(stage, place) == [before]
        writers.say(writers.early, "COMMIT")
        assert ids(stage, place) == [before, after]


@only_postgres
def test_output_that_is_committed_late_holds_up_the_later_one(stage: Stage) -> None:
    with Pair(stage) as pair:
        pair.say(pair.early, CHUNK.format(8))
        pair.say(pair.late, CHUNK.format(7))

        assert followed(stage) == []
        assert stage.do(stage.logs.follow_back(1)) == []
        assert followed(stage, over=True) == [(7, 0)]
        pair.say(pair.early, "COMMIT")
        assert followed(stage) == [(8, 0), (7, 0)]


def test_a_log_file_of_before_keeps_its_chunks_and_gets_their_order(tmp_path: Path) -> None:
    path = tmp_path / "logs.db"
    with sqlite3.connect(path) as old:
        old.executescript("""
            CREATE TABLE log_chunks (
                attempt_id INTEGER NOT NULL, start INTEGER NOT NULL, length INTEGER NOT NULL,
                job_id INTEGER NOT NULL, at INTEGER NOT NULL, runs TEXT NOT NULL,
                data BLOB NOT NULL, PRIMARY KEY (attempt_id, start)) STRICT;
            CREATE INDEX log_chunks_by_job ON log_chunks (job_id);
            INSERT INTO log_chunks VALUES (9, 0, 1, 1, 5, '1:1:0', x'0041');
            INSERT INTO log_chunks VALUES (7, 0, 1, 1, 6, '1:1:0', x'0042');
        """)
    old.close()

    async def play() -> list[tuple[int, bytes]]:
        logs = SqliteLogs(path)
        await logs.open()
        found = await logs.follow(1, BEGINNING)
        await logs.append([chunk(9, 1)])
        await logs.close()
        return [(piece.attempt_id, piece.data) for piece in found]

    assert asyncio.run(play()) == [(9, b"A"), (7, b"B")]
    assert asyncio.run(play()) == [(9, b"A"), (7, b"B"), (9, b"x")]
