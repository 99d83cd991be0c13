"""Run jobs on a server: hand them in there, follow them from here."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from jobyard.cli.attending import mention_missing_worker
from jobyard.cli.desk import open_desk
from jobyard.cli.printer import say
from jobyard.client.absence import AsyncAbsence
from jobyard.core.states import TERMINAL
from jobyard.errors import JobNotFound, JobyardError
from jobyard.spec.encode import encode
from jobyard.wire.logs import NUMBERS, bytes_of

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
MOST_FOLLOWED = 50
"""Jobs whose output is read at a time, a connection each; what the others print is not lost."""


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
        self._readers: dict[int, asyncio.Task[None]] = {}
        self._reading = asyncio.Semaphore(MOST_FOLLOWED)
        self._over: set[int] = set()
        self._absence = AsyncAbsence()

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
            await mention_missing_worker(desk, self._settings, jobs[0])
            try:
                yield jobs
                await self._read_to_the_end()
            finally:
                for reader in self._readers.values():
                    reader.cancel()

    async def look(self, job_ids: Sequence[int]) -> list[Object]:
        """Read the jobs that are still there, and read on what those print that have started."""
        found = await self._absence.ask(lambda: self._read(job_ids))
        for job in found:
            if job["started_at"] is not None and job["id"] not in self._readers:
                self._readers[job["id"]] = asyncio.create_task(self._show(job["id"]))
            if job["status"] in TERMINAL:
                self._over.add(job["id"])
        return found

    async def _show(self, job_id: int) -> None:
        """Show what a job prints until it is over."""
        async with self._reading:
            async for piece in self.desk.follow_lines(job_id):
                stream = (piece["attempt_id"], NUMBERS[piece["stream"]])
                self._live.output(stream, job_id, piece["index"], bytes_of(piece))
        self._live.end_lines(job_id)

    async def _read_to_the_end(self) -> None:
        """Wait for the output of the jobs that are over."""
        for job_id in self._over & self._readers.keys():
            try:
                await self._readers[job_id]
            except JobNotFound:
                # Deleted meanwhile, its output with it.
                continue

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
