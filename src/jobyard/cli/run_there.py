"""Run jobs on a server: hand them in there, follow them from here."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from jobyard.cli.attending import mention_missing_worker
from jobyard.cli.desk import TERMINAL, open_desk
from jobyard.cli.following import Follower
from jobyard.cli.printer import say
from jobyard.errors import JobNotFound, JobyardError
from jobyard.spec.encode import encode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from jobyard.cli.desk import Desk
    from jobyard.cli.live import Live
    from jobyard.config import Settings
    from jobyard.core.job import JobSpec

    Object = Mapping[str, Any]

FEW = 20
"""Jobs up to which each is asked for by itself; of more, whole pages are read."""
PAGE = 1000


class There:
    """A server that was named; its own workers run the jobs."""

    desk: Desk

    def __init__(
        self,
        settings: Settings,
        files: Sequence[Sequence[JobSpec]],
        live: Live,
        executor: str | None,
    ) -> None:
        """Run the jobs of ``files`` with ``executor``; ``live`` shows what they print."""
        self._settings = settings
        self._files = files
        self._live = live
        self._executor = executor
        self._followers: dict[int, Follower] = {}

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[list[Object]]:
        """Submit the jobs, those of each file all or none."""
        async with open_desk(self._settings) as desk:
            self.desk = desk
            jobs: list[Object] = []
            for specs in self._files:
                document = {"jobs": [encode(spec) for spec in specs]}
                try:
                    jobs += await desk.submit_all(document, executor=self._executor)
                except JobyardError:
                    # Nobody is going to look after the jobs of the files before.
                    for job in jobs:
                        await desk.cancel(job["id"])
                    raise
            self._followers = {job["id"]: Follower(desk, job["id"]) for job in jobs}
            await mention_missing_worker(desk, self._settings, jobs[0])
            yield jobs

    async def look(self, job_ids: Sequence[int]) -> list[Object]:
        """Read the jobs that are still there, and show what they printed since the last look."""
        found = await self._read(job_ids)
        for job in found:
            if job["started_at"] is None:
                continue
            # What is over by now has printed all that it will ever print.
            async for attempt, data in self._followers[job["id"]].news():
                self._live.output((attempt["id"], 0), job["id"], attempt["index"], data)
            if job["status"] in TERMINAL:
                self._live.end_lines(job["id"])
        return found

    async def _read(self, job_ids: Sequence[int]) -> list[Object]:
        if len(job_ids) > FEW:
            return await self._read_pages(set(job_ids))
        found = []
        for job_id in job_ids:
            try:
                found.append(await self.desk.job(job_id))
            except JobNotFound:
                # Deleted meanwhile, by its time to live or by somebody.
                continue
        return found

    async def _read_pages(self, wanted: set[int]) -> list[Object]:
        found: list[Object] = []
        cursor = max(wanted) + 1
        while cursor > min(wanted):
            page = await self.desk.jobs_page(status="all", last_job_id=cursor, limit=PAGE)
            found += (job for job in page["jobs"] if job["id"] in wanted)
            cursor = page.get("next_cursor", 0)
        return found

    def hurry(self) -> bool:
        """Leave the jobs to the server, which has been told to stop them."""
        say("the server goes on stopping them")
        return False

    def rest(self, *, unfinished: bool) -> None:
        """Nothing here works on the jobs."""
