"""The processes below a process: who they are, what they hold in memory, how to signal them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal

from jobyard.executor.watcher import Stat, read_stat, read_table

PAGE = os.sysconf("SC_PAGE_SIZE")
_PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> None:
    """Make this process the parent of every orphan below it, so that none gets out of sight."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl(PR_SET_CHILD_SUBREAPER): {os.strerror(number)}")


def read_children(pid: int, thread: int | None = None) -> list[int]:
    """List the children of one thread (of the main thread when not said), dead ones included."""
    try:
        with open(f"/proc/{pid}/task/{thread or pid}/children", "rb", buffering=0) as file:
            return [int(word) for word in file.readall().split()]
    except (FileNotFoundError, ProcessLookupError):
        if os.path.exists(f"/proc/{pid}/task/{thread or pid}/children") or not _alive(pid):
            return []
        # A kernel without CONFIG_PROC_CHILDREN.
        return [stat.pid for stat in read_table().values() if stat.parent == pid]


def read_descendants(pid: int) -> list[Stat]:
    """List all live processes below one, parents first; a process that forks meanwhile may hide."""
    found: dict[int, Stat] = {}
    queue = [pid]
    while queue:
        for child in _children_of_all_threads(queue.pop()):
            if child not in found and (stat := read_stat(child)):
                found[child] = stat
                queue.append(child)
    return [stat for stat in found.values() if stat.state not in "ZX"]


def _children_of_all_threads(pid: int) -> list[int]:
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [child for thread in threads for child in read_children(pid, int(thread))]


def _alive(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}")


def send(target: Stat, number: int) -> None:
    """Signal one process and no other that got its pid since."""
    try:
        pidfd = os.pidfd_open(target.pid)
    except ProcessLookupError:
        return
    try:
        now = read_stat(target.pid)
        if now is not None and now.start == target.start:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(pidfd, number)
    finally:
        os.close(pidfd)


def send_group(group: int, number: int) -> None:
    """Signal a process group if it still has members."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def read_peak(pid: int) -> int:
    """Read the most memory a live process ever held, in bytes; 0 when it cannot be seen."""
    try:
        with open(f"/proc/{pid}/status", "rb", buffering=0) as file:
            text = file.read(4096)
    except (FileNotFoundError, ProcessLookupError):
        return 0
    _, found, rest = text.partition(b"VmHWM:")
    return int(rest.split(None, 1)[0]) * 1024 if found else 0


def read_resident(pid: int) -> int:
    """Read what a process holds in memory now, in bytes, shared pages included."""
    try:
        with open(f"/proc/{pid}/statm", "rb", buffering=0) as file:
            return int(file.read(256).split()[1]) * PAGE
    except (FileNotFoundError, ProcessLookupError):
        return 0


def read_proportional(pid: int) -> int:
    """Read a process's memory with shared pages split among their sharers; exact but slow."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb", buffering=0) as file:
            text = file.read(4096)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return read_resident(pid)
    _, found, rest = text.partition(b"\nPss:")
    return int(rest.split(None, 1)[0]) * 1024 if found else read_resident(pid)
