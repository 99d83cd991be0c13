"""Logs: a program that prints at a steady 50 MB/s must not notice that its output is kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ground import Ground, Watch, a_program, an_engine, drained, submit
from jobyard import app
from lines import STORES, Benchmark, Goal, Line, Sample, Samples, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobyard.app import Yard
    from jobyard.config import Settings

RATE = 50
PROGRAM = Path(__file__).with_name("paced.py")
NOT_SLOWED = 0.99
"""The share of the pace below which a program was slowed."""


def _command(seconds: float, report: Path) -> tuple[str, ...]:
    return (sys.executable, str(PROGRAM), str(RATE), str(seconds), str(report))


def _pace(said: dict[str, Any]) -> float:
    return float(said["bytes"] / said["seconds"] / 1e6)


def thrown_away(ground: Ground, seconds: float) -> tuple[float, float]:
    """Have a reader drop what the program prints; return MB/s and a share kept of 1."""
    with ground.folder() as folder:
        report = folder / "report"
        with subprocess.Popen(_command(seconds, report), stdout=subprocess.PIPE) as program:
            assert program.stdout is not None
            while os.read(program.stdout.fileno(), 1 << 20):
                continue
        return _pace(json.loads(report.read_text())), 1.0


def kept(ground: Ground, store: str, seconds: float) -> tuple[float, float]:
    """Run the program through the engine; return MB/s and the share of its bytes that was kept."""

    async def run(settings: Settings) -> tuple[float, float]:
        report = settings.state_dir / "report"
        watch = Watch(1)
        async with an_engine(settings, ("process",), watch) as yard:
            (job,) = await submit(yard.store, a_program(*_command(seconds, report)))
            await watch.all_ended()
            await drained(yard.store)
            said = json.loads(report.read_text())
            (attempt,) = await yard.store.attempts(job.id)
            found, checksum = await _read(yard, attempt.id)
        share = found / said["bytes"]
        same = checksum == said["checksum"]
        return _pace(said), share if same else 0.0

    limits = {"attempt_log_limit": 1 << 31, "job_log_limit": 1 << 32}
    with ground.settings(store, slots=2, **limits) as settings:
        return app.run_async(run(settings))


async def _read(yard: Yard, attempt_id: int) -> tuple[int, int]:
    """Read a log's bytes; return how many there are and their checksum."""
    at = checksum = 0
    while chunks := await yard.logs.read(attempt_id, offset=at, limit=16):
        for chunk in chunks:
            assert chunk.offset == at
            at += len(chunk.data)
            checksum = zlib.crc32(chunk.data, checksum)
    return at, checksum


def measure(ground: Ground, runs: int) -> Iterator[Samples]:
    """Measure both stores beside a reader that throws away."""
    seconds = ground.few(5, 2)
    for run in range(runs):
        taken = in_turn(
            run,
            {
                "sqlite": partial(kept, ground, "sqlite", seconds),
                "floor": partial(thrown_away, ground, seconds),
                "postgres": partial(kept, ground, "postgres", seconds),
            },
        )
        samples: Samples = {}
        for store in STORES:
            samples[store] = Sample(taken[store][0], taken["floor"][0])
            samples[f"{store}-kept"] = Sample(taken[store][1])
        yield samples


HOLDS = {"sqlite": "", "postgres": ""}


def _lines() -> Iterator[Line]:
    for store, title in STORES.items():
        what = f"a program that prints {RATE} MB/s, 100-byte lines, half incompressible, {title}"
        yield Line(
            store, what, "MB/s", "the same, read and thrown away", "is not slowed (ratio ≥ 0.99)",
            (Goal(at_least=NOT_SLOWED, of_ratio=True),), HOLDS[store],
        )  # fmt: skip
        yield Line(
            f"{store}-kept", f"share of its bytes that is kept, checksums equal, {title}", "", "",
            "1", (Goal(at_least=1, at_most=1),), HOLDS[store],
        )  # fmt: skip


BENCHMARK = Benchmark(tuple(_lines()), measure)
