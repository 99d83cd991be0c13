"""Processes that left their program (``setsid``, double fork): whose they are, and their end.

This process is a subreaper: when a parent dies its children become ours. So once a leader is
dead, whatever is left of its tree hangs from children of ours that we did not start: the strays.
If there are none, the tree is gone; that is read from one file. Children and subreaping belong to
the whole process, and so does the table of those known here.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Protocol

from jobyard.executor import environment, tree
from jobyard.executor.watcher import find_variable, read_environ, read_stat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobyard.executor.watcher import Stat

_ATTEMPT = environment.ATTEMPT.encode()
_SESSION = environment.SESSION.encode()


class Suspect(Protocol):
    """A program that a stray may belong to."""

    pid: int
    start_time: int
    marker: tuple[bytes, bytes]
    """Its worker session and attempt id, as its environment says them."""
    dying: bool
    """Whether its leader has ended."""
    doomed: set[tuple[int, int]]
    """Pid and start time of processes that were seen below it when it was killed."""
    cpu_seconds: float
    """What processes of it that were reaped have used."""
    strays: set[Stray]
    """The strays that its end waits for."""

    def holds(self, pipes: set[str]) -> bool:
        """Tell whether one of these (``pipe:[inode]``) is its stdout or stderr."""

    def hold(self, pid: int) -> None:
        """Hold one more process to its limits."""

    def stray_gone(self) -> None:
        """Learn that a stray that its end may have waited for is gone."""


class Stray:
    """One process that is our child by adoption, and the programs it may belong to."""

    __slots__ = ("pid", "pidfd", "stat", "suspects")

    def __init__(self, pid: int, pidfd: int, stat: Stat, suspects: set[Suspect]) -> None:
        """Know it; ``suspects`` shrinks as programs end, and when none is left it is killed."""
        self.pid = pid
        self.pidfd = pidfd
        self.stat = stat
        self.suspects = suspects


KNOWN: dict[int, Suspect | None] = {}
"""Children that we started: leader's pid → program; a watcher's pid → None."""
_STRAYS: dict[int, Stray] = {}
_SPARED: set[tuple[int, int]] = set()
"""Pid and start time of children that were here before any program."""


def spare_present() -> None:
    """Remember the children that are here now as none of any program; before the first starts."""
    if not any(KNOWN.values()):
        found = map(read_stat, tree.read_children(os.getpid()))
        _SPARED.update((stat.pid, stat.start) for stat in found if stat)


def find() -> Iterator[Stray]:
    """Find strays that were not known yet; each is to be watched through its pidfd.

    One whose programs have all ended is killed here.
    """
    me = os.getpid()
    for pid in tree.read_children(me):
        if pid in KNOWN or pid in _STRAYS:
            continue
        stat = read_stat(pid)
        suspects = _suspect(stat) if stat else None
        if stat is None or suspects is None:
            continue
        stray = Stray(pid, os.pidfd_open(pid), stat, suspects)
        _STRAYS[pid] = stray
        _judge(stray, stray.suspects)
        yield stray


def leader_ended(program: Suspect) -> None:
    """Kill the strays that can only be this program's, now that its leader has ended."""
    for stray in list(_STRAYS.values()):
        if program in stray.suspects:
            _judge(stray, {program})


def gone(stray: Stray) -> tuple[float, set[Suspect]]:
    """Reap a stray that has ended; return its CPU seconds and the programs that waited for it."""
    _STRAYS.pop(stray.pid, None)
    os.close(stray.pidfd)
    try:
        _, _, usage = os.wait4(stray.pid, 0)
    except ChildProcessError:
        # Somebody else in this process reaped it: its end is all that matters.
        return 0.0, _release(stray)
    return usage.ru_utime + usage.ru_stime, _release(stray)


def of(program: Suspect) -> list[Stat]:
    """List the strays that can only be this program's."""
    return [stray.stat for stray in _STRAYS.values() if stray.suspects == {program}]


def forget(stray: Stray) -> None:
    """Stop watching a stray that belongs to others; they will find it again."""
    _STRAYS.pop(stray.pid, None)
    os.close(stray.pidfd)
    _release(stray)


def _release(stray: Stray) -> set[Suspect]:
    for program in stray.suspects:
        if stray in program.strays:
            program.strays.discard(stray)
            program.stray_gone()
    return stray.suspects


def _judge(stray: Stray, ended: set[Suspect]) -> None:
    if any(not program.dying for program in stray.suspects):
        return
    for program in ended:
        program.strays.add(stray)
    below = tree.read_descendants(stray.pid)
    for program in ended:
        program.doomed.update((stat.pid, stat.start) for stat in below)
    if stray.stat.session not in KNOWN:
        tree.send_group(stray.stat.group, signal.SIGKILL)
    signal.pidfd_send_signal(stray.pidfd, signal.SIGKILL)
    for stat in below:
        tree.send(stat, signal.SIGKILL)


def _suspect(stat: Stat) -> set[Suspect] | None:
    """Tell which programs a child of ours may belong to, None if to none of them.

    Nothing of a program can join this process's own session, and a child that was there before
    any program cannot be theirs: such children other code of this process has started.
    """
    if stat.session == os.getsid(0) or (stat.pid, stat.start) in _SPARED:
        return None
    led = KNOWN.get(stat.session)
    if led is not None:
        return {led}
    programs = [program for program in KNOWN.values() if program is not None]
    for program in programs:
        if (stat.pid, stat.start) in program.doomed:
            return {program}
    environ = read_environ(stat.pid)
    marker = (find_variable(environ, _SESSION), find_variable(environ, _ATTEMPT))
    marked = {program for program in programs if program.marker == marker}
    if marked or any(program.marker[0] == marker[0] for program in programs):
        return marked
    # Its environment was wiped; perhaps it still holds an output that only its program has.
    pipes = _read_pipes(stat.pid)
    holders = {program for program in programs if pipes and program.holds(pipes)}
    if len(holders) == 1:
        return holders
    return {program for program in programs if program.start_time <= stat.start} or None


def _read_pipes(pid: int) -> set[str]:
    try:
        links = {_read_link(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return set()
    return {link for link in links if link.startswith("pipe:")}


def _read_link(path: str) -> str:
    try:
        return os.readlink(path)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""
