"""Put the server's app together: routes, problems, the door."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from jobyard import __version__
from jobyard.api import attempts, health, jobs, problems, streams, workers
from jobyard.api.desk import Desk
from jobyard.api.guard import Guard
from jobyard.api.shapes import SCHEMAS
from jobyard.spec.executors import HERE
from jobyard.store.base import LogStore, Store


def make_app(
    store: Store,
    logs: LogStore,
    *,
    executors: Collection[str] = HERE,
    hosts: Collection[str] = (),
) -> FastAPI:
    """Make the app that serves an open store.

    ``executors`` are those that a job may ask for, ``hosts`` names of this server besides the
    loopback ones.
    """
    desk = Desk(store, logs, executors=executors)
    app = FastAPI(
        title="Jobyard",
        version=__version__,
        description="Runs finite work to completion, and tells you the truth about it.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for noun in (streams, jobs, attempts, workers, health):
        app.include_router(noun.routes(desk))
    problems.install(app)
    app.state.hub = desk.hub
    app.add_middleware(Guard, hosts=hosts)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Describe the app once; the shapes of its answers are no models, so they are added here."""
    if app.openapi_schema is None:
        described = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
        described.setdefault("components", {})["schemas"] = SCHEMAS
        for methods in described["paths"].values():
            for operation in methods.values():
                # FastAPI's own validation answer: ours is a problem with status 400.
                operation["responses"].pop("422", None)
        app.openapi_schema = described
    return app.openapi_schema
