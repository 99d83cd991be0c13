"""Blocks as a source gives them, to files: parsed, decoded, proved, written in order.

Nothing of a block is written before what is proved of it has been proved, and no file is there
before it is whole; so whatever happens, what lies in the folder is right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from jobyard.chain.evm_decode import read
from jobyard.chain.evm_tables import LOGS
from jobyard.chain.rows import numbers
from jobyard.chain.verify_evm import EvmVerifier
from jobyard.core.ranges import intersect, merge
from jobyard.data.footer import Extent
from jobyard.data.parquet import DEFAULT_LAYOUT, Layout, TableWriter
from jobyard.errors import BlockDisproved, ReceiptsMissing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from jobyard.chain.evm_decode import EvmBatch
    from jobyard.chain.evm_json import ParsedBlock
    from jobyard.chain.report import Report
    from jobyard.chain.tables import Table
    from jobyard.core.ranges import Span
    from jobyard.data.folder import DataFolder
    from jobyard.data.parquet import Published

BATCH_BYTES = 3_000_000
"""JSON decoded together: some blocks of a busy chain. Less pays more for each column, more keeps so
many objects alive that the processor's caches no longer hold them (bench/evm.py)."""
BATCH_BLOCKS = 64
"""Blocks decoded together at most, where they are small."""


class Given(Protocol):
    """A block as a source gives it: results of JSON-RPC calls."""

    @property
    def number(self) -> int:
        """Its number."""

    @property
    def block(self) -> bytes:
        """The result of `eth_getBlockByNumber`, with transactions."""

    @property
    def receipts(self) -> bytes | None:
        """The result of `eth_getBlockReceipts`; None where the source has none."""


class Folders(Protocol):
    """Where tables lie."""

    def below(self, name: str) -> DataFolder:
        """Give the folder of a table's files."""


class EvmExtraction:
    """Takes blocks, writes tables. One for each range that is extracted; not for threads."""

    def __init__(
        self,
        tables: Iterable[Table],
        folder: Folders,
        network: str,
        *,
        full: bool = False,
        layout: Layout = DEFAULT_LAYOUT,
        wanted: Mapping[str, Sequence[Span]] | None = None,
    ) -> None:
        """Write each table into a folder of its name; ``full`` proves all that can be proved.

        ``wanted`` are the blocks that a table lacks, by its name: others are proved but not
        written. A table that is not named lacks all.
        """
        self._wanted = {name: merge(spans) for name, spans in (wanted or {}).items()}
        self._writers = [
            TableWriter(table, folder.below(table.name), network, layout) for table in tables
        ]
        self._verifier = EvmVerifier(full=full)
        self._waiting: list[Given] = []
        self._waiting_bytes = 0

    @property
    def report(self) -> Report:
        """What was proved so far."""
        return self._verifier.report

    def take(self, block: Given) -> list[Published]:
        """Take the next block; return files that were completed by that.

        A block whose number does not follow begins a new piece: a gap, or a reorganisation.

        Raises:
            BlockUnparsable: it is not a block; it would not help to fetch it again.
            BlockDisproved: it contradicts its hashes; another source may be right.
            ReceiptsMissing: logs are wanted, and the source has no receipts.
            OSError: a file cannot be written.

        """
        published: list[Published] = []
        if self._waiting and block.number != self._waiting[-1].number + 1:
            published += self._work()
        self._waiting.append(block)
        self._waiting_bytes += len(block.block) + len(block.receipts or b"")
        if self._waiting_bytes >= BATCH_BYTES or len(self._waiting) >= BATCH_BLOCKS:
            published += self._work()
        return published

    def finish(self) -> list[Published]:
        """Write what waits and publish the files in hand."""
        return [*self._work(), *self.publish()]

    def publish(self) -> list[Published]:
        """Publish the files in hand with the blocks written so far, and none that still wait."""
        return [done for writer in self._writers for done in writer.close()]

    def discard(self) -> None:
        """Leave nothing of the files in hand."""
        self._drop()
        for writer in self._writers:
            writer.discard()

    def _drop(self) -> list[Given]:
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        return waiting

    def _work(self) -> list[Published]:
        given = self._drop()
        if not given:
            return []
        parsed, batch = read((block.block, block.receipts) for block in given)
        self._check_shape(given, batch)
        self._prove(batch, parsed)
        if batch.logs is None and any(writer.table is LOGS for writer in self._writers):
            raise ReceiptsMissing(_first_without_receipts(given, parsed))
        published: list[Published] = []
        for writer in self._writers:
            for span in self._lacking(writer.table.name, (given[0].number, given[-1].number + 1)):
                rows, extent = _piece(batch, writer.table.name, span)
                published += writer.write(rows, extent)
        return published

    def _lacking(self, table: str, span: Span) -> list[Span]:
        wanted = self._wanted.get(table)
        return [span] if wanted is None else intersect([span], wanted)

    def _check_shape(self, given: Sequence[Given], batch: EvmBatch) -> None:
        """Compare what a source said of a block with what is in it."""
        numbers = batch.blocks.column("block_num").to_pylist()
        for block, number in zip(given, numbers, strict=True):
            if block.number != number:
                raise BlockDisproved(block.number, "number", f"the source gave block {number}")

    def _prove(self, batch: EvmBatch, parsed: Sequence[ParsedBlock]) -> None:
        withdrawals = [raw.block.withdrawals for raw in parsed]
        self._verifier.check(batch.blocks, batch.transactions, batch.logs, withdrawals)
        for failure in self._verifier.report.failures():
            raise BlockDisproved(failure.block, failure.check, failure.cause)


def _piece(batch: EvmBatch, table: str, span: Span) -> tuple[pa.RecordBatch, Extent]:
    """Cut some blocks out of a batch: their rows in a table, and what links them to others."""
    blocks = _rows_of(batch.blocks, span)
    rows = batch.table(table)
    if rows is None:
        raise AssertionError("a table without rows is refused before")
    last = blocks.num_rows - 1
    return _rows_of(rows, span), Extent(
        *span,
        f"0x{blocks.column('parent_hash')[0].as_py().hex()}",
        f"0x{blocks.column('hash')[last].as_py().hex()}",
        blocks.column("timestamp")[last].value // 10**9,
    )


def _rows_of(rows: pa.RecordBatch, span: Span) -> pa.RecordBatch:
    start, stop = np.searchsorted(numbers(rows.column("_block_num")), span).tolist()
    return rows if stop - start == rows.num_rows else rows.slice(start, stop - start)


def _first_without_receipts(given: Sequence[Given], parsed: Sequence[ParsedBlock]) -> int:
    return next(
        block.number
        for block, raw in zip(given, parsed, strict=True)
        if raw.receipts is None and raw.block.transactions
    )


def extract(blocks: Iterable[Given], extraction: EvmExtraction) -> Iterator[Published]:
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
