"""Extractions by the command, against a chain that is played in this process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Sequence

DATA = Path(__file__).parents[1] / "data"
MINTED = DATA / "anvil-prague.ndjson.gz"
SOURCE = str(Path(__file__).parents[2] / "src")
TABLES = ("blocks", "transactions", "logs")
PATIENCE = 120
"""Seconds after which a command that does not end is taken for hung."""


class Command:
    """`jobyard extract` with its state and its files in a folder of a test's own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.out = folder / "out"
        self.arguments = arguments

    def start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                sys.executable, "-m", "jobyard", "extract", *self.arguments,
                "--out", str(self.out), "--state-dir", str(self.folder / "state"), "--json",
            ],
            env={**os.environ, "PYTHONPATH": SOURCE},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self) -> tuple[int, dict[str, Any]]:
        with self.start() as process:
            said, told = process.communicate(timeout=PATIENCE)
        assert said, told.decode()
        answer: dict[str, Any] = json.loads(said)
        return process.returncode, answer

    def rows(self, table: str, order: Sequence[str]) -> pa.Table:
        """Read all files that lie there, as any reader of the folder would."""
        files = sorted((self.out / table).rglob("*.parquet"))
        found = pa.concat_tables([pq.read_table(file) for file in files])
        return found.sort_by([(name, "ascending") for name in order])


ORDERS = {
    "blocks": ("_block_num",),
    "transactions": ("_block_num", "tx_index"),
    "logs": ("_block_num", "log_index"),
}


def same_tables(one: Command, other: Command) -> None:
    """Compare what lies in two folders, row for row."""
    for table, order in ORDERS.items():
        ours, theirs = one.rows(table, order), other.rows(table, order)
        assert ours.num_rows == theirs.num_rows, table
        assert ours.equals(theirs), table


def programs_of(parent: int) -> list[int]:
    """Find the programs that extract, below a process."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid = int(stat.parent.name)
            above = int(stat.read_text().rpartition(")")[2].split()[1])
            line = (stat.parent / "cmdline").read_bytes()
        except (OSError, ValueError):
            continue
        if above == parent and b"jobyard.data" in line:
            found.append(pid)
    return found


def kill(pid: int) -> bool:
    """Kill a process; tell whether it was there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
