"""Solana through the job: slots that were skipped, and a node that nobody here wrote, live."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.conftest import missing_service
from tests.data.chains import given
from tests.fault.yards import Extractions, extractions, wanted

from jobyard.chain.solana_tables import TABLES
from jobyard.data.folder import DataFolder
from jobyard.data.verify import verify_folder
from jobyard.testing.nodes import NodeMissing, Surfpool
from jobyard.testing.replay import ReplayServer
from jobyard.testing.replay_chain import ReplayChain
from jobyard.testing.replay_faults import Faults

if TYPE_CHECKING:
    from pathlib import Path

    from jobyard.core.extract import Extract
    from jobyard.data.verify import Verified

CONFIRMED = {"commitment": "confirmed"}
FIRST = 33
"""The first slot of surfpool's that is linked."""


def solana(**changes: Any) -> Extract:
    return wanted(
        name="sol", kind="solana", chain="solana", tables=tuple(TABLES), verify=1.0, **changes
    )


async def provide(yard: Extractions, url: str) -> None:
    config = {"kind": "solana", "network": "replayed", "commitment": "confirmed", "url": url}
    await yard.store.put_provider("node", config)


def rows(yard: Extractions, table: str) -> pa.Table:
    folder = yard.folder / "data" / "_" / "sol" / table
    found = pa.concat_tables([pq.read_table(file) for file in folder.rglob("[!.]*.parquet")])
    return found.sort_by("_block_num")


def proved(yard: Extractions) -> Verified:
    found = verify_folder(DataFolder.at(yard.folder / "data"))
    assert found.sound, found.as_json()
    return found


def test_slots_that_were_skipped_are_covered_whoever_extracts_them_and_however_badly(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        chain = ReplayChain(given("surfpool-base64"), start=0, length=240)
        slots = chain.numbers(0, 240)
        bad = Faults(seed=2, throttle=0.1, error=0.1, drop=0.05, null=0.05, strange=0.05)
        async with ReplayServer(chain, bad) as server, extractions(tmp_path) as yard:
            await provide(yard, server.url)
            job_id = await yard.deploy(solana(end="239", parallelism=2))
            job = await yard.end(job_id)
            assert job.state.status == "COMPLETED", job.state.message
            told = await yard.progress(job_id)
        assert 0 < len(slots) < 240
        assert {one["current_block"] for one in told["tables"].values()} == {239}
        assert rows(yard, "block_headers")["slot"].to_pylist() == slots
        assert proved(yard).report.tallies["parent_link"].proved >= len(slots) - 1

    asyncio.run(scenario())


def test_a_job_follows_a_living_chain_and_its_files_prove_themselves(tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("surfpool needs Node.js")
    try:
        node = Surfpool(slot_ms=50)
    except NodeMissing as missing:
        missing_service(str(missing))

    async def scenario() -> None:
        async with extractions(tmp_path) as yard:
            await provide(yard, node.url)
            job_id = await yard.deploy(solana(start=FIRST))

            async def far() -> bool:
                ends = (await yard.ends(job_id)).values()
                return bool(ends) and all(end and end[0] >= FIRST + 60 for end in ends)

            await yard.until(far)
            assert (await yard.stop(job_id)).state.status == "STOPPED"
            last = (await yard.ends(job_id))["block_headers"]
        assert last is not None
        headers = rows(yard, "block_headers")
        assert headers["slot"].to_pylist() == list(range(FIRST, last[0] + 1))
        for place in (0, 17, headers.num_rows - 1):
            slot, name = headers["slot"][place].as_py(), headers["block_hash"][place].as_py()
            said = node.call("getBlock", slot, {**CONFIRMED, "transactionDetails": "none"})
            assert said["blockhash"] == name
        assert proved(yard).covered["instructions"] == [(FIRST, last[0])]

    with node:
        asyncio.run(scenario())
