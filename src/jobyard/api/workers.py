"""The routes of workers: list, read, drain, resume."""

from __future__ import annotations

from fastapi import APIRouter, Response

from jobyard.api.answers import answer
from jobyard.api.desk import Desk
from jobyard.api.parameters import WorkerId
from jobyard.api.shapes import answers


def routes(desk: Desk) -> APIRouter:
    """Make the routes that lead to ``desk``."""
    router = APIRouter(tags=["workers"])

    @router.get("/workers", responses=answers("Workers"))
    async def list_workers() -> Response:
        """List the workers whose lease runs."""
        return answer(await desk.workers())

    @router.get("/workers/{worker_id}", responses=answers("WholeWorker", 400, 404))
    async def read_worker(worker_id: WorkerId) -> Response:
        """Read one worker, with the attempts that it holds."""
        return answer(await desk.worker(worker_id))

    @router.put("/workers/{worker_id}/drain", responses=answers("Worker", 400, 404))
    async def drain_worker(worker_id: WorkerId) -> Response:
        """Have a worker claim nothing new; what it runs goes on. Idempotent."""
        return answer(await desk.drain(worker_id, draining=True))

    @router.put("/workers/{worker_id}/resume", responses=answers("Worker", 400, 404))
    async def resume_worker(worker_id: WorkerId) -> Response:
        """Have a drained worker claim again; idempotent."""
        return answer(await desk.drain(worker_id, draining=False))

    return router
