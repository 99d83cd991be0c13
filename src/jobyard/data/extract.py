"""Blocks as a source gives them, to files: parsed, decoded, proved, written in order.

Nothing of a block is written before what is proved of it has been proved, and no file is there
before it is whole; so whatever happens, what lies in the folder is right. What differs between
kinds of chains is in `jobyard.data.chains`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np
import pyarrow as pa

from jobyard.chain.report import Report
from jobyard.chain.rows import numbers, values
from jobyard.chain.tables import arrow_schema
from jobyard.core.ranges import intersect, merge
from jobyard.data.chains import EVM, SOLANA
from jobyard.data.footer import Extent
from jobyard.data.parquet import DEFAULT_LAYOUT, Layout, TableWriter
from jobyard.errors import BlockDisproved, BlocksUnlinked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from jobyard.chain.source import BlockRef, RawBlock
    from jobyard.chain.tables import Table
    from jobyard.core.ranges import Span
    from jobyard.data.chains import ChainKind, Decoded
    from jobyard.data.folder import DataFolder
    from jobyard.data.parquet import Published

BATCH_BLOCKS = 64
"""Blocks decoded together at most, where they are small."""


class Folders(Protocol):
    """Where tables lie."""

    def below(self, name: str) -> DataFolder:
        """Give the folder of a table's files."""


class Extraction:
    """Takes blocks, writes tables. One for each range that is extracted; not for threads."""

    kind: ClassVar[ChainKind]

    def __init__(
        self,
        tables: Iterable[Table],
        folder: Folders,
        network: str,
        *,
        start: int | None = None,
        full: bool = False,
        layout: Layout = DEFAULT_LAYOUT,
        wanted: Mapping[str, Sequence[Span]] | None = None,
    ) -> None:
        """Write each table into a folder of its name; ``full`` proves all that can be proved.

        ``start`` is the first number that was asked for, if it may be one without a block.
        ``wanted`` are the blocks that a table lacks, by its name: others are proved but not
        written. A table that is not named lacks all.
        """
        self._wanted = {name: merge(spans) for name, spans in (wanted or {}).items()}
        self._writers = [
            TableWriter(table, folder.below(table.name), network, layout) for table in tables
        ]
        needed = self.kind.needed if full else frozenset()
        self._names = {self.kind.header.name, *needed, *(each.table.name for each in self._writers)}
        self._prover = self.kind.prover(Report(), full)
        self._start = start
        self._last: BlockRef | None = None
        self._waiting: list[RawBlock] = []
        self._waiting_bytes = 0
        self._file_blocks = layout.file_blocks
        self._room = self._measure()

    @property
    def report(self) -> Report:
        """What was proved so far."""
        return self._prover.report

    def take(self, block: RawBlock) -> list[Published]:
        """Take the next block; return files that were completed by that.

        A block that does not follow begins a new piece: a gap, or a reorganisation. Numbers
        between a block and the one that it follows are covered: they have no block.

        Raises:
            BlockUnparsable: it is not a block; it would not help to fetch it again.
            BlockDisproved: it contradicts its hashes; another source may be right.
            ReceiptsMissing: logs are wanted, and the source has no receipts.
            OSError: a file cannot be written.

        """
        published: list[Published] = []
        if self._waiting and block.parent_number != self._waiting[-1].number:
            published += self._work()
        self._waiting.append(block)
        self._waiting_bytes += block.size
        if self._waiting_bytes >= self.kind.batch_bytes or len(self._waiting) >= self._room:
            published += self._work()
        return published

    def finish(self, stop: int | None = None, prev_hash: str | None = None) -> list[Published]:
        """Write what waits and publish the files in hand.

        ``stop`` says that no block is left below it, where numbers may have none; ``prev_hash``
        is the hash that the first block from there on names as its parent's. Without it that
        nothing is missing is the source's word, until the next file is linked to this one.

        Raises:
            BlocksUnlinked: that block follows another one, so blocks below it are missing.

        """
        published = self._work()
        if stop is not None and self.kind.skips:
            published += self._skip_to(stop, prev_hash)
        self._prover.finish()
        return [*published, *self.publish()]

    def publish(self) -> list[Published]:
        """Publish the files in hand with the blocks written so far, and none that still wait."""
        done = [done for writer in self._writers for done in writer.close()]
        self._room = self._measure()
        return done

    def _measure(self) -> int:
        """Tell how many blocks fit into the files in hand, as far as a batch may have so many."""
        held = [each.stop - each.start for each in (one.extent for one in self._writers) if each]
        return max(1, min(BATCH_BLOCKS, self._file_blocks - max(held, default=0)))

    def discard(self) -> None:
        """Leave nothing of the files in hand."""
        self._drop()
        for writer in self._writers:
            writer.discard()

    def _drop(self) -> list[RawBlock]:
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        return waiting

    def _work(self) -> list[Published]:
        given = self._drop()
        if not given:
            return []
        decoded = self.kind.read(given, self._names)
        span = self._covered(given)
        self._prove(decoded, span)
        self._last = given[-1].ref
        published: list[Published] = []
        for writer in self._writers:
            for part in self._lacking(writer.table.name, span):
                rows, extent = self._piece(decoded, writer.table.name, part)
                published += writer.write(rows, extent)
        self._room = self._measure()
        return published

    def _covered(self, given: Sequence[RawBlock]) -> Span:
        """Tell which numbers are known with some blocks: those between two that are linked, too."""
        first = given[0]
        # The first block of Solana names itself as its parent.
        behind = min(first.parent_number + 1, first.number)
        if self._start is None:
            self._start = first.number
        if self._last is None or self._last.number != first.parent_number:
            behind = max(behind, min(self._start, first.number))
        return behind, given[-1].number + 1

    def _lacking(self, table: str, span: Span) -> list[Span]:
        wanted = self._wanted.get(table)
        return [span] if wanted is None else intersect([span], wanted)

    def _prove(self, decoded: Decoded, span: Span) -> None:
        self._prover.check(decoded, span)
        for failure in self._prover.report.failures():
            raise BlockDisproved(failure.block, failure.check, failure.cause)

    def _piece(self, decoded: Decoded, table: str, span: Span) -> tuple[pa.RecordBatch, Extent]:
        """Cut some blocks out of a batch: their rows in a table, and what links them to others."""
        rows, headers = decoded.tables[table], decoded.tables[self.kind.header.name]
        if rows is None or headers is None:
            raise AssertionError("a table without rows is refused before")
        first, stop = _places(headers, span)
        before = self.kind.hash_text(headers.column(self.kind.parent_hash)[first].as_py())
        if first == stop:
            # Nothing but skipped numbers; a block stands behind them, as each batch ends with one.
            return _rows_of(rows, span), Extent(*span, before, before)
        time = _seconds(headers, self.kind.time, stop - 1)
        last = self.kind.hash_text(headers.column(self.kind.hash)[stop - 1].as_py())
        return _rows_of(rows, span), Extent(*span, before, last, time)

    def _skip_to(self, stop: int, prev_hash: str | None) -> list[Published]:
        last = self._last
        if last is not None and prev_hash not in {None, last.hash}:
            raise BlocksUnlinked(f"a block follows {prev_hash}, which was not given").at(
                last.number + 1, stop
            )
        begin = self._start if last is None else last.number + 1
        link = prev_hash if last is None else last.hash
        if begin is None or link is None or begin >= stop:
            return []
        published: list[Published] = []
        for writer in self._writers:
            none = pa.RecordBatch.from_pylist([], schema=arrow_schema(writer.table))
            for part in self._lacking(writer.table.name, (begin, stop)):
                published += writer.write(none, Extent(*part, link, link))
        return published


class EvmExtraction(Extraction):
    """Writes the tables of an EVM chain."""

    kind = EVM


class SolanaExtraction(Extraction):
    """Writes the tables of Solana."""

    kind = SOLANA


EXTRACTIONS: Mapping[str, type[Extraction]] = {
    each.kind.name: each for each in (EvmExtraction, SolanaExtraction)
}
"""What extracts a chain, by the word that sources use for its kind."""


def _places(rows: pa.RecordBatch, span: Span) -> Span:
    start, stop = np.searchsorted(numbers(rows.column("_block_num")), span).tolist()
    return start, stop


def _rows_of(rows: pa.RecordBatch, span: Span) -> pa.RecordBatch:
    start, stop = _places(rows, span)
    return rows if stop - start == rows.num_rows else rows.slice(start, stop - start)


def _seconds(headers: pa.RecordBatch, column: str, row: int) -> int | None:
    (value,) = values(headers.column(column).slice(row, 1))
    return None if value is None else int(value)


def extract(blocks: Iterable[RawBlock], extraction: Extraction) -> Iterator[Published]:
    """Run all blocks through an extraction; files are yielded as soon as they are there.

    When a block cannot be used, or its source fails, the blocks before it are published first:
    what is complete is kept. Who closes the iterator early gives up the files in hand.
    """
    try:
        for block in blocks:
            yield from extraction.take(block)
        yield from extraction.finish()
    except Exception:
        yield from extraction.publish()
        raise
    finally:
        extraction.discard()
