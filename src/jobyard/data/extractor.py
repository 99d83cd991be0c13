"""One attempt of an extraction: find out what is missing, fetch it, prove it, publish it.

Nothing is remembered between attempts but the files that are published: what is missing of them is
what there is to do.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from jobyard import clock, log
from jobyard.chain import provider
from jobyard.chain.providers import open_source
from jobyard.chain.source import BlockRef
from jobyard.core.extract import is_relative, stop_of
from jobyard.core.layout import FileLayout
from jobyard.core.shares import LARGEST_CHUNK, Piece, Share, chunk_size, owner, share
from jobyard.data.chains import CHAINS
from jobyard.data.compaction import Compaction
from jobyard.data.extract import EXTRACTIONS
from jobyard.data.folder import DataFolder
from jobyard.data.parquet import layout_of
from jobyard.data.tidy import Place, settle, tidy
from jobyard.data.writing import Reorganised, Rewriting, Writing
from jobyard.errors import BlocksUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobyard.chain.source import Source
    from jobyard.chain.tables import Table
    from jobyard.core.ranges import Span
    from jobyard.core.segments import Segment
    from jobyard.data.extract import Extraction
    from jobyard.data.link import Lack, Link
    from jobyard.data.parquet import Published
    from jobyard.wire.extract import Orders

PUBLISH_AFTER = 30.0
"""Seconds after which the files in hand are published, so that a slow source shows progress."""
FOLLOW_AFTER = 10.0
"""The same at the chain's head, where blocks come one by one."""
POLL = 1.0
"""Seconds between looks for new blocks at the head."""


class TableFolders:
    """The folders of a job's tables."""

    def __init__(self, paths: Mapping[str, str]) -> None:
        """Find them by the tables' names."""
        self._folders = {name: DataFolder.at(path) for name, path in paths.items()}

    def below(self, name: str) -> DataFolder:
        """Give the folder of a table's files."""
        return self._folders[name]


class StopAsked(Exception):
    """A stop came while there was nothing to do but to wait."""


class Extractor:
    """Extracts one index's share of a job."""

    def __init__(self, orders: Orders, link: Link, stopping: asyncio.Event) -> None:
        """Follow ``orders``; when ``stopping`` is set, publish what is complete and return."""
        self._orders = orders
        self._link = link
        self._stopping = stopping
        self._index, self._writers = orders["index"], orders["parallelism"]
        self._files = FileLayout(**orders["layout"])
        self._layout = layout_of(self._files)
        self._proved: dict[str, int] = {}
        self._stop: int | None = None
        self._chunk = LARGEST_CHUNK
        self._compact_at = 0.0
        self._source: Source
        self._folders: TableFolders
        self._compaction: Compaction

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
                await self._compact()
            await self._link.tell_cost()
        except StopAsked:
            log.info("stopped while a node was waited for")
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
        """Ask for the newest block, for as long as a node may be away.

        Raises:
            StopAsked: a stop came first.
        """
        asking = asyncio.create_task(
            self._source.head(finalized=self._orders["finalized_blocks_only"])
        )
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({asking, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                raise StopAsked
        finally:
            stopped.cancel()
            asking.cancel()
        head = asking.result()
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

    def _mine(self) -> Share:
        return Share(self._chunk, self._index, self._writers)

    def _is_mine(self, number: int) -> bool:
        return owner(number, self._chunk, self._writers) == self._index

    def _is_whole_mine(self, segment: Segment) -> bool:
        """Tell whether no other index may be at work on a file's blocks."""
        first, last = segment.start // self._chunk, (segment.stop - 1) // self._chunk
        return self._writers == 1 or (first == last and self._is_mine(segment.start))

    async def _tidy(self) -> None:
        """Compare the tables' folders with what the store knows of them, as far as it is ours."""
        places = await self._link.tables()
        self._folders = TableFolders({place.table: place.path for place in places})
        orders = self._orders
        revision = f"{orders['namespace']}/{orders['dataset']}@{orders['version']}"
        whose = Place(revision, orders["folder"])
        for place in places:
            folder = self._folders.below(place.table)
            await tidy(folder, place.table, self._link, self._is_mine, whose)
        self._compaction = Compaction(
            self._link,
            self._folders,
            self._tables(self._orders["tables"]),
            self._files,
            is_mine=self._is_whole_mine,
            stopping=self._stopping.is_set,
        )

    async def _fill(self, stop: int) -> None:
        """Extract what is missing below ``stop``, until nothing is."""
        start = self._orders["start_block"]
        if stop <= start:
            return
        before: list[Piece] = []
        while not self._stopping.is_set():
            lacking = await self._link.lacking(start, stop, self._mine())
            pieces, repairs = self._share(lacking, "spans"), self._repairs(lacking)
            if (pieces or repairs) == before:
                self._give_up(before)
                return
            before = pieces or repairs
            still = [await self._piece(piece) for piece in pieces]
            if not pieces:
                still = [await self._repair(each, lacking[each.tables[0]]) for each in repairs]
            if not all(still):
                # The chain moved meanwhile: what is missing still may be there now.
                before = []
                await self._wait(POLL)

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

    async def _piece(self, piece: Piece, how: type[Writing] = Writing) -> bool:
        """Extract one piece; tell whether its blocks stood still meanwhile.

        What is complete of it is published whatever happens.
        """
        if self._stopping.is_set():
            return True
        try:
            await how(self, piece).run(self._source.blocks(piece.start, piece.stop), self._stopping)
        except Reorganised as moved:
            log.info("the chain was reorganised", block=moved.number)
            return False
        return True

    async def _follow(self) -> None:
        """Extract what is missing up to the head, for ever."""
        start = self._orders["start_block"]
        while not self._stopping.is_set():
            head = await self._head()
            if head is None or head < start:
                await self._wait(POLL)
                continue
            lacking = await self._link.lacking(start, head + 1, self._mine())
            pieces = self._share(lacking, "spans")
            for piece in pieces:
                await self._tip(piece, lacking[piece.tables[0]], head)
            # All writers are here: those of the blocks repair them, and no two the same.
            repairs = [] if pieces else self._repairs(lacking)
            for piece in repairs:
                if self._is_mine(piece.start):
                    await self._repair(piece, lacking[piece.tables[0]])
            if not pieces or pieces[-1].stop > head:
                await self._rest()

    async def _tip(self, piece: Piece, lack: Lack, head: int) -> None:
        """Extract a piece; at the head go on with the blocks that come, until it is time."""
        known = [BlockRef(*each) for each in lack.known if each[0] < piece.start]
        if piece.stop <= head or (known and known[-1].number != piece.start - 1):
            await self._piece(piece)
            return
        writing = Writing(self, piece)
        until = clock.monotonic() + (self._files.flush_after or FOLLOW_AFTER)
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
        except BaseException:
            await writing.keep()
            raise

    async def _repair(self, piece: Piece, lack: Lack) -> bool:
        """Extract anew what does not belong together, back to where the chain was left.

        Tells whether its blocks stood still meanwhile.
        """
        known = [BlockRef(*each) for each in lack.known if each[0] < piece.start]
        blocks = self._source.blocks(piece.start, piece.stop, known=known)
        try:
            await Rewriting(self, piece).run(blocks, self._stopping)
        except Reorganised as moved:
            if moved.number >= piece.start:
                return False
            return await self._rewrite(moved.number, piece, known)
        return True

    async def _rewrite(self, number: int, piece: Piece, known: Sequence[BlockRef]) -> bool:
        """Extract anew from the beginning of the file that holds the first block that moved."""
        starts = [one.number + 1 for one in known if one.number < number]
        start = starts[-1] if starts else self._orders["start_block"]
        log.info("the chain was reorganised", block=number, again_from=start)
        return await self._piece(Piece(start, piece.stop, piece.tables), Rewriting)

    async def _rest(self) -> None:
        """Join small files while there may be no new block; else wait for one."""
        if self._files.compact and clock.monotonic() >= self._compact_at:
            if await self._compaction.step():
                return
            self._compact_at = clock.monotonic() + (self._files.flush_after or FOLLOW_AFTER)
        await self._wait(POLL)

    async def _compact(self) -> None:
        """Join small files, now that nothing else is to be done."""
        while self._files.compact and await self._compaction.step():
            pass

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    @property
    def publish_after(self) -> float:
        """Tell how many seconds files in hand may wait, where blocks come many at a time."""
        return self._files.flush_after or PUBLISH_AFTER

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
            layout=self._layout,
        )

    async def publish(self, done: Sequence[Published]) -> None:
        """Make files part of their tables, and hide those that they take the place of."""
        for one in done:
            await settle(one, self._folders.below(one.table), self._link)

    async def remove(self, done: Sequence[Published]) -> None:
        """Remove files that were never part of their tables."""
        for one in done:
            folder = self._folders.below(one.table)
            await asyncio.to_thread(folder.remove, one.segment.name)

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
