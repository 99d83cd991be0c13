"""Stretches of one attempt's output: bytes between two offsets, of one stream or of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobyard.api.backwards import CHUNKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobyard.store.base import Chunk, LogStore

MOST_STRETCH = 8 * 1024 * 1024
"""Bytes of a stretch or a page, which are answered in one piece."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of an attempt's output, and where the next part begins."""

    data: bytes
    next_offset: int


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
            offset = min(stop, chunk.end.offset)
    return Stretch(b"".join(pieces), offset)


def _pieces(chunk: Chunk, stream: int | None, start: int, stop: int) -> Iterator[bytes]:
    """Cut from a chunk what lies between two positions and belongs to a stream."""
    first = max(start - chunk.offset, 0)
    last = min(stop - chunk.offset, len(chunk.data))
    if stream is None:
        yield chunk.data[first:last]
        return
    at = 0
    for of, length, _ in chunk.runs:
        begin, end = max(at, first), min(at + length, last)
        if of == stream and begin < end:
            yield chunk.data[begin:end]
        at += length
