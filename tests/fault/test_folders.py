"""What lies in folders and what the store knows: left-over files go, other writers' do not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fault.extracting import MINTED, TABLES, Command, kill, programs_of, same_tables
from tests.fault.test_compaction import LENGTH, against, names, until

from jobyard.testing.replay import serving
from jobyard.testing.replay_chain import ReplayChain
from jobyard.testing.replay_faults import Faults

if TYPE_CHECKING:
    from collections.abc import Sequence

SOMEBODYS = "000000016-fresh.parquet"


def folder(command: Command, table: str) -> Path:
    (found,) = (command.out / table).iterdir()
    return found


def index_of(pid: int) -> str:
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    (found,) = (each for each in variables if each.startswith(b"JOB_COMPLETION_INDEX="))
    return found.partition(b"=")[2].decode()


def leave_behind(there: Path, *left: str) -> None:
    (first, *_) = there.glob("[!.]*.parquet")
    for name in left:
        shutil.copy(first, there / name)


def verified(command: Command, *more: str) -> subprocess.CompletedProcess[str]:
    state = ("--state-dir", str(command.folder / "state"))
    return subprocess.run(
        [sys.executable, "-m", "jobyard", "verify", str(command.out), *more, *state],
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "src"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_no_table_has_is_removed_but_what_another_writer_has_begun_is_not(
    tmp_path: Path,
) -> None:
    with serving(ReplayChain.read(MINTED, length=LENGTH)) as server:
        assert against(server, tmp_path, end="7").run()[0] == 0
        command = against(server, tmp_path, "--parallelism", "2")
        there = folder(command, "blocks")
        left = ("000000000-left.parquet", "000000016-left.parquet", ".000000016-l.parquet.part")
        leave_behind(there, *left)
        server.faults = Faults(seed=1, hang=1.0)
        process = command.start()
        # Both writers have looked at their blocks when what was left of these is gone.
        until(lambda: not any((there / name).exists() for name in left), process)

        leave_behind(there, SOMEBODYS, f".{SOMEBODYS}.part", left[0])
        first = [pid for pid in programs_of(process.pid) if index_of(pid) == "0"]
        assert [kill(pid) for pid in first] == [True]
        until(lambda: not (there / left[0]).exists(), process)

        assert (there / SOMEBODYS).exists()
        assert (there / f".{SOMEBODYS}.part").exists()
        process.kill()
        process.communicate()
        server.faults = Faults()
        assert command.run()[0] == 0
    assert not (there / SOMEBODYS).exists()
    assert _covered(names(command, "blocks")) == len(set(names(command, "blocks")))


def test_a_folder_that_lost_files_says_what_brings_them_back(tmp_path: Path) -> None:
    with serving(ReplayChain.read(MINTED, length=LENGTH)) as server:
        quiet = against(server, tmp_path / "quiet")
        command = against(server, tmp_path / "lossy", "--file-blocks", "60")
        assert [one.run()[0] for one in (quiet, command)] == [0, 0]
        lost = [sorted(folder(command, table).glob("*.parquet"))[1] for table in TABLES]
        for file in lost:
            file.unlink()

        code, answer = command.run()
        detail = answer["progress"]["detail"]
        assert (code, detail["error_code"]) == (1, "DATA_FILE_MISSING")
        assert f"`jobyard verify {command.out} --quarantine`" in detail["hint"]

        said = verified(command, "--quarantine")
        assert said.returncode == 1
        assert all(f"damaged: {file.name}: is not in" in said.stdout for file in lost)
        assert "the same `jobyard extract` once more" in said.stderr
        assert command.run()[0] == 0
        same_tables(command, quiet)
        assert verified(command).returncode == 0


def _covered(found: Sequence[str]) -> int:
    return len({name.partition("-")[0] for name in found})
