"""Refuse query parameters that a route does not have: a filter that is misspelt filters nothing.

A prune whose `older_than` is written `older-than` would otherwise delete every job.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import Request

from jobyard.errors import InvalidQueryParam, InvalidQueryParameters
from jobyard.spec.shape import closest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LISTS = (("GET", "/jobs"), ("GET", "/revisions"))
"""Lists whose wrong parameters have a code of their own."""
_KNOWN: dict[str, Sequence[str]] = {}
"""The parameters of each route, by method and path, once it was asked for."""


async def only_known(request: Request) -> None:
    """Let a request through whose query parameters its route has.

    Raises:
        InvalidQueryParam: it has another one.
    """
    if not request.url.query:
        return
    known = _names(request)
    for name in request.query_params:
        if name not in known:
            listing = (request.method, request.url.path) in LISTS
            kind = InvalidQueryParameters if listing else InvalidQueryParam
            legal = closest(name, known) if known else "it has none"
            raise kind(
                f"{request.method} {request.url.path} has no parameter `{name}`",
                hint=legal if legal.endswith("?") or not known else f"it has {legal}",
                parameter=name,
            )


def _names(request: Request) -> Sequence[str]:
    route = request.scope["route"]
    if not isinstance(route, APIRoute):
        return tuple(request.query_params)
    key = f"{request.method} {route.path}"
    if key not in _KNOWN:
        _KNOWN[key] = tuple(_declared(route.dependant))
    return _KNOWN[key]


def _declared(part: Dependant) -> Iterator[str]:
    """Name the query parameters of a route, and of what it depends on."""
    yield from (one.alias for one in part.query_params)
    for other in part.dependencies:
        yield from _declared(other)
