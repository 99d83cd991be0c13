"""The promises of a store of output, in words. Both databases keep them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an attempt's output, in order of arrival.

    ``runs`` tells whose bytes these are, as (stream, length, microseconds since ``at``), one
    entry a read. ``offset`` counts the attempt's bytes before this chunk.
    """

    job_id: int
    attempt_id: int
    offset: int
    at: int
    runs: tuple[tuple[int, int, int], ...]
    data: bytes
    order: int = field(default=0, compare=False)
    """The store's number for the place of a stored chunk among those of its job."""

    @property
    def end(self) -> LogPlace:
        """The place behind its last byte."""
        return LogPlace(self.order, self.attempt_id, self.offset + len(self.data))


class LogPlace(NamedTuple):
    """A place in a job's output; what was kept later has a greater one.

    All bytes of lower places, and of the attempt all below ``offset``, lie before it.
    """

    order: int
    attempt_id: int
    offset: int


BEGINNING = LogPlace(0, 0, 0)
"""The place before all output."""


class LogStore(Protocol):
    """What programs printed. A position is (attempt, byte offset)."""

    async def open(self) -> None:
        """Get ready."""

    async def close(self) -> None:
        """Let go."""

    async def append(self, chunks: Sequence[Chunk]) -> None:
        """Keep chunks, compressed, in one transaction."""

    async def read(self, attempt_id: int, *, offset: int = 0, limit: int = 64) -> list[Chunk]:
        """Read an attempt's chunks that reach beyond ``offset``, in order."""

    async def read_back(
        self, attempt_id: int, *, before: int | None = None, limit: int = 64
    ) -> list[Chunk]:
        """Read an attempt's chunks that begin below ``before``, last ones first."""

    async def follow(
        self, job_id: int, after: LogPlace, *, limit: int = 64, over: bool = False
    ) -> list[Chunk]:
        """Read a job's chunks that reach beyond a place, in an order that never changes.

        No chunk ever appears before one that was already given. What a transaction under way
        could still overtake is held back, unless the job is ``over``: then nothing is to come.
        """

    async def follow_back(
        self, job_id: int, *, before: LogPlace | None = None, limit: int = 64
    ) -> list[Chunk]:
        """Read a job's chunks that begin before a place, as ``follow`` orders them, last first."""

    def listen(self, heard: Callable[[frozenset[int]], None]) -> None:
        """Have ``heard`` called with the jobs of which this process just kept output."""

    async def delete(self, job_ids: Sequence[int]) -> None:
        """Remove all output of these jobs."""

    async def reclaim(self) -> bool:
        """Give some of the room back that deleted output left; tell whether there is more."""
