"""The processes below a process: who they are, what they hold in memory, how to signal them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal

from jobyard.executor.watcher import Stat, read_file, read_stat, read_table

PAGE = os.sysconf("SC_PAGE_SIZE")
_HAS_CHILDREN = os.path.exists(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
"""Whether the kernel was built with CONFIG_PROC_CHILDREN, as nearly all are."""
_PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> None:
    """Make this process the parent of every orphan below it, so that none gets out of sight."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl(PR_SET_CHILD_SUBREAPER): {os.strerror(number)}")


def read_children(pid: int, thread: int | None = None) -> list[int]:
    """List the children of one thread (of the main thread when not said), dead ones included."""
    text = read_file(f"/proc/{pid}/task/{thread or pid}/children")
    if text is not None:
        return [int(word) for word in text.split()]
    if not _HAS_CHILDREN:
        return [stat.pid for stat in read_table().values() if stat.parent == pid]
    return []


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
    return _read_kilobytes(f"/proc/{pid}/status", b"\nVmHWM:")


def read_resident(pid: int) -> int:
    """Read what a process holds in memory now, in bytes, shared pages included."""
    text = read_file(f"/proc/{pid}/statm")
    return int(text.split()[1]) * PAGE if text else 0


def read_proportional(pid: int) -> int:
    """Read a process's memory with shared pages split among their sharers; exact but slow."""
    return _read_kilobytes(f"/proc/{pid}/smaps_rollup", b"\nPss:") or read_resident(pid)


def _read_kilobytes(path: str, label: bytes) -> int:
    _, found, rest = (read_file(path) or b"").partition(label)
    return int(rest.split(None, 1)[0]) * 1024 if found else 0
