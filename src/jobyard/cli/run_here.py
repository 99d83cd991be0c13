"""Run jobs in this process: a controller and a worker for the length of one command."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from jobyard import app, clock, config, ids
from jobyard.cli.desk import Embedded
from jobyard.errors import Unusable
from jobyard.store.base import JobQuery, Submission
from jobyard.wire.jobs import job_object

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from jobyard.app import Yard
    from jobyard.cli.desk import Desk
    from jobyard.config import Settings
    from jobyard.core.job import JobSpec
    from jobyard.engine.worker import Listener, Worker

    Object = Mapping[str, Any]


class Here:
    """An engine on the state folder that takes on its own jobs alone."""

    desk: Desk

    def __init__(self, settings: Settings, specs: Sequence[JobSpec], listener: Listener) -> None:
        """Run ``specs``; ``listener`` sees what they print.

        Raises:
            Unusable: an attempt asks for more than this machine has.
        """
        _refuse_what_cannot_fit(specs)
        self._settings = settings
        self._specs = specs
        self._listener = listener
        self._yard: Yard
        self._worker: Worker

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[list[Object]]:
        """Submit the jobs and work on them; they are kept from the janitor until this ends."""
        async with app.open_yard(self._settings) as yard:
            owner = f"run-{ids.session()[:8]}"
            jobs = await yard.store.submit(Submission(self._specs, trigger="run", owner=owner))
            self._yard = yard
            self._worker = self._own_worker(owner)
            self.desk = Embedded(yard.store, yard.logs, executors=app.EXECUTORS, trigger="run")
            controller = yard.controller(cleans=False)
            async with asyncio.TaskGroup() as services:
                services.create_task(self._worker.run(), name="worker")
                services.create_task(controller.run(), name="controller")
                yield [job_object(job, clock.now_us()) for job in jobs]
                controller.end()

    def _own_worker(self, owner: str) -> Worker:
        wanted = {spec.executor for spec in self._specs}
        settings = app.worker_settings(
            self._settings, worker_id=owner, own_only=True, executors=wanted
        )
        return self._yard.worker(settings, listener=self._listener)

    async def look(self, job_ids: Sequence[int]) -> list[Object]:
        """Read the jobs that are still there; the listener hears what they print."""
        found: list[Object] = []
        for at in range(0, len(job_ids), 1000):
            part = job_ids[at : at + 1000]
            jobs = await self._yard.store.jobs(JobQuery(ids=part, limit=len(part)))
            found += (job_object(job, clock.now_us()) for job in jobs)
        return found

    def hurry(self) -> bool:
        """Kill the programs and see that they are gone."""
        self._worker.end_working(0.0)
        return True

    def rest(self, *, unfinished: bool) -> None:
        """Let the worker end."""
        self._worker.end_fetching()
        if unfinished:
            self._worker.end_working()


def _refuse_what_cannot_fit(specs: Iterable[JobSpec]) -> None:
    """Refuse jobs that would wait for ever, since no worker but this one will look at them."""
    cpu, memory = config.cores(), config.total_memory()
    for spec in specs:
        wanted = spec.program.resources
        if wanted.request_cpu > cpu:
            what = f"{wanted.request_cpu:g} CPUs, this machine has {cpu}"
        elif wanted.request_memory > memory:
            what = f"{wanted.request_memory} bytes of memory, this machine has {memory}"
        else:
            continue
        raise Unusable(
            f"an attempt of `{spec.name}` asks for {what}",
            hint="lower its resources, or submit it where a larger worker runs",
        )
