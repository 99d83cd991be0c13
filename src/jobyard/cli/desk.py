"""Whom a command asks: a server, or the store of the state folder itself; the answers are alike."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, Unpack

from jobyard import app, clock
from jobyard.api.desk import Desk as StoreDesk
from jobyard.app import EXECUTORS, open_yard
from jobyard.cli.dataset_desk import DatasetDesk
from jobyard.cli.printer import show_error
from jobyard.cli.whereabouts import find
from jobyard.client.absence import AsyncAbsence
from jobyard.core.states import TERMINAL
from jobyard.errors import Conflict, JobNotFound, JobyardError, ServerUnreachable
from jobyard.spec.document import Limits

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Awaitable,
        Callable,
        Iterable,
        Mapping,
        Sequence,
    )

    from jobyard.api.desks.jobs import Syntax
    from jobyard.client.calls import Document, Filters
    from jobyard.client.following import ChosenChanges, ChosenLines
    from jobyard.config import Settings

    Object = Mapping[str, Any]

T = TypeVar("T")

FIRST_LOOK, SLOWEST_LOOK = 0.02, 0.5


class Stretch(Protocol):
    """A part of an attempt's output, and where the next part begins."""

    @property
    def data(self) -> bytes:
        """The bytes."""

    @property
    def next_offset(self) -> int:
        """Where the next part begins, counted in bytes of the attempt."""


class Desk(DatasetDesk, Protocol):
    """What commands ask; objects are those of the HTTP API."""

    async def submit_all(
        self, document: Document, *, executor: str | None = None
    ) -> Sequence[Object]:
        """Submit the jobs of a document."""

    async def apply(
        self, document: Document, *, rerun: bool = False, executor: str | None = None
    ) -> Sequence[Object]:
        """Make the jobs of a document be what it says."""

    async def job(self, job_id: int) -> Object:
        """Read a job."""

    async def jobs_page(
        self,
        *,
        status: str = "active",
        last_job_id: int | None = None,
        limit: int = 50,
        **filters: Unpack[Filters],
    ) -> Object:
        """Read a page of jobs."""

    async def stop(self, job_id: int) -> Object:
        """Stop a job."""

    async def cancel(self, job_id: int) -> Object:
        """Withdraw a job."""

    async def suspend(self, job_id: int) -> Object:
        """Suspend a job."""

    async def resume(self, job_id: int) -> Object:
        """Resume a job."""

    async def retry(self, job_id: int, *, indexes: str = "all") -> Object:
        """Make a new job of one that is over."""

    async def patch(self, job_id: int, changes: Mapping[str, Any]) -> Object:
        """Change fields of a job."""

    async def delete(self, job_id: int) -> None:
        """Delete a job that is over."""

    async def prune(
        self,
        *,
        status: str = "terminal",
        older_than: str | None = None,
        labels: Sequence[str] = (),
        name: str | None = None,
        namespace: str | None = None,
        dry_run: bool = False,
    ) -> int:
        """Delete the jobs that are over and match; tell how many."""

    async def explain(self, job_id: int) -> Object:
        """Read why a job is where it is."""

    async def attempts_page(
        self, job_id: int, *, after: int = 0, limit: int = 1000, index: int | None = None
    ) -> Object:
        """Read a page of a job's attempts."""

    async def events(self, job_id: int, *, after: int = 0, limit: int = 1000) -> Object:
        """Read a page of a job's ledger."""

    async def event(self, job_id: int, event_id: int) -> Object:
        """Read one line of a job's ledger."""

    async def progress(self, job_id: int) -> Object:
        """Read how far a job is."""

    def logs(
        self, job_id: int, *, timestamps: bool = False, **chosen: Unpack[ChosenLines]
    ) -> AsyncGenerator[bytes]:
        """Read what a job's programs printed."""

    def log_lines(self, job_id: int, **chosen: Unpack[ChosenLines]) -> AsyncGenerator[Object]:
        """Read the same line by line, as objects."""

    async def log_stretch(
        self, job_id: int, attempt_id: int, *, offset: int, limit: int, stream: str | None = None
    ) -> Stretch:
        """Read a stretch of one attempt's output."""

    def follow_logs(
        self, job_id: int, *, timestamps: bool = False, **chosen: Unpack[ChosenLines]
    ) -> AsyncGenerator[bytes]:
        """Read what a job's programs print until it is over."""

    def follow_lines(self, job_id: int, **chosen: Unpack[ChosenLines]) -> AsyncGenerator[Object]:
        """Read the same as pieces of lines, as objects."""

    def watch(
        self, after: str | None = None, **chosen: Unpack[ChosenChanges]
    ) -> AsyncGenerator[Object]:
        """Read the status changes of all jobs."""

    async def workers(self) -> Object:
        """List workers."""

    async def worker(self, worker_id: str) -> Object:
        """Read a worker."""

    async def drain(self, worker_id: str, *, draining: bool = True) -> Object:
        """Have a worker claim nothing new, or claim again."""


class Embedded(StoreDesk):
    """The desk of a store in this process, with the client's ways of submitting and reading."""

    async def submit_all(
        self, document: Document, *, executor: str | None = None
    ) -> list[dict[str, Any]]:
        """Submit the jobs of a document."""
        return (await self.submit(_bytes(document), executor=executor)).jobs

    async def apply(
        self,
        document: Document,
        *,
        syntax: Syntax = "auto",
        rerun: bool = False,
        executor: str | None = None,
    ) -> list[dict[str, Any]]:
        """Make the jobs of a document be what it says."""
        return await super().apply(_bytes(document), syntax=syntax, rerun=rerun, executor=executor)


def _bytes(document: Document) -> bytes:
    if isinstance(document, bytes):
        return document
    if isinstance(document, Path):
        return document.read_bytes()
    return (document if isinstance(document, str) else json.dumps(document)).encode()


def server_of(settings: Settings) -> str | None:
    """Find the server to ask: the one that was named, else the one that serves the state folder."""
    if settings.url:
        return settings.url
    return None if settings.database else find(settings.state_dir)


@asynccontextmanager
async def open_desk(settings: Settings, *, make: bool = False) -> AsyncIterator[Desk]:
    """Reach the server if there is one, else open the store; only ``make`` makes a new one.

    Raises:
        ServerUnreachable: there is neither a server nor a store.
        StoreUnavailable: the database cannot be reached.
        SchemaMismatch: the database is newer than this program.
    """
    url = server_of(settings)
    if url is not None:
        # The HTTP library is imported only for commands that speak HTTP.
        from jobyard.client import AsyncClient

        async with AsyncClient(url, token=settings.token) as client:
            yield client
        return
    if not make and not settings.database and not (settings.state_dir / "jobs.db").exists():
        raise ServerUnreachable(
            f"no server is known, and nothing is kept in {settings.state_dir}",
            hint="`jobyard solo` starts both here; --url or --state-dir say where they are",
        )
    async with open_yard(settings) as yard:
        limits = Limits.of(settings)
        yield Embedded(
            yard.store,
            yard.logs,
            executors=EXECUTORS,
            limits=limits,
            trigger="cli",
            providers_dir=settings.providers_dir,
            data_dir=app.data_dir(settings),
            collect_after=settings.collect_after,
        )


def ask(settings: Settings, question: Callable[[Desk], Awaitable[T]]) -> T:
    """Ask one question in an event loop of its own.

    Raises:
        JobyardError: as ``open_desk``, and whatever the answer is otherwise.
    """

    async def work() -> T:
        async with open_desk(settings) as desk:
            return await question(desk)

    return app.run_async(work())


async def one_by_one(job_ids: Iterable[int], do: Callable[[int], Awaitable[None]]) -> None:
    """Do something with each job; one that is missing or in the way keeps no other back.

    Raises:
        JobNotFound: one was not there; all others were done.
        Conflict: one was in the way, as above.
    """
    refused: list[JobyardError] = []
    for job_id in dict.fromkeys(job_ids):
        try:
            await do(job_id)
        except (Conflict, JobNotFound) as error:
            if refused:
                show_error(refused.pop())
            refused.append(error)
    if refused:
        raise refused[0]


async def until_over(
    desk: Desk, job_id: int, look: Callable[[Object], None] | None = None
) -> Object:
    """Wait until a job is over and return it; ``look`` is shown it on the way.

    A server that is started anew is waited for.
    """
    absence = AsyncAbsence()
    pause = FIRST_LOOK
    while True:
        job = await absence.ask(lambda: desk.job(job_id))
        if look is not None:
            look(job)
        if job["status"] in TERMINAL:
            return job
        await clock.sleep(pause)
        pause = min(pause * 1.5, SLOWEST_LOOK)
