"""One connection to the server: bounded headers, a bounded wait for them, problems in our form."""

from __future__ import annotations

import asyncio
import json
import sys
from http import HTTPStatus

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from jobyard.errors import HeadersTooLarge, InvalidRequest, JobyardError, RequestTimeout
from jobyard.wire.problems import problem_object

MOST_HEADERS = 32 * 1024
"""Bytes of a request's line and headers; proxies allow 8 to 32 KiB."""
PATIENCE = 20.0
"""Seconds within which the headers of a request that began are here, all of them."""


class Connection(H11Protocol):
    """Closes on who begins a request and does not end its headers in time.

    Between requests uvicorn's own keep-alive limit holds; the body is the route's to wait for.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Take what came; a request whose headers are whole has all the time it needs."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._expect()
        else:
            self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the wait."""
        self._forget()
        super().connection_lost(exc)

    def _expect(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(PATIENCE, self._give_up)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self._refuse(RequestTimeout(f"no whole request came within {PATIENCE:g}s"))

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or too much of it, with a problem."""
        error = sys.exc_info()[1]
        too_long = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        if getattr(error, "error_status_hint", None) == too_long:
            self._refuse(HeadersTooLarge(f"the headers have more than {MOST_HEADERS:,} bytes"))
        else:
            self._refuse(InvalidRequest(msg))

    def _refuse(self, error: JobyardError) -> None:
        body = json.dumps(problem_object(error)).encode()
        headers = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        for event in (
            h11.Response(status_code=error.status, headers=headers),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
