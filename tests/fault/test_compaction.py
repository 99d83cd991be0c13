"""Small files become one while the real program runs, is killed, and meets damaged files."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.fault.extracting import MINTED, TABLES, Command, kill, programs_of, same_tables

from jobyard.clock import monotonic, pause
from jobyard.testing.replay import serving
from jobyard.testing.replay_chain import ReplayChain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jobyard.testing.replay import ReplayServer

LENGTH = 240
LOOK = 0.002
PATIENCE = 60
SMALL = ("--file-blocks", "10", "--no-compact")
JOINING = ("--compact-after", "0s", "--compact-distance", "0")


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayServer]:
    with serving(ReplayChain.read(MINTED, length=LENGTH)) as server:
        yield server


@pytest.fixture(scope="module")
def quiet(server: ReplayServer, tmp_path_factory: pytest.TempPathFactory) -> Command:
    command = against(server, tmp_path_factory.mktemp("quiet"))
    assert command.run()[0] == 0
    return command


def against(server: ReplayServer, folder: Path, *more: str, end: str = str(LENGTH - 1)) -> Command:
    options = ("--start-block", "0", "--end-block", end, *more)
    return Command(folder, "evm-rpc", "--url", server.url, *options)


def in_small_files(server: ReplayServer, folder: Path) -> Command:
    command = against(server, folder, *SMALL)
    assert command.run()[0] == 0
    assert all(len(names(command, table)) == LENGTH / 10 for table in TABLES)
    return Command(folder, *against(server, folder, *JOINING).arguments)


def names(command: Command, table: str, pattern: str = "*.parquet") -> list[str]:
    """Name the files that a reader of the folder meets."""
    return sorted(file.name for file in (command.out / table).rglob(pattern) if file.is_file())


def until(found: Callable[[], Any], process: Any = None) -> None:
    began = monotonic()
    while not found():
        assert process is None or process.poll() is None, process.communicate()
        assert monotonic() - began < PATIENCE
        pause(LOOK)


def test_a_bounded_job_joins_its_small_files_at_its_end(
    server: ReplayServer, quiet: Command, tmp_path: Path
) -> None:
    command = in_small_files(server, tmp_path)
    small = names(command, "blocks")

    code, answer = command.run()

    assert code == 0
    assert [len(names(command, table)) for table in TABLES] == [1, 1, 1]
    assert answer["progress"]["tables"]["blocks"]["current_block"] == LENGTH - 1
    assert answer["progress"]["tables"]["blocks"]["files_count"] == 1
    same_tables(command, quiet)
    (file,) = (command.out / "blocks").rglob("*.parquet")
    about = pq.read_metadata(file).metadata
    assert json.loads(about[b"parent_file_ids"]) == small
    assert about[b"generation"] == b"1"
    assert len(names(command, "blocks", ".*.retired")) == len(small)


@pytest.mark.parametrize("strike", [".*.part", ".*.retired"])
def test_a_kill_while_files_are_joined_loses_nothing_and_doubles_nothing(
    server: ReplayServer, quiet: Command, tmp_path: Path, strike: str
) -> None:
    command = in_small_files(server, tmp_path)
    process = command.start()
    until(lambda: names(command, "blocks", strike), process)
    killed = [kill(pid) for pid in programs_of(process.pid)]
    process.kill()
    process.communicate()
    assert any(killed)

    assert command.run()[0] == 0

    same_tables(command, quiet)
    assert [len(names(command, table)) for table in TABLES] == [1, 1, 1]
    assert names(command, "blocks", "*.part") == []


def test_what_follows_the_head_joins_what_is_cold_and_survives_a_deep_reorganisation(
    tmp_path: Path,
) -> None:
    chain = ReplayChain.read(MINTED, length=LENGTH)
    chain.head = 1
    with serving(chain) as server:
        soon = ("--flush-after", "100ms", "--compact-after", "0s")
        few = ("--compact-distance", "2", "--compact-files", "3")
        command = against(server, tmp_path, *soon, *few, end="none")
        process = command.start()
        while not (joined := names(command, "blocks", ".*.retired")):
            chain.head = min(chain.head + 1, LENGTH - 1)
            until(lambda: _last(command) >= chain.head, process)
        # The newest two blocks are never part of it.
        ends = [_end(file) for file in (command.out / "blocks").rglob("*.parquet") if _joined(file)]
        assert max(ends) <= chain.head - 2

        # A reorganisation that reaches further than anybody thought is repaired all the same.
        chain.fork(min(ends))
        chain.head = reached = chain.head + 3
        other = against(server, tmp_path / "quiet", end=str(reached))
        assert other.run()[0] == 0
        until(lambda: _same(command, other), process)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)
    assert len(joined) >= 3
    same_tables(command, other)


def test_a_damaged_file_is_left_alone_and_the_job_completes(
    server: ReplayServer, tmp_path: Path
) -> None:
    command = in_small_files(server, tmp_path)
    victim = sorted((command.out / "logs").rglob("*.parquet"))[3]
    victim.write_bytes(victim.read_bytes()[:-100])

    code, _ = command.run()

    assert code == 0
    assert [len(names(command, table)) for table in ("blocks", "transactions")] == [1, 1]
    assert len(names(command, "logs")) == LENGTH / 10


def _last(command: Command) -> int:
    found = [_end(file) for file in (command.out / "blocks").rglob("*.parquet")]
    return max(found, default=-1)


def _end(file: Path) -> int:
    try:
        about = json.loads(pq.read_metadata(file).metadata[b"jobyard"])
    except FileNotFoundError:
        return -1
    end: int = about["ranges"][0]["numbers"]["end"]
    return end


def _joined(file: Path) -> bool:
    return bool(json.loads(pq.read_metadata(file).metadata[b"parent_file_ids"]))


def _same(one: Command, other: Command) -> bool:
    """Compare what lies in two folders, of which one is being written."""
    try:
        same_tables(one, other)
    except (AssertionError, FileNotFoundError, pa.ArrowInvalid):
        return False
    return True
