"""Blocks over HTTP to files, end to end: Jobyard beside cryo and ethereum-etl, all columns.

The replay server is another process on the same machine. Each extraction is a process of its own,
its start included, and asks for as much as it likes at once. The peers are installed into folders
of their own in the cache; where they cannot be had there is nothing to measure.
"""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import subprocess
import sys
import time
import venv
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fetching import REAL, served
from lines import Benchmark, Goal, Line, Sample, Samples, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ground import Ground
    from jobyard.chain.source import RawBlock

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jobyard"
PEERS = {"cryo": "cryo==0.3.2", "ethereumetl": "ethereum-etl==2.4.2"}
BATCH_BYTES = 3_000_000
"""JSON that is handed to the writing thread at a time: what is decoded together."""
AHEAD = 2
"""Such batches that wait while one is written."""

CRYO = """
import cryo
cryo.freeze(
    ["blocks", "transactions", "logs"], rpc="{url}", blocks=["0:{blocks}"], output_dir="{out}",
    include_columns=["all"], chunk_size=1000, no_verbose=True,
)
"""
ETL = """
import csv, inspect
inspect.getargspec = inspect.getfullargspec  # it asks for what Python 3.11 no longer has
from ethereumetl.cli import cli
def run(*words):
    cli([*words, "-p", "{url}"], standalone_mode=False)
run("export_blocks_and_transactions", "-s", "0", "-e", "{last}",
    "--blocks-output", "{out}/blocks.csv", "--transactions-output", "{out}/transactions.csv")
csv.field_size_limit(10**9)
with open("{out}/transactions.csv") as rows, open("{out}/hashes", "w") as hashes:
    hashes.writelines(row["hash"] + "\\n" for row in csv.DictReader(rows))
run("export_receipts_and_logs", "--transaction-hashes", "{out}/hashes",
    "--receipts-output", "{out}/receipts.csv", "--logs-output", "{out}/logs.csv")
"""


def peer(name: str) -> Path | None:
    """Find a peer's Python, or install it; None where it cannot be had."""
    requirement = PEERS[name]
    home = CACHE / f"peer-{requirement}"
    python = home / "bin" / "python"
    if not python.exists():
        fresh = home.with_suffix(".fresh")
        try:
            venv.create(fresh, with_pip=True, clear=True)
            pip: list[str | Path] = [
                fresh / "bin" / "python",
                "-m",
                "pip",
                "install",
                "-q",
                requirement,
                "setuptools",
            ]
            subprocess.run(pip, check=True, capture_output=True)
            fresh.replace(home)
        except (subprocess.CalledProcessError, OSError) as error:
            shutil.rmtree(fresh, ignore_errors=True)
            sys.stderr.write(f"evm_peers: {requirement} cannot be installed: {error}\n")
            return None
    return python


class Took(NamedTuple):
    """What a run took, a block: seconds on the clock, and of all processors, the server's apart."""

    wall: float
    processor: float


def timed(commands: Sequence[Sequence[str | Path]], blocks: int, environment: str = "") -> Took:
    """Run programs side by side; they share the blocks."""
    with Path(os.devnull).open("w") as nowhere, ExitStack() as running:
        began = time.perf_counter()
        used = _processor()
        processes = [
            running.enter_context(
                subprocess.Popen(
                    command,
                    stdout=nowhere,
                    stderr=nowhere,
                    env={**os.environ, "PYTHONPATH": environment},
                )
            )
            for command in commands
        ]
        codes = [process.wait() for process in processes]
        assert not any(codes)
        return Took((time.perf_counter() - began) / blocks, (_processor() - used) / blocks)


def _processor() -> float:
    """Tell what children that have ended have used; the server has not ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ours(url: str, blocks: int, out: Path, workers: int = 1) -> Took:
    """Extract as a job does; several workers have a share of the blocks each."""
    share = -(-blocks // workers)
    spans = [(str(at), str(min(at + share, blocks))) for at in range(0, blocks, share)]
    commands = [[sys.executable, __file__, url, *span, str(out)] for span in spans]
    return timed(commands, blocks, ":".join(sys.path))


def theirs(python: Path, program: str, url: str, blocks: int, out: Path) -> Took:
    """Run a peer; its files must be there afterwards."""
    text = program.format(url=url, blocks=blocks, last=blocks - 1, out=out)
    took = timed([[python, "-c", text]], blocks)
    assert len([file for file in out.iterdir() if file.is_file()]) >= 3  # noqa: PLR2004 - tables
    return took


def measure(ground: Ground, runs: int) -> Iterator[Samples]:
    """Extract the same blocks with each in turn; the slowest gets fewer."""
    pythons = {name: peer(name) for name in PEERS}
    if not REAL.exists() or None in pythons.values():
        return
    blocks, few = ground.few(1500, 200), ground.few(150, 40)
    with served(REAL, blocks) as url:
        for run in range(runs):

            def peers(name: str, program: str, count: int) -> Took:
                python = pythons[name]
                assert python is not None
                with ground.folder() as folder:
                    return theirs(python, program, url, count, folder)

            def own(workers: int) -> Took:
                with ground.folder() as folder:
                    return ours(url, blocks, folder, workers)

            took = in_turn(
                run,
                {
                    "ours": lambda: own(1),
                    "cryo": lambda: peers("cryo", CRYO, blocks),
                    "etl": lambda: peers("ethereumetl", ETL, few),
                    "two": lambda: own(2),
                },
            )
            mine = took["ours"]
            yield {
                "cryo": Sample(1 / mine.wall, 1 / took["cryo"].wall),
                "cryo_processor": Sample(mine.processor * 1000, took["cryo"].processor * 1000),
                "etl": Sample(1 / mine.wall, 1 / took["etl"].wall),
                "etl_processor": Sample(mine.processor * 1000, took["etl"].processor * 1000),
                "two": Sample(1 / took["two"].wall, 1 / mine.wall),
            }


async def main(url: str, start: int, stop: int, out: Path) -> None:
    """Extract some blocks."""
    from jobyard.chain.evm_tables import EVM_TABLES
    from jobyard.chain.rpc_endpoint import Endpoint, Limits
    from jobyard.chain.rpc_evm import EvmSource
    from jobyard.chain.source import Traffic
    from jobyard.data.extract import EvmExtraction
    from jobyard.data.folder import DataFolder

    traffic = Traffic()
    source = EvmSource([Endpoint("replay", url, Limits(batch=10), traffic)], traffic)
    extraction = EvmExtraction(EVM_TABLES.values(), DataFolder.at(out), "mainnet")
    ready: asyncio.Queue[list[RawBlock]] = asyncio.Queue(AHEAD)

    def write(batch: list[RawBlock]) -> None:
        for block in batch:
            extraction.take(block)

    async def write_all() -> None:
        while batch := await ready.get():
            await asyncio.to_thread(write, batch)

    writing = asyncio.create_task(write_all())
    batch: list[RawBlock] = []
    async for block in source.blocks(start, stop):
        batch.append(block)
        if sum(each.size for each in batch) >= BATCH_BYTES:
            await ready.put(batch)
            batch = []
    for last in [batch, []] if batch else [[]]:
        await ready.put(last)
    await writing
    extraction.finish()
    await source.close()


BENCHMARK = Benchmark(
    (
        Line(
            "cryo", "EVM over HTTP to Parquet, three tables, 192 txs a block: blocks", "/s", "cryo",
            "≥ 1.5 times cryo", (Goal(at_least=1.5, of_ratio=True),),
            "client and server share two cores",
        ),
        Line("cryo_processor", "the same, processors' time a block", "ms", "cryo"),
        Line(
            "etl", "the same", "/s", "ethereum-etl",
            "≥ 10 times ethereum-etl", (Goal(at_least=10, of_ratio=True),),
            "decoding and Parquet on one core; on a busy machine see the processors' time",
        ),
        Line("etl_processor", "the same, processors' time a block", "ms", "ethereum-etl"),
        Line(
            "two", "the same, two processes with half of the blocks each", "/s", "one process",
            "≥ 1.7 times one, where cores allow", (),
            "two cores, of which the server takes its part",
        ),
    ),
    measure,
)  # fmt: skip


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))
