"""Memory and CPU limits of programs: by cgroups where this user may make them, else by sampling."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from jobyard.executor import tree
from jobyard.executor.watcher import remove

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jobyard.core.job import Resources

    Members = Callable[[], list[int]]

CPU_PERIOD = 100_000
"""Microseconds over which a CPU quota counts."""


class Limit(Protocol):
    """What holds one program to its limits."""

    def enter(self, pid: int, members: Members) -> None:
        """Hold a process that was just started, and all below it, to the limits.

        ``members`` lists the pids of its tree. An OSError means that it cannot be held.
        """

    def breached(self) -> bool:
        """Tell whether the program took more memory than it may."""

    def peak(self) -> int:
        """Tell the most memory it held, in bytes; 0 when not known."""

    def close(self) -> None:
        """Free what the limit took from the system."""


class SampledLimit:
    """A memory limit kept by looking at the tree's memory now and then.

    It cannot stop a burst between two looks; it does stop a program that stays above its limit.
    """

    def __init__(self, limit: int) -> None:
        """Hold the processes of a tree to ``limit`` bytes together."""
        self._limit = limit
        self._members: Members = list
        self._peak = 0

    def enter(self, pid: int, members: Members) -> None:
        """Remember whom to ask for the members at each look."""
        del pid
        self._members = members

    def breached(self) -> bool:
        """Look once: cheaply first, exactly (shared pages split) only when that says too much."""
        members = self._members()
        held = sum(map(tree.read_resident, members))
        if held > self._limit:
            held = sum(map(tree.read_proportional, members))
        self._peak = max(self._peak, held)
        return held > self._limit

    def peak(self) -> int:
        """Tell the most that any look saw."""
        return self._peak

    def close(self) -> None:
        """Do nothing."""


class CgroupLimit:
    """Limits kept by the kernel: one folder per controller (version 1) or one for all."""

    def __init__(
        self, memory: Path | None, cpu: Path | None, version: int, limit: int | None = None
    ) -> None:
        """Use folders that exist and have their limits set; ``limit`` is that of memory."""
        self._memory = memory
        self._limit = limit
        self._sampled: SampledLimit | None = None
        self._folders = list(dict.fromkeys(path for path in (memory, cpu) if path))
        self._version = version

    def enter(self, pid: int, members: Members) -> None:
        """Move the process in, and what it forked in the microseconds before.

        ``Popen`` cannot start a process inside a cgroup. Everything forked after the move is
        inside; what was forked before it hangs below the process and is moved too, until a look
        finds nothing new. Memory they had before the move is counted outside: a move takes
        microseconds, or many milliseconds on a busy machine. If that was much, looks are added.
        """
        inside: set[int] = set()
        outside = {pid}
        while outside:
            for folder in self._folders:
                for member in outside:
                    with contextlib.suppress(ProcessLookupError):
                        _write(folder / "cgroup.procs", str(member))
            inside |= outside
            outside = {stat.pid for stat in tree.read_descendants(pid)} - inside
        held = sum(map(tree.read_resident, inside))
        if self._limit is not None and self._sampled is None and held > self._limit // 8:
            self._sampled = SampledLimit(self._limit)
            self._sampled.enter(pid, members)

    def breached(self) -> bool:
        """Tell whether the kernel killed anything in there for want of memory."""
        if self._memory is None:
            return False
        if self._sampled and self._sampled.breached():
            return True
        name = "memory.oom_control" if self._version == 1 else "memory.events"
        for line in (self._memory / name).read_text().splitlines():
            word, _, count = line.partition(" ")
            if word == "oom_kill":
                return int(count) > 0
        return False

    def peak(self) -> int:
        """Tell the kernel's high-water mark."""
        if self._memory is None:
            return 0
        name = "memory.max_usage_in_bytes" if self._version == 1 else "memory.peak"
        sampled = self._sampled.peak() if self._sampled else 0
        try:
            return max(sampled, int((self._memory / name).read_text()))
        except FileNotFoundError:
            # Version 2 has the mark since Linux 5.19.
            return sampled

    def close(self) -> None:
        """Remove the folders; one that still holds a dying process stays for the session's end."""
        for folder in self._folders:
            with contextlib.suppress(OSError):
                folder.rmdir()


class Cgroups:
    """Where this worker may make cgroups for its programs: a folder per controller."""

    def __init__(self, memory: Path | None, cpu: Path | None, version: int) -> None:
        """Use these folders; ``find`` makes them."""
        self.memory = memory
        self.cpu = cpu
        self._version = version

    def limit(self, name: str, resources: Resources) -> list[Limit]:
        """Make what holds one program to its limits: nothing if it has none.

        An OSError means that the limits are not possible.
        """
        memory = cpu = None
        if resources.limit_memory is not None and self.memory:
            memory = _make(self.memory / name)
            self._limit_memory(memory, resources.limit_memory)
        if resources.limit_cpu is not None and self.cpu:
            cpu = _make(self.cpu / name)
            self._limit_cpu(cpu, resources.limit_cpu)
        found: list[Limit] = []
        if memory or cpu:
            limit = resources.limit_memory if memory else None
            found.append(CgroupLimit(memory, cpu, self._version, limit))
        if resources.limit_memory is not None and not memory:
            found.append(SampledLimit(resources.limit_memory))
        return found

    def _limit_memory(self, folder: Path, limit: int) -> None:
        if self._version == 1:
            _write(folder / "memory.limit_in_bytes", str(limit))
            _write_if_there(folder / "memory.memsw.limit_in_bytes", str(limit))
            return
        _write(folder / "memory.max", str(limit))
        _write_if_there(folder / "memory.swap.max", "0")
        _write_if_there(folder / "memory.oom.group", "1")

    def _limit_cpu(self, folder: Path, cores: float) -> None:
        quota = max(1000, int(cores * CPU_PERIOD))
        if self._version == 1:
            _write(folder / "cpu.cfs_period_us", str(CPU_PERIOD))
            _write(folder / "cpu.cfs_quota_us", str(quota))
        else:
            _write(folder / "cpu.max", f"{quota} {CPU_PERIOD}")

    def folders(self, session: str | None = None) -> list[str]:
        """List the folders of this session, or of another one on this machine."""
        own = dict.fromkeys(folder for folder in (self.memory, self.cpu) if folder)
        return [
            str(folder if session is None else folder.with_name(_name(session))) for folder in own
        ]

    def close(self) -> None:
        """Remove the folders of this session."""
        for folder in self.folders():
            remove(folder)


NO_CGROUPS = Cgroups(None, None, 1)


def find(session: str, mount: Path = Path("/sys/fs/cgroup"), own: str | None = None) -> Cgroups:
    """Find where cgroups can be made below this process's own ones, and make a folder there.

    ``own`` is the text of ``/proc/self/cgroup``. Whatever cannot be had is None in the answer.
    """
    text = Path("/proc/self/cgroup").read_text() if own is None else own
    paths = dict(_read_own(text))
    name = _name(session)
    if "memory" in paths or "cpu" in paths:
        memory = _find_v1(mount, "memory", paths, name, "memory.limit_in_bytes")
        cpu = _find_v1(mount, "cpu", paths, name, "cpu.cfs_quota_us")
        return Cgroups(memory, cpu, 1)
    folder = _find_v2(mount, paths.get("", "/"), name)
    memory = folder if folder and (folder / "cgroup.controllers").exists() else None
    controllers = (folder / "cgroup.controllers").read_text().split() if folder and memory else []
    return Cgroups(
        folder if "memory" in controllers else None, folder if "cpu" in controllers else None, 2
    )


def _read_own(text: str) -> Iterable[tuple[str, str]]:
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path


def _find_v1(
    mount: Path, controller: str, paths: dict[str, str], name: str, needed: str
) -> Path | None:
    for base in (mount / controller / paths.get(controller, "/").lstrip("/"), mount / controller):
        try:
            folder = _make(base / name)
        except OSError:
            continue
        if (folder / needed).exists():
            return folder
        folder.rmdir()
    return None


def _find_v2(mount: Path, path: str, name: str) -> Path | None:
    """Make the session's cgroup with its controllers passed down, None if that is not allowed."""
    for base in dict.fromkeys((mount / path.lstrip("/"), mount)):
        try:
            _pass_down(base)
            folder = _make(base / name)
        except OSError:
            continue
        try:
            _pass_down(folder)
        except OSError:
            folder.rmdir()
            continue
        return folder
    return None


def _pass_down(folder: Path) -> None:
    """Let cgroups below this one have limits.

    The kernel refuses that while processes sit in it, so a worker that is alone in a cgroup that
    was delegated to it moves into a leaf of its own, as systemd's delegation asks for.
    """
    wanted = {"memory", "cpu"} & set((folder / "cgroup.controllers").read_text().split())
    passed = set((folder / "cgroup.subtree_control").read_text().split())
    orders = " ".join(f"+{controller}" for controller in sorted(wanted - passed))
    if not orders:
        return
    if (folder / "cgroup.procs").read_text().split() == [str(os.getpid())]:
        leaf = _make(folder / "jobyard-worker")
        _write(leaf / "cgroup.procs", str(os.getpid()))
    _write(folder / "cgroup.subtree_control", orders)


def _name(session: str) -> str:
    return f"jobyard-{session}"


def _make(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def _write(path: Path, text: str) -> None:
    with path.open("w") as file:
        file.write(text)


def _write_if_there(path: Path, text: str) -> None:
    if path.exists():
        _write(path, text)
