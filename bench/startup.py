"""Whole processes: the command line from cold, and what a solo takes while it has nothing to do."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from typing import IO, TYPE_CHECKING, NamedTuple

import psutil
from lines import STORES, Benchmark, Goal, Line, Sample, Samples, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ground import Ground

    from jobyard.config import Settings

JOBYARD = (sys.executable, "-m", "jobyard")
DOCUMENT = {"jobs": [{"name": "true", "command": ["/bin/true"]}]}
PAUSE = "import asyncio; print(1, flush=True); asyncio.run(asyncio.sleep(3600))"
SETTLE = 3.0
"""Seconds after which a solo that was started is at rest."""
MEBIBYTE = 1 << 20


class Rest(NamedTuple):
    """What processes take while they do nothing: percent of a core, bytes of memory."""

    cpu: float
    memory: float


def wall(*command: str, environment: dict[str, str] | None = None) -> float:
    """Run a command to its end; return its seconds."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return time.perf_counter() - start


def _environment(settings: Settings) -> dict[str, str]:
    return os.environ | {
        "JOBYARD_STATE_DIR": str(settings.state_dir),
        "JOBYARD_DATABASE_URL": settings.database or "",
        "JOBYARD_PORT": "0",
    }


def run_true(ground: Ground) -> float:
    """Run one `/bin/true` with `jobyard run` in a new state folder; return the seconds."""
    with ground.settings("sqlite") as settings:
        document = settings.state_dir.with_suffix(".json")
        document.write_text(json.dumps(DOCUMENT))
        return wall(*JOBYARD, "run", str(document), environment=_environment(settings))


def at_rest(ground: Ground, store: str, seconds: float) -> Rest:
    """Run a solo, let it settle, and see what it and its children take."""
    with ground.settings(store) as settings:
        with _process((*JOBYARD, "solo"), settings.state_dir, _environment(settings)) as solo:
            return _take(solo, seconds)


def bare_at_rest(ground: Ground, seconds: float) -> Rest:
    """See what a Python with an event loop takes that only sleeps."""
    with ground.folder() as folder:
        command = (sys.executable, "-c", PAUSE)
        with _process(command, folder, dict(os.environ)) as process:
            return _take(process, seconds)


@contextmanager
def _process(
    command: tuple[str, ...], folder: Path, environment: dict[str, str]
) -> Iterator[psutil.Process]:
    """Run a process until it has said something, and then for a while."""
    with (
        (folder / "said").open("w+b") as said,
        subprocess.Popen(command, stdout=said, stderr=said, env=environment) as process,
    ):
        try:
            _wait_for_words(process, said)
            yield psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)


def _wait_for_words(process: subprocess.Popen[bytes], said: IO[bytes]) -> None:
    while not os.fstat(said.fileno()).st_size:
        if process.poll() is not None:
            raise RuntimeError("the process ended before it was at rest")
        time.sleep(0.01)
    time.sleep(SETTLE)


def _take(process: psutil.Process, seconds: float) -> Rest:
    family = [process, *process.children(recursive=True)]
    before = sum(sum(member.cpu_times()[:2]) for member in family)
    time.sleep(seconds)
    used = sum(sum(member.cpu_times()[:2]) for member in family) - before
    memory = sum(member.memory_info().rss for member in family)
    return Rest(100 * used / seconds, memory / MEBIBYTE)


def measure(ground: Ground, runs: int) -> Iterator[Samples]:
    """Measure commands many times each, and solos at rest once a run."""
    commands = {
        "run": partial(run_true, ground),
        "help": partial(wall, *JOBYARD, "--help"),
        "pass": partial(wall, sys.executable, "-c", "pass"),
    }
    for run in range(runs):
        times: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(ground.few(10, 3)):
            for name, took in in_turn(run + turn, commands).items():
                times[name].append(took * 1000)
        middle = {name: statistics.median(took) for name, took in times.items()}
        samples = {
            name: Sample(middle[name], middle["pass"]) for name in commands if name != "pass"
        }
        seconds = ground.few(10, 3)
        rests = in_turn(
            run,
            {
                "sqlite": partial(at_rest, ground, "sqlite", seconds),
                "bare": partial(bare_at_rest, ground, seconds),
                "postgres": partial(at_rest, ground, "postgres", seconds),
            },
        )
        for store in STORES:
            samples[f"{store}-idle-cpu"] = Sample(rests[store].cpu)
            samples[f"{store}-idle-memory"] = Sample(rests[store].memory, rests["bare"].memory)
        yield samples


HOLDS = {
    "run": "",
    "help": "",
    "sqlite-idle-cpu": "",
    "sqlite-idle-memory": "",
    "postgres-idle-cpu": "",
    "postgres-idle-memory": "",
}


def _lines() -> Iterator[Line]:
    floor = "`python -c pass`"
    yield Line(
        "run", "`jobyard run` of one `/bin/true`, cold, whole process", "ms", floor, "< 350 ms",
        (Goal(at_most=350),), HOLDS["run"],
    )  # fmt: skip
    yield Line(
        "help", "`jobyard --help`, whole process", "ms", floor, "< 150 ms", (Goal(at_most=150),),
        HOLDS["help"],
    )  # fmt: skip
    for store, title in STORES.items():
        yield Line(
            f"{store}-idle-cpu", f"idle solo with its children, share of a core, {title}", "%", "",
            "< 0.5 %", (Goal(at_most=0.5),), HOLDS[f"{store}-idle-cpu"],
        )  # fmt: skip
        yield Line(
            f"{store}-idle-memory", f"idle solo with its children, resident, {title}", "MiB",
            "a Python with asyncio that sleeps", "< 80 MB", (Goal(at_most=80e6 / MEBIBYTE),),
            HOLDS[f"{store}-idle-memory"],
        )  # fmt: skip


BENCHMARK = Benchmark(tuple(_lines()), measure)
