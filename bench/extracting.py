"""An extraction as a job: what its program holds in memory at most, and how soon it ends.

Engine, program and store are the real ones; the node is a replay server in another process.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fetching import FULL, REAL, served
from ground import Ground, an_engine
from jobyard import app
from jobyard.chain.evm_tables import EVM_TABLES
from jobyard.core.extract import Extract
from jobyard.core.state import Request
from jobyard.core.states import JobStatus
from jobyard.spec.extraction import job_of
from lines import Benchmark, Goal, Line, Sample, Samples

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from jobyard.app import Yard
    from jobyard.config import Settings

LOOK = 0.02
ENDS = 3
"""Jobs that are ended in each way."""
WELL_UNDER_WAY = 4.0
"""Seconds after which a program has started and decodes blocks."""
PATIENCE = 600.0
MEBIBYTE = 1 << 20


@asynccontextmanager
async def extracting(settings: Settings, url: str, blocks: int) -> AsyncIterator[tuple[Yard, int]]:
    """Have a job extract some blocks; gives its id."""
    tables = tuple(EVM_TABLES)
    extract = Extract(
        "_", "bench", "dev", "a" * 64, "evm-rpc", "evm", "net", tables, 0, str(blocks - 1)
    )
    async with an_engine(settings, ("process",)) as yard:
        provider = {"kind": "evm-rpc", "network": "net", "url": url}
        await yard.store.put_provider("node", provider)
        job = await yard.store.deploy(job_of(extract))
        yield yard, job.id


async def over(yard: Yard, job_id: int) -> JobStatus:
    """Tell a job's status once it is over."""
    async with asyncio.timeout(PATIENCE):
        while True:
            state = (await yard.store.job(job_id)).state
            if state.terminal:
                return state.status
            await asyncio.sleep(LOOK)


def most_memory() -> int:
    """Read the most that a program of this process has held, in bytes; 0 while none runs."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"jobyard.data" not in (folder / "cmdline").read_bytes():
                continue
            said = (folder / "status").read_text()
        except OSError:
            continue
        words = dict(line.split(":", 1) for line in said.splitlines())
        if int(words["PPid"]) == os.getpid():
            return int(words["VmHWM"].split()[0]) * 1024
    return 0


async def held(settings: Settings, url: str, blocks: int) -> float:
    """Extract blocks and tell the most memory that the program held, in MiB."""
    async with extracting(settings, url, blocks) as (yard, job_id):
        ended = asyncio.create_task(over(yard, job_id))
        most = 0
        while not ended.done():
            most = max(most, await asyncio.to_thread(most_memory))
            await asyncio.sleep(0.1)
        assert await ended is JobStatus.COMPLETED
    return most / MEBIBYTE


async def ended_after(settings: Settings, url: str, blocks: int, request: Request) -> float:
    """Ask a job to end that is at work; tell the seconds until it has."""
    async with extracting(settings, url, blocks) as (yard, job_id):
        await asyncio.sleep(WELL_UNDER_WAY)
        assert most_memory()
        began = time.perf_counter()
        await yard.store.ask(job_id, request)
        await over(yard, job_id)
        return time.perf_counter() - began


def measure(ground: Ground, runs: int) -> Iterator[Samples]:
    """Extract a long chain of full blocks; end jobs that do."""
    if not REAL.exists():
        return
    long, endless = ground.few(6000, 300), 100_000
    for _ in range(runs):
        with served(REAL, long) as url, ground.settings("sqlite") as settings:
            memory = app.run_async(held(settings, url, long))
        took: dict[Request, list[float]] = {Request.STOP: [], Request.CANCEL: []}
        with served(REAL, endless) as url:
            for request, seconds in took.items():
                for _ in range(ENDS):
                    with ground.settings("sqlite") as settings:
                        work = ended_after(settings, url, endless, request)
                        seconds.append(app.run_async(work))
        yield {
            "memory": Sample(memory),
            "cancel": Sample(statistics.median(took[Request.CANCEL])),
            "stop": Sample(statistics.median(took[Request.STOP])),
        }


BENCHMARK = Benchmark(
    (
        Line(
            "memory", f"most memory of the program of a job of 6,000 blocks: {FULL}", "MiB", "",
            "< 400 MB", (Goal(at_most=381),),
        ),
        Line("cancel", "cancel → ended, of a job that is extracting", "s", "", "< 1 s",
             (Goal(at_most=1),)),
        Line("stop", "stop → ended, complete blocks in hand published", "s", "",
             "within its grace of 60 s", (Goal(at_most=60),)),
    ),
    measure,
)  # fmt: skip
