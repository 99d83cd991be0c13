"""Who extracts which blocks: the missing ranges of some tables, cut into pieces, shared by index.

Every index finds out its own share without knowing of the others: piece j of the chain, counted
from block 0, is for index ``j % writers``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from jobyard.core.ranges import Span

LARGEST_CHUNK = 2_000
"""Blocks of a piece: the least that the reference gives to one writer."""
SMALLEST_CHUNK = 16
CHUNKS_EACH = 8
"""Pieces that each writer of a short range gets, so that slow ones do not hold up the others."""


@dataclass(frozen=True, slots=True)
class Share:
    """What of the chain one of several writers extracts: of its pieces every ``writers``-th."""

    chunk: int
    index: int
    writers: int

    def touches(self, span: Span) -> bool:
        """Tell whether some of these blocks are in the share."""
        first = span[0] // self.chunk
        return (first + (self.index - first) % self.writers) * self.chunk < span[1]


class Piece(NamedTuple):
    """Blocks ``[start, stop)`` that these tables lack."""

    start: int
    stop: int
    tables: tuple[str, ...]


def chunk_size(start: int, stop: int | None, writers: int, *, once: bool = False) -> int:
    """Tell the size of pieces: all writers of a job come to the same.

    ``once`` is for a source that begins anew with every piece: each writer gets a large one.
    """
    if stop is None:
        return LARGEST_CHUNK
    if once:
        return max(SMALLEST_CHUNK, -(-(stop - start) // writers))
    size = -(-(stop - start) // (writers * CHUNKS_EACH))
    return max(SMALLEST_CHUNK, min(LARGEST_CHUNK, size))


def owner(number: int, chunk: int, writers: int) -> int:
    """Tell which index a block is for."""
    return number // chunk % writers


def share(
    lacking: Mapping[str, Sequence[Span]], chunk: int, index: int, writers: int
) -> list[Piece]:
    """Cut out what one index is to extract, in the order of the chain.

    A single writer's pieces are as long as the same tables lack them; those of several end where
    the next one is somebody else's.
    """
    found: list[Piece] = []
    for start, stop, tables in _together(lacking):
        for cut_start, cut_stop in _cuts(start, stop, chunk) if writers > 1 else [(start, stop)]:
            if writers == 1 or owner(cut_start, chunk, writers) == index:
                found.append(Piece(cut_start, cut_stop, tables))
    return found


def _together(lacking: Mapping[str, Sequence[Span]]) -> Iterator[Piece]:
    """Part ranges where the set of tables that lack them changes."""
    rest = {table: list(spans) for table, spans in lacking.items() if spans}
    while rest:
        start = min(spans[0][0] for spans in rest.values())
        tables = sorted(table for table, spans in rest.items() if spans[0][0] == start)
        stop = min(_end(spans, start) for spans in rest.values())
        yield Piece(start, stop, tuple(tables))
        for table in tables:
            first = rest[table][0]
            rest[table][:1] = [(stop, first[1])] if stop < first[1] else []
            if not rest[table]:
                del rest[table]


def _end(spans: Sequence[Span], start: int) -> int:
    first = spans[0]
    return first[1] if first[0] == start else first[0]


def _cuts(start: int, stop: int, chunk: int) -> Iterator[Span]:
    while start < stop:
        end = min(stop, (start // chunk + 1) * chunk)
        yield start, end
        start = end
