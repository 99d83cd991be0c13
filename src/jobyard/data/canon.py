"""Which blocks of several tables belong to one chain, and the hashes that link them.

Tables are written one after the other, and a reorganisation reaches them one after the other. So
rows of two tables may be put together only up to a block of which both have the same hash, or that
a table of blocks proves: where a file's end is the hash of that table's block, all files before it
are of the same chain, as each names the hash of the one before.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

import pyarrow.dataset as ds

from jobyard.data.incremental import BLOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from jobyard.data.chains import ChainKind
    from jobyard.data.sources import SourceTable

NEAR = 4096
"""Numbers in which a block is looked for first, where numbers may have none."""


class Header:
    """A table with a row for each block: it knows the hash below every number of its chain."""

    def __init__(self, table: SourceTable, kind: ChainKind) -> None:
        """Read ``table``, which is the header's table of a chain of this kind."""
        self._table = table
        self._kind = kind
        self._read: dict[int, str | None] = {}

    @property
    def start(self) -> int:
        """The first block that it knows."""
        return self._table.start

    def hash_below(self, number: int) -> str | None:
        """Tell the hash of the last block below a number; None where the table does not reach.

        Raises:
            OSError: a file cannot be read.
        """
        if not self._table.start <= number <= self._table.stop:
            return None
        known = self._table.edges.get(number)
        if known is not None:
            return known
        if number not in self._read:
            self._read[number] = self._find(number)
        return self._read[number]

    def _find(self, number: int) -> str | None:
        found = self._table.files(number - 1, number)
        if not found:
            # Between two files no number has a block.
            return self._table.files(0, number)[-1].hash
        (segment,) = found
        folder, block = self._table.folder, ds.field(BLOCK)
        file = ds.dataset(f"{folder.path}/{segment.name}", filesystem=folder.filesystem)
        for least in (number - 1, number - NEAR, segment.start):
            rows = file.to_table(
                columns=[BLOCK, self._kind.hash], filter=(block >= least) & (block < number)
            ).sort_by(BLOCK)
            if rows.num_rows:
                return self._kind.hash_text(rows.column(1)[-1].as_py())
            if not self._kind.skips:
                return None
        return segment.prev_hash


class Canon:
    """The chain that some tables share, up to ``limit``; its edges are numbers with a known hash.

    ``begins`` tells from which block on a table has any: below, it agrees with everything.
    """

    def __init__(
        self, tables: Sequence[SourceTable], begins: Sequence[int], headers: Iterable[Header]
    ) -> None:
        """Compare the tables with each other, and with the first header that proves most."""
        self._tables = tables
        self._begins = begins
        self._common = _common(tables, begins)
        self._edges = sorted(self._common)
        self._header: Header | None = None
        self._proved = 0
        for header in headers:
            proved = min(_proved(table, header) for table in tables)
            if proved > self._proved:
                self._header, self._proved = header, proved
        self.limit = max(self._proved, self._edges[-1] if self._edges else 0)

    def hash_below(self, number: int) -> str | None:
        """Tell the hash of the last block below an edge; None if the number is none."""
        if number in self._common:
            return self._common[number]
        if self._header is not None and number <= self._proved:
            found = self._header.hash_below(number)
            if found is not None:
                return found
        first = min(self._tables, key=lambda table: table.start)
        # Below the first block of all there is none, which is linked to itself.
        return first.chain[0].prev_hash if number <= min(self._begins) else None

    def edge(self, start: int, most: int, stop: int) -> int | None:
        """Find where a batch from ``start`` may end, after ``most`` blocks if that can be.

        Not behind ``stop`` if there is an edge before it; None if there is none at all.
        """
        wanted = min(start + most, stop, self.limit)
        if wanted > start and self.hash_below(wanted) is not None:
            return wanted
        place = bisect_right(self._edges, wanted)
        if place and self._edges[place - 1] > start:
            return self._edges[place - 1]
        above = self._edges[place] if place < len(self._edges) else None
        proved = self._proved if self._proved > start else None
        return min((one for one in (above, proved) if one is not None), default=None)


def _common(tables: Sequence[SourceTable], begins: Sequence[int]) -> Mapping[int, str]:
    """Find the edges of which all tables have the same hash."""
    if len(tables) == 1:
        return tables[0].edges
    pairs = list(zip(tables, begins, strict=True))
    return {
        number: own
        for number, own in {k: v for table in tables for k, v in table.edges.items()}.items()
        if all(
            table.edges.get(number) == own or (number <= begin and number not in table.edges)
            for table, begin in pairs
        )
    }


def _proved(table: SourceTable, header: Header) -> int:
    """Find how far a table is of the same chain as a table of blocks."""
    edges = [edge for edge in sorted(table.edges) if edge >= header.start]
    if not edges:
        return 0
    if header.hash_below(edges[-1]) == table.edges[edges[-1]]:
        return edges[-1]
    place = _agreeing(edges, lambda edge: header.hash_below(edge) == table.edges[edge])
    return edges[place - 1] if place else 0


def _agreeing(edges: Sequence[int], agrees: Callable[[int], bool]) -> int:
    """Count the edges that agree: the last one that does proves all before it."""
    return bisect_left(edges, 1, key=lambda edge: not agrees(edge))


def confirmed(own: SourceTable, canon: Canon) -> int | None:
    """Find up to where a table that was made before is of the chain as it is now.

    None when nothing of it is. What lies above the chain's limit cannot be judged; then the answer
    is the table's end.
    """
    edges = [edge for edge in sorted(own.edges) if edge <= canon.limit]
    if not edges:
        return own.stop
    if canon.hash_below(edges[-1]) == own.edges[edges[-1]]:
        return own.stop
    place = _agreeing(edges, lambda edge: canon.hash_below(edge) == own.edges[edge])
    return edges[place - 1] if place else None
