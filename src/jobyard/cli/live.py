"""What `run` shows while it runs: the programs' lines with a prefix, and one line of progress."""

from __future__ import annotations

import sys
import zlib
from typing import TYPE_CHECKING, Any

from jobyard import clock
from jobyard.cli.printer import DIM, PREFIX_COLOURS, colours, paint, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from jobyard.core.records import Job
    from jobyard.store.base import Claim

REDRAW = 0.1
"""Seconds between two drawings of the progress line on a terminal."""
REPORT = 2.0
"""Seconds between two lines of progress where there is no terminal."""
LONGEST_PART = 1 << 16
"""Bytes of an unfinished line that are held back; a longer one is shown in parts."""


class Live:
    """Shows output and progress; the worker's listener.

    Args:
        out: where the programs' lines go; stderr when stdout is for data alone.
        woken: told when the store may know more.

    """

    def __init__(self, out: Any, woken: Callable[[], None]) -> None:
        """Show nothing yet."""
        self._out = out
        self._woken = woken
        self._paint = colours(out)
        self._terminal = colours(sys.stderr)
        self._names: dict[int, str] = {}
        self._width = 0
        self._parts: dict[tuple[int, int], bytes] = {}
        self._began = clock.monotonic()
        self._shown_at = self._began
        self._shown = ""
        self._done_at_start: int | None = None

    def name(self, jobs: Iterable[Job]) -> None:
        """Learn what the jobs are called."""
        for job in jobs:
            digits = len(str(job.state.policy.completions or 0)) + 2
            self._names[job.id] = job.name
            indexed = job.state.policy.indexed
            self._width = max(self._width, len(job.name) + (digits if indexed else 0))

    def printed(self, claim: Claim, stream: int, data: bytes) -> None:
        """Show the complete lines of what a program printed; keep the rest."""
        key = (claim.attempt_id, stream)
        whole, newline, part = (self._parts.pop(key, b"") + data).rpartition(b"\n")
        if len(part) > LONGEST_PART:
            whole, newline, part = whole + newline + part, b"\n", b""
        if part:
            self._parts[key] = part
        if newline:
            self._show(claim, whole)

    def ended(self, claim: Claim) -> None:
        """Show the last line of an attempt that has no newline."""
        for stream in (1, 2):
            part = self._parts.pop((claim.attempt_id, stream), None)
            if part:
                self._show(claim, part)

    def conversed(self) -> None:
        """Have the jobs looked at again."""
        self._woken()

    def _show(self, claim: Claim, text: bytes) -> None:
        name = self._names.get(claim.job_id, str(claim.job_id))
        label = name if claim.index is None else f"{name}[{claim.index}]"
        colour = PREFIX_COLOURS[zlib.crc32(name.encode()) % len(PREFIX_COLOURS)]
        prefix = paint(f"{label.ljust(self._width)} |", colour, on=self._paint) + " "
        lines = text.decode("utf-8", "replace").split("\n")
        self._erase()
        self._out.write("".join(f"{prefix}{line}\n" for line in lines))
        self._out.flush()
        self._draw()

    def progress(self, jobs: Mapping[int, Job]) -> None:
        """Show how far the jobs are: done of total, rate, time left."""
        states = [job.state for job in jobs.values()]
        total = sum(_total(job) for job in jobs.values())
        done = sum(state.succeeded for state in states)
        failed = sum(state.failed for state in states)
        active = sum(state.active for state in states)
        now = clock.monotonic()
        elapsed = now - self._began
        rate = done / elapsed if elapsed > 0 else 0.0
        left = (total - done) / rate if rate and total > done else None
        parts = [f"{done}/{total} done", f"{active} active"]
        if failed:
            parts.append(f"{failed} failed")
        parts += [f"{rate:.1f}/s", f"ETA {seconds(left)}"]
        text = " · ".join(parts)
        if text == self._shown:
            return
        if self._terminal:
            if now - self._shown_at >= REDRAW:
                self._shown, self._shown_at = text, now
                self._erase()
                self._draw()
        elif now - self._shown_at >= REPORT:
            self._shown, self._shown_at = text, now
            sys.stderr.write(f"{text}\n")

    def _erase(self) -> None:
        if self._terminal and self._shown:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()

    def _draw(self) -> None:
        if self._terminal and self._shown:
            sys.stderr.write(paint(self._shown, DIM, on=True))
            sys.stderr.flush()

    def close(self) -> None:
        """Take the progress line away."""
        self._erase()
        self._shown = ""


def _total(job: Job) -> int:
    policy = job.state.policy
    # A work queue does not know its size: it is as large as what succeeded and what is active.
    if policy.total is None:
        return job.state.succeeded + job.state.active
    return policy.total
