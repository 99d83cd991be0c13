"""The door: who may ask from where, and what is said when something breaks behind it.

Whoever can post a job can run a program. A page of another site must not be able to, be it by
asking for 127.0.0.1 under a name of its own (DNS rebinding) or by posting across sites. Where
tokens are asked for, a page has none to send; the names are checked all the same.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jobyard import log
from jobyard.api.access import OPEN, Tokens, challenge
from jobyard.api.problems import problem
from jobyard.errors import Forbidden, Internal, Unauthorized

_ADDED = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]


class Guard:
    """Lets requests in that are meant for this server, and never lets an exception out."""

    def __init__(
        self, app: ASGIApp, *, hosts: Collection[str] = (), tokens: Tokens | None = None
    ) -> None:
        """Stand before ``app``; ``hosts`` are names it may be called by besides loopback ones."""
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._tokens = tokens or Tokens()

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

        headers = Headers(scope=scope)
        try:
            self._check_origin(headers)
            if scope["path"] not in OPEN:
                scope["jobyard.role"] = self._tokens.admit(headers.get("authorization"))
        except (Forbidden, Unauthorized) as refusal:
            told = None
            if isinstance(refusal, Unauthorized):
                told = challenge(presented="authorization" in headers)
            await problem(refusal, scope["path"], told)(scope, receive, sending)
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

    def _check_origin(self, headers: Headers) -> None:
        """Refuse what is not meant for this server, or comes from a page of another site.

        Raises:
            Forbidden: it is.
        """
        host = headers.get("host", "")
        if not self._ours(hostname(host)):
            raise Forbidden(
                f"this server is not called `{host}`",
                hint="ask for 127.0.0.1 or localhost, or have JOBYARD_HOSTS name it",
            )
        origin = headers.get("origin")
        if origin is not None and _netloc(origin) != host.lower():
            raise Forbidden(f"a page of `{origin}` may not ask this server")

    def _ours(self, name: str) -> bool:
        if name in self._hosts or is_loopback(name):
            return True
        # Rebinding needs a name; who asks for an address means the machine that has it.
        return bool(self._tokens) and _is_address(name)


def hostname(host: str) -> str:
    """Take the name out of a Host header; empty when it is malformed."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _netloc(origin: str) -> str:
    """Take host and port out of an Origin header; empty when it is malformed."""
    try:
        return urlsplit(origin).netloc.lower()
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


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _add_headers(message: MutableMapping[str, Any]) -> None:
    message["headers"] = [*message.get("headers", ()), *_ADDED]
