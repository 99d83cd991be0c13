"""What `run` shows while it runs: the programs' lines with a prefix, and one line of progress."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from jobyard import clock
from jobyard.cli.prefixes import label_of, prefix, width_of
from jobyard.cli.printer import DIM, colours, paint, seconds
from jobyard.cli.shown import total_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from jobyard.store.base import Claim

    Object = Mapping[str, Any]
    Key = tuple[int, int]

REDRAW = 0.1
"""Seconds between two drawings of the progress line on a terminal."""
REPORT = 2.0
"""Seconds between two lines of progress where there is no terminal."""
LONGEST_PART = 1 << 16
"""Bytes of an unfinished line that are held back; a longer one is shown in parts."""


class _Part(NamedTuple):
    """A line that has not ended yet, and whose it is."""

    job_id: int
    member: int | None
    text: bytes


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
        self._parts: dict[Key, _Part] = {}
        self._began = clock.monotonic()
        self._shown_at = self._began
        self._shown = ""

    def name(self, jobs: Iterable[Object]) -> None:
        """Learn what the jobs are called."""
        for job in jobs:
            self._names[job["id"]] = job["name"]
            self._width = max(self._width, width_of(job))

    def printed(self, claim: Claim, stream: int, data: bytes) -> None:
        """Show what a program of this process's worker printed."""
        self.output((claim.attempt_id, stream), claim.job_id, claim.index, data)

    def ended(self, claim: Claim) -> None:
        """Show the last line of an attempt that has no newline."""
        for stream in (1, 2):
            part = self._parts.pop((claim.attempt_id, stream), None)
            if part is not None:
                self._show(part.job_id, part.member, part.text)

    def output(self, key: Key, job_id: int, index: int | None, data: bytes) -> None:
        """Show the complete lines of a stream; keep the rest until more of it comes."""
        part = self._parts.pop(key, None)
        text = data if part is None else part.text + data
        whole, newline, last = text.rpartition(b"\n")
        if len(last) > LONGEST_PART:
            whole, newline, last = whole + newline + last, b"\n", b""
        if last:
            self._parts[key] = _Part(job_id, index, last)
        if newline:
            self._show(job_id, index, whole)

    def end_lines(self, job_id: int) -> None:
        """Show the last lines of a job's streams that have no newline."""
        for key in [key for key, part in self._parts.items() if part.job_id == job_id]:
            part = self._parts.pop(key)
            self._show(part.job_id, part.member, part.text)

    def conversed(self) -> None:
        """Have the jobs looked at again."""
        self._woken()

    def _show(self, job_id: int, index: int | None, text: bytes) -> None:
        name = self._names.get(job_id, str(job_id))
        before = prefix(label_of(name, index), self._width, alike=name, on=self._paint)
        lines = text.decode("utf-8", "replace").split("\n")
        self._erase()
        self._out.write("".join(f"{before}{line}\n" for line in lines))
        self._out.flush()
        self._draw()

    def progress(self, jobs: Collection[Object]) -> None:
        """Show how far the jobs are: done of total, rate, time left."""
        total = sum(_total(job) for job in jobs)
        done, failed, active = (
            sum(job[count] for job in jobs) for count in ("succeeded", "failed", "active")
        )
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


def _total(job: Object) -> int:
    total = total_of(job)
    # A work queue does not know its size: it is as large as what succeeded and what is active.
    known: int = job["succeeded"] + job["active"] if total is None else total
    return known
