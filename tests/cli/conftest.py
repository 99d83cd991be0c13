"""The command line as a person has it: real processes in a folder of their own."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.starter import Starter

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(__file__).parents[2] / "src"
PATIENCE = 60

Done = subprocess.CompletedProcess[str]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBYARD_")}
    return {**kept, "PYTHONPATH": str(SOURCE), "NO_COLOR": "1", **more}


class CommandLine:
    """Runs commands in a folder; ends whatever still serves there."""

    def __init__(self, folder: Path, starter: Starter) -> None:
        self.folder = folder
        self._starter = starter
        self.served: list[Service] = []

    def __call__(self, *args: str, stdin: str = "", **env: str) -> Done:
        return self._starter.run(args, self.folder, environment(**env), stdin, PATIENCE)

    def ok(self, *args: str, stdin: str = "", **env: str) -> str:
        done = self(*args, stdin=stdin, **env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def serve(self, *args: str, until: str) -> Service:
        service = Service(self.folder, args)
        self.served.append(service)
        service.wait_for(until)
        return service


class Service:
    """A command that runs until it is told to end; its stderr is read line by line."""

    def __init__(self, folder: Path, args: tuple[str, ...]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jobyard", *args],
            cwd=folder,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._queue.put(line)
        self._queue.put(None)

    def wait_for(self, text: str) -> str:
        while True:
            line = self._queue.get(timeout=PATIENCE)
            assert line is not None, f"ended before it said {text!r}: {self.lines}"
            self.lines.append(line)
            if text in line:
                return line

    def rest(self) -> list[str]:
        """Read what was said after what was waited for; only of one that has ended."""
        return list(iter(self._queue.get, None))

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self._reader.join(PATIENCE)
            assert self.process.stderr is not None
            self.process.stderr.close()


@pytest.fixture(scope="session")
def starter() -> Iterator[Starter]:
    """What starts the commands of all tests."""
    starting = Starter(environment())
    yield starting
    starting.close()


@pytest.fixture
def jobyard(tmp_path: Path, starter: Starter) -> Iterator[CommandLine]:
    """The command line in an empty folder."""
    line = CommandLine(tmp_path, starter)
    yield line
    for service in reversed(line.served):
        # Killed, not asked: a test that wants a clean end asks for it itself.
        service.end(signal.SIGKILL)


@pytest.fixture
def solo(jobyard: CommandLine) -> Service:
    """A solo in the folder of ``jobyard``, on a port of its own."""
    return jobyard.serve("solo", "--port", "0", "--slots", "2", until="listening on")
