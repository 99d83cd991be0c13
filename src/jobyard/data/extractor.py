"""One attempt of an extraction: find out what is missing, fetch it, prove it, publish it.

Nothing is remembered between attempts but the files that are published: what is missing of them is
what there is to do.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

from jobyard import clock, log
from jobyard.chain import provider
from jobyard.chain.providers import open_source
from jobyard.chain.source import BlockRef
from jobyard.core.extract import is_relative, stop_of
from jobyard.core.shares import LARGEST_CHUNK, Piece, chunk_size, owner, share
from jobyard.data.chains import CHAINS
from jobyard.data.extract import EXTRACTIONS
from jobyard.data.folder import DataFolder
from jobyard.data.intake import batches
from jobyard.data.parquet import Layout
from jobyard.data.tidy import settle, tidy
from jobyard.errors import BlocksUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from jobyard.chain.source import RawBlock, Source
    from jobyard.chain.tables import Table
    from jobyard.core.ranges import Span
    from jobyard.data.extract import Extraction
    from jobyard.data.link import Lack, Link
    from jobyard.data.parquet import Published
    from jobyard.wire.extract import Orders

LAYOUT = Layout(file_blocks=LARGEST_CHUNK)
PUBLISH_AFTER = 30.0
"""Seconds after which the files in hand are published, so that a slow source shows progress."""
FOLLOW_AFTER = 10.0
"""The same at the chain's head, where blocks come one by one."""
POLL = 1.0
"""Seconds between looks for new blocks at the head."""


class Reorganised(Exception):
    """The chain has left blocks that are in hand, or published: look again what is missing."""

    def __init__(self, number: int) -> None:
        """Name the first block that is another one now."""
        super().__init__(f"block {number} is another one now")
        self.number = number


class TableFolders:
    """The folders of a job's tables."""

    def __init__(self, paths: Mapping[str, str]) -> None:
        """Find them by the tables' names."""
        self._folders = {name: DataFolder.at(path) for name, path in paths.items()}

    def below(self, name: str) -> DataFolder:
        """Give the folder of a table's files."""
        return self._folders[name]


class Extractor:
    """Extracts one index's share of a job."""

    def __init__(self, orders: Orders, link: Link, stopping: asyncio.Event) -> None:
        """Follow ``orders``; when ``stopping`` is set, publish what is complete and return."""
        self._orders = orders
        self._link = link
        self._stopping = stopping
        self._index, self._writers = orders["index"], orders["parallelism"]
        self._proved: dict[str, int] = {}
        self._stop: int | None = None
        self._chunk = LARGEST_CHUNK
        self._source: Source
        self._folders: TableFolders

    async def run(self) -> dict[str, Any]:
        """Extract until nothing is missing; tell what was done.

        Raises:
            ChainFailed: it cannot go on; says where, why, and whether trying again helps.
            ChannelError: the worker does not take what was extracted.
            OSError: files cannot be written.
        """
        self._source = self._open_source()
        self._link.traffic = self._source.traffic
        try:
            await self._plan()
            await self._tidy()
            if self._stop is None:
                await self._follow()
            else:
                await self._fill(self._stop)
            await self._link.tell_cost()
        finally:
            await self._source.close()
        return {"blocks": self._link.published, "proved": self._proved}

    def _open_source(self) -> Source:
        orders = self._orders
        variables = orders["variables"]
        providers = [
            provider.build(each["config"], each["name"], variables) for each in orders["providers"]
        ]
        receipts = orders["chain"] == "evm" and set(orders["tables"]) != {"blocks"}
        return open_source(providers, receipts=receipts)

    def _tables(self, names: Sequence[str]) -> list[Table]:
        known = CHAINS[self._orders["chain"]].tables
        return [known[name] for name in names]

    async def _head(self) -> int | None:
        head = await self._source.head(finalized=self._orders["finalized_blocks_only"])
        self._link.head = head if head is not None else self._link.head
        return head

    async def _plan(self) -> None:
        """Find out where the job ends, the same for all of its attempts."""
        orders = self._orders
        end, start = orders["end_block"], orders["start_block"]
        self._stop = orders["stop"]
        if self._stop is None and is_relative(end):
            stop = stop_of(end, start, await self._head())
            self._stop = await self._link.fix_stop(start if stop is None else stop)
        recorded = orders["kind"] == "recorded"
        self._chunk = chunk_size(start, self._stop, self._writers, once=recorded)

    def _is_mine(self, number: int) -> bool:
        return owner(number, self._chunk, self._writers) == self._index

    async def _tidy(self) -> None:
        """Compare the tables' folders with what the store knows of them, as far as it is ours."""
        places = await self._link.tables()
        self._folders = TableFolders({place.table: place.path for place in places})
        for place in places:
            folder = self._folders.below(place.table)
            await tidy(folder, place.table, self._link, self._is_mine)

    async def _fill(self, stop: int) -> None:
        """Extract what is missing below ``stop``, until nothing is."""
        start = self._orders["start_block"]
        if stop <= start:
            return
        before: list[Piece] = []
        while not self._stopping.is_set():
            lacking = await self._link.lacking(start, stop)
            pieces = self._share(lacking, "spans") or self._repairs(lacking)
            if pieces == before:
                self._give_up(pieces)
                return
            before = pieces
            for piece in pieces:
                await self._piece(piece)

    def _share(self, lacking: Mapping[str, Lack], what: str) -> list[Piece]:
        spans: dict[str, list[Span]] = {name: getattr(one, what) for name, one in lacking.items()}
        return share(spans, self._chunk, self._index, self._writers)

    def _repairs(self, lacking: Mapping[str, Lack]) -> list[Piece]:
        """Whoever is done takes on what the chain's reorganisation left unlinked."""
        return share({name: one.repairs for name, one in lacking.items()}, self._chunk, 0, 1)

    def _give_up(self, pieces: Sequence[Piece]) -> None:
        """Stop when a whole pass changed nothing: what is missing cannot be had."""
        if not pieces or self._orders["sparse"] or self._stopping.is_set():
            return
        first = pieces[0]
        raise BlocksUnavailable(
            "the source does not have these blocks",
            hint="leave them out, or add a source that has them",
        ).at(first.start, first.stop)

    async def _piece(self, piece: Piece) -> None:
        """Extract one piece; what is complete of it is published whatever happens."""
        if self._stopping.is_set():
            return
        writing = _Writing(self, piece)
        try:
            await writing.run(self._source.blocks(piece.start, piece.stop), self._stopping)
        except Reorganised as moved:
            log.info("the chain was reorganised", block=moved.number)

    async def _follow(self) -> None:
        """Extract what is missing up to the head, for ever."""
        start = self._orders["start_block"]
        while not self._stopping.is_set():
            head = await self._head()
            if head is None or head < start:
                await self._wait(POLL)
                continue
            lacking = await self._link.lacking(start, head + 1)
            pieces = self._share(lacking, "spans") or self._repairs(lacking)
            for piece in pieces:
                await self._tip(piece, lacking[piece.tables[0]], head)
            if not pieces or pieces[-1].stop > head:
                await self._wait(POLL)

    async def _tip(self, piece: Piece, lack: Lack, head: int) -> None:
        """Extract a piece; at the head go on with the blocks that come, until it is time."""
        known = [BlockRef(*each) for each in lack.known if each[0] < piece.start]
        if piece.stop <= head or (known and known[-1].number != piece.start - 1):
            await self._piece(piece)
            return
        writing = _Writing(self, piece)
        until = clock.monotonic() + FOLLOW_AFTER
        last = (piece.start // self._chunk + 1) * self._chunk
        at, stop = piece.start, min(piece.stop, last)
        try:
            while True:
                blocks = self._source.blocks(at, stop, known=[*known, *writing.refs])
                await writing.take(blocks, self._stopping)
                at = stop
                if self._stopping.is_set() or at >= last or clock.monotonic() >= until:
                    break
                await self._wait(POLL)
                newest = await self._head()
                stop = min(max(at, (newest or 0) + 1), last)
            await writing.finish()
        except Reorganised as moved:
            # What is in hand is gone; of what is published, files are replaced as a whole.
            await writing.discard()
            if moved.number < piece.start:
                await self._rewrite(moved.number, piece, known)

    async def _rewrite(self, number: int, piece: Piece, known: Sequence[BlockRef]) -> None:
        """Extract anew from the beginning of the file that holds the first block that moved."""
        starts = [one.number + 1 for one in known if one.number < number]
        start = starts[-1] if starts else self._orders["start_block"]
        log.info("the chain was reorganised", block=number, again_from=start)
        await self._piece(Piece(start, piece.stop, piece.tables))

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    def writer(self, piece: Piece) -> Extraction:
        """Make what writes a piece."""
        orders = self._orders
        tables = self._tables(piece.tables)
        # The same share of all pieces, whoever extracts them, and no draw of anything.
        full = (piece.start // LARGEST_CHUNK * 0.618_033_988_75) % 1 < orders["verify"]
        extraction = EXTRACTIONS[orders["chain"]]
        return extraction(
            tables,
            self._folders,
            orders["network"],
            start=piece.start,
            full=full,
            layout=LAYOUT,
        )

    async def publish(self, done: Sequence[Published]) -> None:
        """Make files part of their tables, and hide those that they take the place of."""
        for one in done:
            await settle(one, self._folders.below(one.table), self._link)

    async def skipped_upto(self, piece: Piece, last: BlockRef | None) -> str | None:
        """Tell the hash of the block before a piece's end if no block is between it and there.

        A node says so itself; what a recording does not have says nothing, but the block behind it
        does, which is also what knows the hash where the range has no block at all.
        """
        if last is not None and self._orders["kind"] != "recorded":
            return last.hash
        async with aclosing(self._source.blocks(piece.stop, piece.stop + LARGEST_CHUNK)) as blocks:
            async for block in blocks:
                behind = piece.start if last is None else last.number + 1
                proves = block.parent_number < behind
                return block.parent_hash if proves else None
        return None

    def proved(self, report: Mapping[str, int]) -> None:
        """Add up what was proved."""
        for check, count in report.items():
            self._proved[check] = self._proved.get(check, 0) + count


class _Writing:
    """A piece that is being written."""

    def __init__(self, extractor: Extractor, piece: Piece) -> None:
        self._extractor = extractor
        self._piece = piece
        self._writer = extractor.writer(piece)
        self._published_at = clock.monotonic()
        self.refs: list[BlockRef] = []

    async def run(self, blocks: AsyncGenerator[RawBlock, None], stopping: asyncio.Event) -> None:
        """Write all blocks; when reading fails, publish those before it first."""
        try:
            await self.take(blocks, stopping)
        except Reorganised:
            await self.discard()
            raise
        except BaseException:
            await self._extractor.publish(await asyncio.to_thread(self._writer.publish))
            raise
        await self.finish(whole=not stopping.is_set())

    async def take(self, blocks: AsyncGenerator[RawBlock, None], stopping: asyncio.Event) -> None:
        """Write blocks.

        Raises:
            Reorganised: one of them takes the place of another; what is in hand is of no use.
        """
        async with aclosing(batches(blocks, stopping)) as given:
            async for batch in given:
                self._check_order(batch)
                await self._extractor.publish(await asyncio.to_thread(self._feed, batch))
                if clock.monotonic() - self._published_at > PUBLISH_AFTER:
                    self._published_at = clock.monotonic()
                    await self._extractor.publish(await asyncio.to_thread(self._writer.publish))

    def _check_order(self, batch: Sequence[RawBlock]) -> None:
        for block in batch:
            if block.number < self._piece.start or (
                self.refs and block.number <= self.refs[-1].number
            ):
                raise Reorganised(block.number)
            self.refs.append(block.ref)
        del self.refs[:-512]

    def _feed(self, batch: Sequence[RawBlock]) -> list[Published]:
        return [done for block in batch for done in self._writer.take(block)]

    async def finish(self, *, whole: bool = True) -> None:
        """Publish all that was taken."""
        writer = self._writer
        finish: Callable[[], list[Published]] = writer.finish
        if whole and writer.kind.skips:
            stop = self._piece.stop
            last = self.refs[-1] if self.refs else None
            if last is None or last.number + 1 < stop:
                prev_hash = await self._extractor.skipped_upto(self._piece, last)
                finish = partial(writer.finish, stop if prev_hash else None, prev_hash)

        await self._extractor.publish(await asyncio.to_thread(finish))
        tallies = writer.report.tallies
        self._extractor.proved({check: tally.proved for check, tally in tallies.items()})

    async def discard(self) -> None:
        """Leave nothing of the files in hand."""
        await asyncio.to_thread(self._writer.discard)
