"""What a solo takes while it has nothing to do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import psutil

from lines import STORES, Benchmark, Goal, Line, Sample, Samples, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ground import Ground

SOLO = (sys.executable, "-m", "jobyard", "solo")
READY = "listening on"
BARE = f"import asyncio; print('{READY}', flush=True); asyncio.run(asyncio.sleep(3600))"
PATIENCE = 30.0
SETTLE = 3.0
"""Seconds after which a process that is ready is at rest."""
MEBIBYTE = 1 << 20


class Rest(NamedTuple):
    """What processes take while they do nothing: percent of a core, mebibytes resident."""

    cpu: float
    memory: float


def solo_at_rest(ground: Ground, store: str, seconds: float) -> Rest:
    """Run a solo and see what it and its children take."""
    with ground.settings(store) as settings:
        environment = os.environ | {
            "JOBYARD_STATE_DIR": str(settings.state_dir),
            "JOBYARD_DATABASE_URL": settings.database or "",
            "JOBYARD_PORT": "0",
        }
        with _process(ground, SOLO, environment) as process:
            return _take(process, seconds)


def bare_at_rest(ground: Ground, seconds: float) -> Rest:
    """See what a Python with an event loop takes that only sleeps."""
    with _process(ground, (sys.executable, "-c", BARE), dict(os.environ)) as process:
        return _take(process, seconds)


@contextmanager
def _process(
    ground: Ground, command: tuple[str, ...], environment: dict[str, str]
) -> Iterator[psutil.Process]:
    """Run a process for a while, from when it said that it is ready."""
    with ground.folder() as folder, (folder / "said").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
        try:
            give_up = time.monotonic() + PATIENCE
            while READY not in (said := (folder / "said").read_text()):
                if process.poll() is not None or time.monotonic() > give_up:
                    raise RuntimeError(f"{' '.join(command)} did not become ready: {said}")
                time.sleep(0.01)
            time.sleep(SETTLE)
            yield psutil.Process(process.pid)
            assert process.poll() is None
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


def _take(process: psutil.Process, seconds: float) -> Rest:
    family = [process, *process.children(recursive=True)]
    before = _cpu_seconds(family)
    time.sleep(seconds)
    used = _cpu_seconds(family) - before
    memory = sum(member.memory_info().rss for member in family)
    return Rest(100 * used / seconds, memory / MEBIBYTE)


def _cpu_seconds(family: list[psutil.Process]) -> float:
    return float(sum(sum(member.cpu_times()[:2]) for member in family))


def measure(ground: Ground, runs: int) -> Iterator[Samples]:
    """Measure solos on both stores, and the bare process."""
    seconds = ground.few(10, 3)
    for run in range(runs):
        rests = in_turn(
            run,
            {
                "sqlite": partial(solo_at_rest, ground, "sqlite", seconds),
                "bare": partial(bare_at_rest, ground, seconds),
                "postgres": partial(solo_at_rest, ground, "postgres", seconds),
            },
        )
        samples: Samples = {}
        for store in STORES:
            samples[f"{store}-cpu"] = Sample(rests[store].cpu)
            samples[f"{store}-memory"] = Sample(rests[store].memory, rests["bare"].memory)
        yield samples


HOLDS = {"sqlite-cpu": "", "sqlite-memory": "", "postgres-cpu": "", "postgres-memory": ""}


def _lines() -> Iterator[Line]:
    for store, title in STORES.items():
        yield Line(
            f"{store}-cpu", f"idle solo with its children, share of a core, {title}", "%", "",
            "< 0.5 %", (Goal(at_most=0.5),), HOLDS[f"{store}-cpu"],
        )  # fmt: skip
        yield Line(
            f"{store}-memory", f"idle solo with its children, resident memory, {title}", "MiB",
            "a Python with asyncio that sleeps", "< 80 MB", (Goal(at_most=80e6 / MEBIBYTE),),
            HOLDS[f"{store}-memory"],
        )  # fmt: skip


BENCHMARK = Benchmark(tuple(_lines()), measure)
