"""Solana's blocks to files, as `extract` does it with those of EVM chains.

Slots without a block are covered, too: a block names the slot of the one before it, so the slots
between them are known to be skipped, and the first block behind a range proves the rest of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from jobyard.chain import solana_verify
from jobyard.chain.report import Report
from jobyard.chain.solana_decode import PORTION, decode
from jobyard.data.footer import Extent
from jobyard.data.parquet import DEFAULT_LAYOUT, Layout, TableWriter
from jobyard.errors import BlockDisproved, BlocksUnlinked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jobyard.chain.source import BlockRef, RawBlock
    from jobyard.chain.tables import Table
    from jobyard.data.extract import Folders
    from jobyard.data.parquet import Published

MOST_BLOCKS = 64
"""Blocks decoded together at most, where they are small."""


class SolanaExtraction:
    """Takes blocks, writes tables. One for each range that is extracted; not for threads."""

    def __init__(
        self,
        tables: Iterable[Table],
        folder: Folders,
        network: str,
        *,
        start: int,
        full: bool = False,
        sparse: bool = False,
        layout: Layout = DEFAULT_LAYOUT,
    ) -> None:
        """Write each table; the slots from ``start`` on are those that are wanted.

        ``sparse`` takes blocks that do not follow each other, in files of their own.
        """
        self._sparse = sparse
        self._writers = [
            TableWriter(table, folder.below(table.name), network, layout) for table in tables
        ]
        self._names = {"block_headers", *(writer.table.name for writer in self._writers)}
        self._full = full
        if full:
            self._names |= {"transactions", "messages", "instructions"}
        self._next = start
        self._last: BlockRef | None = None
        self._waiting: list[RawBlock] = []
        self._waiting_bytes = 0
        self.report = Report()

    def take(self, block: RawBlock) -> list[Published]:
        """Take the next block; return files that were completed by that.

        Raises:
            BlockUnparsable: it is not a block.
            BlocksUnlinked: blocks between it and the one before it are missing.
            BlockDisproved: it contradicts itself.
            OSError: a file cannot be written.
        """
        before = self._waiting[-1].number + 1 if self._waiting else self._next
        published: list[Published] = []
        if block.parent_number >= before and self._sparse:
            published = [*self._work(), *self.publish()]
            self._next, self._last = block.parent_number + 1, None
        elif block.parent_number >= before:
            raise BlocksUnlinked(
                f"slot {block.number} follows {block.parent_number}, which was not given"
            ).at(before, block.number)
        self._waiting.append(block)
        self._waiting_bytes += block.size
        if self._waiting_bytes >= PORTION or len(self._waiting) >= MOST_BLOCKS:
            published += self._work()
        return published

    def finish(self, stop: int | None = None, prev_hash: str | None = None) -> list[Published]:
        """Write what waits and publish the files in hand.

        ``stop`` says that no block is below it any more; ``prev_hash`` is the hash of the block
        before a range in which there was none.
        """
        published = self._work()
        prev_hash = self._last.hash if self._last else prev_hash
        if stop is not None and self._next < stop and prev_hash is not None:
            skipped = Extent(self._next, stop, prev_hash, prev_hash)
            self._next = stop
            for writer in self._writers:
                none = pa.RecordBatch.from_pylist([], schema=writer.schema)
                published += writer.write(none, skipped)
        return [*published, *self.publish()]

    def publish(self) -> list[Published]:
        """Publish the files in hand with the blocks written so far, and none that still wait."""
        return [done for writer in self._writers for done in writer.close()]

    def discard(self) -> None:
        """Leave nothing of the files in hand."""
        self._waiting, self._waiting_bytes = [], 0
        for writer in self._writers:
            writer.discard()

    def _work(self) -> list[Published]:
        blocks, self._waiting, self._waiting_bytes = self._waiting, [], 0
        if not blocks:
            return []
        batches = decode(blocks, sorted(self._names))
        self._prove(batches)
        last = blocks[-1]
        extent = Extent(self._next, last.number + 1, blocks[0].parent_hash, last.hash)
        self._next, self._last = extent.stop, last.ref
        published: list[Published] = []
        for writer in self._writers:
            published += writer.write(batches[writer.table.name], extent)
        return published

    def _prove(self, batches: Mapping[str, pa.RecordBatch]) -> None:
        names: Sequence[str] = sorted(batches) if self._full else ["block_headers"]
        tables = {name: pa.Table.from_batches([batches[name]]) for name in names}
        report = solana_verify.verify(tables, previous=self._last)
        for failure in report.failures():
            raise BlockDisproved(failure.block, failure.check, failure.cause)
        for check, tally in report.tallies.items():
            self.report.prove(check, tally.proved)
