"""Extractions as jobs of a whole engine in this process, with real programs and real files."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from tests.engine.yards import DEADLINE, QUICK, Engine, an_engine

from jobyard import clock
from jobyard.core.extract import Extract
from jobyard.core.shares import LARGEST_CHUNK, Share
from jobyard.core.state import Request
from jobyard.data.chains import CHAINS
from jobyard.spec.extraction import job_of
from jobyard.wire.progress import progress_object

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from jobyard.core.job import JobSpec
    from jobyard.core.records import Job

SOURCE = Path(__file__).parents[2] / "src"
HASTY = Path(__file__).with_name("hasty.py")
LOOK = 0.02
ORDERS = {
    "blocks": ("_block_num",),
    "transactions": ("_block_num", "tx_index"),
    "logs": ("_block_num", "log_index"),
}


def wanted(**changes: Any) -> Extract:
    """Ask for all tables of the chain that replay servers play."""
    extract = Extract(
        "_", "eth", "dev", "a" * 64, "evm-rpc", "evm", "replayed", tuple(CHAINS["evm"].tables)
    )
    return replace(extract, **changes)


def hurried(extract: Extract) -> JobSpec:
    """Make the job that a deployment makes, of a program in a hurry, tried again soon."""
    spec = job_of(extract)
    program = replace(
        spec.program,
        command=(spec.program.command[0], str(HASTY)),
        env={**spec.program.env, "PYTHONPATH": str(SOURCE)},
    )
    policy = replace(spec.policy, grace=20.0, backoff=QUICK)
    return replace(spec, program=program, policy=policy)


class Extractions:
    """Deploys datasets on an engine, and reads what became of them."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.store = engine.store
        self.folder = folder

    async def provide(self, url: str, name: str = "node", **config: Any) -> None:
        provider = {"kind": "evm-rpc", "network": "replayed", "url": url, **config}
        await self.store.put_provider(name, provider)

    async def deploy(self, extract: Extract) -> int:
        job = await self.store.deploy(hurried(extract))
        return job.id

    async def progress(self, job_id: int) -> Mapping[str, Any]:
        job = await self.store.job(job_id)
        return progress_object(job, clock.now_us(), await self.store.extraction(job_id))

    async def ends(self, job_id: int) -> Mapping[str, tuple[int, str] | None]:
        """Tell the last block of each table's chain, and its hash."""
        share = Share(LARGEST_CHUNK, 0, 1)
        lacking = await self.store.lacking(job_id, (0, 1), share)
        return {table: each.known[-1] if each.known else None for table, each in lacking.items()}

    async def until(self, holds: Callable[[], Any]) -> None:
        """Look until something is so."""
        async with asyncio.timeout(DEADLINE):
            while not await holds():
                await clock.sleep(LOOK)

    async def end(self, job_id: int) -> Job:
        return await self.engine.end(job_id)

    async def reaches(self, job_id: int, number: int, block_hash: str) -> None:
        """Wait until every table's chain ends with a block."""

        async def reached() -> bool:
            ends = (await self.ends(job_id)).values()
            return bool(ends) and all(end == (number, block_hash) for end in ends)

        await self.until(reached)

    async def stop(self, job_id: int, request: Request = Request.STOP) -> Job:
        await self.store.ask(job_id, request)
        return await self.end(job_id)

    def rows(self, table: str, name: str = "eth") -> pa.Table:
        """Read all files of a table that lie there, as any reader of the folder would."""
        return rows_below(self.folder / "data" / "_" / name / table, table)


def rows_below(folder: Path, table: str) -> pa.Table:
    files = sorted(folder.rglob("[!.]*.parquet"))
    found = pa.concat_tables([pq.read_table(file) for file in files])
    return found.sort_by([(name, "ascending") for name in ORDERS[table]])


@asynccontextmanager
async def extractions(folder: Path, **flags: Any) -> AsyncIterator[Extractions]:
    """Run an engine on a folder's SQLite for the length of a test."""
    async with an_engine(folder, **flags) as engine:
        yield Extractions(engine, folder)
