"""Let submissions that come at the same time share a transaction, and so its commit."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from jobyard.errors import JobyardError
from jobyard.store.transactions.submit import submit

if TYPE_CHECKING:
    from jobyard.core.records import Job
    from jobyard.store.base import Submission
    from jobyard.store.query import Driver

LARGEST = 500
"""Jobs in a shared transaction, unless one submission alone has more."""

_Waiting = tuple["Submission", "asyncio.Future[list[Job]]"]


class Intake:
    """Writes submissions one transaction after the other; what comes meanwhile shares the next."""

    def __init__(self, driver: Driver) -> None:
        """Write with ``driver``."""
        self._driver = driver
        self._waiting: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None

    async def submit(self, submission: Submission) -> list[Job]:
        """Accept a submission, all or none of it, whatever becomes of the others."""
        if any(spec.idempotency_key is not None for spec in submission.specs):
            # Its transaction may have to wait for a rival with the same key.
            return (await self._write([submission]))[0]
        future: asyncio.Future[list[Job]] = asyncio.get_running_loop().create_future()
        self._waiting.append((submission, future))
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        return await future

    async def close(self) -> None:
        """Wait for what is being written."""
        if self._task is not None:
            await self._task

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._write_together(self._next())
        finally:
            self._task = None

    def _next(self) -> list[_Waiting]:
        count = jobs = 0
        for submission, _ in self._waiting:
            jobs += len(submission.specs)
            if count and jobs > LARGEST:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return [(submission, future) for submission, future in batch if not future.done()]

    async def _write_together(self, batch: list[_Waiting]) -> None:
        if not batch:
            return
        try:
            answers = await self._write([submission for submission, _ in batch])
        except JobyardError as error:
            if len(batch) == 1:
                _fail(batch, error)
            else:
                for one in batch:
                    await self._write_together([one])
        except BaseException as error:
            _fail(batch, error)
            raise
        else:
            for (_, future), jobs in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(jobs)

    async def _write(self, submissions: list[Submission]) -> list[list[Job]]:
        answers, hint = await self._driver.write(partial(submit, submissions), durable=True)
        if hint:
            self._driver.hint()
        return answers


def _fail(batch: list[_Waiting], error: BaseException) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
