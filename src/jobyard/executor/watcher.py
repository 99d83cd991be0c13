"""Kill a worker's programs when the worker can no longer do it: a program that runs beside it.

Started as ``python -I -S watcher.py SESSION FOLDER...`` with the read end of a pipe as its stdin;
the folders (scratch, cgroups) are removed after a kill. It uses the standard library only, so what
it shares with the worker (reading ``/proc``) lives here.
The worker writes lines: ``start PID START_TIME``, ``end PID``, ``renew DEADLINE`` (on the
monotonic clock) and ``bye``. The pipe's end without a ``bye``, or a deadline that passes, kills
every program of the session.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from typing import NamedTuple

TICK = 1.0
"""How often, in seconds, the lines that piled up in the pipe are read; only its end wakes."""
PATIENCE = 10.0
"""How long, in seconds, a sweep waits for what it killed to be gone."""

DEAF_TO = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that a terminal or a supervisor sends to all; the watcher ends after its worker."""


class Stat(NamedTuple):
    """What ``/proc/PID/stat`` says about one process; ``start`` is in clock ticks since boot."""

    pid: int
    state: str
    parent: int
    group: int
    session: int
    start: int


def read_file(path: str, size: int = 1 << 16) -> bytes | None:
    """Read a file of ``/proc`` to its end, None when its process is gone or not to be seen."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    try:
        data = chunk = os.read(file, size)
        while chunk:
            chunk = os.read(file, size)
            data += chunk
    except ProcessLookupError:
        return None
    finally:
        os.close(file)
    return data


def read_stat(pid: int) -> Stat | None:
    """Read one process, None when there is none."""
    line = read_file(f"/proc/{pid}/stat")
    if not line:
        return None
    fields = line[line.rindex(b")") + 2 :].split(None, 20)
    return Stat(
        pid, fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19])
    )


def read_environ(pid: int) -> bytes:
    """Read the environment a process was started with; empty when it cannot be seen."""
    return read_file(f"/proc/{pid}/environ") or b""


def find_variable(environ: bytes, name: bytes) -> bytes | None:
    """Find one variable in an environment as the kernel shows it."""
    prefix = name + b"="
    for entry in environ.split(b"\0"):
        if entry.startswith(prefix):
            return entry[len(prefix) :]
    return None


def read_table() -> dict[int, Stat]:
    """Read every process of this machine that this process may see."""
    table = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (stat := read_stat(int(name))):
            table[stat.pid] = stat
    return table


def is_mine(pid: int) -> bool:
    """Tell whether a process belongs to the user that this one runs as."""
    try:
        return os.stat(f"/proc/{pid}").st_uid == os.geteuid()
    except (FileNotFoundError, ProcessLookupError):
        return False


def find_victims(session: str, leaders: dict[int, int]) -> list[Stat]:
    """Find the live processes of a session.

    Those are: the registered ``leaders`` (pid → start time), all in a leader's session, all that
    carry the session's marker, and all descendants of these.
    """
    table = read_table()
    marker = b"JOBYARD_SESSION=" + session.encode()
    found: set[int] = set()
    for pid, stat in table.items():
        since = leaders.get(stat.session)
        led = since is not None and stat.start >= since and _leader_is(table, stat.session, since)
        if led or leaders.get(pid) == stat.start or (_carries(pid, marker) and is_mine(pid)):
            found.add(pid)
    grown = True
    while grown:
        heirs = {pid for pid, stat in table.items() if stat.parent in found} - found
        found |= heirs
        grown = bool(heirs)
    found.discard(os.getpid())
    return [table[pid] for pid in found if table[pid].state not in "ZX"]


def _carries(pid: int, marker: bytes) -> bool:
    return marker in read_environ(pid).split(b"\0")


def _leader_is(table: dict[int, Stat], pid: int, start: int) -> bool:
    # While a session has members, the kernel does not give its leader's pid to another process;
    # a live holder of that pid with another start time means that the session is another one.
    leader = table.get(pid)
    return leader is None or leader.start == start


def kill(victim: Stat) -> int | None:
    """Kill one process and no other that got its pid since; return a pidfd to wait on."""
    try:
        pidfd = os.pidfd_open(victim.pid)
    except ProcessLookupError:
        return None
    now = read_stat(victim.pid)
    if now is None or now.start != victim.start:
        os.close(pidfd)
        return None
    with contextlib.suppress(ProcessLookupError, PermissionError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    return pidfd


def sweep(session: str, leaders: dict[int, int], patience: float = PATIENCE) -> int:
    """Kill a session's processes until a look finds none; return how many it killed.

    Blocks for at most about ``patience`` seconds, which only a process stuck in the kernel needs.
    """
    # The watcher runs without the package, so it reads the clock itself.
    give_up = time.monotonic() + patience
    killed: set[tuple[int, int]] = set()
    while victims := find_victims(session, leaders):
        poll = select.poll()
        pidfds = {pidfd for victim in victims if (pidfd := kill(victim)) is not None}
        for pidfd in pidfds:
            poll.register(pidfd, select.POLLIN)
        killed.update((victim.pid, victim.start) for victim in victims)
        waiting = set(pidfds)
        while waiting and (left := give_up - time.monotonic()) > 0:
            for pidfd, _ in poll.poll(left * 1000):
                poll.unregister(pidfd)
                waiting.discard(pidfd)
        for pidfd in pidfds:
            os.close(pidfd)
        if time.monotonic() >= give_up:
            break
    return len(killed)


class Watch:
    """What the watcher knows of its worker: whom it started, until when they may run."""

    def __init__(self, session: str) -> None:
        """Know nothing yet."""
        self.session = session
        self.leaders: dict[int, int] = {}
        self.deadline: float | None = None
        self.over = False
        self.farewell = False
        self._rest = b""

    def read(self, pipe: int) -> None:
        """Read every line that is there."""
        while not self.over:
            try:
                data = os.read(pipe, 1 << 16)
            except BlockingIOError:
                return
            if not data:
                self.over = True
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._take(line.split())

    def _take(self, words: list[bytes]) -> None:
        match words:
            case [b"start", pid, start]:
                self.leaders[int(pid)] = int(start)
            case [b"end", pid]:
                self.leaders.pop(int(pid), None)
            case [b"renew", deadline]:
                self.deadline = float(deadline)
            case [b"bye"]:
                self.farewell = True
            case _:
                # Half a line: its writer died in the middle of it.
                return

    def wait(self, pipe: int) -> None:
        """Wait for the pipe's end, at most one tick or until the deadline."""
        poll = select.poll()
        poll.register(pipe, 0)
        timeout = TICK
        if self.deadline is not None:
            timeout = min(timeout, max(0.0, self.deadline - time.monotonic()) or TICK)
        poll.poll(timeout * 1000 + 1)

    def late(self) -> bool:
        """Tell whether the last deadline has passed."""
        return self.deadline is not None and time.monotonic() >= self.deadline


def remove(folder: str) -> None:
    """Remove a scratch folder with all in it, or a cgroup, whose files cannot be removed."""
    for path, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(path)
    if os.path.exists(f"{folder}/cgroup.procs"):
        return
    # Only now: it costs memory that an idle watcher need not hold.
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def main(session: str, *folders: str) -> None:
    """Watch until the worker says goodbye or is gone."""
    signal.pthread_sigmask(signal.SIG_BLOCK, DEAF_TO)
    pipe = sys.stdin.fileno()
    os.set_blocking(pipe, False)
    watch = Watch(session)
    while True:
        watch.wait(pipe)
        watch.read(pipe)
        if watch.over:
            break
        if watch.late():
            sweep(session, watch.leaders)
    if not watch.farewell:
        sweep(session, watch.leaders)
        for folder in folders:
            remove(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
