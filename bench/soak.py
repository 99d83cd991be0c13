"""A server under steady mixed traffic: does it answer every request, and as fast as they come."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

from jobyard.testing.traffic import Traffic
from lines import STORES, Benchmark, Goal, Line, Sample, Samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ground import Ground
    from jobyard.config import Settings

RATE = 200
"""Requests a second: the issue's."""
SECONDS = 60
CALLERS = 64
"""Connections at most; far fewer are in use unless the server falls behind."""


@contextmanager
def solo(settings: Settings) -> Iterator[str]:
    """Run `jobyard solo` as a process of its own for a while; tells its address."""
    where = {"JOBYARD_STATE_DIR": str(settings.state_dir), "JOBYARD_PORT": "0"}
    if settings.database:
        where["JOBYARD_DATABASE_URL"] = settings.database
    process = subprocess.Popen(
        [sys.executable, "-m", "jobyard", "solo"],
        env={**os.environ, **where, "NO_COLOR": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        heard = (line.partition("listening on ")[2].strip() for line in process.stderr)
        url = next(filter(None, heard))
        # Somebody has to read what it logs, lest the pipe fills.
        with subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL):
            yield url
            process.terminate()
            process.wait(60)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


async def soak(url: str, seconds: int) -> tuple[Traffic, float, list[float]]:
    """Ask at the rate, come what may; tells the seconds until the last answer, and of each."""
    took: list[float] = []
    limits = httpx.Limits(max_connections=CALLERS)
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30, limits=limits) as http:
        traffic = Traffic(http)
        began = time.perf_counter()

        async def one(number: int) -> None:
            due = began + number / RATE
            await traffic.ask(number)
            took.append(time.perf_counter() - due)

        async with asyncio.TaskGroup() as requests:
            for number in range(RATE * seconds):
                await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
                requests.create_task(one(number))
        whole = time.perf_counter() - began
        lost = await traffic.unaccounted()
    traffic.errors += [f"job {job_id} is unaccounted for" for job_id in lost]
    return traffic, whole, took


def measure(ground: Ground, runs: int) -> Iterator[Samples]:
    """Measure both stores, each once: a minute is long enough to tell."""
    del runs
    seconds = ground.few(SECONDS, 5)
    samples: Samples = {}
    for store in STORES:
        with ground.settings(store) as settings, solo(settings) as url:
            traffic, whole, took = asyncio.run(soak(url, seconds))
        asked = RATE * seconds
        done = sum(traffic.answered.values())
        if traffic.errors:
            sys.stderr.write(json.dumps(traffic.errors[:5]) + "\n")
        samples[store] = Sample(done / whole, float(RATE))
        samples[f"{store}-good"] = Sample((asked - len(traffic.errors)) / asked)
        samples[f"{store}-p99"] = Sample(statistics.quantiles(took, n=100)[98] * 1000)
    yield samples


def _lines() -> Iterator[Line]:
    for store, title in STORES.items():
        what = f"mixed reads and writes for a minute, 200 a second, one `solo`, {title}"
        keeps_up = (Goal(at_least=0.99, of_ratio=True),)
        yield Line(store, what, "/s", "what is asked", "200/s (ratio ≥ 0.99)", keeps_up)
        all_good = (Goal(at_least=1.0),)
        yield Line(
            f"{store}-good", "share of them without an error, no job lost", "", "", "1", all_good
        )
        yield Line(f"{store}-p99", "answer after it was due, p99", "ms", "")


BENCHMARK = Benchmark(tuple(_lines()), measure)
