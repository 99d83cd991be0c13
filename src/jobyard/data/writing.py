"""A piece of the chain on its way into files, until they are part of their tables."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING

from jobyard import clock
from jobyard.data.intake import batches
from jobyard.errors import ChainFailed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from jobyard.chain.source import BlockRef, RawBlock
    from jobyard.core.shares import Piece
    from jobyard.data.extractor import Extractor
    from jobyard.data.parquet import Published


class Reorganised(Exception):
    """The chain has left blocks that are in hand, or published: look again what is missing."""

    def __init__(self, number: int) -> None:
        """Name the first block that is another one now."""
        super().__init__(f"block {number} is another one now")
        self.number = number


class Writing:
    """A piece that is being written."""

    def __init__(self, extractor: Extractor, piece: Piece) -> None:
        self._extractor = extractor
        self._piece = piece
        self._writer = extractor.writer(piece)
        self._published_at = clock.monotonic()
        self._publish_after = extractor.publish_after
        self.refs: list[BlockRef] = []

    async def run(self, blocks: AsyncGenerator[RawBlock, None], stopping: asyncio.Event) -> None:
        """Write all blocks; when reading fails, publish those before it first."""
        try:
            await self.take(blocks, stopping)
        except Reorganised:
            await self.discard()
            raise
        except BaseException:
            await self.keep()
            raise
        await self.finish(whole=not stopping.is_set())

    async def keep(self) -> None:
        """Publish what is complete, however far it goes."""
        await self.hand_in(await asyncio.to_thread(self._writer.publish))

    async def hand_in(self, done: Sequence[Published]) -> None:
        """Make files that are complete part of their tables."""
        await self._extractor.publish(done)

    async def take(self, blocks: AsyncGenerator[RawBlock, None], stopping: asyncio.Event) -> None:
        """Write blocks.

        Raises:
            Reorganised: one of them takes the place of another; what is in hand is of no use.
            ChainFailed: it says for which blocks.
        """
        try:
            await self._take(blocks, stopping)
        except ChainFailed as failed:
            start = self.refs[-1].number + 1 if self.refs else self._piece.start
            failed.at(start, max(start + 1, self._piece.stop))
            raise

    async def _take(self, blocks: AsyncGenerator[RawBlock, None], stopping: asyncio.Event) -> None:
        async with aclosing(batches(blocks, stopping)) as given:
            async for batch in given:
                self._check_order(batch)
                await self.hand_in(await asyncio.to_thread(self._feed, batch))
                if clock.monotonic() - self._published_at > self._publish_after:
                    self._published_at = clock.monotonic()
                    await self.keep()

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

        await self.hand_in(await asyncio.to_thread(finish))
        tallies = writer.report.tallies
        self._extractor.proved({check: tally.proved for check, tally in tallies.items()})

    async def discard(self) -> None:
        """Leave nothing of the files in hand."""
        await asyncio.to_thread(self._writer.discard)


class Rewriting(Writing):
    """A piece that takes the place of files that are published: all of it, or none.

    The first file of a part would take the place of all that follows, good blocks included.
    """

    def __init__(self, extractor: Extractor, piece: Piece) -> None:
        """Write ``piece`` anew."""
        super().__init__(extractor, piece)
        self._done: list[Published] = []

    async def run(self, blocks: AsyncGenerator[RawBlock, None], stopping: asyncio.Event) -> None:
        """Write all blocks and publish them together; leave what is there if one is missing."""
        try:
            await self.take(blocks, stopping)
            if not stopping.is_set():
                await self.finish()
                # From now on a file may be part of its table, whatever is heard of it.
                done, self._done = self._done, []
                await self._extractor.publish(done)
        finally:
            await self.discard()

    async def keep(self) -> None:
        """Go on: a part of it is of no use."""

    async def hand_in(self, done: Sequence[Published]) -> None:
        """Put files aside until all are there."""
        self._done += done

    async def discard(self) -> None:
        """Leave nothing of the files in hand."""
        await super().discard()
        done, self._done = self._done, []
        await self._extractor.remove(done)
