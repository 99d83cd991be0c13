# made by scripts/generate.py
"""The client for programs without an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from jobyard import clock
from jobyard.client import calls
from jobyard.client.absence import Absence
from jobyard.client.datasets import DatasetCalls
from jobyard.client.output import Output
from jobyard.client.shapes import (
    AppliedJobs,
    Attempts,
    Events,
    Explanation,
    Job,
    Jobs,
    Progress,
    WholeEvent,
    WholeWorker,
    Worker,
    Workers,
)
from jobyard.client.tables import TableCalls
from jobyard.core.states import TERMINAL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from jobyard.client.calls import Document, Filters
    from jobyard.client.shapes import Applied, Attempt


class Client(Output, DatasetCalls, TableCalls):
    """Speaks to a server; every error is one of ``jobyard.errors``.

    Use it as ``with Client() as client``, or ``close`` it.
    """

    def submit(
        self,
        document: Document,
        *,
        executor: str | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Submit one job and return it.

        ``executor`` runs it in place of what the document says.

        Raises:
            InvalidDocument: the document is wrong; all problems are in it.
            IdempotencyConflict: the key made a job from another spec.
        """
        call = calls.submission(document, executor=executor, idempotency_key=idempotency_key)
        return calls.only(calls.jobs_in(self._ask(call, dict)))

    def submit_all(self, document: Document, *, executor: str | None = None) -> list[Job]:
        """Submit all jobs of a document, all or none, and return them in its order."""
        call = calls.submission(document, executor=executor)
        return calls.jobs_in(self._ask(call, dict))

    def apply(
        self, document: Document, *, rerun: bool = False, executor: str | None = None
    ) -> list[Applied]:
        """Make the newest job of each name in a document be what it says there.

        The answer has an ``action`` (created, patched, unchanged) and the ``job`` for each.
        ``rerun`` makes a new job where the newest one is over and was the same.

        Raises:
            InvalidDocument: the document is wrong; all problems are in it.
            Conflict: a job that is not over would have to change in what cannot change.
        """
        call = calls.application(document, rerun=rerun, executor=executor)
        return (self._ask(call, AppliedJobs))["jobs"]

    def job(self, job_id: int) -> Job:
        """Read one job.

        Raises:
            JobNotFound: there is none of this id.
        """
        return self._ask(calls.read(f"/jobs/{job_id}"), Job)

    def jobs_page(
        self,
        *,
        status: str = "active",
        last_job_id: int | None = None,
        limit: int = 50,
        **filters: Unpack[Filters],
    ) -> Jobs:
        """Read one page: ``jobs``, newest first, and ``next_cursor`` unless it is the last."""
        call = calls.read("/jobs", status=status, last_job_id=last_job_id, limit=limit, **filters)
        return self._ask(call, Jobs)

    def jobs(
        self, *, status: str = "active", page_size: int = 500, **filters: Unpack[Filters]
    ) -> Iterator[Job]:
        """Walk through all jobs of a filter, newest first."""
        cursor: int | None = None
        while True:
            page = self.jobs_page(status=status, last_job_id=cursor, limit=page_size, **filters)
            yield from page["jobs"]
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    def stop(self, job_id: int) -> Job:
        """Have a job stop; one that is over stays as it is."""
        return self._ask(calls.change(f"/jobs/{job_id}/stop"), Job)

    def cancel(self, job_id: int) -> Job:
        """Withdraw a job; one that is over stays as it is."""
        return self._ask(calls.change(f"/jobs/{job_id}/cancel"), Job)

    def suspend(self, job_id: int) -> Job:
        """Stop a job's attempts, uncounted, until it is resumed."""
        return self._ask(calls.change(f"/jobs/{job_id}/suspend"), Job)

    def resume(self, job_id: int) -> Job:
        """Let a suspended job go on."""
        return self._ask(calls.change(f"/jobs/{job_id}/resume"), Job)

    def patch(self, job_id: int, changes: Mapping[str, Any]) -> Job:
        """Change fields of a job that may change: those of the document, merged into it.

        Raises:
            InvalidDocument: a field has a value it cannot have, or may not change.
        """
        return self._ask(calls.merge(f"/jobs/{job_id}", changes), Job)

    def retry(self, job_id: int, *, indexes: str = "all") -> Job:
        """Make a new job of one that is over, and return the new one.

        ``indexes`` are those to do again: ``all``, ``failed`` or ``remaining``.

        Raises:
            Conflict: the job is not over.
        """
        call = calls.change(f"/jobs/{job_id}/retry", indexes=indexes)
        return self._ask(call, Job)

    def delete(self, job_id: int) -> None:
        """Delete a job that is over, with all that is kept of it; none is none.

        Raises:
            Conflict: the job is not over.
        """
        calls.told(self._send(calls.removal(f"/jobs/{job_id}")))

    def prune(
        self,
        *,
        status: str = "terminal",
        older_than: str | None = None,
        labels: Sequence[str] = (),
        name: str | None = None,
        namespace: str | None = None,
        dry_run: bool = False,
    ) -> int:
        """Delete all jobs that are over and match, and tell how many there were.

        ``older_than`` is a duration such as ``7d``, since the job's end; ``dry_run`` only counts.

        Raises:
            InvalidQueryParam: ``status`` names one in which a job is not over.
        """
        call = calls.removals(
            "/jobs",
            status=status,
            older_than=older_than,
            labels=labels,
            name=name,
            namespace=namespace,
            dry_run=dry_run or None,
        )
        return calls.counted(self._send(call))

    def explain(self, job_id: int) -> Explanation:
        """Read why a job is where it is, and what would help."""
        return self._ask(calls.read(f"/jobs/{job_id}/explain"), Explanation)

    def attempts_page(
        self, job_id: int, *, after: int = 0, limit: int = 1000, index: int | None = None
    ) -> Attempts:
        """Read one page: ``attempts``, oldest first, and ``next_cursor`` unless it is the last."""
        path = f"/jobs/{job_id}/attempts"
        return self._ask(calls.read(path, after=after, limit=limit, index=index), Attempts)

    def attempts(self, job_id: int, *, index: int | None = None) -> Iterator[Attempt]:
        """Walk through a job's attempts, oldest first, lost ones included."""
        after: int | None = 0
        while after is not None:
            page = self.attempts_page(job_id, after=after, index=index)
            yield from page["attempts"]
            after = page.get("next_cursor")

    def events(self, job_id: int, *, after: int = 0, limit: int = 1000) -> Events:
        """Read a page of a job's ledger: ``events``, oldest first."""
        return self._ask(calls.read(f"/jobs/{job_id}/events", after=after, limit=limit), Events)

    def event(self, job_id: int, event_id: int) -> WholeEvent:
        """Read one line of a job's ledger, with its ``detail``.

        Raises:
            EventNotFound: the job has no such event.
        """
        return self._ask(calls.read(f"/jobs/{job_id}/events/{event_id}"), WholeEvent)

    def progress(self, job_id: int) -> Progress:
        """Read how far a job is."""
        return self._ask(calls.read(f"/jobs/{job_id}/progress"), Progress)

    def wait(self, job_id: int, *, within: float | None = None) -> Job:
        """Wait until a job is over and return it; a server that is started anew is waited for.

        Raises:
            TimeoutError: it was not within ``within`` seconds.
            ServerUnreachable: the server stays away.
        """
        deadline = None if within is None else clock.monotonic() + within
        absence = Absence(deadline)
        pause = calls.FIRST_LOOK
        while True:
            job = absence.ask(lambda: self.job(job_id))
            if job["status"] in TERMINAL:
                return job
            if deadline is not None and clock.monotonic() >= deadline:
                msg = f"job {job_id} is {job['status']} after {within:g}s"
                raise TimeoutError(msg)
            clock.pause(pause)
            pause = min(pause * 1.5, calls.SLOWEST_LOOK)

    def workers(self) -> Workers:
        """List the workers whose lease runs, as ``workers``."""
        return self._ask(calls.read("/workers"), Workers)

    def worker(self, worker_id: str) -> WholeWorker:
        """Read one worker.

        Raises:
            WorkerNotFound: no live worker has this id.
        """
        return self._ask(calls.read(calls.of_worker(worker_id)), WholeWorker)

    def drain(self, worker_id: str, *, draining: bool = True) -> Worker:
        """Have a worker claim nothing new, or claim again."""
        verb = "drain" if draining else "resume"
        return self._ask(calls.change(calls.of_worker(worker_id, verb)), Worker)

    def metrics(self) -> str:
        """Read the server's measures, in the text format of Prometheus."""
        return calls.told(self._send(calls.read("/metrics")))
