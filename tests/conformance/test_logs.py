"""What a log store promises, on both databases."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from jobyard.store.base import Chunk
from jobyard.testing.stage import make_spec

if TYPE_CHECKING:
    from jobyard.testing.stage import Stage

JOB, ATTEMPT = 3, 7


def chunk(offset: int, data: bytes, *, attempt: int = ATTEMPT, job: int = JOB) -> Chunk:
    return Chunk(job, attempt, offset, 1_000 + offset, ((1, len(data), 0),), data)


def read(stage: Stage, offset: int = 0, *, attempt: int = ATTEMPT, limit: int = 64) -> list[Chunk]:
    return stage.do(stage.logs.read(attempt, offset=offset, limit=limit))


def append(stage: Stage, *chunks: Chunk) -> None:
    stage.do(stage.logs.append(chunks))


def test_a_chunk_is_read_as_it_was_written(stage: Stage) -> None:
    data = b"to stdout\nto stderr\nmore\n"
    written = Chunk(JOB, ATTEMPT, 0, 123, ((1, 10, 0), (2, 10, 55), (1, 5, 60)), data)
    append(stage, written)

    assert read(stage) == [written]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"\x00\x01\xff\xfe binary \r\n",
        b"the same line\n" * 100_000,
        bytes(range(256)) * 4,
        b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(6000)),
    ],
    ids=["nothing", "a byte", "binary", "a long text", "every byte", "noise"],
)
def test_bytes_survive(stage: Stage, data: bytes) -> None:
    append(stage, chunk(0, data), chunk(len(data), b"end"))

    assert b"".join(piece.data for piece in read(stage)) == data + b"end"


@pytest.mark.parametrize("stage", ["postgres"], indirect=True)
def test_text_is_stored_compressed(stage: Stage) -> None:
    append(stage, chunk(0, b"the same line\n" * 10_000))

    [size] = stage.sql("SELECT sum(octet_length(data)) FROM log_chunks", count=True)
    assert size < 1000


def test_chunks_come_in_the_order_of_their_offsets(stage: Stage) -> None:
    append(stage, chunk(10, b"b" * 10))
    append(stage, chunk(20, b"c" * 10), chunk(0, b"a" * 10))

    assert [piece.data[:1] for piece in read(stage)] == [b"a", b"b", b"c"]


def test_reading_begins_with_the_chunk_that_reaches_beyond_the_offset(stage: Stage) -> None:
    append(stage, *(chunk(start, b"x" * 10) for start in (0, 10, 20)))

    assert [piece.offset for piece in read(stage, 0)] == [0, 10, 20]
    assert [piece.offset for piece in read(stage, 9)] == [0, 10, 20]
    assert [piece.offset for piece in read(stage, 10)] == [10, 20]
    assert [piece.offset for piece in read(stage, 15)] == [10, 20]
    assert [piece.offset for piece in read(stage, 30)] == []


def test_reading_tells_no_more_chunks_than_asked_for(stage: Stage) -> None:
    append(stage, *(chunk(start, b"x" * 10) for start in (0, 10, 20)))

    assert [piece.offset for piece in read(stage, 5, limit=2)] == [0, 10]


def test_what_is_written_twice_is_kept_once(stage: Stage) -> None:
    append(stage, chunk(0, b"first"))
    append(stage, chunk(0, b"again"), chunk(5, b"second"))

    assert [piece.data for piece in read(stage)] == [b"first", b"second"]


def test_the_output_of_one_attempt_is_not_that_of_another(stage: Stage) -> None:
    append(stage, chunk(0, b"mine"), chunk(0, b"yours", attempt=8), chunk(5, b"more", attempt=8))

    assert [piece.data for piece in read(stage)] == [b"mine"]
    assert [piece.data for piece in read(stage, 2, attempt=8)] == [b"yours", b"more"]
    assert read(stage, attempt=9) == []


def test_deleting_takes_all_of_these_jobs_and_nothing_else(stage: Stage) -> None:
    append(stage, chunk(0, b"a"), chunk(0, b"b", attempt=8), chunk(0, b"c", attempt=9, job=4))
    stage.do(stage.logs.delete([JOB]))

    assert [read(stage, attempt=attempt) for attempt in (ATTEMPT, 8)] == [[], []]
    assert len(read(stage, attempt=9)) == 1


def test_output_goes_with_its_job(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(policy={"ttl": 1.0}))
    worker = stage.worker()
    claim = worker.claim_one()
    append(stage, chunk(0, b"a", attempt=claim.attempt_id, job=job_id), chunk(0, b"b", job=99999))
    worker.end(claim)
    stage.clock.advance(2)
    stage.do(stage.store.delete_expired())

    assert read(stage, attempt=claim.attempt_id) == []
    assert stage.do(stage.store.last_checkpoint(job_id, None)) is None
