"""One process that runs: its pipes, its clock, its limits, and how it is asked to end."""

from __future__ import annotations

import math
import os
import signal
from typing import TYPE_CHECKING

from jobyard import clock
from jobyard.executor import scratch, strays, tree
from jobyard.executor.base import STDERR, STDOUT, Exit, Usage
from jobyard.executor.spawn import NOT_EXECUTABLE

if TYPE_CHECKING:
    import asyncio

    from jobyard.executor.base import Launch, Observer
    from jobyard.executor.limits import Limit
    from jobyard.executor.reactor import Reactor
    from jobyard.executor.spawn import Spawned
    from jobyard.executor.strays import Stray
    from jobyard.executor.watcher import Stat

READ_SIZE = 1 << 16
OOM_EXIT = 137


class Pipe:
    """The reading end of a program's stdout or stderr; ``fd`` is -1 once it is closed."""

    __slots__ = ("fd", "run", "stream")

    def __init__(self, fd: int, stream: int, run: RunningProcess) -> None:
        """Belong to a program."""
        self.fd = fd
        self.stream = stream
        self.run = run


class RunningProcess:
    """A program that runs as a process tree; all its steps are driven by its ``Reactor``."""

    __slots__ = (
        "_grace_timer",
        "_kill_at",
        "_oom",
        "_peak",
        "_progress_seen",
        "_reactor",
        "_start_error",
        "_started_at",
        "_status",
        "_timed_out",
        "_timeout_timer",
        "cpu_seconds",
        "doomed",
        "drain_timer",
        "dying",
        "launch",
        "limits",
        "marker",
        "observer",
        "paused",
        "pid",
        "pidfd",
        "pipes",
        "reaped",
        "scratch",
        "start_time",
        "strays",
    )

    def __init__(
        self,
        *,
        reactor: Reactor,
        launch: Launch,
        observer: Observer,
        spawned: Spawned,
        folder: str,
        session: str,
        started_at: float,
    ) -> None:
        """Take over a process that was just started."""
        self._reactor = reactor
        self.launch = launch
        self.observer = observer
        self.pid = spawned.pid
        self.pidfd = spawned.pidfd
        self.pipes = (Pipe(spawned.stdout, STDOUT, self), Pipe(spawned.stderr, STDERR, self))
        self.scratch = folder
        self.marker = (session.encode(), str(launch.attempt_id).encode())
        self.limits: list[Limit] = []
        self.start_time = spawned.start_time
        self.dying = False
        self.reaped = False
        self.paused = False
        self._status = 0
        self.cpu_seconds = 0.0
        self.doomed: set[tuple[int, int]] = set()
        self.strays: set[Stray] = set()
        self.drain_timer: asyncio.TimerHandle | None = None
        self._peak = 0
        self._oom = False
        self._start_error: str | None = None
        self._timed_out = False
        self._kill_at = math.inf
        self._grace_timer: asyncio.TimerHandle | None = None
        self._timeout_timer: asyncio.TimerHandle | None = None
        self._progress_seen: tuple[int, int] | None = None
        self._started_at = started_at
        timeout = launch.program.attempt_timeout
        if timeout is not None:
            self._timeout_timer = reactor.loop.call_later(timeout, self._time_out)

    def stop(self, grace: float) -> None:
        """Send SIGTERM to all of the tree, SIGKILL after ``grace`` seconds; never lengthens."""
        if self.dying:
            return
        kill_at = clock.monotonic() + grace
        if kill_at >= self._kill_at:
            return
        first = self._kill_at == math.inf
        self._kill_at = kill_at
        if self._grace_timer:
            self._grace_timer.cancel()
        if grace <= 0:
            self.kill()
            return
        self._grace_timer = self._reactor.loop.call_later(grace, self.kill)
        if first:
            tree.send_group(self.pid, signal.SIGTERM)
            for stat in self._outsiders():
                tree.send(stat, signal.SIGTERM)

    def kill(self) -> None:
        """Kill the tree as it stands; what hides from this look is found when the leader ends."""
        if self.dying:
            return
        outsiders = self._outsiders()
        self.doomed.update((stat.pid, stat.start) for stat in outsiders)
        tree.send_group(self.pid, signal.SIGKILL)
        for stat in outsiders:
            tree.send(stat, signal.SIGKILL)

    def hold(self, pid: int) -> None:
        """Hold a process of its tree, and all below that, to its limits."""
        for limit in self.limits:
            limit.enter(pid, self.members)

    def refuse(self, sentence: str) -> None:
        """Kill it because it may not run the way it has to; ``sentence`` becomes its end."""
        self._start_error = sentence
        self.kill()

    def pause_output(self) -> None:
        """Leave its output in the pipes until ``resume_output``, or until its tree is gone."""
        if not self.paused and not self.reaped:
            self.paused = True
            self._reactor.watch_pipes(self, watch=False)

    def resume_output(self) -> None:
        """Read its output again."""
        if self.paused:
            self.paused = False
            self._reactor.watch_pipes(self, watch=True)

    def members(self) -> list[int]:
        """List the pids of its tree, leader first."""
        roots = [self.pid, *(stat.pid for stat in strays.of(self))]
        below = [stat.pid for root in roots for stat in tree.read_descendants(root)]
        return list(dict.fromkeys((*roots, *below)))

    def holds(self, pipes: set[str]) -> bool:
        """Tell whether one of these (``pipe:[inode]``) is its stdout or stderr."""
        return any(
            pipe.fd >= 0 and f"pipe:[{os.fstat(pipe.fd).st_ino}]" in pipes for pipe in self.pipes
        )

    def stray_gone(self) -> None:
        """Learn that a stray that its end may have waited for is gone."""
        self._reactor.settle_soon()

    def _outsiders(self) -> list[Stat]:
        """List what left the process group: signals to the group do not reach it."""
        below = tree.read_descendants(self.pid)
        for stray in strays.of(self):
            below += (stray, *tree.read_descendants(stray.pid))
        return [stat for stat in below if stat.group != self.pid]

    def _time_out(self) -> None:
        if not self.dying and self._kill_at == math.inf:
            self._timed_out = True
            self.stop(self.launch.grace)

    def check_limit(self) -> None:
        """Kill it if it breached its memory limit."""
        if not self._oom and not self.dying and self._breached():
            self._oom = True
            self.kill()

    def _breached(self) -> bool:
        return any(limit.breached() for limit in self.limits)

    def sample_peak(self) -> None:
        """Take note of the most memory its leader held so far."""
        self._peak = max(self._peak, tree.read_peak(self.pid))

    def report_progress(self) -> None:
        """Tell the progress it wrote, if that changed."""
        try:
            stat = os.stat(f"{self.scratch}/progress")
        except FileNotFoundError:
            return
        seen = (stat.st_mtime_ns, stat.st_size)
        if seen == self._progress_seen:
            return
        progress = scratch.read_progress(self.scratch)
        if progress is not None:
            self._progress_seen = seen
            self._reactor.tell(self.observer.progress, *progress)

    def leader_ended(self) -> None:
        """Note that the leader ended: kill its group and the strays that can only be its own."""
        self.dying = True
        for timer in (self._grace_timer, self._timeout_timer):
            if timer:
                timer.cancel()
        tree.send_group(self.pid, signal.SIGKILL)
        strays.leader_ended(self)

    def reap(self, own_peak: int) -> None:
        """Reap the leader, last of its tree, so that its pid stayed its own until now.

        A process starts as a copy of this one: the kernel counts our own memory (``own_peak``)
        into its high-water mark, which therefore says something only when it is larger.
        """
        _, self._status, usage = os.wait4(self.pid, 0)
        self.reaped = True
        self.cpu_seconds += usage.ru_utime + usage.ru_stime
        peak = usage.ru_maxrss * 1024
        if peak > own_peak:
            self._peak = max(self._peak, peak)
        if self.limits:
            self._oom = self._oom or self._breached()
            self._peak = max(limit.peak() for limit in self.limits) or self._peak
            for limit in self.limits:
                limit.close()

    def conclude(self, result: object, retry: str | None) -> Exit:
        """Say how it ended."""
        code = os.waitstatus_to_exitcode(self._status)
        usage = Usage(self.cpu_seconds, self._peak, clock.monotonic() - self._started_at)
        number = -code if code < 0 else None
        code = 128 - code if code < 0 else code
        if self._oom:
            number, code = signal.SIGKILL.value, OOM_EXIT
        if self._start_error:
            number, code = None, NOT_EXECUTABLE
        return Exit(
            exit_code=code,
            signal=number,
            start_error=self._start_error,
            oom=self._oom,
            timed_out=self._timed_out,
            retry=retry,
            result=result,
            usage=usage,
        )
