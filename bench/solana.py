"""Solana blocks to Arrow and to Parquet on one core, beside `orjson.loads` of the same bytes.

Real mainnet blocks where the chain data lies beside the project (`../shared/data/chain`); else
blocks that are made up, whose figures mean little.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pyarrow as pa

from jobyard.chain.recorded import read_file
from jobyard.chain.solana_decode import decode, portions
from jobyard.chain.solana_tables import TABLES
from jobyard.chain.source import BlockRef, RawBlock
from jobyard.data.extract import SolanaExtraction
from jobyard.data.folder import DataFolder
from jobyard.testing.replay_chain import compact
from lines import Benchmark, Goal, Line, Sample, Samples, in_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ground import Ground

DATA = Path(__file__).resolve().parents[2] / "shared/data/chain"
SETS = {
    "json": ("sol-mainnet-55065000-55065199", "442 txs, 0.5 MB a block, 2020, json"),
    "large": ("sol-mainnet-133447493-133447494", "2,310 txs, 3.8 MB a block, 2022, json"),
    "base64": ("sol-mainnet-254170887", "602 txs, 3.5 MB a block, 2024, base64"),
}
BLOCKS = 60
"""Blocks a run, of which the smaller sets hold fewer: those are repeated."""


def recorded(name: str, count: int) -> list[RawBlock]:
    """Read blocks of a set, without the spaces that no node writes."""
    blocks = []
    for block in read_file(DATA / f"{name}.ndjson.gz"):
        block.block = compact(block.block)
        blocks.append(block)
        if len(blocks) == count:
            break
    return blocks


def loads(blocks: Sequence[RawBlock]) -> None:
    """Parse as the floor does."""
    for block in blocks:
        orjson.loads(block.block)


def to_arrow(blocks: Sequence[RawBlock]) -> None:
    """Make all columns of all tables."""
    for portion in portions(blocks):
        decode(portion)


def to_parquet(blocks: Sequence[RawBlock], folder: Path) -> None:
    """Write all columns of all tables as an extraction does, with what is always proved of them."""
    extraction = SolanaExtraction(TABLES.values(), DataFolder.at(folder), "mainnet")
    for block in blocks:
        extraction.take(block)
    extraction.finish()


def relinked(blocks: Sequence[RawBlock], count: int) -> Iterator[RawBlock]:
    """Repeat blocks in slots that go on, each naming the one before it."""
    before = BlockRef(999, "0" * 43)
    for at in range(count):
        block = blocks[at % len(blocks)]
        ref = BlockRef(1000 + at, f"{at:043}")
        words = {
            f'"parentSlot":{block.parent_number}': f'"parentSlot":{before.number}',
            f'"previousBlockhash":"{block.parent_hash}"': f'"previousBlockhash":"{before.hash}"',
            f'"blockhash":"{block.hash}"': f'"blockhash":"{ref.hash}"',
        }
        text = block.block
        for old, new in words.items():
            text = text.replace(old.encode(), new.encode(), 1)
        yield RawBlock(ref.number, ref.hash, before.number, before.hash, text)
        before = ref


def memory(count: int) -> float:
    """Extract a long chain in a process of its own; return the most MiB that it held."""
    with subprocess.Popen(
        [sys.executable, __file__, str(count)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    ) as child:
        said, _ = child.communicate()
    return float(json.loads(said))


def main(count: int) -> None:
    """Extract so many blocks as they come, and tell the most memory held, in MiB."""
    few = recorded(SETS["json"][0], 20)
    with tempfile.TemporaryDirectory(prefix="jobyard-bench-") as folder:
        extraction = SolanaExtraction(TABLES.values(), DataFolder.at(folder), "mainnet")
        for block in relinked(few, count):
            extraction.take(block)
        extraction.finish()
    # Not `ru_maxrss`: that of a child begins with its parent's.
    status = Path("/proc/self/status").read_text()
    print(json.dumps(int(status.split("VmHWM:")[1].split()[0]) / 1024))


def cpu_seconds(work: Callable[[], None]) -> float:
    """Tell the CPU time of some work: one core's, however busy the machine is."""
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(ground: Ground, runs: int) -> Iterator[Samples]:
    """Decode each set and parse it, in turn."""
    count = ground.few(BLOCKS, 8)
    sets = {
        key: blocks
        for key, (name, _) in SETS.items()
        if (DATA / f"{name}.ndjson.gz").exists() and (blocks := recorded(name, count))
    }
    pa.set_cpu_count(1)
    long = ground.few(3000, 300)
    for run in range(runs):
        samples: Samples = {}
        for key, blocks in sets.items():
            chain = list(relinked(blocks, len(blocks) * max(1, count // len(blocks) // 4)))
            with ground.folder() as folder:
                seconds = in_turn(
                    run,
                    {
                        "arrow": partial(cpu_seconds, partial(to_arrow, chain)),
                        "parquet": partial(cpu_seconds, partial(to_parquet, chain, folder)),
                        "floor": partial(cpu_seconds, partial(loads, chain)),
                    },
                )
            each = 1000 / len(chain)
            floor = seconds["floor"] * each
            samples[key] = Sample(seconds["arrow"] * each, floor)
            samples[f"{key}_parquet"] = Sample(seconds["parquet"] * each, floor)
        if "json" in sets:
            samples["memory"] = Sample(memory(long))
        yield samples


FLOOR = "orjson.loads"
GOAL = (Goal(at_most=2.0, of_ratio=True),)
WHAT = {"": "Solana to Arrow", "_parquet": "Solana to Arrow to Parquet, proved but for signatures"}
BENCHMARK = Benchmark(
    [
        *(
            Line(
                f"{key}{suffix}",
                f"{what}, all columns of five tables: {about}",
                "ms a block",
                FLOOR,
                "at most 2.0 of orjson.loads",
                GOAL,
            )
            for key, (_, about) in SETS.items()
            for suffix, what in WHAT.items()
        ),
        Line(
            "memory", "Solana: most memory of an extraction of 3,000 blocks", "MiB", "",
            "< 400 MB", (Goal(at_most=381),),
        ),
    ],
    measure,
)  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]))
