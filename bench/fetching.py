"""Blocks over HTTP from the replay server, beside a bare loop of aiohttp that keeps no promises.

The server is another process. Blocks are real where the chain data lies beside the project.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from jobyard import app
from jobyard.chain.rpc_endpoint import Endpoint, Limits
from jobyard.chain.rpc_evm import EvmSource
from jobyard.chain.source import Traffic
from lines import Benchmark, Goal, Line, Sample, Samples, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ground import Ground

DATA = Path(__file__).resolve().parents[2] / "shared/data/chain"
REAL = DATA / "eth-mainnet-17686110-17686132.ndjson.gz"
FULL = "192 txs, 0.8 MB a block"
EMPTY = DATA / "eth-mainnet-0-8191.ndjson.gz"
IN_FLIGHT = 16
"""Requests that the bare loop keeps in flight: more do not make it faster."""


@contextmanager
def served(file: Path, length: int) -> Iterator[str]:
    """Have a replay server for a while; gives its address."""
    command = [sys.executable, "-m", "jobyard.testing.replay", str(file), "--start", "0"]
    server = subprocess.Popen([*command, "--length", str(length)], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().decode().strip()
    finally:
        server.terminate()
        server.communicate()


async def bare(url: str, blocks: int) -> None:
    """Ask for blocks and receipts and drop the answers."""
    numbers = iter(range(blocks))

    async def ask(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            for method, *more in (("eth_getBlockByNumber", True), ("eth_getBlockReceipts",)):
                call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": [hex(number), *more]}
                async with session.post(url, data=json.dumps(call)) as response:
                    await response.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(ask(session) for _ in range(IN_FLIGHT)))


async def read(url: str, blocks: int, batch: int) -> None:
    """Read a chain: in order, checked, linked."""
    traffic = Traffic()
    source = EvmSource([Endpoint("replay", url, Limits(batch=batch), traffic)], traffic)
    count = 0
    async for _ in source.blocks(0, blocks):
        count += 1
    await source.close()
    assert count == blocks


def rate(url: str, blocks: int, batch: int | None) -> float:
    """Measure blocks a second; no batch means the bare loop."""
    start = time.perf_counter()
    app.run_async(bare(url, blocks) if batch is None else read(url, blocks, batch))
    return blocks / (time.perf_counter() - start)


def measure(ground: Ground, runs: int) -> Iterator[Samples]:
    """Read a long chain of full blocks and one of empty ones."""
    if not REAL.exists():
        return
    blocks = ground.few(2000, 200)
    with served(REAL, blocks) as url, served(EMPTY, blocks) as empty:
        for run in range(runs):
            full = in_turn(
                run,
                {
                    "single": lambda: rate(url, blocks, 0),
                    "batch": lambda: rate(url, blocks, 10),
                    "floor": lambda: rate(url, blocks, None),
                },
            )
            small = in_turn(
                run,
                {
                    "single": lambda: rate(empty, blocks, 0),
                    "batch": lambda: rate(empty, blocks, 100),
                    "floor": lambda: rate(empty, blocks, None),
                },
            )
            yield {
                "single": Sample(full["single"], full["floor"]),
                "batch": Sample(full["batch"], full["floor"]),
                "empty": Sample(small["single"], small["floor"]),
                "empty_batch": Sample(small["batch"], small["floor"]),
            }


BENCHMARK = Benchmark(
    [
        Line(
            "single",
            f"blocks read in order, checked and linked: {FULL}",
            "/s",
            "bare aiohttp loop",
            "at least half the bare loop",
            (Goal(at_least=0.5, of_ratio=True),),
            "client and server share the machine; every answer is scanned once to be sure of it",
        ),
        Line("batch", f"the same in batches of 10: {FULL}", "/s", "bare aiohttp loop"),
        Line("empty", "empty blocks, which need no receipts", "/s", "bare aiohttp loop"),
        Line("empty_batch", "empty blocks in batches of 100", "/s", "bare aiohttp loop"),
    ],
    measure,
)
