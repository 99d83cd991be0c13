"""Run programs as local process trees that die with their worker: the ``process`` executor."""

from __future__ import annotations

import asyncio
import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

from jobyard import clock
from jobyard.errors import ExecutorUnavailable
from jobyard.executor import environment, limits, scratch, spawn, strays, tree, watcher
from jobyard.executor.base import Capabilities, Exit
from jobyard.executor.guard import Guard
from jobyard.executor.reactor import Reactor
from jobyard.executor.running import RunningProcess

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobyard.executor.base import Handle, Launch, Observer, Running


class _NotRunning:
    """What ``start`` returns for a program that could not be started."""

    def stop(self, grace: float) -> None:
        """Do nothing."""

    def pause_output(self) -> None:
        """Do nothing."""

    def resume_output(self) -> None:
        """Do nothing."""


_NOT_RUNNING = _NotRunning()


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
        self._stdin = -1
        self._base_env = environment.inherit(environ)
        self._cgroups = limits.NO_CGROUPS
        self._is_open = False

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
        self._folders = scratch.Folders(str(self._root / session))
        tree.become_subreaper()
        strays.spare_present()
        self._cgroups = self._find_cgroups(session)
        self._stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._guard = Guard(session, (self._folders.root, *self._cgroups.folders()))
        self._guard.start()
        self._reactor = Reactor(
            self._guard, self._folders, drain=self._drain, tick=self._tick, sample=self._sample
        )
        self._is_open = True

    def start(self, launch: Launch, observer: Observer) -> Running:
        """Start a program; ``observer`` hears of it after this returned."""
        started_at = clock.monotonic()
        program = launch.program
        try:
            folder = self._folders.take(len(program.scratch_volumes))
        except OSError as error:
            return self._refuse(observer, f"its scratch folder cannot be made: {error}")
        try:
            held = self._cgroups.limit(os.path.basename(folder), program.resources)
        except OSError as error:
            self._give_back(folder)
            return self._refuse(observer, f"its limits cannot be set: {error}")
        env = environment.build(launch, self._base_env, self._session, folder)
        cwd = program.working_dir or self._working_dir
        try:
            spawned = spawn.spawn(launch.argv, env, cwd, self._stdin)
        except spawn.StartError as error:
            for limit in held:
                limit.close()
            self._give_back(folder)
            return self._refuse(observer, error.sentence, error.exit_code)
        run = RunningProcess(
            reactor=self._reactor,
            launch=launch,
            observer=observer,
            spawned=spawned,
            folder=folder,
            session=self._session,
            started_at=started_at,
        )
        self._reactor.enter(run)
        if held:
            self._reactor.hold(run, held)
        return run

    def _refuse(
        self, observer: Observer, sentence: str, code: int = spawn.NOT_EXECUTABLE
    ) -> Running:
        self._reactor.tell_soon(observer, Exit(exit_code=code, start_error=sentence))
        return _NOT_RUNNING

    def _give_back(self, folder: str) -> None:
        if not self._folders.take_back(folder):
            self._reactor.remove(folder)

    def renew(self, deadline: float) -> None:
        """Let programs go on until ``deadline``; safe to call from any thread."""
        self._guard.renew(deadline)

    async def adopt(self, handle: Handle, launch: Launch, observer: Observer) -> Running | None:
        """Find nothing: processes die with their worker."""
        del handle, launch, observer
        return None

    async def collect(self, session: str) -> int:
        """Kill what a dead session left on this machine and remove its scratch folder."""
        return await asyncio.to_thread(self._collect, session)

    def _collect(self, session: str) -> int:
        found = watcher.sweep(session, {})
        folder = str(self._root / session)
        found += os.path.exists(folder)
        for path in (folder, *self._cgroups.folders(session)):
            watcher.remove(path)
        return found

    async def close(self) -> None:
        """Kill whatever still runs, tell its end, and free everything."""
        if not self._is_open:
            return
        self._is_open = False
        await self._reactor.close()
        os.close(self._stdin)
        await asyncio.to_thread(scratch.remove, self._folders.root)
        self._cgroups.close()
