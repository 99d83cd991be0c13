"""One run of some jobs, wherever they run: show them until all have ended that can."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any, Protocol

from jobyard import clock
from jobyard.cli.attending import mention_endless
from jobyard.cli.printer import say
from jobyard.cli.waiting import last_exit_code
from jobyard.core.states import TERMINAL
from jobyard.errors import JobNotFound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from jobyard.cli.desk import Desk
    from jobyard.cli.live import Live

    Object = Mapping[str, Any]

LOOK = 0.25
"""Seconds between looks at the jobs when nothing was heard."""


class Place(Protocol):
    """Where jobs run: an engine in this process, or a server with its workers."""

    desk: Desk
    """Whom to ask about the jobs, while the place is open."""

    def opened(self) -> AbstractAsyncContextManager[list[Object]]:
        """Hand in the jobs and have them worked on; give them as they were accepted."""

    async def look(self, job_ids: Sequence[int]) -> list[Object]:
        """Read jobs, those that are gone left out; show what they printed if nobody else does."""

    def hurry(self) -> bool:
        """Be done with it at once; tell whether the jobs' end is still to be seen."""

    def rest(self, *, unfinished: bool) -> None:
        """Take on nothing more; ``unfinished`` tells whether some jobs cannot end by themselves."""


class Session:
    """Follows the jobs of one run, and stops them when it is interrupted."""

    def __init__(
        self, place: Place, live: Live, woken: asyncio.Event, exit_code_from: str | None
    ) -> None:
        """Follow the jobs of ``place``, and look again when ``woken`` is set."""
        self._place = place
        self._live = live
        self._woken = woken
        self._exit_code_from = exit_code_from
        self._stops = False
        self._leaves = False
        self.jobs: dict[int, Object] = {}
        self.interrupted = False
        self.exit_code: int | None = None
        """The last exit code of the job that was named for it, if one was."""

    async def run(self) -> None:
        """Run the jobs until all have ended that can; ``jobs`` are then as they ended."""
        async with self._place.opened() as jobs:
            self.jobs = {job["id"]: job for job in jobs}
            self._live.name(jobs)
            mention_endless(jobs)
            self._catch_signals()
            await self._follow()
            self._place.rest(unfinished=bool(self._unfinished()))
            await self._conclude()
        self._live.close()

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupt)

    def _interrupt(self) -> None:
        self._live.close()
        if self.interrupted:
            self._leaves = not self._place.hurry()
        else:
            say("stopping; once more to stop at once")
            self._stops = True
        self.interrupted = True
        self._woken.set()

    async def _follow(self) -> None:
        """Look at the jobs until all have ended that can."""
        while True:
            self._woken.clear()
            if self._stops:
                self._stops = False
                for job in self._unfinished():
                    await self._place.desk.stop(job["id"])
            began = clock.monotonic()
            left = [job["id"] for job in self._unfinished()]
            self.jobs |= {job["id"]: job for job in await self._place.look(left)}
            self._live.progress(self.jobs.values())
            if self._leaves or all(self._stands_still(job) for job in self._unfinished()):
                return
            # A run of many jobs must not spend its time on looking at them.
            await clock.sleep(min(max(0.01, 4 * (clock.monotonic() - began)), 1.0))
            try:
                await asyncio.wait_for(self._woken.wait(), LOOK)
            except TimeoutError:
                continue

    def _unfinished(self) -> list[Object]:
        return [job for job in self.jobs.values() if job["status"] not in TERMINAL]

    def _stands_still(self, job: Object) -> bool:
        """Tell whether a job waits for somebody, or for one that does."""
        if is_suspended(job):
            return True
        names = {edge["job"] for edge in job["spec"].get("depends_on", ())}
        return job["status"] == "PENDING" and any(
            self._stands_still(other)
            for other in self._unfinished()
            if other["name"] in names and other["id"] != job["id"]
        )

    async def _conclude(self) -> None:
        """Read the jobs once more: what came last is counted now."""
        for job_id in self.jobs:
            try:
                self.jobs[job_id] = await self._place.desk.job(job_id)
            except JobNotFound:
                # Somebody deleted it meanwhile; the last picture of it stands.
                continue
            if self.jobs[job_id]["name"] == self._exit_code_from:
                self.exit_code = await last_exit_code(self._place.desk, job_id)


def is_suspended(job: Object) -> bool:
    """Tell whether a job waits for somebody to resume it."""
    still = job["status"] not in TERMINAL
    return still and job["suspend"] and not job["active"] and not job["terminating"]
