"""Extractions that are killed, stopped and fed with nonsense end with the very same tables."""

from __future__ import annotations

import contextlib
import json
import random
import signal
from typing import TYPE_CHECKING

import pyarrow as pa
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


def test_a_stop_publishes_the_complete_blocks_in_hand_and_the_rest_comes_later(
    quiet: Command, tmp_path: Path
) -> None:
    slow = Faults(seed=1, latency=0.02, concurrency_limit=4)
    with serving(ReplayChain.read(MINTED, length=LENGTH), slow) as server:
        command = against(tmp_path, server.url)
        process = command.start()
        while not list(command.out.glob("blocks/*/000000000-*.parquet")):
            pause(LOOK)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
        stopped = json.loads(said)
        assert (process.returncode, stopped["job"]["status"]) == (130, "STOPPED")
        had = stopped["progress"]["tables"]["blocks"]
        assert 0 < had["current_block"] < LENGTH - 1

        server.faults = Faults()
        before = server.seen.calls["eth_getBlockByNumber"]
        code, _ = command.run()
        asked = server.seen.calls["eth_getBlockByNumber"] - before
    assert code == 0
    assert asked < LENGTH - had["current_block"]
    same_tables(command, quiet)


def test_a_cancel_does_not_wait_for_what_is_in_hand(tmp_path: Path) -> None:
    hung = Faults(seed=1, hang=1.0)
    with serving(ReplayChain.read(MINTED, length=LENGTH), hung) as server:
        process = against(tmp_path, server.url).start()
        while not server.seen.requests:
            pause(LOOK)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 130


def test_a_job_that_fails_says_its_code_and_the_command_fails(tmp_path: Path) -> None:
    with serving(ReplayChain.read(MINTED, length=LENGTH), Faults(pruned_below=500)) as server:
        ended, answer = against(tmp_path, server.url).run()
    detail = answer["progress"]["detail"]
    code = "BLOCKS_UNAVAILABLE"
    assert (ended, answer["job"]["status"], detail["error_code"]) == (1, "FAILED", code)
    assert code in answer["job"]["message"]
    assert detail["error_context"]["block_range_start"] < 500


def test_a_provider_that_comes_back_finds_the_job_waiting(tmp_path: Path) -> None:
    broken = Faults(seed=2, error=1.0)
    with serving(ReplayChain.read(MINTED, length=40), broken) as server:
        options = ("--start-block", "0", "--end-block", "39")
        command = Command(tmp_path, "evm-rpc", "--url", server.url, *options)
        process = command.start()
        while server.seen.struck["error"] < 6:
            pause(LOOK)
        server.faults = Faults()
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(said)["progress"]["tables"]["logs"]["current_block"] == 39


def test_the_head_is_followed_through_reorganisations(tmp_path: Path) -> None:
    chain = ReplayChain.read(MINTED, length=LENGTH)
    chain.head = 60
    with serving(chain) as server:
        options = ("--start-block", "0", "--end-block", "none", "--verify", "full")
        command = Command(tmp_path, "evm-rpc", "--url", server.url, *options)
        process = command.start()
        for fork, head in ((55, 80), (79, 100), (90, 130)):
            wait_for(command, chain.head, chain.hash_of(chain.head))
            chain.fork(fork)
            chain.head = head
        wait_for(command, 130, chain.hash_of(130))
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
        hashes = [chain.hash_of(number) for number in range(131)]
    stopped = json.loads(said)
    assert stopped["job"]["status"] == "STOPPED"
    assert stopped["progress"]["tables"]["blocks"]["current_block"] == 130
    blocks = command.rows("blocks", ("_block_num",))
    assert [f"0x{each.hex()}" for each in blocks["hash"].to_pylist()] == hashes
    # What was replaced is out of the way of readers, and there for those who had it open.
    assert list((command.out / "blocks").rglob(".*.parquet.retired"))


def wait_for(command: Command, number: int, block_hash: str) -> None:
    """Wait until a block is in the files that lie there."""
    wanted = bytes.fromhex(block_hash[2:])
    for _ in range(2000):
        pause(0.03)
        with contextlib.suppress(OSError, pa.ArrowException, ValueError):
            if wanted in command.rows("blocks", ("_block_num",))["hash"].to_pylist():
                return
    pytest.fail(f"block {number} does not come")
