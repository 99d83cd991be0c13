"""Blocks over HTTP to files, end to end: Jobyard beside cryo and ethereum-etl, all columns.

The replay server is another process on the same machine. Each extraction is what a person would
type, from its start to its end, with all that it does beside fetching: state, worker, proof, links.
cryo uses all cores, so Jobyard has a writer for each; a line tells what one writer does. The peers
are installed into folders of their own in the cache; where they cannot be had there is nothing to
measure.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fetching import REAL, served
from jobyard import config
from lines import Benchmark, Goal, Line, Sample, Samples, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ground import Ground

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jobyard"
PEERS = {"cryo": "cryo==0.3.2", "ethereumetl": "ethereum-etl==2.4.2"}

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


def timed(command: Sequence[str | Path], blocks: int, environment: Mapping[str, str]) -> Took:
    """Run a program to its end."""
    began, used = time.perf_counter(), _processor()
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **environment})
    return Took((time.perf_counter() - began) / blocks, (_processor() - used) / blocks)


def _processor() -> float:
    """Tell what children that have ended have used; the server has not ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ours(url: str, blocks: int, folder: Path, writers: int) -> Took:
    """Extract by the one line."""
    words = {
        "url": url, "out": folder, "start-block": 0, "end-block": blocks - 1, "parallelism": writers
    }  # fmt: skip
    options = [f"--{name}={value}" for name, value in words.items()]
    environment = {
        "PYTHONPATH": ":".join(sys.path), "JOBYARD_STATE_DIR": str(folder / "state")
    }  # fmt: skip
    command = [sys.executable, "-m", "jobyard", "extract", "evm-rpc", *options, "--json"]
    return timed(command, blocks, environment)


def theirs(python: Path, program: str, url: str, blocks: int, out: Path) -> Took:
    """Run a peer; its files must be there afterwards."""
    text = program.format(url=url, blocks=blocks, last=blocks - 1, out=out)
    took = timed([python, "-c", text], blocks, {"PYTHONPATH": ""})
    assert len([file for file in out.iterdir() if file.is_file()]) >= 3  # noqa: PLR2004 - tables
    return took


def measure(ground: Ground, runs: int) -> Iterator[Samples]:
    """Extract the same blocks with each in turn; the slowest gets fewer."""
    pythons = {name: peer(name) for name in PEERS}
    if not REAL.exists() or None in pythons.values():
        return
    blocks, few = ground.few(3000, 200), ground.few(300, 40)
    cores = config.cores()
    with served(REAL, blocks) as url:
        for run in range(runs):

            def peers(name: str, program: str, count: int) -> Took:
                python = pythons[name]
                assert python is not None
                with ground.folder() as folder:
                    return theirs(python, program, url, count, folder)

            def own(writers: int, count: int = blocks) -> Took:
                with ground.folder() as folder:
                    return ours(url, count, folder, writers)

            took = in_turn(
                run,
                {
                    "start": lambda: own(1, 1),
                    "one": lambda: own(1),
                    "cryo": lambda: peers("cryo", CRYO, blocks),
                    "all": lambda: own(cores),
                    "etl": lambda: peers("ethereumetl", ETL, few),
                },
            )
            one, most, cryo, etl = (took[name] for name in ("one", "all", "cryo", "etl"))
            yield {
                "cryo": Sample(1 / most.wall, 1 / cryo.wall),
                "cryo_one": Sample(1 / one.wall, 1 / cryo.wall),
                "cryo_processor": Sample(one.processor * 1000, cryo.processor * 1000),
                "etl": Sample(1 / most.wall, 1 / etl.wall),
                "etl_one": Sample(1 / one.wall, 1 / etl.wall),
                "etl_processor": Sample(one.processor * 1000, etl.processor * 1000),
                "writers": Sample(1 / most.wall, 1 / one.wall),
                "start": Sample(took["start"].wall * 1000),
            }


SHARED = "client and server share the machine's cores"
BENCHMARK = Benchmark(
    (
        Line(
            "cryo", "EVM over HTTP to Parquet, three tables, 192 txs a block, a writer a core",
            "/s", "cryo", "≥ 1.5 times cryo", (Goal(at_least=1.5, of_ratio=True),), SHARED,
        ),
        Line("cryo_one", "the same with one writer", "/s", "cryo"),
        Line("cryo_processor", "one writer's processors' time a block", "ms", "cryo"),
        Line(
            "etl", "the same, a writer a core", "/s", "ethereum-etl",
            "≥ 10 times ethereum-etl", (Goal(at_least=10, of_ratio=True),), SHARED,
        ),
        Line("etl_one", "the same with one writer", "/s", "ethereum-etl"),
        Line("etl_processor", "one writer's processors' time a block", "ms", "ethereum-etl"),
        Line(
            "writers", "the same, a writer a core", "/s", "one writer", "", (),
            f"{SHARED}; one writer lets another core write Parquet; `evm.two` has neither",
        ),
        Line("start", "`jobyard extract` of one block: what every range pays", "ms", ""),
    ),
    measure,
)  # fmt: skip
