"""Blocks of a table that is made of others are made anew like those that are extracted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.data.deriving import LAST, MINTED, datasets, derived, rows

from jobyard.testing.replay import serving
from jobyard.testing.replay_chain import ReplayChain

if TYPE_CHECKING:
    from pathlib import Path

BUSY = derived({"busy": "SELECT * FROM eth.blocks WHERE gas_used > 0"})


def test_blocks_of_a_derived_table_are_made_anew(tmp_path: Path) -> None:
    async def story(url: str) -> None:
        async with datasets(tmp_path) as yard:
            await yard.raw(url)
            await yard.register("d", BUSY)
            job = await yard.sync("d", end_block=LAST, batch_blocks=60, layout={"file_blocks": 60})
            before = await yard.table(job, "busy")

            told = await yard.desk.rematerialize("_/d@1.0.0", start_block=70, end_block=70)

            assert (told["start_block"], told["end_block"], told["files"]) == (60, 119, 1)
            assert await yard.ends(job, "busy") == 60
            again = await yard.engine.end(told["job_id"])
            assert again.state.status == "COMPLETED", again.state
            assert await yard.ends(job, "busy") == LAST + 1
            assert rows(await yard.table(job, "busy")) == rows(before)

    with serving(ReplayChain.read(MINTED, length=LAST + 1)) as node:
        asyncio.run(story(node.url))
