"""Extractions that are killed, stopped and fed with nonsense end with the very same tables."""

from __future__ import annotations

import random
import signal
from typing import TYPE_CHECKING

import pytest
from tests.fault.extracting import MINTED, TABLES, Command, kill, programs_of, same_tables

from jobyard.clock import monotonic, pause
from jobyard.testing.replay import serving
from jobyard.testing.replay_chain import ReplayChain
from jobyard.testing.replay_faults import Faults

if TYPE_CHECKING:
    from pathlib import Path

LENGTH = 1200
LOOK = 0.02


def against(folder: Path, url: str, *more: str) -> Command:
    end = str(LENGTH - 1)
    options = ("--start-block", "0", "--end-block", end, "--parallelism", "2", *more)
    return Command(folder, "evm-rpc", "--url", url, *options)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """An undisturbed extraction."""
    with serving(ReplayChain.read(MINTED, length=LENGTH)) as server:
        command = against(tmp_path_factory.mktemp("quiet"), server.url)
        code, answer = command.run()
    assert code == 0
    assert {name: one["current_block"] for name, one in answer["progress"]["tables"].items()} == (
        dict.fromkeys(TABLES, LENGTH - 1)
    )
    return command


def test_after_twenty_kills_the_tables_are_those_of_an_undisturbed_run(
    quiet: Command, tmp_path: Path
) -> None:
    draw = random.Random(7)
    slow = Faults(seed=1, latency=0.06, concurrency_limit=4)
    kills = {"program": 0, "worker": 0}
    with serving(ReplayChain.read(MINTED, length=LENGTH), slow) as server:
        command = against(tmp_path, server.url)
        process = command.start()
        began = monotonic()
        while sum(kills.values()) < 20 and monotonic() - began < 100:
            pause(draw.uniform(0.2, 2.5))
            if process.poll() is not None:
                process.communicate()
                process = command.start()
                continue
            programs = programs_of(process.pid)
            if draw.random() < 0.5 and programs:
                kills["program"] += kill(draw.choice(programs))
            elif programs:
                kills["worker"] += kill(process.pid)
                process.communicate()
                process = command.start()
        process.send_signal(signal.SIGTERM)
        process.communicate()
        server.faults = Faults()
        code, answer = command.run()
    assert sum(kills.values()) == 20
    assert code == 0
    assert min(kills.values()) > 0
    assert answer["progress"]["tables"]["blocks"]["current_block"] == LENGTH - 1
    same_tables(command, quiet)


def test_a_bad_run_gives_the_tables_of_a_quiet_one(quiet: Command, tmp_path: Path) -> None:
    faults = Faults(
        seed=3, throttle=0.15, error=0.1, drop=0.03, truncate=0.03, garbage=0.03, hang=0.002
    )
    with serving(ReplayChain.read(MINTED, length=LENGTH), faults) as server:
        command = against(tmp_path, server.url, "--verify", "full")
        code, answer = command.run()
        struck = dict(server.seen.struck)
    assert code == 0
    assert {"throttle", "error", "drop", "truncate", "garbage"} <= struck.keys()
    assert answer["progress"]["retries"] > 0
    same_tables(command, quiet)
