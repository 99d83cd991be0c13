"""The stored form of output: zstd-compressed bytes, and whose they are as short text."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from jobyard.store.base import Chunk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.store.query import Row

RAW = b"\x00"
ZSTD = b"\x01"
SMALL = 128
"""Bytes below which compressing costs more than it saves."""


@cache
def _codec() -> tuple[Any, Any]:
    # Imported with the first output that is worth compressing.
    import zstandard

    return zstandard.ZstdCompressor(level=1), zstandard.ZstdDecompressor()


def pack(data: bytes) -> bytes:
    """Compress, unless the bytes are few or do not shrink."""
    if len(data) >= SMALL:
        packed: bytes = _codec()[0].compress(data)
        if len(packed) < len(data):
            return ZSTD + packed
    return RAW + data


def rows_of(chunks: Sequence[Chunk]) -> list[tuple[Any, ...]]:
    """Write chunks as rows (attempt, start, length, job, at, runs, data).

    One without bytes is left out: it would keep the place of the one that follows.
    """
    return [
        (c.attempt_id, c.offset, len(c.data), c.job_id, c.at, packed_runs(c), pack(c.data))
        for c in chunks
        if c.data
    ]


def packed_runs(chunk: Chunk) -> str:
    """Write whose bytes these are: ``stream:length:microseconds`` a read."""
    return ",".join(f"{stream}:{length}:{after}" for stream, length, after in chunk.runs)


def unpack(row: Row) -> Chunk:
    """Read a stored row (job, attempt, start, at, runs, data, order)."""
    job_id, attempt_id, start, at, runs, data, order = row
    body = bytes(data)
    text = _codec()[1].decompress(body[1:]) if body[:1] == ZSTD else body[1:]
    parts = tuple(
        (int(stream), int(length), int(after))
        for stream, length, after in (run.split(":") for run in runs.split(",") if run)
    )
    return Chunk(job_id, attempt_id, start, at, parts, text, order)
