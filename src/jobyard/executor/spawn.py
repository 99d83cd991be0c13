"""Start one process the fast way, and say in a sentence why it could not be started."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobyard import clock
from jobyard.executor.watcher import read_stat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
NOT_FOUND = 127
NOT_EXECUTABLE = 126


class StartError(Exception):
    """A program that could not be started: a sentence that names the thing, and an exit code."""

    def __init__(self, exit_code: int, sentence: str) -> None:
        """Carry both."""
        super().__init__(sentence)
        self.exit_code = exit_code
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Spawned:
    """A process just started: a pidfd for its end, the read ends of its stdout and stderr."""

    pid: int
    start_time: int
    pidfd: int
    stdout: int
    stderr: int


def spawn(argv: Sequence[str], env: Mapping[str, str], cwd: str | None, stdin: int) -> Spawned:
    """Start a process in a session of its own; the reading ends do not block.

    Plain ``Popen`` without ``preexec_fn`` takes the vfork path and reports why an exec failed.

    Raises:
        StartError: what the program, its folder or this machine did not allow.

    """
    if not argv or not argv[0]:
        raise StartError(NOT_FOUND, "there is no command to run: it is empty")
    opened: list[int] = []
    try:
        out_read, out_write = os.pipe2(os.O_CLOEXEC)
        opened += (out_read, out_write)
        err_read, err_write = os.pipe2(os.O_CLOEXEC)
        opened += (err_read, err_write)
        # Ours is the only end that must not block; the flag belongs to one end of a pipe.
        os.set_blocking(out_read, False)
        os.set_blocking(err_read, False)
        before = clock.since_boot_ns()
        child = subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=out_write,
            stderr=err_write,
            cwd=cwd,
            env=env,
            start_new_session=True,
        )
        # It is waited for by pidfd and reaped by wait4; Popen must not do so when it is deleted.
        child.returncode = 0
        start_time = _start_time(child.pid, before, clock.since_boot_ns())
        pidfd = _open_pidfd(child.pid)
    except (OSError, ValueError) as error:
        for file in opened:
            os.close(file)
        raise explain(error, argv[0], env, cwd) from error
    os.close(out_write)
    os.close(err_write)
    return Spawned(child.pid, start_time, pidfd, out_read, err_read)


def _start_time(pid: int, before: int, after: int) -> int:
    """Tell when a process started, in ticks since boot as ``/proc/PID/stat`` says it.

    Reading that file costs a fifth of a spawn; mostly the clock leaves no doubt about the tick.
    """
    if before // _TICK == after // _TICK:
        return before // _TICK
    stat = read_stat(pid)
    return stat.start if stat else after // _TICK


def _open_pidfd(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except OSError:
        # Out of file descriptors, most likely: without one its end would never be seen.
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise


def explain(
    error: OSError | ValueError, command: str, env: Mapping[str, str], cwd: str | None
) -> StartError:
    """Turn what the system said into a sentence that names the thing."""
    if isinstance(error, OSError):
        if cwd is not None and error.filename == cwd:
            return StartError(NOT_EXECUTABLE, f"working folder `{cwd}`: {_reason(error)}")
        return _explain_system(error, command, cwd)
    if cwd is not None and "\0" in cwd:
        return StartError(NOT_EXECUTABLE, f"working folder {cwd!r}: no folder can be called so")
    names = [name for name, value in env.items() if "\0" in name + value or "=" in name or not name]
    if names:
        return StartError(
            NOT_EXECUTABLE, f"environment variable {names[0]!r}: its name or value is not possible"
        )
    return StartError(
        NOT_EXECUTABLE, f"the command {command!r} or one of its arguments is not possible: {error}"
    )


def _explain_system(error: OSError, command: str, cwd: str | None) -> StartError:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        path = os.path.join(cwd or "", command)
        if "/" in command and os.path.exists(path):
            return StartError(
                NOT_FOUND, f"`{command}` is there, but the interpreter it asks for is not"
            )
        return StartError(NOT_FOUND, f"command not found: `{command}`")
    if error.errno == errno.EACCES:
        return StartError(NOT_EXECUTABLE, f"permission denied: `{command}` cannot be executed")
    if error.errno == errno.ENOEXEC:
        return StartError(
            NOT_EXECUTABLE,
            f"`{command}` is neither a program nor a script that names its interpreter",
        )
    if error.errno == errno.E2BIG:
        return StartError(
            NOT_EXECUTABLE,
            f"the arguments and environment of `{command}` are longer than the system allows",
        )
    return StartError(NOT_EXECUTABLE, f"`{command}` cannot be started: {_reason(error)}")


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
