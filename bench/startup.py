"""Whole processes: how long the command line takes, from cold."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from lines import Benchmark, Goal, Line, Sample, Samples, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ground import Ground

JOBYARD = (sys.executable, "-m", "jobyard")
DOCUMENT = {"jobs": [{"name": "true", "command": ["/bin/true"]}]}


def wall(*command: str, environment: dict[str, str] | None = None) -> float:
    """Run a command to its end; return its milliseconds."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return (time.perf_counter() - start) * 1000


def run_true(ground: Ground) -> float:
    """Run one `/bin/true` with `jobyard run` in a new state folder; return the milliseconds."""
    with ground.folder() as folder:
        document = folder / "true.json"
        document.write_text(json.dumps(DOCUMENT))
        environment = os.environ | {"JOBYARD_STATE_DIR": str(folder / "state")}
        environment.pop("JOBYARD_DATABASE_URL", None)
        return wall(*JOBYARD, "run", str(document), environment=environment)


def measure(ground: Ground, runs: int) -> Iterator[Samples]:
    """Measure each command many times in turn with a Python that does nothing."""
    commands = {
        "run": partial(run_true, ground),
        "help": partial(wall, *JOBYARD, "--help"),
        "pass": partial(wall, sys.executable, "-c", "pass"),
    }
    for run in range(runs):
        took: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(ground.few(10, 3)):
            for name, milliseconds in in_turn(run + turn, commands).items():
                took[name].append(milliseconds)
        middle = {name: statistics.median(times) for name, times in took.items()}
        floor = middle.pop("pass")
        yield {name: Sample(value, floor) for name, value in middle.items()}


HOLDS = {"run": "", "help": ""}

BENCHMARK = Benchmark(
    (
        Line(
            "run", "`jobyard run` of one `/bin/true`, cold, whole process, SQLite", "ms",
            "`python -c pass`", "< 350 ms", (Goal(at_most=350),), HOLDS["run"],
        ),
        Line(
            "help", "`jobyard --help`, whole process", "ms", "`python -c pass`", "< 150 ms",
            (Goal(at_most=150),), HOLDS["help"],
        ),
    ),
    measure,
)  # fmt: skip
