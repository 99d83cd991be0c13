"""Real workers and controllers as processes of their own, to be killed, frozen and restarted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
READY = {
    "worker": "worker ready",
    "controller": "controller ready",
    "server": "listening on",
    "solo": "listening on",
}
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "NO_COLOR": "1"}


class Service:
    """A `jobyard` process; what it logs is read until it says that it is ready."""

    def __init__(self, process: subprocess.Popen[bytes], kind: str) -> None:
        self.process = process
        self.kind = kind
        self.drainer: subprocess.Popen[bytes] | None = None
        self.last_line = ""
        """What it said when it was ready; of a server, with its address at the end."""

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_until_ready(self) -> None:
        assert self.process.stderr is not None
        said = []
        for line in self.process.stderr:
            said.append(line)
            if READY[self.kind].encode() in line:
                self.last_line = line.decode()
                return
        raise AssertionError(f"{self.kind} ended: {b''.join(said).decode()}")

    def drain(self) -> None:
        """Swallow what it says from now on, lest it fills the pipe and stops."""
        self.drainer = subprocess.Popen(
            ["cat"], stdin=self.process.stderr, stdout=subprocess.DEVNULL
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def end(self) -> None:
        """End it as an operator would, and at once if it does not."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
        if self.process.stderr is not None:
            self.process.stderr.close()
        if self.drainer is not None:
            self.drainer.kill()
            self.drainer.wait()


class Services:
    """Starts services on one store, and ends them with the test."""

    def __init__(self, folder: Path, database: str | None) -> None:
        self.folder = folder
        self.database = database
        self._started: list[Service] = []

    def command(self, *words: str) -> list[str]:
        where = ["--state-dir", str(self.folder)]
        if self.database is not None:
            where += ["--database", self.database]
        end = words.index("--") if "--" in words else len(words)
        return [sys.executable, "-m", "jobyard", *words[:end], *where, *words[end:]]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.command(*words),
            cwd=ROOT,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, kind: str, *flags: str) -> Service:
        return self.launch(self.command(kind, *flags), kind)

    def launch(self, command: list[str], kind: str) -> Service:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env=ENVIRONMENT,
        )
        service = Service(process, kind)
        self._started.append(service)
        service.wait_until_ready()
        service.drain()
        return service

    def worker(self, *, slots: int = 8, lease: float = 2.0) -> Service:
        return self.start("worker", "--slots", str(slots), "--lease", f"{lease}s")

    def end(self) -> None:
        for service in reversed(self._started):
            service.end()


@contextmanager
def services_on(folder: Path, database: str | None) -> Iterator[Services]:
    services = Services(folder, database)
    try:
        yield services
    finally:
        services.end()


def processes_marked(word: str) -> list[int]:
    """Find processes whose environment holds a word, such as an attempt's own variable."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            environ = (entry / "environ").read_bytes()
        except OSError:
            continue
        if word.encode() in environ:
            found.append(int(entry.name))
    return found
