"""What files say of the blocks that they cover, compared with the blocks themselves."""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

    from jobyard.chain.report import Report
    from jobyard.core.ranges import Span
    from jobyard.data.chains import ChainKind
    from jobyard.data.reading import Cursor, DataFile

FILES = "files"
"""The check that files can be read, hold the blocks that they cover, and link to each other."""
NO_BLOCK = "no block shows what the file is linked to"
EVERYTHING = 1 << 63
"""Above every number of a block."""

Said = dict[int, list[tuple[str, str]]]


class Edges:
    """Goes through the blocks of a chain in order, and looks at what files say of their edges.

    A file names the last block before it and the last one in it: the one below its start, and the
    one below its stop.
    """

    def __init__(self, kind: ChainKind, report: Report, files: Iterable[DataFile]) -> None:
        """Take note of all edges."""
        self._kind = kind
        self._report = report
        self._starts: Said = {}
        self._stops: Said = {}
        self._below: tuple[int, str] | None = None
        """Up to which number blocks were looked at, and the hash of the last one."""
        for file in files:
            extent = file.about.extent
            self._starts.setdefault(extent.start, []).append((file.name, extent.prev_hash))
            self._stops.setdefault(extent.stop, []).append((file.name, extent.hash))

    def look_at(self, blocks: pa.RecordBatch, span: Span) -> None:
        """Check that the blocks of some numbers are there, in order, and the edges among them."""
        found = blocks.column("_block_num").to_pylist()
        self._check_rows(found, span)
        below = self._below[1] if self._below is not None and self._below[0] == span[0] else None
        parents = self._hashes(blocks, self._kind.parent_hash)
        hashes = self._hashes(blocks, self._kind.hash)
        for edge in range(span[0], span[1] + 1):
            at = bisect_left(found, edge)
            if edge > span[0] and edge in self._stops:
                number, link = edge - 1, below or (parents[0] if parents else None)
                if at:
                    number, link = found[at - 1], hashes[at - 1]
                self._compare(self._stops.pop(edge), self._kind.hash, number, link)
            if edge < span[1] and edge in self._starts:
                # What a block follows it says itself; where none is left, the one before tells.
                number, link = edge, hashes[-1] if hashes else below
                if at < len(found):
                    number, link = found[at], parents[at]
                self._compare(self._starts.pop(edge), self._kind.parent_hash, number, link)
        last = hashes[-1] if hashes else below
        self._below = None if last is None else (span[1], last)

    def finish(self, blocks: Cursor) -> None:
        """Check that no row is left."""
        left = blocks.below(EVERYTHING)
        if left is not None:
            self._report.fail(FILES, left.column("_block_num")[0].as_py(), "rows are out of order")

    def _check_rows(self, found: list[int], span: Span) -> None:
        inside = all(span[0] <= number < span[1] for number in found)
        if not inside or any(after <= number for number, after in pairwise(found)):
            self._report.fail(FILES, found[0], "rows are out of order")
        elif len(found) < span[1] - span[0] and not self._kind.skips:
            lost = sorted(set(range(*span)) - set(found))
            self._report.fail(FILES, lost[0], f"{len(lost)} blocks have no row")
        else:
            self._report.prove(FILES, len(found))

    def _compare(
        self, said: list[tuple[str, str]], column: str, number: int, found: str | None
    ) -> None:
        for name, expected in said:
            if found is None:
                self._report.leave_open(FILES, number, NO_BLOCK)
            elif found != expected:
                cause = f"`{name}` says {column} {expected}, found {found}"
                self._report.fail(FILES, number, cause)

    def _hashes(self, blocks: pa.RecordBatch, column: str) -> list[str]:
        return [self._kind.hash_text(value) for value in blocks.column(column).to_pylist()]
