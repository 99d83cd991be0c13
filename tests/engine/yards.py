"""A whole engine on SQLite in a test's own folder, and waiting for what it does."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from jobyard import app, config
from jobyard.core.job import Backoff, CompletionMode, FakeScript, JobSpec, Policy, Program
from jobyard.store.base import Submission

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from jobyard.core.records import Attempt, Job
    from jobyard.engine.worker import Worker
    from jobyard.store.base import Claim

DEADLINE = 60.0
QUICK = Backoff(base=0.01, factor=1.0, cap=0.05)


def a_job(name: str = "a", *command: str, executor: str = "process", **policy: Any) -> JobSpec:
    """Ask for a job with short delays between tries."""
    program = {
        key: policy.pop(key) for key in ("env", "resources", "attempt_timeout") if key in policy
    }
    rest = {key: policy.pop(key) for key in ("depends_on", "priority", "labels") if key in policy}
    policy.setdefault("backoff", QUICK)
    return JobSpec(
        name, Program(command or ("true",), **program), Policy(**policy), executor=executor, **rest
    )


def an_indexed_job(name: str, total: int, *command: str, **policy: Any) -> JobSpec:
    """Ask for an Indexed job of ``total`` indexes."""
    policy.setdefault("parallelism", total)
    return a_job(
        name, *command, completions=total, completion_mode=CompletionMode.INDEXED, **policy
    )


def a_fake_job(name: str, script: FakeScript | None = None, **policy: Any) -> JobSpec:
    """Ask for a job whose program is only imagined."""
    policy.setdefault("backoff", QUICK)
    return JobSpec(name, Program(fake=script), Policy(**policy), executor="fake")


class Witness:
    """Sees what a worker does, and lets a test wait for it."""

    def __init__(self) -> None:
        self.output: dict[tuple[int, int | None], bytes] = {}
        self._changed = asyncio.Event()

    def printed(self, claim: Claim, stream: int, data: bytes) -> None:
        del stream
        key = (claim.job_id, claim.index)
        self.output[key] = self.output.get(key, b"") + data
        self._changed.set()

    def ended(self, claim: Claim) -> None:
        del claim
        self._changed.set()

    def conversed(self) -> None:
        self._changed.set()

    async def until(self, holds: Callable[[], Any]) -> None:
        """Wait until something holds that only this worker's doings can change."""
        async with asyncio.timeout(DEADLINE):
            while not holds():
                self._changed.clear()
                await self._changed.wait()


class Engine:
    """A yard with a controller and workers that a test starts and ends."""

    def __init__(self, yard: app.Yard) -> None:
        self.yard = yard
        self.store = yard.store
        self._tasks: list[asyncio.Task[None]] = []
        self._enders: list[Callable[[], None]] = []
        self._looks: list[asyncio.Event] = []

    async def start_controller(self) -> None:
        controller = self.yard.controller()
        self._tasks.append(asyncio.create_task(controller.run()))
        self._enders.append(controller.end)

    async def start_worker(self, witness: Witness | None = None, **settings: Any) -> Worker:
        worker = self.yard.worker(
            app.worker_settings(self.yard.settings, **settings), listener=witness or Witness()
        )
        task = asyncio.create_task(worker.run())
        self._tasks.append(task)
        self._enders.append(worker.end_working)
        ready = asyncio.create_task(worker.registered.wait())
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if task.done():
            task.result()
        return worker

    async def submit(self, *specs: JobSpec) -> list[Job]:
        return await self.store.submit(Submission(specs))

    async def end(self, job_id: int) -> Job:
        """Wait for a job's end."""
        return await self.until(job_id, lambda job: job.state.terminal)

    async def until(self, job_id: int, holds: Callable[[Job], bool]) -> Job:
        """Wait until a job is as wanted, looking whenever the store hints and now and then."""
        woken = asyncio.Event()
        await self.store.listen(woken.set)
        async with asyncio.timeout(DEADLINE):
            while True:
                woken.clear()
                job = await self.store.job(job_id)
                if holds(job):
                    return job
                try:
                    await asyncio.wait_for(woken.wait(), 0.02)
                except TimeoutError:
                    continue

    async def attempts(self, job_id: int) -> Sequence[Attempt]:
        return await self.store.attempts(job_id)

    async def close(self) -> None:
        for end in self._enders:
            end()
        await asyncio.wait_for(asyncio.gather(*self._tasks), DEADLINE)


@asynccontextmanager
async def an_engine(folder: Path, *, workers: int = 1, **flags: Any) -> AsyncIterator[Engine]:
    """Run a controller and workers on a folder's SQLite for the length of a test."""
    settings = config.load({"state_dir": folder, "slots": 8, **flags}, {})
    async with app.open_yard(settings) as yard:
        engine = Engine(yard)
        await engine.start_controller()
        for _ in range(workers):
            await engine.start_worker()
        try:
            yield engine
        finally:
            await engine.close()


async def log_of(engine: Engine, attempt_id: int) -> bytes:
    """Read all that an attempt printed."""
    chunks = await engine.yard.logs.read(attempt_id, limit=10_000)
    return b"".join(chunk.data for chunk in chunks)
