"""A stop publishes what is complete, a cancel nothing more; no file is left that is nobody's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.fault.extracting import MINTED
from tests.fault.yards import ORDERS, Extractions, extractions, wanted

from jobyard.core.shares import Share
from jobyard.core.state import Request
from jobyard.testing.replay import ReplayServer
from jobyard.testing.replay_chain import ReplayChain
from jobyard.testing.replay_faults import Faults

if TYPE_CHECKING:
    from pathlib import Path

LENGTH = 640
SLOW = Faults(seed=1, latency=0.03, concurrency_limit=4)
BLOCK = "eth_getBlockByNumber"


async def assert_files_are_the_tables(yard: Extractions, job_id: int) -> None:
    """Compare what lies there with what is published: the same files, whole, and no other."""
    for table in ORDERS:
        known = {name for name, *_ in await yard.store.table_files(job_id, table)}
        folder = yard.folder / "data" / "_" / "eth" / table
        assert {file.name for file in folder.rglob("[!.]*.parquet")} == known
        assert not list(folder.rglob(".*.part"))


async def missing(yard: Extractions, job_id: int) -> int:
    """Count the blocks that no file covers."""
    lacking = await yard.store.lacking(job_id, (0, LENGTH), Share(LENGTH, 0, 1))
    counts = {sum(stop - start for start, stop in each.spans) for each in lacking.values()}
    assert len(counts) == 1
    return counts.pop()


def test_after_a_stop_only_what_was_not_complete_is_fetched(tmp_path: Path) -> None:
    async def scenario() -> None:
        chain = ReplayChain.read(MINTED, length=LENGTH)
        async with ReplayServer(chain, SLOW) as server, extractions(tmp_path) as yard:
            await yard.provide(server.url)
            job_id = await yard.deploy(wanted(end=str(LENGTH - 1), parallelism=2))

            async def under_way() -> bool:
                return server.seen.calls[BLOCK] > 150

            await yard.until(under_way)
            assert (await yard.stop(job_id)).state.status == "STOPPED"
            await assert_files_are_the_tables(yard, job_id)
            left = await missing(yard, job_id)
            assert 0 < left < LENGTH - 50

            server.faults, before = Faults(), server.seen.calls[BLOCK]
            job_id = await yard.deploy(wanted(end=str(LENGTH - 1), parallelism=2))
            assert (await yard.end(job_id)).state.status == "COMPLETED"
            assert server.seen.calls[BLOCK] - before == left
            await assert_files_are_the_tables(yard, job_id)

    asyncio.run(scenario())


def test_a_cancel_ends_a_job_and_leaves_nothing_half_published(tmp_path: Path) -> None:
    async def scenario() -> None:
        chain = ReplayChain.read(MINTED, length=LENGTH)
        async with ReplayServer(chain, SLOW) as server, extractions(tmp_path) as yard:
            await yard.provide(server.url)
            job_id = await yard.deploy(wanted(end=str(LENGTH - 1), parallelism=2))

            async def under_way() -> bool:
                return server.seen.requests > 200

            await yard.until(under_way)
            assert (await yard.stop(job_id, Request.CANCEL)).state.status == "CANCELED"
            for table in ORDERS:
                known = {name for name, *_ in await yard.store.table_files(job_id, table)}
                folder = yard.folder / "data" / "_" / "eth" / table
                assert {file.name for file in folder.rglob("[!.]*.parquet")} == known

            server.faults = Faults()
            job_id = await yard.deploy(wanted(end=str(LENGTH - 1), parallelism=2))
            assert (await yard.end(job_id)).state.status == "COMPLETED"
            await assert_files_are_the_tables(yard, job_id)

    asyncio.run(scenario())


def test_a_reorganisation_while_blocks_are_read_is_no_reason_to_give_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        chain = ReplayChain.read(MINTED, length=240)
        async with ReplayServer(chain, SLOW) as server, extractions(tmp_path) as yard:
            await yard.provide(server.url)
            job_id = await yard.deploy(wanted(end="239"))

            async def under_way() -> bool:
                return server.seen.calls[BLOCK] > 100

            await yard.until(under_way)
            chain.fork(20)
            server.faults = Faults()
            job = await yard.end(job_id)
            assert job.state.status == "COMPLETED", job.state.message
            ends = (await yard.ends(job_id)).values()
            assert set(ends) == {(239, chain.hash_of(239))}
            await assert_files_are_the_tables(yard, job_id)

    asyncio.run(scenario())


def test_a_stop_while_blocks_are_fetched_anew_takes_no_files_away(tmp_path: Path) -> None:
    async def scenario() -> None:
        chain = ReplayChain.read(MINTED, length=LENGTH)
        chain.head = 300
        async with ReplayServer(chain) as server, extractions(tmp_path) as yard:
            await yard.provide(server.url)
            job_id = await yard.deploy(wanted())
            await yard.reaches(job_id, 300, chain.hash_of(300))
            chain.fork(100)
            server.faults, before = SLOW, server.seen.calls[BLOCK]
            chain.head = 310

            async def under_way() -> bool:
                return server.seen.calls[BLOCK] > before + 120

            await yard.until(under_way)
            assert (await yard.stop(job_id)).state.status == "STOPPED"
            assert {end and end[0] for end in (await yard.ends(job_id)).values()} == {300}
            await assert_files_are_the_tables(yard, job_id)

    asyncio.run(scenario())
