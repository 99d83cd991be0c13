"""Everything goes wrong at once, and the job's tables are those of a quiet run."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fault.extracting import MINTED, kill
from tests.fault.yards import ORDERS, Extractions, extractions, wanted

from jobyard.data.folder import DataFolder
from jobyard.data.verify import verify_folder
from jobyard.testing.replay import ReplayServer
from jobyard.testing.replay_chain import ReplayChain
from jobyard.testing.replay_faults import Faults

if TYPE_CHECKING:
    import pyarrow as pa

START = 1_800
LENGTH = 500
"""Blocks on both sides of number 2,000, where one writer's share ends and the other's begins."""
ALL = Faults(
    seed=11,
    throttle=0.15,
    retry_after=0.05,
    error=0.10,
    drop=0.03,
    truncate=0.03,
    cut=0.02,
    garbage=0.03,
    null=0.02,
    strange=0.02,
    hang=0.002,
    shuffle=True,
    finality=3,
)


def a_chain() -> ReplayChain:
    return ReplayChain.read(MINTED, start=START, length=LENGTH)


def programs() -> list[int]:
    """Find the programs that this process runs."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes()
            above = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if above == os.getpid() and b"hasty.py" in line:
            found.append(int(folder.name))
    return found


async def whole(yard: Extractions, chain: ReplayChain) -> dict[str, pa.Table]:
    """Extract a chain up to its head; read the tables."""
    async with ReplayServer(chain) as server:
        await yard.provide(server.url)
        job_id = await yard.deploy(wanted(start=START, end=str(chain.stop - 1), parallelism=2))
        assert (await yard.end(job_id)).state.status == "COMPLETED"
        return {table: yard.rows(table) for table in ORDERS}


def test_all_at_once_with_kills_and_a_running_reorganisation_changes_nothing(
    tmp_path: Path,
) -> None:
    draw = random.Random(5)
    chain, forks = a_chain(), []
    chain.head = START + 150

    async def troubled() -> dict[str, pa.Table]:
        async with ReplayServer(chain, ALL) as server, extractions(tmp_path / "bad") as yard:
            await yard.provide(server.url, rpc_batch_size=4, timeout_secs=1)
            job_id = await yard.deploy(wanted(start=START, parallelism=2, verify=1.0))
            kills = 0
            for step in range(1, 5):
                await reads_on(yard, job_id, step * 250)
                kills += sum(kill(pid) for pid in draw.sample(programs(), k=1))
                chain.head = min(chain.stop - 1, START + 150 + step * 90)
                forks.append(chain.head - draw.choice((2, 20, 120)))
                chain.fork(forks[-1])
            chain.head = chain.stop - 1
            await yard.reaches(job_id, chain.head, chain.hash_of(chain.head))
            job = await yard.stop(job_id)
            told = await yard.progress(job_id)
            struck = set(server.seen.struck)
            assert (kills, job.state.status) == (4, "STOPPED")
            assert {str(one["current_block"]) for one in told["tables"].values()} == {
                str(chain.head)
            }
            assert {"throttle", "error", "drop", "truncate", "cut", "garbage", "hang"} <= struck
            assert verify_folder(DataFolder.at(yard.folder / "data")).sound
            return {table: yard.rows(table) for table in ORDERS}

    async def quiet() -> dict[str, pa.Table]:
        last = a_chain()
        for fork in forks:
            last.fork(fork)
        async with extractions(tmp_path / "quiet") as yard:
            return await whole(yard, last)

    found, expected = asyncio.run(troubled()), asyncio.run(quiet())
    for table, rows in expected.items():
        assert rows.num_rows > 0
        assert found[table].equals(rows), table


async def reads_on(yard: Extractions, job_id: int, blocks: int) -> None:
    """Wait until a job has published so many blocks, those of each table counted."""

    async def published() -> bool:
        done = await yard.store.extraction(job_id)
        return done is not None and done.blocks >= blocks and bool(programs())

    await yard.until(published)


def test_several_writers_of_a_chain_that_is_reorganised_end_with_the_last_one(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        draw = random.Random(6)
        chain = ReplayChain.read(MINTED, length=300)
        slow = Faults(seed=6, latency=0.01, error=0.05, null=0.02, strange=0.02)
        async with ReplayServer(chain, slow) as server, extractions(tmp_path) as yard:
            await yard.provide(server.url, timeout_secs=1)
            job_id = await yard.deploy(wanted(end="299", parallelism=3))
            for count in (40, 80, 120):

                async def asked(count: int = count) -> bool:
                    return server.seen.calls["eth_getBlockByNumber"] > count

                await yard.until(asked)
                chain.fork(draw.randrange(5, 150))
            job = await yard.end(job_id)
            assert job.state.status == "COMPLETED", job.state.message
            assert set((await yard.ends(job_id)).values()) == {(299, chain.hash_of(299))}
            hashes = [f"0x{each.hex()}" for each in yard.rows("blocks")["hash"].to_pylist()]
            assert hashes == [chain.hash_of(number) for number in range(300)]

    asyncio.run(scenario())
