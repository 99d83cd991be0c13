"""Run programs as local processes: everything is driven by callbacks, nothing waits for one.

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

from jobyard import clock
from jobyard.errors import ExecutorUnavailable
from jobyard.executor import environment, limits, scratch, spawn, strays, tree, watcher
from jobyard.executor.base import STDERR, Capabilities, Exit, Handle
from jobyard.executor.guard import Guard
from jobyard.executor.running import READ_SIZE, Pipe, RunningProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jobyard.executor.base import Launch, Observer, Running
    from jobyard.executor.strays import Stray

_MAX_EVENTS = 512
_MAX_READS = 32
"""How often a pipe is read without a break: more than any pipe holds."""


class _NotRunning:
    """What ``start`` returns for a program that could not be started."""

    def stop(self, grace: float) -> None:
        """Do nothing."""

    def pause_output(self) -> None:
        """Do nothing."""

    def resume_output(self) -> None:
        """Do nothing."""


_NOT_RUNNING = _NotRunning()


@functools.cache
def boot_id() -> str:
    """Read the id of this boot: after another one, pids and start times mean nothing."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


class ProcessExecutor:
    """Runs programs as local process trees that die with their worker.

    Args:
        scratch_root: where scratch folders are made, one folder per session.
        environ: the worker's own environment, of which PATH, HOME and LANG are handed down.
        working_dir: where programs run that do not say where; None is the worker's own folder.
        drain: seconds that a pipe may stay open after its program's tree is gone.
        tick: seconds between two looks at progress files and strays while programs run.
        sample: seconds between two looks at the memory of limited programs.
        use_cgroups: whether to limit by cgroups where that is possible.

    """

    name = "process"

    def __init__(
        self,
        scratch_root: str | os.PathLike[str],
        *,
        environ: Mapping[str, str],
        working_dir: str | None = None,
        drain: float = 2.0,
        tick: float = 0.5,
        sample: float = 0.1,
        use_cgroups: bool = True,
    ) -> None:
        """Keep the settings; ``open`` takes hold of the system."""
        self._root = Path(scratch_root).absolute()
        self._working_dir = working_dir
        self._drain = drain
        self._tick = tick
        self._sample = sample
        self._use_cgroups = use_cgroups
        self._session = ""
        self._scratch = ""
        self._number = 0
        self._stdin = -1
        self._base_env = environment.inherit(environ)
        self._cgroups = limits.NO_CGROUPS
        self._is_open = False
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

    def capabilities(self) -> Capabilities:
        """Tell what this executor can do here; looks anew when it is not open."""
        found = self._cgroups if self._is_open else self._find_cgroups("probe")
        memory, cpu = found.memory, found.cpu
        if not self._is_open:
            found.close()
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return Capabilities(
            name=self.name,
            adopts=False,
            memory_limit="cgroup" if memory else "sampled",
            cpu_limit="cgroup" if cpu else "none",
            notes=(f"about {soft // 4} programs at once fit the limit of {soft} open files",),
        )

    def _find_cgroups(self, session: str) -> limits.Cgroups:
        if not self._use_cgroups:
            return limits.NO_CGROUPS
        return limits.find(session)

    async def open(self, session: str) -> None:
        """Take hold of the system for a worker session: subreaper, watcher, scratch folder.

        Raises:
            ExecutorUnavailable: this is not a Linux with pidfds.

        """
        if not hasattr(os, "pidfd_open"):
            raise ExecutorUnavailable(
                "processes need Linux 5.4 or newer", hint="use --executor fake or container"
            )
        self._session = session
        self._scratch = str(self._root / session)
        os.makedirs(self._scratch, 0o700, exist_ok=True)
        tree.become_subreaper()
        strays.spare_present()
        self._cgroups = self._find_cgroups(session)
        self._stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self.loop = asyncio.get_running_loop()
        self._all_ended = self._watcher_gone = None
        self._epoll = select.epoll()
        self.loop.add_reader(self._epoll.fileno(), self._turn)
        self._guard = Guard(session, self._scratch)
        self._guard.start()
        self._epoll.register(self._guard.pidfd, select.EPOLLIN)
        self._is_open = True

    def start(self, launch: Launch, observer: Observer) -> Running:
        """Start a program; ``observer`` hears of it after this returned."""
        self._number += 1
        started_at = clock.monotonic()
        program = launch.program
        name = f"{launch.attempt_id}-{self._number}"
        try:
            folder = scratch.make(self._scratch, name, len(program.scratch_volumes))
        except OSError as error:
            return self._refuse(observer, f"its scratch folder cannot be made: {error}")
        try:
            held = self._cgroups.limit(name, program.resources)
        except OSError as error:
            scratch.remove(folder)
            return self._refuse(observer, f"its limits cannot be set: {error}")
        env = environment.build(launch, self._base_env, self._session, folder)
        cwd = program.working_dir or self._working_dir
        try:
            spawned = spawn.spawn(launch.argv, env, cwd, self._stdin)
        except spawn.StartError as error:
            for limit in held:
                limit.close()
            scratch.remove(folder)
            return self._refuse(observer, error.sentence, error.exit_code)
        run = RunningProcess(
            executor=self,
            launch=launch,
            observer=observer,
            spawned=spawned,
            folder=folder,
            session=self._session,
            started_at=started_at,
        )
        self._enter(run)
        if held:
            self._hold(run, held)
        return run

    def _enter(self, run: RunningProcess) -> None:
        stat = watcher.read_stat(run.pid)
        run.start_time = stat.start if stat else 0
        strays.KNOWN[run.pid] = run
        self._runs[run.pidfd] = run
        self._unconcluded += 1
        self._epoll.register(run.pidfd, select.EPOLLIN)
        for pipe in run.pipes:
            self._pipes[pipe.fd] = pipe
            self._epoll.register(pipe.fd, select.EPOLLIN)
        self._guard.began(run.pid, run.start_time)
        state = {"pid": run.pid, "start_time": run.start_time, "boot_id": boot_id()}
        self._tell_soon(run.observer, Handle(self.name, state))
        if self._tick_timer is None:
            self._tick_timer = self.loop.call_later(self._tick, self._look)

    def _hold(self, run: RunningProcess, held: list[limits.Limit]) -> None:
        run.limits = held
        try:
            run.hold(run.pid)
        except OSError as error:
            run.refuse(f"it cannot be held to its limits: {error}")
        if self._sample_timer is None:
            self._sample_timer = self.loop.call_later(self._sample, self._look_at_memory)

    def _refuse(
        self, observer: Observer, sentence: str, code: int = spawn.NOT_EXECUTABLE
    ) -> Running:
        self._tell_soon(observer, Exit(exit_code=code, start_error=sentence))
        return _NOT_RUNNING

    def _tell_soon(self, observer: Observer, news: Handle | Exit) -> None:
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
                {"message": f"an observer of the {self.name} executor failed", "exception": error}
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
        if not scratch.remove_empty(run.scratch):
            run.report_progress()
            retry = scratch.read_retry(run.scratch)
            try:
                result = scratch.read_result(run.scratch)
            except scratch.InvalidResult as error:
                self.tell(run.observer.output, STDERR, f"jobyard: {error}\n".encode())
            self._remove(run.scratch)
        self._unconcluded -= 1
        self.tell(run.observer.ended, run.conclude(result, retry))
        if self._all_ended and not self._unconcluded:
            self._all_ended.set()

    def _remove(self, folder: str) -> None:
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
        self.loop.call_exception_handler(
            {"message": f"the watcher of worker session {self._session} died; starting another"}
        )
        # One that cannot live must not make this process spin.
        self.loop.call_later(self._guard.delay(), self._restart_watcher)

    def _restart_watcher(self) -> None:
        if self._watcher_gone is None:
            self._guard.start()
            self._epoll.register(self._guard.pidfd, select.EPOLLIN)

    def renew(self, deadline: float) -> None:
        """Let programs go on until ``deadline``; safe to call from any thread."""
        self._guard.renew(deadline)

    async def adopt(self, handle: Handle, launch: Launch, observer: Observer) -> Running | None:
        """Find nothing: processes die with their worker."""
        del handle, launch, observer
        return None

    async def collect(self, session: str) -> int:
        """Kill what a dead session left on this machine and remove its scratch folder."""
        folder = self._root / session
        found = await asyncio.to_thread(watcher.sweep, session, {})
        if folder.exists():
            found += 1
            await asyncio.to_thread(scratch.remove, str(folder))
        return found

    async def close(self) -> None:
        """Kill whatever still runs, tell its end, and free everything."""
        if not self._is_open:
            return
        self._is_open = False
        self._flush()
        self._all_ended = asyncio.Event()
        for run in list(self._runs.values()):
            run.kill()
        if self._unconcluded:
            await self._all_ended.wait()
        await self._close_guard()
        for stray in self._strays.values():
            strays.forget(stray)
        self._strays.clear()
        for timer in (self._tick_timer, self._sample_timer):
            if timer:
                timer.cancel()
        self._tick_timer = self._sample_timer = None
        self.loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
        os.close(self._stdin)
        await asyncio.gather(*self._removals)
        await asyncio.to_thread(scratch.remove, self._scratch)
        self._cgroups.close()

    async def _close_guard(self) -> None:
        self._watcher_gone = asyncio.Event()
        if self._guard.close():
            await self._watcher_gone.wait()
        self._guard.reap()
