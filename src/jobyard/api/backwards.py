"""Output read from its end backwards, so that its last part costs the same however long it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from jobyard.store.base import Chunk, LogStore

CHUNKS = 4
"""Chunks read at once; each has about a mebibyte at most."""
SKEW = 60_000_000
"""Microseconds by which clocks of workers and store may differ where only time is saved by it."""


def last_read(chunk: Chunk) -> int:
    """Tell when the last bytes of a chunk were read."""
    return chunk.at + chunk.runs[-1][2] if chunk.runs else chunk.at


async def backwards(logs: LogStore, attempt_id: int) -> AsyncIterator[Chunk]:
    """Walk through an attempt's chunks from its end."""
    before: int | None = None
    while page := await logs.read_back(attempt_id, before=before, limit=CHUNKS):
        for chunk in page:
            yield chunk
        before = page[-1].offset


class FromEnd:
    """Finds where the last lines begin, told chunks from the end backwards."""

    def __init__(self, stream: int | None, wanted: int) -> None:
        """Look for the last ``wanted`` lines, at least one, of a stream or of both."""
        self._stream = stream
        self._wanted = wanted
        self.count = 0
        """The lines that were found."""

    def look(self, chunk: Chunk) -> int | None:
        """Tell where in its attempt the first of the lines begins, if in this chunk."""
        stop = len(chunk.data)
        for of, length, _ in reversed(chunk.runs):
            begin, end = stop - length, stop
            stop = begin
            if self._stream not in (None, of):
                continue
            if not self.count:
                # The newline at the very end begins no line.
                end -= chunk.data.endswith(b"\n", begin, end)
                self.count = 1
            while (end := chunk.data.rfind(b"\n", begin, end)) >= 0:
                if self.count == self._wanted:
                    return chunk.offset + end + 1
                self.count += 1
        return None
