"""Start commands quickly: processes of their own, born of one that has imported the program.

Most of what a short command takes is importing. A starter imports once and forks for each command,
so a command is a process with its own folder, environment, streams and end, as from a shell. What
is imported when, and how long that takes, is for tests that start a Python of their own.
"""

from __future__ import annotations

import array
import gc
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

IMPORTED = (
    "jobyard.api.app",
    "jobyard.api.serve",
    "jobyard.cli.dataset",
    "jobyard.cli.documents",
    "jobyard.cli.explain",
    "jobyard.cli.files",
    "jobyard.cli.job",
    "jobyard.cli.removal",
    "jobyard.cli.retry",
    "jobyard.cli.run",
    "jobyard.cli.run_here",
    "jobyard.cli.run_there",
    "jobyard.cli.services",
    "jobyard.cli.submit",
    "jobyard.cli.upkeep",
    "jobyard.cli.waiting",
    "jobyard.cli.watch",
    "jobyard.cli.worker",
    "jobyard.client",
)
FRAME = 1 << 20
"""Bytes of a command line and its environment, more than a kernel would take."""
STREAMS = socket.CMSG_SPACE(3 * array.array("i").itemsize)
"""Bytes of a message beside a frame that hands over three files."""


class Starter:
    """Runs commands one at a time, each in a process of its own."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, str(Path(__file__)), str(theirs.fileno())],
                env=dict(env),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

    def run(
        self, args: Sequence[str], folder: Path, env: Mapping[str, str], stdin: str, patience: float
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, which must come within ``patience`` seconds."""
        with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
            given.write(stdin.encode())
            given.seek(0)
            asked = json.dumps([list(args), str(folder), dict(env)]).encode()
            socket.send_fds(self._socket, [asked], [file.fileno() for file in (given, out, err)])
            pid = json.loads(self._socket.recv(FRAME))
            self._socket.settimeout(patience)
            try:
                code = json.loads(self._socket.recv(FRAME))
            except TimeoutError:
                self._socket.settimeout(None)
                os.kill(pid, signal.SIGKILL)
                self._socket.recv(FRAME)
                raise subprocess.TimeoutExpired(list(args), patience, _text(out)) from None
            return subprocess.CompletedProcess(list(args), code, _text(out), _text(err))

    def close(self) -> None:
        """End the starter."""
        self._socket.close()
        self._process.wait()


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def serve(asking: socket.socket) -> None:
    """Fork for each command that is asked for; tell its exit code."""
    import importlib

    from jobyard.cli import main

    for name in IMPORTED:
        importlib.import_module(name)
    # What is frozen is not looked at, and so not copied, when a child ends.
    gc.freeze()
    while True:
        asked, given, _, _ = asking.recvmsg(FRAME, STREAMS)
        if not asked:
            return
        streams = array.array("i", given[0][2])
        pid = os.fork()
        if not pid:
            args, folder, env = json.loads(asked)
            _become(args, folder, env, streams)
            asking.close()
            main()
        asking.send(json.dumps(pid).encode())
        for stream in streams:
            os.close(stream)
        _, status = os.waitpid(pid, 0)
        asking.send(json.dumps(os.waitstatus_to_exitcode(status)).encode())


def _become(args: list[str], folder: str, env: dict[str, Any], streams: Sequence[int]) -> None:
    os.chdir(folder)
    # This process is about to be another one's, which reads its own environment.
    os.environ.clear()  # noqa: TID251
    os.environ.update(env)  # noqa: TID251
    sys.argv = ["jobyard", *args]
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
        os.close(stream)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
