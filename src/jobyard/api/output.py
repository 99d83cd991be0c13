"""What attempts printed, read piece by piece, so that memory does not grow with the output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobyard.errors import AttemptNotFound, InvalidQueryParam

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from jobyard.core.records import Attempt
    from jobyard.store.base import Chunk, LogStore, Store

STREAMS = {"stdout": 1, "stderr": 2}
CHUNKS = 4
"""Chunks read at once; each has about a mebibyte at most."""
PAGE = 500
"""Attempts read at once."""
MOST_STRETCH = 8 * 1024 * 1024
"""Bytes of a stretch, which is answered in one piece."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of an attempt's output, and where the next part begins."""

    data: bytes
    next_offset: int


def stream_of(name: str | None) -> int | None:
    """Find the number of a stream; None is both.

    Raises:
        InvalidQueryParam: there is no stream of this name.
    """
    if name is None:
        return None
    if name not in STREAMS:
        legal = " or ".join(STREAMS)
        raise InvalidQueryParam(f"stream is `{name}`", hint=f"it is {legal}", parameter="stream")
    return STREAMS[name]


async def attempts_of(store: Store, job_id: int, index: int | None) -> AsyncIterator[Attempt]:
    """Walk through a job's attempts, oldest first, page by page."""
    after = 0
    while page := await store.attempts(job_id, after=after, limit=PAGE, index=index):
        for attempt in page:
            yield attempt
        if len(page) < PAGE:
            return
        after = page[-1].id


async def chosen(
    store: Store, job_id: int, number: int | None, attempt_id: int | None, index: int | None
) -> list[Attempt]:
    """Find the attempts with a number, or the one with an id.

    Raises:
        AttemptNotFound: there is none such.
    """
    if attempt_id is not None:
        found = await store.attempts(job_id, after=attempt_id - 1, limit=1, index=index)
        if not found or found[0].id != attempt_id:
            raise AttemptNotFound(attempt_id, f"job {job_id} has no attempt with id {attempt_id}")
        return found
    of_index = attempts_of(store, job_id, index)
    matching = [attempt async for attempt in of_index if attempt.number == number]
    if not matching:
        raise AttemptNotFound(detail=f"job {job_id} has no attempt number {number}")
    return matching


async def as_found(attempts: list[Attempt]) -> AsyncIterator[Attempt]:
    """Walk through attempts that are at hand."""
    for attempt in attempts:
        yield attempt


async def whole(
    logs: LogStore, attempts: AsyncIterator[Attempt], stream: int | None
) -> AsyncIterator[bytes]:
    """Give all output of attempts, one after the other, in order of arrival within each."""
    async for attempt in attempts:
        offset = 0
        while chunks := await logs.read(attempt.id, offset=offset, limit=CHUNKS):
            for chunk in chunks:
                for piece in _pieces(chunk, stream, offset, None):
                    yield piece
                offset = max(offset, chunk.offset + len(chunk.data))


async def stretch(
    logs: LogStore, attempt_id: int, offset: int, limit: int, stream: int | None
) -> Stretch:
    """Read at most ``limit`` bytes of one attempt's output from ``offset`` on."""
    stop = offset + limit
    pieces: list[bytes] = []
    while offset < stop:
        chunks = await logs.read(attempt_id, offset=offset, limit=CHUNKS)
        if not chunks:
            break
        for chunk in chunks:
            if offset >= stop:
                break
            pieces += _pieces(chunk, stream, offset, stop)
            offset = min(stop, chunk.offset + len(chunk.data))
    return Stretch(b"".join(pieces), offset)


def _pieces(chunk: Chunk, stream: int | None, start: int, stop: int | None) -> Iterator[bytes]:
    """Cut from a chunk what lies between two positions and belongs to a stream."""
    first = max(start - chunk.offset, 0)
    last = len(chunk.data) if stop is None else min(stop - chunk.offset, len(chunk.data))
    if stream is None:
        yield chunk.data[first:last]
        return
    at = 0
    for of, length, _ in chunk.runs:
        begin, end = max(at, first), min(at + length, last)
        if of == stream and begin < end:
            yield chunk.data[begin:end]
        at += length
