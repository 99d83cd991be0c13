"""The client for programs without an event loop; method for method the other one's twin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import httpx

from jobyard import clock
from jobyard.client import calls
from jobyard.client.calls import Call, Document, Object, address, understood, unreachable
from jobyard.client.output import Output

if TYPE_CHECKING:
    from collections.abc import Iterator


class Client(Output):
    """Speaks to a server; every error is one of ``jobyard.errors``.

    Use it as ``with Client() as client``, or ``close`` it.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:1610",
        *,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Speak to the server at ``url``; nothing is sent yet.

        Raises:
            InvalidSetting: ``url`` is no address.
        """
        self.url = address(url)
        timeout = httpx.Timeout(calls.PATIENCE, connect=calls.CONNECT_PATIENCE)
        # A loopback server is never behind a proxy, whatever the environment says.
        self._http = httpx.Client(
            base_url=self.url, timeout=timeout, transport=transport, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def submit(self, document: Document, *, idempotency_key: str | None = None) -> Object:
        """Submit one job and return it.

        Raises:
            InvalidDocument: the document is wrong; all problems are in it.
            IdempotencyConflict: the key made a job from another spec.
        """
        return calls.only(self.submit_all(document, idempotency_key=idempotency_key))

    def submit_all(self, document: Document, *, idempotency_key: str | None = None) -> list[Object]:
        """Submit all jobs of a document, all or none, and return them in its order."""
        return calls.jobs_in(self._ask(calls.submission(document, idempotency_key)))

    def job(self, job_id: int) -> Object:
        """Read one job.

        Raises:
            JobNotFound: there is none of this id.
        """
        return self._object(calls.read(f"/jobs/{job_id}"))

    def jobs_page(
        self,
        *,
        status: str = "active",
        last_job_id: int | None = None,
        limit: int = 50,
        name: str | None = None,
        namespace: str | None = None,
    ) -> Object:
        """Read one page: ``jobs``, newest first, and ``next_cursor`` unless it is the last."""
        return self._object(
            calls.read(
                "/jobs",
                status=status,
                last_job_id=last_job_id,
                limit=limit,
                name=name,
                namespace=namespace,
            )
        )

    def jobs(
        self,
        *,
        status: str = "active",
        name: str | None = None,
        namespace: str | None = None,
        page_size: int = 500,
    ) -> Iterator[Object]:
        """Walk through all jobs of a filter, newest first."""
        cursor: int | None = None
        while True:
            page = self.jobs_page(
                status=status,
                last_job_id=cursor,
                limit=page_size,
                name=name,
                namespace=namespace,
            )
            yield from page["jobs"]
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    def stop(self, job_id: int) -> Object:
        """Have a job stop; one that is over stays as it is."""
        return self._object(calls.change(f"/jobs/{job_id}/stop"))

    def cancel(self, job_id: int) -> Object:
        """Withdraw a job; one that is over stays as it is."""
        return self._object(calls.change(f"/jobs/{job_id}/cancel"))

    def suspend(self, job_id: int) -> Object:
        """Stop a job's attempts, uncounted, until it is resumed."""
        return self._object(calls.change(f"/jobs/{job_id}/suspend"))

    def resume(self, job_id: int) -> Object:
        """Let a suspended job go on."""
        return self._object(calls.change(f"/jobs/{job_id}/resume"))

    def attempts_page(
        self, job_id: int, *, after: int = 0, limit: int = 1000, index: int | None = None
    ) -> Object:
        """Read one page: ``attempts``, oldest first, and ``next_cursor`` unless it is the last."""
        path = f"/jobs/{job_id}/attempts"
        return self._object(calls.read(path, after=after, limit=limit, index=index))

    def attempts(self, job_id: int, *, index: int | None = None) -> Iterator[Object]:
        """Walk through a job's attempts, oldest first, lost ones included."""
        after: int | None = 0
        while after is not None:
            page = self.attempts_page(job_id, after=after, index=index)
            yield from page["attempts"]
            after = page.get("next_cursor")

    def events(self, job_id: int, *, after: int = 0, limit: int = 1000) -> Object:
        """Read a page of a job's ledger: ``events``, oldest first."""
        return self._object(calls.read(f"/jobs/{job_id}/events", after=after, limit=limit))

    def progress(self, job_id: int) -> Object:
        """Read how far a job is."""
        return self._object(calls.read(f"/jobs/{job_id}/progress"))

    def wait(self, job_id: int, *, within: float | None = None) -> Object:
        """Wait until a job is over and return it.

        Raises:
            TimeoutError: it was not within ``within`` seconds.
        """
        deadline = None if within is None else clock.monotonic() + within
        pause = calls.FIRST_LOOK
        while True:
            job = self.job(job_id)
            if job["status"] in calls.TERMINAL:
                return job
            if deadline is not None and clock.monotonic() >= deadline:
                msg = f"job {job_id} is {job['status']} after {within:g}s"
                raise TimeoutError(msg)
            clock.pause(pause)
            pause = min(pause * 1.5, calls.SLOWEST_LOOK)

    def workers(self) -> Object:
        """List the workers whose lease runs, as ``workers``."""
        return self._object(calls.read("/workers"))

    def worker(self, worker_id: str) -> Object:
        """Read one worker.

        Raises:
            WorkerNotFound: no live worker has this id.
        """
        return self._object(calls.read(calls.of_worker(worker_id)))

    def drain(self, worker_id: str, *, draining: bool = True) -> Object:
        """Have a worker claim nothing new, or claim again."""
        verb = "drain" if draining else "resume"
        return self._object(calls.change(calls.of_worker(worker_id, verb)))

    def _object(self, call: Call) -> Object:
        answer: Object = self._ask(call)
        return answer

    def _ask(self, call: Call) -> Any:
        return understood(self._send(call))

    def _send(self, call: Call) -> httpx.Response:
        try:
            return self._http.request(
                call.method,
                call.path,
                params=call.params,
                content=call.content,
                headers=call.headers,
            )
        except httpx.TransportError as error:
            raise unreachable(self.url, error) from error
