"""Where benchmarks run: folders and a PostgreSQL of their own, and an engine on either store."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
import time
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobyard import app, config, log
from jobyard.core.job import CompletionMode, FakeScript, JobSpec, Policy, Program
from jobyard.core.states import ACTIVE
from jobyard.store.base import JobQuery, Submission
from jobyard.testing.postgres import PrivatePostgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterator

    from jobyard.app import Yard
    from jobyard.config import Settings
    from jobyard.core.records import Job
    from jobyard.store.base import Claim, Store


PATIENCE = 120.0
"""Seconds after which an engine that does not get its work done is taken for broken."""
LOOK = 0.002
"""Seconds between two looks for an end that is about to come."""


class Ground:
    """A temporary folder and a PostgreSQL server (fsync on) for one run of the benchmarks."""

    def __init__(self, *, quick: bool) -> None:
        """Make the folder; the server starts when it is first wanted."""
        log.configure("error")
        self.quick = quick
        self._folder = Path(tempfile.mkdtemp(prefix="jobyard-bench-"))
        self._numbers = itertools.count(1)
        self._postgres: PrivatePostgres | None = None

    def few(self, full: int, quick: int) -> int:
        """Choose a size."""
        return quick if self.quick else full

    @property
    def postgres(self) -> PrivatePostgres:
        """The server; its settings are PostgreSQL's own but for memory."""
        if self._postgres is None:
            memory = {"shared_buffers": "512MB", "max_wal_size": "4GB"}
            self._postgres = PrivatePostgres(fsync=True, settings=memory)
            self._postgres.start()
        return self._postgres

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Have an empty folder for a while."""
        path = self._folder / str(next(self._numbers))
        path.mkdir()
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def database(self) -> Iterator[str]:
        """Have an empty PostgreSQL database for a while."""
        name = f"bench{next(self._numbers)}"
        dsn = self.postgres.create_database(name)
        try:
            yield dsn
        finally:
            self.postgres.drop_database(name)

    @contextmanager
    def settings(self, store: str, **flags: Any) -> Iterator[Settings]:
        """Have settings of an empty store for a while."""
        with self.folder() as folder:
            if store == "sqlite":
                yield config.load({"state_dir": folder, **flags}, {})
                return
            with self.database() as dsn:
                yield config.load({"state_dir": folder, "database": dsn, **flags}, {})

    def close(self) -> None:
        """Remove everything."""
        if self._postgres is not None:
            self._postgres.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class Watch:
    """Counts what ends on a worker, and keeps when each job's programs first said something."""

    def __init__(self, expected: int = 0) -> None:
        """Wait for the end of ``expected`` attempts."""
        self._left = expected
        self._first_words: dict[int, asyncio.Future[float]] = {}
        self._enough = asyncio.Event()

    def first_words(self, job_id: int) -> asyncio.Future[float]:
        """Get the moment of a job's first output (perf_counter), to wait for."""
        moment = self._first_words.get(job_id)
        if moment is None:
            moment = self._first_words[job_id] = asyncio.get_running_loop().create_future()
        return moment

    def printed(self, claim: Claim, stream: int, data: bytes) -> None:
        """Take the time, once a job."""
        del stream, data
        moment = self.first_words(claim.job_id)
        if not moment.done():
            moment.set_result(time.perf_counter())

    def ended(self, claim: Claim) -> None:
        """Count an attempt."""
        del claim
        self._left -= 1
        if not self._left:
            self._enough.set()

    def conversed(self) -> None:
        """Take no note."""

    async def all_ended(self) -> None:
        """Wait until as many attempts have ended as expected."""
        async with asyncio.timeout(PATIENCE):
            await self._enough.wait()


@asynccontextmanager
async def an_engine(
    settings: Settings, executors: Collection[str], watch: Watch | None = None
) -> AsyncIterator[Yard]:
    """Run a controller and one worker in this process for a while."""
    async with app.open_yard(settings) as yard:
        controller = yard.controller()
        worker = yard.worker(
            app.worker_settings(settings, executors=executors), listener=watch or Watch()
        )
        async with asyncio.TaskGroup() as services:
            services.create_task(controller.run())
            services.create_task(worker.run())
            await worker.registered.wait()
            try:
                yield yard
            finally:
                worker.end_working(0.0)
                controller.end()


def a_program(*command: str, **policy: Any) -> JobSpec:
    """Ask for a job that runs a real program."""
    return JobSpec("bench", Program(command), Policy(**policy))


def a_fake(script: FakeScript | None = None, **policy: Any) -> JobSpec:
    """Ask for a job whose program is imagined and succeeds at once."""
    return JobSpec("bench", Program(fake=script), Policy(**policy), executor="fake")


def indexed(total: int, parallelism: int) -> dict[str, Any]:
    """Name the policy of an Indexed job."""
    return {
        "completions": total,
        "parallelism": parallelism,
        "completion_mode": CompletionMode.INDEXED,
    }


async def submit(store: Store, *specs: JobSpec) -> list[Job]:
    """Submit jobs in one transaction."""
    return await store.submit(Submission(specs))


async def drained(store: Store) -> None:
    """Wait until no job is left that has not ended."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if not await store.jobs(JobQuery(statuses=ACTIVE, limit=1)):
                return
            await asyncio.sleep(LOOK)
