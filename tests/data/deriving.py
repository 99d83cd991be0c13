"""Datasets that are made of others, by the real programs: for the tests of what comes out."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as pads
from datafusion import SessionContext
from tests.data.chains import place
from tests.engine.yards import DEADLINE, Engine, an_engine
from tests.fault.extracting import kill, programs_of

from jobyard import clock
from jobyard.api.desk import Desk
from jobyard.app import EXECUTORS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from jobyard.core.records import Job

RAW: dict[str, Any] = {
    "kind": "evm-rpc", "network": "mainnet",
    "tables": {"blocks": {}, "transactions": {}, "logs": {}},
}  # fmt: skip
MINTED = place("anvil-prague")
LOOK = 0.02
LAST = 239
"""The last block of the chain that is played."""


def derived(tables: Mapping[str, str], **dependencies: str) -> dict[str, Any]:
    return {
        "kind": "manifest",
        "dependencies": dependencies or {"eth": "_/eth@1.0.0"},
        "tables": {name: {"input": {"sql": sql}} for name, sql in tables.items()},
    }


class Datasets:
    """An engine, and a desk to register and deploy at."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.desk = Desk(engine.yard.store, engine.yard.logs, executors=EXECUTORS)

    async def register(self, name: str, manifest: Mapping[str, Any]) -> None:
        await self.desk.register_dataset(f"_/{name}", manifest, version="1.0.0")

    async def extract(self, name: str, **options: Any) -> Job:
        """Deploy a dataset, and wait for its end."""
        made = await self.desk.deploy(f"_/{name}@1.0.0", **options)
        return await self.engine.end(made["job_id"])

    async def sync(self, name: str, **options: Any) -> Job:
        """Deploy a dataset, and wait until it is complete."""
        job = await self.extract(name, **options)
        assert job.state.status == "COMPLETED", job.state
        return job

    async def raw_registered(self, url: str = "http://127.0.0.1:9") -> None:
        """Have a dataset of a chain that is played, and nothing extracted."""
        provider = {"kind": "evm-rpc", "network": "mainnet", "url": url}
        await self.desk.register_provider("played", provider)
        await self.register("eth", RAW)

    async def raw(self, url: str, end: int = LAST) -> Job:
        """Have a chain that is played extracted."""
        await self.raw_registered(url)
        return await self.sync("eth", end_block=end)

    async def progress(self, job: Job) -> Mapping[str, Any]:
        return await self.desk.progress(job.id)

    async def ends(self, job: Job, table: str) -> int:
        """Tell the block behind a table's last one."""
        found = await self.engine.store.extraction(job.id)
        stop = found.tables[table].stop if found is not None else None
        return stop or 0

    async def reached(self, job_id: int, table: str, number: int) -> None:
        """Wait until a table has a block."""
        async with asyncio.timeout(DEADLINE):
            while True:
                found = await self.engine.store.extraction(job_id)
                one = found.tables.get(table) if found is not None else None
                if one is not None and (one.stop or 0) > number:
                    return
                await clock.sleep(LOOK)

    async def linked(self, job_id: int, table: str, block_hash: str) -> None:
        """Wait until a table ends with a block."""
        name = (
            "_/d",
            (await self.engine.store.job(job_id)).spec["extract"]["manifest_hash"],
            table,
        )
        async with asyncio.timeout(DEADLINE):
            while (await self.engine.store.source(name)).hash != block_hash:
                await clock.sleep(LOOK)

    async def kill_after(self, job_id: int, published: Sequence[int]) -> int:
        """Kill the job's program each time that so many of its files are there."""
        killed = 0
        async with asyncio.timeout(DEADLINE):
            for wanted in published:
                while True:
                    found = await self.engine.store.extraction(job_id)
                    files = 0 if found is None else sum(t.files for t in found.tables.values())
                    running = programs_of(os.getpid())
                    if files >= wanted and found is not None and running:
                        killed += sum(map(kill, running))
                        break
                    await clock.sleep(LOOK)
                while set(running) & set(programs_of(os.getpid())):
                    await clock.sleep(LOOK)
        return killed

    async def answer(self, job: Job, sql: str) -> pa.Table:
        """Answer a query over the chains of the raw dataset's tables."""
        context = SessionContext()
        context.sql("CREATE SCHEMA eth")
        for name in RAW["tables"]:
            data = pads.dataset(await self.table(job, name))
            context.catalog().schema("eth").register_table(name, data)
        return pa.Table.from_batches(context.sql(sql).collect())

    async def table(self, job: Job, name: str) -> pa.Table:
        """Read the chain of a table that a job writes."""
        found = await self.engine.store.extraction(job.id)
        assert found is not None
        files = await self.engine.store.table_files(job.id, name)
        path = found.tables[name].path
        return pads.dataset([f"{path}/{file[0]}" for file in sorted(files)]).to_table()

    def whole(self, state: Path, sql: str) -> pa.Table:
        """Answer a query over all there is of the raw dataset, all at once."""
        context = SessionContext()
        context.sql("CREATE SCHEMA eth")
        for name in RAW["tables"]:
            data = pads.dataset(sorted((state / "data/_/eth" / name).rglob("*.parquet")))
            context.catalog().schema("eth").register_table(name, data)
        return pa.Table.from_batches(context.sql(sql).collect())


@asynccontextmanager
async def datasets(folder: Path) -> AsyncIterator[Datasets]:
    async with an_engine(folder) as engine:
        yield Datasets(engine)


def rows(table: pa.Table) -> list[tuple[Any, ...]]:
    """Write rows as values in an order of their own."""
    return sorted((tuple(row.values()) for row in table.to_pylist()), key=repr)
