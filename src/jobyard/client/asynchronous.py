"""The client for programs that run an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import httpx

from jobyard import clock
from jobyard.client import calls
from jobyard.client.calls import Call, Document, Object, address, understood, unreachable
from jobyard.client.output_async import AsyncOutput

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class AsyncClient(AsyncOutput):
    """Speaks to a server; every error is one of ``jobyard.errors``.

    Use it as ``async with AsyncClient() as client``, or ``close`` it.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:1610",
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Speak to the server at ``url``; nothing is sent yet.

        Raises:
            InvalidSetting: ``url`` is no address.
        """
        self.url = address(url)
        timeout = httpx.Timeout(calls.PATIENCE, connect=calls.CONNECT_PATIENCE)
        # A loopback server is never behind a proxy, whatever the environment says.
        self._http = httpx.AsyncClient(
            base_url=self.url, timeout=timeout, transport=transport, trust_env=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *unused: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def submit(self, document: Document, *, idempotency_key: str | None = None) -> Object:
        """Submit one job and return it.

        Raises:
            InvalidDocument: the document is wrong; all problems are in it.
            IdempotencyConflict: the key made a job from another spec.
        """
        return calls.only(await self.submit_all(document, idempotency_key=idempotency_key))

    async def submit_all(
        self, document: Document, *, idempotency_key: str | None = None
    ) -> list[Object]:
        """Submit all jobs of a document, all or none, and return them in its order."""
        return calls.jobs_in(await self._ask(calls.submission(document, idempotency_key)))

    async def job(self, job_id: int) -> Object:
        """Read one job.

        Raises:
            JobNotFound: there is none of this id.
        """
        return await self._object(calls.read(f"/jobs/{job_id}"))

    async def jobs_page(
        self,
        *,
        status: str = "active",
        last_job_id: int | None = None,
        limit: int = 50,
        name: str | None = None,
        namespace: str | None = None,
    ) -> Object:
        """Read one page: ``jobs``, newest first, and ``next_cursor`` unless it is the last."""
        return await self._object(
            calls.read(
                "/jobs",
                status=status,
                last_job_id=last_job_id,
                limit=limit,
                name=name,
                namespace=namespace,
            )
        )

    async def jobs(
        self,
        *,
        status: str = "active",
        name: str | None = None,
        namespace: str | None = None,
        page_size: int = 500,
    ) -> AsyncIterator[Object]:
        """Walk through all jobs of a filter, newest first."""
        cursor: int | None = None
        while True:
            page = await self.jobs_page(
                status=status,
                last_job_id=cursor,
                limit=page_size,
                name=name,
                namespace=namespace,
            )
            for job in page["jobs"]:
                yield job
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    async def stop(self, job_id: int) -> Object:
        """Have a job stop; one that is over stays as it is."""
        return await self._object(calls.change(f"/jobs/{job_id}/stop"))

    async def cancel(self, job_id: int) -> Object:
        """Withdraw a job; one that is over stays as it is."""
        return await self._object(calls.change(f"/jobs/{job_id}/cancel"))

    async def suspend(self, job_id: int) -> Object:
        """Stop a job's attempts, uncounted, until it is resumed."""
        return await self._object(calls.change(f"/jobs/{job_id}/suspend"))

    async def resume(self, job_id: int) -> Object:
        """Let a suspended job go on."""
        return await self._object(calls.change(f"/jobs/{job_id}/resume"))

    async def attempts_page(
        self, job_id: int, *, after: int = 0, limit: int = 1000, index: int | None = None
    ) -> Object:
        """Read one page: ``attempts``, oldest first, and ``next_cursor`` unless it is the last."""
        path = f"/jobs/{job_id}/attempts"
        return await self._object(calls.read(path, after=after, limit=limit, index=index))

    async def attempts(self, job_id: int, *, index: int | None = None) -> AsyncIterator[Object]:
        """Walk through a job's attempts, oldest first, lost ones included."""
        after: int | None = 0
        while after is not None:
            page = await self.attempts_page(job_id, after=after, index=index)
            for attempt in page["attempts"]:
                yield attempt
            after = page.get("next_cursor")

    async def events(self, job_id: int, *, after: int = 0, limit: int = 1000) -> Object:
        """Read a page of a job's ledger: ``events``, oldest first."""
        return await self._object(calls.read(f"/jobs/{job_id}/events", after=after, limit=limit))

    async def progress(self, job_id: int) -> Object:
        """Read how far a job is."""
        return await self._object(calls.read(f"/jobs/{job_id}/progress"))

    async def wait(self, job_id: int, *, within: float | None = None) -> Object:
        """Wait until a job is over and return it.

        Raises:
            TimeoutError: it was not within ``within`` seconds.
        """
        deadline = None if within is None else clock.monotonic() + within
        pause = calls.FIRST_LOOK
        while True:
            job = await self.job(job_id)
            if job["status"] in calls.TERMINAL:
                return job
            if deadline is not None and clock.monotonic() >= deadline:
                msg = f"job {job_id} is {job['status']} after {within:g}s"
                raise TimeoutError(msg)
            await clock.sleep(pause)
            pause = min(pause * 1.5, calls.SLOWEST_LOOK)

    async def workers(self) -> Object:
        """List the workers whose lease runs, as ``workers``."""
        return await self._object(calls.read("/workers"))

    async def worker(self, worker_id: str) -> Object:
        """Read one worker.

        Raises:
            WorkerNotFound: no live worker has this id.
        """
        return await self._object(calls.read(calls.of_worker(worker_id)))

    async def drain(self, worker_id: str, *, draining: bool = True) -> Object:
        """Have a worker claim nothing new, or claim again."""
        verb = "drain" if draining else "resume"
        return await self._object(calls.change(calls.of_worker(worker_id, verb)))

    async def _object(self, call: Call) -> Object:
        answer: Object = await self._ask(call)
        return answer

    async def _ask(self, call: Call) -> Any:
        return understood(await self._send(call))

    async def _send(self, call: Call) -> httpx.Response:
        try:
            return await self._http.request(
                call.method,
                call.path,
                params=call.params,
                content=call.content,
                headers=call.headers,
            )
        except httpx.TransportError as error:
            raise unreachable(self.url, error) from error
