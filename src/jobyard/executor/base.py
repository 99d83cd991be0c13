"""The promises of an executor, in words: what runs a program and tells how it went."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobyard.core.job import Program

STDOUT = 1
STDERR = 2


class Launch(NamedTuple):
    """One program to run once: everything an executor may know about an attempt.

    ``env`` is the whole environment of the program apart from what the executor itself adds
    (PATH, HOME, LANG when absent, the JOBYARD_* paths of its scratch folder); ``argv`` is final:
    ``$(VAR)`` is already expanded. ``grace`` is seconds between SIGTERM and SIGKILL.
    """

    attempt_id: int
    argv: tuple[str, ...]
    env: Mapping[str, str]
    program: Program
    grace: float = 30.0
    restart: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a program used: CPU seconds, peak bytes of memory, wall seconds."""

    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0
    wall_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Handle:
    """Where a running thing is to be found again, by this worker or another one.

    ``state`` is JSON: for a process its pid, start time and boot id.
    """

    executor: str
    state: Mapping[str, Any]
    version: int = 1


@dataclass(frozen=True, slots=True)
class Exit:
    """How a program ended. Exactly one of three holds.

    It exited (``exit_code``), a signal ended it (``signal``, and ``exit_code`` is 128 + signal as
    shells say it), or it never started (``start_error`` says why, exit code 127 or 126).
    ``oom`` is true when its memory limit was breached. ``retry`` is what it wrote to
    JOBYARD_RETRY ("no", "after 30s"), ``result`` what it wrote to JOBYARD_RESULT.
    """

    exit_code: int
    signal: int | None = None
    start_error: str | None = None
    transient: bool = False
    """Whether the start may well succeed another time: it was for want of memory or processes."""
    oom: bool = False
    timed_out: bool = False
    retry: str | None = None
    result: Any = None
    usage: Usage = field(default=Usage())


class Observer(Protocol):
    """Who is told about one program. Called in the event loop's thread, never concurrently.

    Order: ``started`` at most once, then any number of ``output`` and ``progress``, then
    ``ended`` exactly once, after the last byte of output. A program that cannot start gets
    ``ended`` without ``started``.
    """

    def started(self, handle: Handle) -> None:
        """Learn that the program runs and where."""

    def output(self, stream: int, data: bytes) -> None:
        """Take bytes the program wrote to ``STDOUT`` or ``STDERR``, in order of arrival."""

    def progress(self, done: int, total: int | None) -> None:
        """Take what the program wrote to JOBYARD_PROGRESS."""

    def ended(self, how: Exit) -> None:
        """Learn how it ended; its whole process tree is gone by now."""


class Running(Protocol):
    """One program that an executor has in hand."""

    def stop(self, grace: float) -> None:
        """Ask the program to end: SIGTERM now, SIGKILL to the whole tree after ``grace`` seconds.

        May be called again with a shorter grace (0 kills at once); never lengthens. No effect
        once ``ended`` was told.
        """

    def pause_output(self) -> None:
        """Stop reading its output for now (back-pressure of the log)."""

    def resume_output(self) -> None:
        """Read its output again."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an executor can do on this machine, as data; ``doctor`` prints it."""

    name: str
    adopts: bool
    """Whether its programs outlive the worker and can be found again through their handles."""
    memory_limit: str
    """How a memory limit is enforced: ``cgroup``, ``sampled`` or ``none``."""
    cpu_limit: str
    """How a CPU limit is enforced: ``cgroup`` or ``none``."""
    notes: tuple[str, ...] = ()


class Executor(Protocol):
    """What runs programs of one kind. Lives in one event loop; no method blocks it for long."""

    name: str

    def capabilities(self) -> Capabilities:
        """Tell what this executor can do here."""

    async def open(self, session: str) -> None:
        """Get ready to run programs for the worker session ``session``."""

    def start(self, launch: Launch, observer: Observer) -> Running:
        """Start a program and return at once; ``observer`` hears of everything that follows.

        Never raises for what the program or its spec did wrong: that is an ``Exit`` with
        ``start_error``.
        """

    def renew(self, deadline: float) -> None:
        """Let programs go on until ``deadline`` (monotonic seconds of this machine).

        Called from the heartbeat's thread after each renewal of the lease. An executor whose
        programs must not outlive the lease kills them when the last deadline it was told passes.
        """

    async def adopt(self, handle: Handle, launch: Launch, observer: Observer) -> Running | None:
        """Find a program again that another worker started; None if it cannot be found."""

    async def collect(self, session: str) -> int:
        """Remove what dead worker session ``session`` left behind; return how many things."""

    async def close(self) -> None:
        """Kill whatever still runs and free everything."""
