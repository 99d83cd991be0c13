"""The ways to a node: HTTP, WebSocket and a Unix socket (IPC), each a request and its answers."""

from __future__ import annotations

import asyncio
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Protocol

import aiohttp
import msgspec

from jobyard import clock
from jobyard.chain import rpc_wire
from jobyard.chain.rpc_failures import Failure, Kind, from_status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jobyard.chain.rpc_wire import Answer, Call

_READ_SIZE = 2**20
"""Bytes that are taken from a socket at once: blocks are large."""
_MESSAGE_LIMIT = 2**29
"""Bytes of the longest message over WebSocket or IPC."""
_FAREWELL = aiohttp.ClientWSTimeout(ws_close=0.2)
"""Seconds for the other side to say good-bye: it may be what hangs."""


class Transport(Protocol):
    """One provider's connection."""

    async def send(self, calls: Sequence[Call], patience: float) -> list[bytes | Failure]:
        """Make calls as one request; their results in the order of the calls.

        Waits ``patience`` seconds for the answer.

        Raises:
            Failure: The request as a whole failed.
        """

    async def close(self) -> None:
        """Disconnect."""


def connect(url: str, headers: Mapping[str, str], count: Callable[[int], None]) -> Transport:
    """Make the transport for an address; it connects when it is first used.

    ``http``, ``https``, ``ws``, ``wss``, or a path of a Unix socket (also as ``ipc://`` or
    ``unix://``). ``count`` is told how many bytes were received.
    """
    scheme, _, rest = url.partition("://")
    if scheme in {"http", "https"}:
        return _Http(url, headers, count)
    if scheme in {"ws", "wss"}:
        return _Messages(_WebSocket(url, headers), count)
    return _Messages(_Ipc(rest or url), count)


class _Http:
    def __init__(self, url: str, headers: Mapping[str, str], count: Callable[[int], None]) -> None:
        self._url = url
        self._headers = {"Content-Type": "application/json", **headers}
        self._count = count
        self._session: aiohttp.ClientSession | None = None

    async def send(self, calls: Sequence[Call], patience: float) -> list[bytes | Failure]:
        body = rpc_wire.request(calls, 1)
        session = self._session or self._open()
        try:
            async with session.post(self._url, data=body, timeout=_within(patience)) as response:
                text = await response.read()
        except TimeoutError as error:
            raise Failure(Kind.SLOW, f"no answer within {patience:.1f} s") from error
        except aiohttp.InvalidURL as error:
            raise Failure(Kind.NOT_A_NODE, "not an address") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Failure(Kind.BROKEN, f"{type(error).__name__}: {_said(error)}") from error
        self._count(len(text))
        if response.status >= 300:  # noqa: PLR2004 - HTTP's own
            wait = _retry_after(response.headers.get("Retry-After"))
            raise from_status(response.status, text, wait)
        return rpc_wire.outcomes(text, 1, len(calls))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._headers,
            read_bufsize=_READ_SIZE,
        )
        return self._session


def _within(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=seconds)


def _said(error: Exception) -> str:
    """Say what a connection's error is, without the address: it may hold a key."""
    cause = getattr(error, "os_error", error)
    return getattr(cause, "strerror", None) or type(cause).__name__


def _retry_after(said: str | None) -> float | None:
    """Read seconds from ``Retry-After``: a number, or a date."""
    if said is None:
        return None
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(said) - clock.now()).total_seconds())
    except (TypeError, ValueError):
        return None


class _Line(Protocol):
    """Something that carries whole messages both ways."""

    async def open(self) -> None: ...
    async def write(self, message: bytes) -> None: ...
    async def read(self) -> bytes: ...
    async def close(self) -> None: ...


class _Messages:
    """Requests over one connection, answered in any order."""

    def __init__(self, line: _Line, count: Callable[[int], None]) -> None:
        self._line = line
        self._count = count
        self._next_id = 1
        self._waiting: dict[int, asyncio.Future[list[Answer]]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()

    async def send(self, calls: Sequence[Call], patience: float) -> list[bytes | Failure]:
        first = self._next_id
        self._next_id += len(calls)
        answered = asyncio.get_running_loop().create_future()
        ids = range(first, first + len(calls))
        try:
            async with asyncio.timeout(patience):
                await self._connected()
                self._waiting.update(dict.fromkeys(ids, answered))
                await self._line.write(rpc_wire.request(calls, first))
                answers = await answered
        except TimeoutError as error:
            raise Failure(Kind.SLOW, f"no answer within {patience:.1f} s") from error
        except aiohttp.WSServerHandshakeError as error:
            raise from_status(error.status, b"", None) from error
        except (aiohttp.ClientError, OSError, EOFError) as error:
            raise Failure(Kind.BROKEN, f"{type(error).__name__}: {_said(error)}") from error
        finally:
            for each in ids:
                self._waiting.pop(each, None)
        return rpc_wire.match(answers, first, len(calls))

    async def close(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()
            await asyncio.wait([reader])
        # A line whose opening was broken off has no reader, and is to be closed all the same.
        await self._line.close()

    async def _connected(self) -> None:
        async with self._opening:
            if self._reader is None or self._reader.done():
                await self._line.open()
                self._reader = asyncio.create_task(self._receive())

    async def _receive(self) -> None:
        failure = Failure(Kind.BROKEN, "the connection was closed")
        try:
            while True:
                message = await self._line.read()
                self._count(len(message))
                self._deliver(rpc_wire.read(message))
        except Failure as unreadable:
            failure = unreadable
        except (aiohttp.ClientError, OSError, EOFError):
            pass
        finally:
            # What comes after an unreadable message cannot be told from it: start anew.
            await self._line.close()
            for answered in set(self._waiting.values()):
                if not answered.done():
                    answered.set_exception(failure)

    def _deliver(self, answers: list[Answer]) -> None:
        waiting = (self._waiting.get(a.id) for a in answers if isinstance(a.id, int))
        answered = next(filter(None, waiting), None)
        if answered is None and len({id(each) for each in self._waiting.values()}) == 1:
            # A refusal of the whole request has no id; it can be matched if one alone waits.
            answered = next(iter(self._waiting.values()))
        if answered is not None and not answered.done():
            answered.set_result(answers)


class _WebSocket:
    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url = url
        self._headers = headers
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    async def open(self) -> None:
        await self.close()
        self._session = aiohttp.ClientSession(headers=self._headers)
        self._socket = await self._session.ws_connect(
            self._url, max_msg_size=_MESSAGE_LIMIT, timeout=_FAREWELL
        )

    async def write(self, message: bytes) -> None:
        if self._socket is None:
            raise EOFError
        await self._socket.send_str(message.decode())

    async def read(self) -> bytes:
        if self._socket is None:
            raise EOFError
        message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            return str(message.data).encode()
        if message.type is aiohttp.WSMsgType.BINARY:
            return bytes(message.data)
        raise EOFError

    async def close(self) -> None:
        # The session lets go of its connections, but only the socket of its own.
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class _Ipc:
    """A Unix socket; messages end with a line's end, or where the JSON is complete."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._buffer = bytearray()

    async def open(self) -> None:
        await self.close()
        self._reader, self._writer = await asyncio.open_unix_connection(
            self._path, limit=_READ_SIZE
        )

    async def write(self, message: bytes) -> None:
        if self._writer is None:
            raise EOFError
        self._writer.write(message + b"\n")
        await self._writer.drain()

    async def read(self) -> bytes:
        if self._reader is None:
            raise EOFError
        searched = 0
        while True:
            end = self._buffer.find(b"\n", searched)
            if end < 0 and self._is_whole():
                end = len(self._buffer) - 1
            if end >= 0:
                message = bytes(self._buffer[: end + 1])
                del self._buffer[: end + 1]
                if message.strip():
                    return message
                searched = 0
                continue
            searched = len(self._buffer)
            data = await self._reader.read(_READ_SIZE)
            if not data:
                raise EOFError
            self._buffer += data

    async def close(self) -> None:
        writer, self._writer = self._writer, None
        self._buffer.clear()
        if writer is not None:
            writer.close()

    def _is_whole(self) -> bool:
        """Tell whether the buffer is a message that lacks only the line's end (as reth's do)."""
        if not self._buffer.endswith((b"}", b"]")):
            return False
        try:
            msgspec.json.decode(self._buffer, type=msgspec.Raw)
        except msgspec.DecodeError:
            return False
        return True
