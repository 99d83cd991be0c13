"""The desk of workers and of the yard as a whole: list, read, drain; measure."""

from __future__ import annotations

from jobyard.api.desks.counter import MOST_ROWS, Counter, Object
from jobyard.api.exposition import exposition
from jobyard.errors import WorkerNotFound
from jobyard.wire.jobs import attempt_object, worker_object


class WorkerDesk(Counter):
    """Shows the workers, and has them claim or not."""

    async def workers(self) -> Object:
        """List the workers whose lease runs."""
        now = await self.store.now()
        return {"workers": [worker_object(record, now) for record in await self.store.workers()]}

    async def worker(self, worker_id: str) -> Object:
        """Read one worker, with what it runs as ``attempts``; the oldest thousand.

        Raises:
            WorkerNotFound: no live worker has this id.
        """
        for worker in (await self.workers())["workers"]:
            if worker["id"] == worker_id:
                held = await self.store.attempts_of_worker(worker_id, limit=MOST_ROWS)
                return {**worker, "attempts": [attempt_object(attempt) for attempt in held]}
        raise WorkerNotFound(worker_id)

    async def drain(self, worker_id: str, *, draining: bool = True) -> Object:
        """Have a worker claim nothing new, or claim again.

        Raises:
            WorkerNotFound: no live worker has this id.
        """
        record = await self.store.drain(worker_id, draining=draining)
        return worker_object(record, await self.store.now())

    async def metrics(self) -> str:
        """Write what is measured of the yard, in the text format of Prometheus."""
        return exposition(await self.store.measure())
