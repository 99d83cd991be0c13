"""Blocks in order, fetched many at a time, each linked to the one before it.

The stream holds what came early until its turn comes. It launches no more than fits a budget of
memory, so that one slow block does not make it hoard.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol

from jobyard import clock
from jobyard.errors import BlocksUnlinked

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Sequence

    from jobyard.chain.source import BlockRef, RawBlock, Traffic

BUDGET = 64 * 2**20
"""Bytes of blocks that a stream holds and awaits; a process that extracts may use 400 MB."""
_AHEAD = 48
"""Groups ahead at least, so that those that wait for another try do not hold up the others."""
_REMEMBERED = 512
"""Blocks whose hashes a stream remembers: more than any chain has reorganised while in use."""
_TRIES = 12
"""Attempts to get a block that links before the provider is said to have none."""
_LONGEST_WAIT = 2.0
"""Seconds between two of them at most."""


class Fetcher(Protocol):
    """What a stream needs of a chain: groups of numbers, their blocks, and a quick look."""

    @property
    def width(self) -> int:
        """How many groups may be under way."""

    def groups(self, start: int, stop: int) -> AsyncGenerator[Sequence[int], None]:
        """Cut a range into groups of numbers that are fetched together, ascending."""

    async def fetch(self, numbers: Sequence[int]) -> list[RawBlock]:
        """Get blocks, in the order of their numbers."""

    async def look(self, number: int) -> BlockRef | None:
        """Tell which block stands at a number now; None when there is none."""


class LinkedStream:
    """The blocks of a range, as `Source.blocks` promises them."""

    def __init__(
        self, fetcher: Fetcher, traffic: Traffic, known: Iterable[BlockRef], *, budget: int = BUDGET
    ) -> None:
        """Read through ``fetcher``; ``known`` are the blocks that the first one follows."""
        self._fetcher = fetcher
        self._traffic = traffic
        self._tail = deque(known, maxlen=_REMEMBERED)
        self._budget = budget
        self._mean = 0.0
        self._tries = 0

    async def read(self, start: int, stop: int) -> AsyncGenerator[RawBlock, None]:
        """Give the blocks; goes back where the chain was reorganised.

        Raises:
            ChainFailed: It cannot go on.
        """
        at: int | None = start
        while at is not None:
            again = at
            at = None
            async with aclosing(self._pipelined(again, stop)) as blocks:
                async for block in blocks:
                    linked = block if self._links(block) else await self._once_more(block.number)
                    if linked is None:
                        at = await self._fork(block)
                        break
                    self._tries = 0
                    self._tail.append(linked.ref)
                    yield linked

    def _links(self, block: RawBlock) -> bool:
        return not self._tail or block.parent_hash == self._tail[-1].hash

    async def _once_more(self, number: int) -> RawBlock | None:
        """Get a block that does not link again: its provider may have been wrong, or behind."""
        self._traffic.retries += 1
        block = (await self._fetcher.fetch([number]))[0]
        return block if self._links(block) else None

    async def _fork(self, block: RawBlock) -> int:
        """Find where the chain has left what was given; returns the number to go on with."""
        self._tries += 1
        if self._tries > _TRIES:
            before = self._tail[-1]
            message = f"it follows {block.parent_hash}, not {before.hash} of block {before.number}"
            raise BlocksUnlinked(message, provider=block.origin).at(block.number, block.number + 1)
        await clock.sleep(min(_LONGEST_WAIT, 0.02 * 2.0**self._tries))
        again = self._tail[-1].number + 1
        while self._tail:
            now = await self._fetcher.look(self._tail[-1].number)
            if now == self._tail[-1]:
                return self._tail[-1].number + 1
            again = self._tail.pop().number
        return again

    async def _pipelined(self, start: int, stop: int) -> AsyncGenerator[RawBlock, None]:
        groups = self._fetcher.groups(start, stop)
        tasks: deque[asyncio.Task[list[RawBlock]]] = deque()
        more = True
        try:
            while True:
                while more and len(tasks) < self._room():
                    group = await anext(groups, None)
                    if group is None:
                        more = False
                    elif group:
                        tasks.append(asyncio.create_task(self._fetcher.fetch(group)))
                if not tasks:
                    return
                blocks = await tasks.popleft()
                self._measure(blocks)
                for block in blocks:
                    yield block
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await groups.aclose()

    def _room(self) -> int:
        """Tell how many groups may be under way or wait for their turn."""
        wanted = max(_AHEAD, 2 * self._fetcher.width)
        return wanted if not self._mean else max(1, min(wanted, int(self._budget / self._mean)))

    def _measure(self, blocks: list[RawBlock]) -> None:
        size = sum(block.size for block in blocks)
        # Large groups count at once, small ones slowly: the budget is a bound, not a mean.
        self._mean = max(size, self._mean + 0.05 * (size - self._mean))
