"""Solana blocks to Arrow on one core, beside `orjson.loads` of the same bytes.

Real mainnet blocks where the chain data lies beside the project (`../shared/data/chain`); else
blocks that are made up, whose figures mean little.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from jobyard.chain.recorded import read_file
from jobyard.chain.solana_decode import decode, portions
from jobyard.testing.replay_chain import compact
from lines import Benchmark, Goal, Line, Sample, Samples, in_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ground import Ground
    from jobyard.chain.source import RawBlock

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


def cpu_seconds(work: Callable[[Sequence[RawBlock]], None], blocks: Sequence[RawBlock]) -> float:
    """Tell the CPU time of some work: one core's, however busy the machine is."""
    start = time.process_time()
    work(blocks)
    return time.process_time() - start


def measure(ground: Ground, runs: int) -> Iterator[Samples]:
    """Decode each set and parse it, in turn."""
    count = ground.few(BLOCKS, 8)
    sets = {
        key: blocks
        for key, (name, _) in SETS.items()
        if (DATA / f"{name}.ndjson.gz").exists() and (blocks := recorded(name, count))
    }
    for run in range(runs):
        samples: Samples = {}
        for key, blocks in sets.items():
            measured = blocks * max(1, count // len(blocks) // 4)
            seconds = in_turn(
                run,
                {
                    "figure": lambda: cpu_seconds(to_arrow, measured),  # noqa: B023 - used at once
                    "floor": lambda: cpu_seconds(loads, measured),  # noqa: B023 - used at once
                },
            )
            per_block = 1000 / len(measured)
            samples[key] = Sample(seconds["figure"] * per_block, seconds["floor"] * per_block)
        yield samples


BENCHMARK = Benchmark(
    [
        Line(
            key,
            f"Solana to Arrow, all columns of five tables: {what}",
            "ms a block",
            "orjson.loads",
            "at most 2.0 of orjson.loads",
            (Goal(at_most=2.0, of_ratio=True),),
        )
        for key, (_, what) in SETS.items()
    ],
    measure,
)
