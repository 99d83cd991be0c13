"""Blocks as they come, in batches that are worth decoding, until somebody says stop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from jobyard.chain.source import RawBlock

BATCH_BYTES = 3_000_000
"""JSON that is handed on together: what decoders take at a time."""
BATCH_BLOCKS = 64
AHEAD = 2
"""Batches that wait while one is decoded."""


async def batches(
    blocks: AsyncGenerator[RawBlock, None], stopping: asyncio.Event
) -> AsyncGenerator[list[RawBlock], None]:
    """Give blocks in batches, read ahead while the one before is worked on.

    When ``stopping`` is set nothing more is read, and what is in hand is given. When reading fails
    the blocks before that are given first.
    """
    intake = _Intake(blocks)
    filling = asyncio.create_task(intake.fill())
    stopped = asyncio.create_task(stopping.wait())
    stopped.add_done_callback(lambda _: filling.cancel())
    try:
        while (batch := await intake.take()) is not None:
            yield batch
        if not filling.cancelled():
            await filling
    finally:
        filling.cancel()
        stopped.cancel()
        await asyncio.gather(filling, stopped, return_exceptions=True)


class _Intake:
    def __init__(self, blocks: AsyncGenerator[RawBlock, None]) -> None:
        self._blocks = blocks
        self._ready: asyncio.Queue[list[RawBlock] | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(AHEAD)
        self._batch: list[RawBlock] = []
        self._size = 0

    async def take(self) -> list[RawBlock] | None:
        batch = await self._ready.get()
        self._room.release()
        return batch

    async def fill(self) -> None:
        try:
            async for block in self._blocks:
                self._batch.append(block)
                self._size += block.size
                if self._size >= BATCH_BYTES or len(self._batch) >= BATCH_BLOCKS:
                    self._hand_on()
                    await self._room.acquire()
        finally:
            self._hand_on()
            self._ready.put_nowait(None)
            await self._blocks.aclose()

    def _hand_on(self) -> None:
        if self._batch:
            self._ready.put_nowait(self._batch)
        self._batch, self._size = [], 0
