"""The typed HTTP client that the command line and users share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobyard.client.asynchronous import AsyncClient
    from jobyard.client.blocking import Client

__all__ = ["AsyncClient", "Client"]


def __getattr__(name: str) -> Any:
    """Import a client when it is first asked for: the HTTP library takes its time."""
    if name == "AsyncClient":
        from jobyard.client.asynchronous import AsyncClient

        return AsyncClient
    if name == "Client":
        from jobyard.client.blocking import Client

        return Client
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
