"""The routes for whoever watches the server: is it alive, can it work, what does it measure."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from jobyard.api.answers import answer
from jobyard.api.desk import Desk
from jobyard.api.exposition import MEDIA_TYPE
from jobyard.api.shapes import answers, text
from jobyard.errors import StoreUnavailable

PATIENCE = 5.0
"""Seconds within which a store that can be worked with answers."""


def routes(desk: Desk) -> APIRouter:
    """Make the routes that lead to ``desk``."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", responses=answers("Health"))
    async def is_alive() -> Response:
        """Tell that the server runs, whatever its store does."""
        return answer({"status": "ok"})

    @router.get("/readyz", responses=answers("Health"))
    async def is_ready() -> Response:
        """Tell whether the store answers."""
        try:
            await asyncio.wait_for(desk.store.now(), PATIENCE)
        except TimeoutError as error:
            raise StoreUnavailable(f"the store has not answered for {PATIENCE:g}s") from error
        return answer({"status": "ok"})

    @router.get("/metrics", response_class=PlainTextResponse, responses=text())
    async def read_metrics() -> Response:
        """Tell what is measured of the yard, in the text format of Prometheus."""
        return Response(await desk.metrics(), media_type=MEDIA_TYPE)

    return router
