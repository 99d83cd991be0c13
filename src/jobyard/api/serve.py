"""Run the server inside an event loop that is already there, under its owner's signals."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from jobyard.api.connection import MOST_HEADERS, Connection
from jobyard.api.guard import is_loopback
from jobyard.errors import InvalidSetting

PATIENCE = 5
"""Seconds that requests under way have when the server ends."""
KEEP_ALIVE = 75
"""Seconds that a connection may rest between two requests. Longer than clients let one rest (ours
5 s, browsers and proxies up to 60 s): who closes must not be the one who is written to."""
BACKLOG = 2048


class _Uvicorn(uvicorn.Server):
    """A server that leaves signals to whoever runs it, and says when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


class Server:
    """An HTTP server on an address of this machine."""

    def __init__(self, app: Any, host: str, port: int, *, asks_for_tokens: bool = False) -> None:
        """Take the address; port 0 takes any that is free.

        Only an ``app`` that ``asks_for_tokens`` may be reached from other machines.

        Raises:
            InvalidSetting: the address is not a loopback one, or cannot be had.
        """
        if not (asks_for_tokens or is_loopback(host)):
            raise InvalidSetting(
                f"the server will not listen on {host}: whoever reaches it could run programs here",
                hint="ask for tokens with --token-file, or use 127.0.0.1 and forward the port "
                "(ssh -L)",
            )
        self._socket = _listen(host, port)
        number = self._socket.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{number}"
        config = uvicorn.Config(
            app,
            lifespan="off",
            http=Connection,
            ws="none",
            h11_max_incomplete_event_size=MOST_HEADERS,
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=PATIENCE,
        )
        self._uvicorn = _Uvicorn(config, self._is_ready)
        self._app = app
        self._heard: Callable[[], None] | None = None

    async def run(self, ready: Callable[[], None] | None = None) -> None:
        """Serve until told to end; ``ready`` is called once requests are answered."""
        self._heard = ready
        await self._uvicorn.serve([self._socket])

    def close(self) -> None:
        """Give the address back without having served."""
        self._socket.close()

    def _is_ready(self) -> None:
        if self._heard is not None:
            self._heard()

    def end(self, *, at_once: bool = False) -> None:
        """Take no more requests, and have ``run`` return when those under way are answered.

        Streams break off; who follows one comes back.
        """
        self._app.state.hub.close()
        self._uvicorn.should_exit = True
        self._uvicorn.force_exit = self._uvicorn.force_exit or at_once


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        raise InvalidSetting(
            f"cannot listen on {host} port {port}: {getattr(error, 'strerror', None) or error}",
            hint="is another server there? --port 0 takes any free port",
        ) from error
    listener.setblocking(False)  # noqa: FBT003 - the standard library's name
    return listener
