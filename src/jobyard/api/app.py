"""Put the server's app together: routes, problems, the door."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi

from jobyard import __version__
from jobyard.api import (
    attempts,
    datasets,
    health,
    jobs,
    manifests,
    problems,
    providers,
    revisions,
    streams,
    workers,
)
from jobyard.api import logs as output
from jobyard.api.access import OPEN, Tokens, allow
from jobyard.api.desk import Desk
from jobyard.api.guard import Guard
from jobyard.api.known import only_known
from jobyard.api.shapes import SCHEMAS
from jobyard.spec.document import DEFAULT_LIMITS, Limits
from jobyard.spec.executors import HERE
from jobyard.store.base import LogStore, Store


def make_app(
    store: Store,
    logs: LogStore,
    *,
    executors: Collection[str] = HERE,
    limits: Limits = DEFAULT_LIMITS,
    hosts: Collection[str] = (),
    tokens: Tokens | None = None,
    providers_dir: Path | None = None,
    data_dir: str = "data",
    collect_after: float | None = None,
) -> FastAPI:
    """Make the app that serves an open store.

    ``executors`` are those that a job may ask for, ``limits`` bound the documents of submissions,
    ``hosts`` are names of this server besides the loopback ones, ``tokens`` those that may ask;
    without any, everybody who reaches it; ``providers_dir`` has files of providers,
    ``data_dir`` the tables of datasets, whose retired files stay for ``collect_after`` seconds.
    """
    desk = Desk(
        store,
        logs,
        executors=executors,
        limits=limits,
        providers_dir=providers_dir,
        data_dir=data_dir,
        collect_after=collect_after,
    )
    app = FastAPI(
        title="Jobyard",
        version=__version__,
        description="Runs finite work to completion, and tells you the truth about it.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(allow), Depends(only_known)],
    )
    nouns = (
        output, streams, jobs, attempts, workers, datasets, manifests, revisions, providers, health,
    )  # fmt: skip
    for noun in nouns:
        app.include_router(noun.routes(desk))
    problems.install(app)
    app.state.hub = desk.hub
    app.add_middleware(Guard, hosts=hosts, tokens=tokens)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


NOT_OURS = "Validation Error"
"""How FastAPI describes the answer that it would give itself."""
_SCHEMES = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of the server's file, or JOBYARD_TOKEN. A server that has none "
        "listens on loopback only and asks for none.",
    }
}


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Describe the app once; the shapes of its answers are no models, so they are added here."""
    if app.openapi_schema is None:
        described = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
        described["components"] = {"schemas": SCHEMAS, "securitySchemes": _SCHEMES}
        described["security"] = [{}, {"token": []}]
        for path, methods in described["paths"].items():
            for operation in methods.values():
                # FastAPI's own validation answer: ours is a problem with status 400.
                if operation["responses"].get("422", {}).get("description") == NOT_OURS:
                    del operation["responses"]["422"]
                if path in OPEN:
                    operation["security"] = []
                    operation["responses"].pop("401", None)
        app.openapi_schema = described
    return app.openapi_schema
