"""The door: who may ask from where, and what is said when something breaks behind it.

Whoever can post a job can run a program. A page of another site must not be able to, be it by
asking for 127.0.0.1 under a name of its own (DNS rebinding) or by posting across sites.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jobyard import log
from jobyard.api.problems import problem
from jobyard.errors import Forbidden, Internal

_ADDED = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]


class Guard:
    """Lets requests in that are meant for this server, and never lets an exception out."""

    def __init__(self, app: ASGIApp, *, hosts: Collection[str] = ()) -> None:
        """Stand before ``app``; ``hosts`` are names it may be called by besides loopback ones."""
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                _add_headers(message)
            await send(message)

        refusal = self._refusal(Headers(scope=scope))
        if refusal is not None:
            await problem(refusal, scope["path"])(scope, receive, sending)
            return
        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            log.error("request failed", exception=error, path=scope["path"])
            if begun:
                # Half an answer must not look like a whole one: uvicorn cuts the connection.
                raise
            internal = Internal("the server failed", hint="its log says how")
            await problem(internal, scope["path"])(scope, receive, sending)

    def _refusal(self, headers: Headers) -> Forbidden | None:
        host = headers.get("host", "")
        if not self._ours(host):
            return Forbidden(
                f"this server is not called `{host}`",
                hint="ask for 127.0.0.1 or localhost",
            )
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return Forbidden(f"a page of `{origin}` may not ask this server")
        return None

    def _ours(self, host: str) -> bool:
        name = hostname(host)
        return name in self._hosts or is_loopback(name)


def hostname(host: str) -> str:
    """Take the name out of a Host header; empty when it is malformed."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def is_loopback(name: str) -> bool:
    """Tell whether a name or address means this machine only."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _add_headers(message: MutableMapping[str, Any]) -> None:
    message["headers"] = [*message.get("headers", ()), *_ADDED]
