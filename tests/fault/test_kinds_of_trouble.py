"""Forty-nine kinds of trouble: seven things that go wrong, met in seven ways of reading a chain.

Whatever goes wrong, the tables that are written are those of a run in which nothing did, and every
row of them is proved.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import pytest
from tests.fault.extracting import MINTED
from tests.fault.yards import ORDERS, rows_below

from jobyard.chain.evm_tables import EVM_TABLES
from jobyard.chain.rpc_endpoint import Endpoint, Limits
from jobyard.chain.rpc_evm import EvmSource
from jobyard.chain.source import Traffic
from jobyard.data.extract import EvmExtraction, extract
from jobyard.data.folder import DataFolder
from jobyard.testing.replay import ReplayServer
from jobyard.testing.replay_chain import ReplayChain
from jobyard.testing.replay_faults import Faults

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pyarrow as pa

    from jobyard.chain.source import RawBlock

SPAN = 12
"""Blocks of the recording, nine of them with transactions; a block of it has 140."""
TROUBLES = {
    "too many requests": Faults(throttle=0.25, retry_after=0.01),
    "server errors": Faults(error=0.25),
    "hangs": Faults(hang=0.06),
    "dropped connections": Faults(drop=0.25),
    "broken answers": Faults(truncate=0.15, cut=0.1),
    "garbage": Faults(garbage=0.25),
    "other blocks or none": Faults(null=0.1, strange=0.15),
}


@dataclass(frozen=True, slots=True)
class Way:
    """How a chain is read."""

    batch: int = 0
    per_transaction: bool = False
    repeats: int = 4
    """How often the recording is played; receipts of single transactions are its first ones'."""
    socket: bool = False
    beside: bool = False
    """Whether a good provider stands beside the one that is in trouble."""
    moves: bool = False
    """Whether the head moves, and the chain is reorganised, while it is read."""
    habits: Faults = Faults()  # noqa: RUF009 - it is frozen


WAYS = {
    "one call at a time": Way(),
    "batches": Way(batch=5, habits=Faults(shuffle=True, batch_limit=3)),
    "receipts one by one": Way(per_transaction=True, repeats=1),
    "no receipts of blocks": Way(batch=20, repeats=1, habits=Faults(no_block_receipts=True)),
    "websocket": Way(socket=True, batch=3),
    "two providers": Way(beside=True),
    "a moving head": Way(moves=True),
}


class Reader:
    """Keeps the chain as a source tells it, and follows its head."""

    def __init__(self, source: EvmSource) -> None:
        self._source = source
        self.kept: list[RawBlock] = []

    async def read(self, stop: int) -> None:
        known = [block.ref for block in self.kept]
        async for block in self._source.blocks(len(self.kept), stop, known=known):
            del self.kept[block.number :]
            self.kept.append(block)


async def read(chain: ReplayChain, way: Way, faults: Faults) -> tuple[list[RawBlock], int]:
    """Read a chain to its end; tell the blocks, and how many requests met trouble."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(ReplayServer(chain, faults))
        urls = [await server.listen_websocket() if way.socket else server.url]
        if way.beside:
            urls.append((await stack.enter_async_context(ReplayServer(chain))).url)
        traffic, limits = Traffic(), Limits(batch=way.batch, timeout=0.3)
        endpoints = [Endpoint(f"node{n}", url, limits, traffic) for n, url in enumerate(urls)]
        source = EvmSource(
            endpoints, traffic, receipts_per_transaction=way.per_transaction, patience=30.0
        )
        stack.push_async_callback(source.close)
        reader = Reader(source)
        for head, fork in ((20, 15), (35, 8), (chain.stop - 1, chain.stop)) if way.moves else ():
            chain.head = head
            await reader.read(head + 1)
            chain.fork(fork)
        await reader.read(chain.stop)
        return reader.kept, sum(server.seen.struck.values())


def chain_of(way: Way) -> ReplayChain:
    return ReplayChain.read(MINTED, length=SPAN * way.repeats)


def tables_of(blocks: Iterable[RawBlock], folder: Path) -> dict[str, pa.Table]:
    writing = EvmExtraction(EVM_TABLES.values(), DataFolder.at(folder), "net", full=True)
    list(extract(blocks, writing))
    return {table: rows_below(folder / table, table) for table in ORDERS}


Read = tuple[list["RawBlock"], int]


@cache
def reads(name: str) -> dict[str, Read | BaseException]:
    """Read in one way with every trouble, at the same time: most of it is waiting."""
    way = WAYS[name]
    plans = {"": way.habits} | {
        trouble: replace(
            faults,
            seed=1,
            shuffle=way.habits.shuffle,
            batch_limit=way.habits.batch_limit,
            no_block_receipts=way.habits.no_block_receipts,
        )
        for trouble, faults in TROUBLES.items()
    }

    async def all_of_them() -> list[Read | BaseException]:
        works = [read(chain_of(way), way, plan) for plan in plans.values()]
        return await asyncio.gather(*works, return_exceptions=True)

    return dict(zip(plans, asyncio.run(all_of_them()), strict=True))


def read_with(name: str, trouble: str) -> Read:
    found = reads(name)[trouble]
    if isinstance(found, BaseException):
        raise found
    return found


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("name", WAYS)
def test_whatever_goes_wrong_the_tables_are_those_of_a_quiet_run(
    name: str, trouble: str, tmp_path: Path
) -> None:
    (quiet, _), (blocks, struck) = read_with(name, ""), read_with(name, trouble)

    wanted, found = tables_of(quiet, tmp_path / "quiet"), tables_of(blocks, tmp_path / "bad")
    assert struck > 0
    for table, rows in wanted.items():
        assert rows.num_rows > 0
        assert found[table].equals(rows), table
