"""The worker's side of its watcher: start it, tell it things, start another when it dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from jobyard import clock
from jobyard.executor import strays, watcher

if TYPE_CHECKING:
    from collections.abc import Sequence

_PIPE_BUF = 4096
"""Writes up to this many bytes to a pipe are whole or not at all, whoever else writes."""
_CAPACITY = 1 << 20
"""How many bytes of lines may pile up between two looks of the watcher."""

_YOUNG = 1.0
"""Seconds of life below which a watcher's death may be no accident."""


class Guard:
    """A watcher that runs beside this process. ``renew`` may be called from any thread."""

    def __init__(self, session: str, folders: Sequence[str]) -> None:
        """Guard the programs of ``session``, and folders to remove after them; nothing runs yet."""
        self.session = session
        self._folders = folders
        self._lock = threading.Lock()
        self._pipe = -1
        self._alive: dict[int, int] = {}
        self._lines: list[bytes] = []
        self._deadline: float | None = None
        self._told: float | None = None
        self._started_at = 0.0
        self.lost = False
        self.pid = 0
        self.pidfd = -1

    def start(self) -> None:
        """Start a watcher and tell it everything; also instead of one that died."""
        with self._lock:
            self._reap()
            reading, self._pipe = os.pipe2(os.O_CLOEXEC)
            # Where the user's pipe quota is used up the watcher makes do with what it gets.
            with contextlib.suppress(OSError):
                fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, _CAPACITY)
            os.set_blocking(self._pipe, False)
            child = self._spawn(reading)
            child.returncode = 0
            os.close(reading)
            self.pid = child.pid
            self.pidfd = os.pidfd_open(child.pid)
            strays.KNOWN[child.pid] = None
            self.lost = False
            self._started_at = clock.monotonic()
            self._told = None
            self._lines = [b"start %d %d\n" % item for item in self._alive.items()]
            self._write()

    def _spawn(self, reading: int) -> subprocess.Popen[bytes]:
        program = str(Path(watcher.__file__))
        # It inherits the mask: whoever signals everything, as systemd does, must not end it first.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, watcher.DEAF_TO)
        try:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", program, self.session, *self._folders],
                stdin=reading,
                stdout=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def began(self, pid: int, start_time: int) -> None:
        """Register a process group, or a stray; ``flush`` tells the watcher."""
        self._alive[pid] = start_time
        self._lines.append(b"start %d %d\n" % (pid, start_time))

    def ended(self, pid: int) -> None:
        """Take back what ``began`` said."""
        if self._alive.pop(pid, None) is not None:
            self._lines.append(b"end %d\n" % pid)

    def flush(self) -> None:
        """Tell the watcher what was registered since; what does not fit waits for the next call."""
        if self._lines or self._told != self._deadline:
            with self._lock:
                self._write()

    def renew(self, deadline: float) -> None:
        """Let the programs go on until ``deadline`` on this machine's monotonic clock."""
        with self._lock:
            self._deadline = deadline
            self._write_deadline()

    def delay(self) -> float:
        """Tell how long to wait before the next watcher: not at all unless this one died young."""
        return 0.0 if clock.monotonic() - self._started_at > _YOUNG else _YOUNG

    def close(self) -> bool:
        """Say goodbye: nothing is left to kill. Tell whether a watcher is there, which now ends."""
        with self._lock:
            if self.lost:
                return False
            self._lines.append(b"bye\n")
            self._write()
            os.close(self._pipe)
            self._pipe = -1
        return True

    def reap(self) -> None:
        """Reap a watcher that ended."""
        with self._lock:
            self._reap()

    def _reap(self) -> None:
        if self.pid:
            os.waitpid(self.pid, 0)
            os.close(self.pidfd)
            strays.KNOWN.pop(self.pid, None)
            self.pid = 0
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1

    def _write(self) -> None:
        if self._told != self._deadline:
            self._write_deadline()
        lines = self._lines
        written = 0
        while written < len(lines):
            size = 0
            end = written
            while end < len(lines) and size + len(lines[end]) <= _PIPE_BUF:
                size += len(lines[end])
                end += 1
            if not self._put(b"".join(lines[written:end])):
                break
            written = end
        del lines[:written]

    def _write_deadline(self) -> None:
        if self._deadline is not None and self._put(b"renew %r\n" % self._deadline):
            self._told = self._deadline

    def _put(self, text: bytes) -> bool:
        if self._pipe < 0:
            return False
        try:
            os.write(self._pipe, text)
        except BlockingIOError:
            return False
        except BrokenPipeError:
            # It died; its pidfd says so in a moment, and the next one is told everything.
            return False
        return True
