"""Reading from a node that nobody here wrote: anvil, live, through reorganisations."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from tests.conftest import missing_service

from jobyard.chain.rpc_endpoint import Endpoint, Limits
from jobyard.chain.rpc_evm import EvmSource
from jobyard.chain.source import Traffic
from jobyard.testing.nodes import Anvil, NodeMissing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobyard.chain.source import RawBlock

RICH = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
OTHER = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"


@pytest.fixture(scope="module")
def anvil() -> Iterator[Anvil]:
    try:
        node = Anvil("--no-mining", "--order", "fifo")
    except NodeMissing as missing:
        missing_service(str(missing))
    with node:
        yield node


def mint(node: Anvil, count: int) -> None:
    for _ in range(count):
        node.call("eth_sendTransaction", {"from": RICH, "to": OTHER, "value": "0x1"})
        node.call("evm_mine")


class Follower:
    """Keeps the chain as a source tells it."""

    def __init__(self, url: str, batch: int = 0) -> None:
        traffic = Traffic()
        endpoint = Endpoint("anvil", url, Limits(batch=batch), traffic)
        self.source = EvmSource([endpoint], traffic, chain_id=31337)
        self.kept: list[RawBlock] = []

    async def follow(self) -> None:
        head = await self.source.head()
        assert head is not None
        # A chain that was rolled back has no block to show where it was left: look below.
        known = [block.ref for block in self.kept if block.number < head]
        start = known[-1].number + 1 if known else 0
        async for block in self.source.blocks(start, head + 1, known=known):
            while self.kept and self.kept[-1].number >= block.number:
                self.kept.pop()
            self.kept.append(block)


def assert_is_the_chain(node: Anvil, kept: list[RawBlock]) -> None:
    head = int(node.call("eth_blockNumber"), 16)
    assert [block.number for block in kept] == list(range(head + 1))
    for block in kept:
        assert json.loads(block.block) == node.call("eth_getBlockByNumber", hex(block.number), True)
        assert block.receipts is not None
        assert json.loads(block.receipts) == node.call("eth_getBlockReceipts", hex(block.number))


def test_a_live_chain_is_followed_through_reorganisations_and_a_rollback(anvil: Anvil) -> None:
    async def scenario() -> None:
        follower = Follower(anvil.url)
        try:
            for depth in (3, 1, 7):
                mint(anvil, 40)
                await follower.follow()
                anvil.call("anvil_reorg", depth, [])
                mint(anvil, 3)
                await follower.follow()
                assert_is_the_chain(anvil, follower.kept)
            anvil.call("anvil_rollback", 5)
            mint(anvil, 9)
            await follower.follow()
        finally:
            await follower.source.close()
        assert_is_the_chain(anvil, follower.kept)

    asyncio.run(scenario())


@pytest.mark.parametrize("way", ["http", "ws", "ipc"])
@pytest.mark.parametrize("batch", [0, 10])
def test_every_way_in_reads_the_same(anvil: Anvil, way: str, batch: int) -> None:
    async def scenario() -> None:
        urls = {"http": anvil.url, "ws": anvil.url.replace("http", "ws"), "ipc": anvil.ipc}
        follower = Follower(urls[way], batch)
        try:
            await follower.follow()
        finally:
            await follower.source.close()
        assert_is_the_chain(anvil, follower.kept)

    mint(anvil, 5)
    asyncio.run(scenario())
