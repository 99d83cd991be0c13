"""What happens to running programs, driven by callbacks: nothing waits for a single one.

Pipes and pidfds of all programs hang in one epoll set, which the event loop knows as one file.
Life of a program: spawned → its leader ends (pidfd) → its group is killed → strays are looked
for, killed and reaped → the leader is reaped → the pipes are drained → ``ended`` is told.
"""

from __future__ import annotations

import asyncio
import functools
import os
import resource
import select
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobyard.executor import scratch, strays
from jobyard.executor.base import STDERR, Exit, Handle
from jobyard.executor.running import READ_SIZE, Pipe, RunningProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobyard.executor.base import Observer
    from jobyard.executor.guard import Guard
    from jobyard.executor.limits import Limit
    from jobyard.executor.strays import Stray

_NAME = "process"
_MAX_EVENTS = 512
_MAX_READS = 32
"""How often a pipe is read without a break: more than any pipe holds."""


@functools.cache
def boot_id() -> str:
    """Read the id of this boot: after another one, pids and start times mean nothing."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


class Reactor:
    """All programs of one executor: takes what happens to them and tells their observers.

    Args:
        guard: is told of every process group; its watcher must be running.
        folders: where scratch folders go back to.
        drain: seconds that a pipe may stay open after its program's tree is gone.
        tick: seconds between two looks at progress files and strays while programs run.
        sample: seconds between two looks at the memory of limited programs.

    """

    def __init__(
        self, guard: Guard, folders: scratch.Folders, *, drain: float, tick: float, sample: float
    ) -> None:
        """Begin to listen in the running event loop."""
        self.loop = asyncio.get_running_loop()
        self._guard = guard
        self._folders = folders
        self._drain = drain
        self._tick = tick
        self._sample = sample
        self._runs: dict[int, RunningProcess] = {}
        self._pipes: dict[int, Pipe] = {}
        self._unconcluded = 0
        self._ending: list[RunningProcess] = []
        self._strays: dict[int, Stray] = {}
        self._newborn: list[tuple[Observer, Handle | Exit]] = []
        self._flushing = False
        self._tick_timer: asyncio.TimerHandle | None = None
        self._sample_timer: asyncio.TimerHandle | None = None
        self._removals: set[asyncio.Future[None]] = set()
        self._all_ended: asyncio.Event | None = None
        self._watcher_gone: asyncio.Event | None = None
        self._epoll = select.epoll()
        self._epoll.register(guard.pidfd, select.EPOLLIN)
        self.loop.add_reader(self._epoll.fileno(), self._turn)

    def enter(self, run: RunningProcess) -> None:
        """Take in a program that was just started."""
        strays.KNOWN[run.pid] = run
        self._runs[run.pidfd] = run
        self._unconcluded += 1
        self._epoll.register(run.pidfd, select.EPOLLIN)
        for pipe in run.pipes:
            self._pipes[pipe.fd] = pipe
            self._epoll.register(pipe.fd, select.EPOLLIN)
        self._guard.began(run.pid, run.start_time)
        state = {"pid": run.pid, "start_time": run.start_time, "boot_id": boot_id()}
        self.tell_soon(run.observer, Handle(_NAME, state))
        if self._tick_timer is None:
            self._tick_timer = self.loop.call_later(self._tick, self._look)

    def hold(self, run: RunningProcess, held: list[Limit]) -> None:
        """Hold a program to its limits; one that cannot be held is killed."""
        run.limits = held
        try:
            run.hold(run.pid)
        except OSError as error:
            run.refuse(f"it cannot be held to its limits: {error}")
        if self._sample_timer is None:
            self._sample_timer = self.loop.call_later(self._sample, self._look_at_memory)

    def tell_soon(self, observer: Observer, news: Handle | Exit) -> None:
        """Tell where a program runs, or that it could not start, in the loop's next turn."""
        self._newborn.append((observer, news))
        if not self._flushing:
            self._flushing = True
            self.loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        newborn, self._newborn = self._newborn, []
        for observer, news in newborn:
            if isinstance(news, Handle):
                self.tell(observer.started, news)
            else:
                self.tell(observer.ended, news)
        self._guard.flush()

    def tell(self, callback: Callable[..., None], *args: Any) -> None:
        """Call an observer; what it raises is its own and must not stop the other programs."""
        try:
            callback(*args)
        except Exception as error:  # noqa: BLE001 - reported, see above
            self.loop.call_exception_handler(
                {"message": f"an observer of the {_NAME} executor failed", "exception": error}
            )

    def _turn(self) -> None:
        """Take what happened: output first, then ends, so that no file closed here is read."""
        if self._newborn:
            self._flush()
        ends = []
        for fd, _ in self._epoll.poll(0, _MAX_EVENTS):
            pipe = self._pipes.get(fd)
            if pipe is None:
                ends.append(fd)
            elif not pipe.run.paused:
                self._read(pipe)
        for fd in ends:
            run = self._runs.get(fd)
            if run is not None:
                self._epoll.unregister(fd)
                run.leader_ended()
                self._ending.append(run)
            elif fd in self._strays:
                self._stray_ended(self._strays.pop(fd))
            elif fd == self._guard.pidfd:
                self._watcher_ended()
        self._settle()

    def _read(self, pipe: Pipe) -> bool:
        """Read a pipe once; tell whether there may be more."""
        try:
            data = os.read(pipe.fd, READ_SIZE)
        except BlockingIOError:
            return False
        if data:
            self.tell(pipe.run.observer.output, pipe.stream, data)
            return True
        self._close(pipe)
        if pipe.run.drain_timer and all(other.fd < 0 for other in pipe.run.pipes):
            self._conclude(pipe.run)
        return False

    def _close(self, pipe: Pipe) -> None:
        if pipe.fd >= 0:
            del self._pipes[pipe.fd]
            if not pipe.run.paused:
                self._epoll.unregister(pipe.fd)
            os.close(pipe.fd)
            pipe.fd = -1

    def watch_pipes(self, run: RunningProcess, *, watch: bool) -> None:
        """Begin or cease to read a program's pipes."""
        for pipe in run.pipes:
            if pipe.fd >= 0:
                if watch:
                    self._epoll.register(pipe.fd, select.EPOLLIN)
                else:
                    self._epoll.unregister(pipe.fd)

    def settle_soon(self) -> None:
        """Look again whether trees are gone; another executor may have reaped one's last stray."""
        self.loop.call_soon(self._settle)

    def _settle(self) -> None:
        """Finish the programs whose trees are gone; kill what is found of the others."""
        if not self._ending:
            return
        self._find_strays()
        gone = [run for run in self._ending if not run.strays]
        if not gone:
            return
        self._ending = [run for run in self._ending if run.strays]
        own_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        for run in gone:
            self._finish(run, own_peak)

    def _find_strays(self) -> None:
        for stray in strays.find():
            self._strays[stray.pidfd] = stray
            self._epoll.register(stray.pidfd, select.EPOLLIN)
            self._guard.began(stray.pid, stray.stat.start)
            if len(stray.suspects) == 1:
                next(iter(stray.suspects)).hold(stray.pid)

    def _stray_ended(self, stray: Stray) -> None:
        self._epoll.unregister(stray.pidfd)
        self._guard.ended(stray.pid)
        cpu_seconds, owners = strays.gone(stray)
        if len(owners) == 1:
            next(iter(owners)).cpu_seconds += cpu_seconds

    def _finish(self, run: RunningProcess, own_peak: int) -> None:
        """Reap the leader of a tree that is gone, then read what its pipes still hold."""
        del self._runs[run.pidfd]
        os.close(run.pidfd)
        run.reap(own_peak)
        del strays.KNOWN[run.pid]
        self._guard.ended(run.pid)
        # A pause cannot matter now: what is left is at most what the pipes hold.
        run.resume_output()
        for pipe in run.pipes:
            for _ in range(_MAX_READS):
                if pipe.fd < 0 or not self._read(pipe):
                    break
        if all(pipe.fd < 0 for pipe in run.pipes):
            self._conclude(run)
        else:
            run.drain_timer = self.loop.call_later(self._drain, self._conclude, run)

    def _conclude(self, run: RunningProcess) -> None:
        """Tell the end of a program, after the last byte of its output."""
        if run.drain_timer:
            run.drain_timer.cancel()
        for pipe in run.pipes:
            self._close(pipe)
        result = retry = None
        if not self._folders.take_back(run.scratch):
            run.report_progress()
            retry = scratch.read_retry(run.scratch)
            try:
                result = scratch.read_result(run.scratch)
            except scratch.InvalidResult as error:
                self.tell(run.observer.output, STDERR, f"jobyard: {error}\n".encode())
            self.remove(run.scratch)
        self._unconcluded -= 1
        self.tell(run.observer.ended, run.conclude(result, retry))
        if self._all_ended and not self._unconcluded:
            self._all_ended.set()

    def remove(self, folder: str) -> None:
        """Remove a scratch folder that is not empty, in a thread."""
        removal = self.loop.run_in_executor(None, scratch.remove, folder)
        self._removals.add(removal)
        removal.add_done_callback(self._removals.discard)

    def _look(self) -> None:
        """Look at everything that does not call: progress files, memory, strays that ended."""
        self._tick_timer = None
        for run in list(self._runs.values()):
            if not run.dying:
                run.report_progress()
                run.sample_peak()
        self._find_strays()
        self._guard.flush()
        if self._runs or self._strays:
            self._tick_timer = self.loop.call_later(self._tick, self._look)

    def _look_at_memory(self) -> None:
        self._sample_timer = None
        limited = [run for run in self._runs.values() if run.limits]
        for run in limited:
            run.check_limit()
        if limited:
            self._sample_timer = self.loop.call_later(self._sample, self._look_at_memory)

    def _watcher_ended(self) -> None:
        """Start another watcher at once: without one, programs could outlive this worker."""
        self._epoll.unregister(self._guard.pidfd)
        self._guard.lost = True
        if self._watcher_gone:
            self._watcher_gone.set()
            return
        message = f"the watcher of worker session {self._guard.session} died; starting another"
        self.loop.call_exception_handler({"message": message})
        # One that cannot live must not make this process spin.
        self.loop.call_later(self._guard.delay(), self._restart_watcher)

    def _restart_watcher(self) -> None:
        if self._watcher_gone is None:
            self._guard.start()
            self._epoll.register(self._guard.pidfd, select.EPOLLIN)

    async def close(self) -> None:
        """Kill whatever still runs, tell its end, dismiss the watcher, and free everything."""
        self._flush()
        self._all_ended = asyncio.Event()
        for run in list(self._runs.values()):
            run.kill()
        if self._unconcluded:
            await self._all_ended.wait()
        self._watcher_gone = asyncio.Event()
        if self._guard.close():
            await self._watcher_gone.wait()
        self._guard.reap()
        for stray in self._strays.values():
            strays.forget(stray)
        for timer in (self._tick_timer, self._sample_timer):
            if timer:
                timer.cancel()
        self.loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
        await asyncio.gather(*self._removals)
