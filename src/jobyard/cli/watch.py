"""A list that stays: drawn anew in its place, or told change by change to a program."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from jobyard import clock
from jobyard.cli.desk import ask
from jobyard.cli.printer import show_json
from jobyard.cli.shown import jobs_table, progress_page
from jobyard.client.absence import AsyncAbsence
from jobyard.core.states import TERMINAL
from jobyard.errors import JobNotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from jobyard.cli.desk import Desk
    from jobyard.config import Settings

    Object = Mapping[str, Any]
    Reader = Callable[[Desk], Awaitable[Object]]

LOOK = 1.0
"""Seconds between looks."""


def watch_jobs(settings: Settings, read: Reader, *, as_json: bool) -> None:
    """Show the jobs that ``read`` finds, again whenever they change, until interrupted."""
    show = _Changes() if as_json else Drawing()

    async def work(desk: Desk) -> None:
        absence = AsyncAbsence()
        while True:
            found = await absence.ask(lambda: read(desk))
            await show.look(desk, found["jobs"])
            await clock.sleep(LOOK)

    ask(settings, work)


def watch_progress(settings: Settings, job_id: int, *, as_json: bool) -> None:
    """Show how far a job is, again whenever that changes, until it is over."""
    drawing = Drawing()

    async def work(desk: Desk) -> None:
        told: Object | None = None
        while True:
            found = await desk.progress(job_id)
            if not as_json:
                drawing.draw(progress_page(found))
            elif found != told:
                show_json(found)
            told = found
            if found["job_status"] in TERMINAL:
                return
            await clock.sleep(LOOK)

    ask(settings, work)


class Drawing:
    """A page, drawn over the last one on a terminal, under it elsewhere."""

    def __init__(self) -> None:
        self._shown = ""

    async def look(self, desk: Desk, jobs: list[Object]) -> None:
        """Draw the table if it is another one."""
        del desk
        self.draw(jobs_table(jobs))

    def draw(self, table: str) -> None:
        """Draw a page if it is another one."""
        if table == self._shown:
            return
        if sys.stdout.isatty():
            # Up to where the last one began, and nothing below.
            rows = self._shown.count("\n") + 1
            over = f"\x1b[{rows}F\x1b[J" if self._shown else ""
            sys.stdout.write(f"{over}{table}\n")
        else:
            sys.stdout.write(f"{chr(10) if self._shown else ''}{table}\n")
        sys.stdout.flush()
        self._shown = table

    def forget(self) -> None:
        """Draw below what is there now."""
        self._shown = ""


class _Changes:
    """A line of JSON for each job that is new or another; the last line of one that left, too."""

    def __init__(self) -> None:
        self._told: dict[int, Object] = {}

    async def look(self, desk: Desk, jobs: list[Object]) -> None:
        """Tell what is not as it was told, oldest first."""
        there = {job["id"]: job for job in jobs}
        for job_id in sorted(self._told.keys() - there.keys()):
            del self._told[job_id]
            try:
                show_json(await desk.job(job_id))
            except JobNotFound:
                show_json({"id": job_id, "deleted": True})
        for job_id, job in sorted(there.items()):
            if self._told.get(job_id) != job:
                self._told[job_id] = job
                show_json(job)
