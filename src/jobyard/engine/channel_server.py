"""The worker's end of the attempt channel: a small HTTP server on loopback for its programs.

h11 reads and writes HTTP, asyncio the sockets; no web framework, so that a worker starts fast.
Every request carries the token of its attempt; what it says goes to a ``ChannelHandler``.
"""

from __future__ import annotations

import asyncio
import functools
import hmac
import json
from typing import TYPE_CHECKING, Any, Protocol

import h11

from jobyard.errors import (
    HeadersTooLarge,
    InvalidRequest,
    JobyardError,
    MethodNotAllowed,
    NotFound,
    TooLarge,
    Unauthorized,
)
from jobyard.wire.extract import WORDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MAX_BODY = 1 << 20
MAX_HEADERS = 1 << 13
IDLE = 75.0
"""Seconds after which a connection that says nothing is closed."""
_READ = 1 << 14


class ChannelHandler(Protocol):
    """What becomes of a program's words. May raise a JobyardError, which answers the program."""

    async def progress(self, attempt_id: int, done: int, total: int | None) -> None:
        """Note how far the attempt is."""

    async def result(self, attempt_id: int, value: Any) -> None:
        """Keep a JSON value as the attempt's result."""

    async def checkpoint(self, attempt_id: int, value: Any) -> None:
        """Remember a JSON value for the next attempt of this index."""

    async def last_checkpoint(self, attempt_id: int) -> Any:
        """Recall what was remembered last for this index, None if nothing."""

    async def extraction(self, attempt_id: int, word: str, value: Any) -> Any:
        """Serve a word of an extraction's program (wire/extract.py), under the attempt's fence."""

    async def orders(self, attempt_id: int) -> Any:
        """Tell what an attempt of an extraction is to do."""

    async def fix_stop(self, attempt_id: int, stop: int) -> int:
        """Note the block behind the last one of the attempt's job; tell the one that counts."""


class ChannelServer:
    """Listens on 127.0.0.1 for the programs of one worker."""

    def __init__(self, handler: ChannelHandler) -> None:
        self._handler = handler
        self._tokens: dict[int, bytes] = {}
        self._server: asyncio.Server | None = None
        self._port = 0
        self._connections: set[asyncio.Task[None]] = set()
        self._routes: dict[tuple[str, str], Callable[[int, Any], Awaitable[Any]]] = {
            ("PUT", "progress"): self._progress,
            ("PUT", "result"): handler.result,
            ("PUT", "checkpoint"): handler.checkpoint,
            ("GET", "checkpoint"): self._last_checkpoint,
            ("GET", "orders"): self._orders,
            ("PUT", "stop"): self._fix_stop,
        }
        for method, noun in WORDS:
            self._routes[method, noun] = functools.partial(self._extraction, noun)

    async def open(self) -> None:
        """Listen on a port that the system picks."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_READ)
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and hang up on whoever still speaks."""
        if self._server is None:
            return
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    def url_for(self, attempt_id: int) -> str:
        """Tell the address that the program of an attempt speaks to."""
        return f"http://127.0.0.1:{self._port}/attempts/{attempt_id}"

    def grant(self, attempt_id: int, token: str) -> None:
        """Let whoever has ``token`` speak for an attempt."""
        self._tokens[attempt_id] = token.encode()

    def revoke(self, attempt_id: int) -> None:
        """Let nobody speak for an attempt any more."""
        self._tokens.pop(attempt_id, None)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            await _Conversation(self, reader, writer).run()
        except (ConnectionError, TimeoutError):
            # The program went away or fell silent: there is nobody left to tell.
            pass
        except asyncio.CancelledError:
            # Only `close` cancels, and it waits; asyncio's streams would call this an error.
            pass
        finally:
            writer.close()

    def route(self, request: h11.Request) -> Callable[[Any], Awaitable[Any]]:
        """Find what a request asks for, and whether it may; the answer takes its JSON."""
        attempt_id, noun = _read_target(request.target)
        self._authorize(attempt_id, request)
        method = request.method.decode()
        handle = self._routes.get((method, noun))
        if handle is None:
            if any(noun == known for _, known in self._routes):
                raise MethodNotAllowed(f"{method} is not possible on `{noun}`")
            raise NotFound(f"an attempt has no `{noun}`")
        return functools.partial(handle, attempt_id)

    def _authorize(self, attempt_id: int, request: h11.Request) -> None:
        given = dict(request.headers).get(b"authorization", b"").removeprefix(b"Bearer ")
        token = self._tokens.get(attempt_id)
        # An attempt that is not here takes as long as a wrong token, and says the same.
        matches = hmac.compare_digest(given, token or b"-")
        if token is None or not matches:
            raise Unauthorized(f"this token does not speak for attempt {attempt_id}")

    async def _progress(self, attempt_id: int, value: Any) -> None:
        words = value if isinstance(value, dict) else {}
        done, total = _read_count(words.get("done")), _read_count(words.get("total"))
        if done is None or (total is None and words.get("total") is not None):
            raise InvalidRequest('progress is {"done": 3, "total": 10}, total may be null')
        await self._handler.progress(attempt_id, done, total)

    async def _extraction(self, noun: str, attempt_id: int, value: Any) -> Any:
        return await self._handler.extraction(attempt_id, noun, value)

    async def _orders(self, attempt_id: int, _: Any) -> Any:
        return await self._handler.orders(attempt_id)

    async def _fix_stop(self, attempt_id: int, value: Any) -> dict[str, int]:
        stop = _read_count(value.get("stop")) if isinstance(value, dict) else None
        if stop is None:
            raise InvalidRequest('stop is {"stop": 3}, the number of a block')
        return {"stop": await self._handler.fix_stop(attempt_id, stop)}

    async def _last_checkpoint(self, attempt_id: int, _: Any) -> Any:
        return await self._handler.last_checkpoint(attempt_id)


class _Conversation:
    """One connection: requests and answers in turn."""

    def __init__(
        self, server: ChannelServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEADERS)

    async def run(self) -> None:
        """Serve requests until either side is done."""
        while True:
            try:
                request = await self._next_event()
                if not isinstance(request, h11.Request):
                    return
                status, text = await self._serve(request)
            except h11.RemoteProtocolError as error:
                problem = InvalidRequest(f"this is not HTTP as it should be: {error}")
                if error.error_status_hint == HeadersTooLarge.status:
                    await self._refuse(HeadersTooLarge(str(error)))
                else:
                    await self._refuse(problem)
                return
            except JobyardError as error:
                status, text = error.status, _write_problem(error)
            await self._send(status, text)
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                return
            self._http.start_next_cycle()

    async def _serve(self, request: h11.Request) -> tuple[int, bytes]:
        handle = self._server.route(request)
        body = await self._read_body(request)
        writes = request.method != b"GET"
        try:
            found = await handle(_read_json(body) if writes else None)
        except JobyardError:
            raise
        except Exception as error:
            asyncio.get_running_loop().call_exception_handler(
                {"message": "the attempt channel failed", "exception": error}
            )
            raise JobyardError("the worker failed to take this; see its log") from error
        return (204, b"") if writes and found is None else (200, json.dumps(found).encode())

    async def _read_body(self, request: h11.Request) -> bytes:
        # What is announced as too long is refused before it is sent.
        announced = dict(request.headers).get(b"content-length", b"0")
        body = bytearray()
        too_large = int(announced) > MAX_BODY
        while not too_large and isinstance(event := await self._next_event(), h11.Data):
            body += event.data
            too_large = len(body) > MAX_BODY
        if too_large:
            raise TooLarge(f"a body may have {MAX_BODY} bytes")
        return bytes(body)

    async def _next_event(self) -> Any:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self._http.they_are_waiting_for_100_continue:
                await self._write(h11.InformationalResponse(status_code=100, headers=[]))
            async with asyncio.timeout(IDLE):
                self._http.receive_data(await self._reader.read(_READ))

    async def _refuse(self, error: JobyardError) -> None:
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            await self._send(error.status, _write_problem(error))

    async def _send(self, status: int, text: bytes) -> None:
        headers = [("content-length", str(len(text)))] if status != 204 else []  # noqa: PLR2004
        if text:
            kind = "application/json" if status < 400 else "application/problem+json"  # noqa: PLR2004
            headers.append(("content-type", kind))
        if self._http.their_state is not h11.DONE:
            headers.append(("connection", "close"))
        await self._write(h11.Response(status_code=status, headers=headers))
        if text:
            await self._write(h11.Data(data=text))
        await self._write(h11.EndOfMessage())

    async def _write(self, event: Any) -> None:
        self._writer.write(self._http.send(event) or b"")
        await self._writer.drain()


def _read_target(target: bytes) -> tuple[int, str]:
    parts = target.decode("ascii", "replace").split("/")
    match parts:
        case ["", "attempts", number, noun] if number.isascii() and number.isdigit():
            return int(number[:20]), noun
    raise NotFound("the channel has /attempts/{id}/progress, result, checkpoint and more")


def _read_json(body: bytes) -> Any:
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from error


def _refuse_constant(constant: str) -> Any:
    message = f"{constant} has no place in JSON"
    raise ValueError(message)


def _read_count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _write_problem(error: JobyardError) -> bytes:
    return json.dumps(
        {
            "title": error.title,
            "status": error.status,
            "detail": error.detail,
            "error_code": error.code,
            "error_message": error.detail,
        }
    ).encode()
