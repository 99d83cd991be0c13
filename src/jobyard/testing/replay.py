"""A JSON-RPC server that plays recorded blocks, as well or as badly as a test wants.

In a test, in the same event loop::

    chain = ReplayChain.read(Path("blocks.ndjson.gz"))
    async with ReplayServer(chain, Faults(seed=7, throttle=0.15)) as server:
        ...  # ask server.url; server.seen counts; chain.fork(number) reorganises

in a thread beside a test without one: ``with serving(chain) as server``; or for any program::

    python -m jobyard.testing.replay blocks.ndjson.gz --port 8545 --throttle 0.15

It listens on the loopback device only.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import msgspec
import uvloop

from jobyard import clock
from jobyard.testing.replay_chain import ReplayChain
from jobyard.testing.replay_faults import Faults, Trouble
from jobyard.testing.replay_methods import METHODS, Asked, Refusal, strange

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

HOST = "127.0.0.1"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TOKEN = re.compile(rb"\r\nauthorization: *bearer +([^\r]*)", re.IGNORECASE)
_LOST = {Trouble.DROP, Trouble.TRUNCATE}
"""Where messages come whole or not at all, both are the end of the connection."""
_GARBAGE = b"<html><body><h1>Bad gateway</h1></body></html>"
_REASONS = {200: "OK", 401: "Unauthorized", 405: "Method Not Allowed", 413: "Too Large"}


class _Call(msgspec.Struct):
    method: str
    params: Any = None
    id: msgspec.Raw = msgspec.Raw(b"null")


_one = msgspec.json.Decoder(_Call)
_many = msgspec.json.Decoder(list[_Call])


@dataclass(slots=True)
class Seen:
    """What the server has been asked, and what it did to those who asked."""

    requests: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    """By method, those inside batches included."""
    struck: Counter[str] = field(default_factory=Counter)
    """Requests that met trouble, by its name."""
    largest_batch: int = 0
    at_once: int = 0
    most_at_once: int = 0


@dataclass(slots=True)
class _Answer:
    status: int = 200
    body: bytes = b""
    headers: str = ""
    trouble: Trouble | None = None


class ReplayServer:
    """Plays a chain over HTTP, WebSocket and a Unix socket."""

    def __init__(self, chain: ReplayChain, faults: Faults | None = None, *, port: int = 0) -> None:
        """Play ``chain`` with ``faults``; both may be changed while it runs. Port 0 is any free."""
        self.chain = chain
        self.faults = faults or Faults()
        self.seen = Seen()
        self._port = port
        self._asked: Counter[bytes] = Counter()
        self._server: asyncio.Server | None = None
        self._beside: list[web.AppRunner | asyncio.Server] = []
        self._connections: set[asyncio.Transport] = set()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self._port}"

    async def __aenter__(self) -> Self:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), HOST, self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening and close every connection, those that hang included."""
        if self._server is not None:
            self._server.close()
        for transport in list(self._connections):
            transport.abort()
        for service in self._beside:
            if isinstance(service, asyncio.Server):
                service.close()
            else:
                await service.cleanup()

    async def listen_websocket(self) -> str:
        """Serve WebSocket, too; returns its address."""
        from aiohttp import web

        async def speak(request: web.Request) -> web.WebSocketResponse:
            socket = web.WebSocketResponse(max_msg_size=0)
            await socket.prepare(request)
            async for message in socket:
                answer = self._answer(message.data.encode())
                if answer.trouble in _LOST:
                    break
                if answer.trouble is not Trouble.HANG:
                    await socket.send_str(answer.body.decode())
            return socket

        application = web.Application()
        application.router.add_get("/", speak)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, HOST, 0)
        await site.start()
        self._beside.append(runner)
        return f"ws://{HOST}:{runner.addresses[0][1]}"

    async def listen_ipc(self, path: Path) -> str:
        """Serve a Unix socket, too, a message a line; returns its path."""

        async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                while line := await reader.readline():
                    answer = self._answer(line)
                    if answer.trouble in _LOST:
                        break
                    if answer.trouble is not Trouble.HANG:
                        writer.write(answer.body + b"\n")
                        await writer.drain()
            writer.close()

        self._beside.append(await asyncio.start_unix_server(speak, path, limit=2**26))
        return str(path)

    def connected(self, transport: asyncio.Transport) -> None:
        """Remember a connection."""
        self._connections.add(transport)

    def disconnected(self, transport: asyncio.Transport) -> None:
        """Forget a connection."""
        self._connections.discard(transport)

    def respond(self, head: bytes, body: bytes, transport: asyncio.Transport) -> None:
        """Answer one HTTP request, now or after the latency of the plan."""
        seen, faults = self.seen, self.faults
        token = _TOKEN.search(head)
        if faults.token is not None and (token is None or token[1].decode() != faults.token):
            seen.struck["auth"] += 1
            self._write(transport, _Answer(401, b'{"error":"unauthorized"}'))
            return
        seen.at_once += 1
        seen.most_at_once = max(seen.most_at_once, seen.at_once)
        if faults.concurrency_limit is not None and seen.at_once > faults.concurrency_limit:
            seen.struck["throttle"] += 1
            answer = self._throttled()
        else:
            answer = self._answer(body)
        if not (faults.latency or faults.jitter):
            self._finish(transport, answer)
            return
        delay = faults.latency + faults.jitter * faults.draw(body, seen.requests)
        asyncio.get_running_loop().call_later(delay, self._finish, transport, answer)

    def _finish(self, transport: asyncio.Transport, answer: _Answer) -> None:
        self.seen.at_once -= 1
        if not transport.is_closing():
            self._write(transport, answer)

    @staticmethod
    def _write(transport: asyncio.Transport, answer: _Answer) -> None:
        if answer.trouble is Trouble.HANG:
            return
        if answer.trouble is Trouble.DROP:
            transport.close()
            return
        reason = _REASONS.get(answer.status, "Trouble")
        head = (
            f"HTTP/1.1 {answer.status} {reason}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(answer.body)}\r\n{answer.headers}\r\n"
        )
        body = answer.body
        if answer.trouble is Trouble.TRUNCATE:
            body = body[: len(body) // 2]
        transport.writelines([head.encode(), body])
        if answer.trouble is Trouble.TRUNCATE:
            transport.close()

    def _throttled(self) -> _Answer:
        wait = self.faults.retry_after
        return _Answer(
            429,
            b'{"jsonrpc":"2.0","id":null,"error":{"code":-32005,"message":"too many requests"}}',
            "" if wait is None else f"Retry-After: {wait:g}\r\n",
            Trouble.THROTTLE,
        )

    def _answer(self, body: bytes) -> _Answer:
        """Answer the text of a request: one call or a batch."""
        self.seen.requests += 1
        try:
            batch = body.lstrip().startswith(b"[")
            calls = _many.decode(body) if batch else [_one.decode(body)]
        except msgspec.DecodeError:
            return _Answer(body=_error(b"null", -32700, "parse error"))
        asked = b"/".join(b"%s %r" % (call.method.encode(), call.params) for call in calls)
        trouble = self.faults.strike(asked, self._asked[asked])
        self._asked[asked] += 1
        if trouble is not None:
            self.seen.struck[trouble] += 1
        if trouble is Trouble.THROTTLE:
            return self._throttled()
        if trouble is Trouble.ERROR:
            status = 500 + int(3 * self.faults.draw(asked, -self._asked[asked]))
            return _Answer(status, b"internal error", trouble=trouble)
        if trouble is Trouble.GARBAGE:
            return _Answer(body=_GARBAGE, trouble=trouble)
        text = self._batch(calls, asked, trouble) if batch else self._one(calls[0], trouble)
        limit = self.faults.answer_limit
        if limit is not None and len(text) > limit:
            return _Answer(413, b"response too large")
        if trouble is Trouble.CUT:
            text = text[: len(text) // 2]
        return _Answer(body=text, trouble=trouble)

    def _batch(self, calls: list[_Call], asked: bytes, trouble: Trouble | None) -> bytes:
        self.seen.largest_batch = max(self.seen.largest_batch, len(calls))
        limit = self.faults.batch_limit
        if limit is not None and len(calls) > limit:
            return _error(b"null", -32600, f"batch too large: at most {limit} calls")
        answers = [self._one(call, trouble) for call in calls]
        if self.faults.shuffle:
            draws = [self.faults.draw(asked, 1000 + index) for index in range(len(calls))]
            answers = [answer for _, answer in sorted(zip(draws, answers, strict=True))]
        return b"[%s]" % b",".join(answers)

    def _one(self, call: _Call, trouble: Trouble | None) -> bytes:
        self.seen.calls[call.method] += 1
        params = call.params if isinstance(call.params, list) else []
        asked = Asked(self.chain, self.faults, params)
        try:
            if call.method.startswith("replay_"):
                result = self._command(call.method, params)
            else:
                method = METHODS[self.chain.kind].get(call.method)
                if method is None:
                    raise Refusal(-32601, f"the method {call.method} does not exist")  # noqa: TRY301
                result = method(asked)
                if trouble is Trouble.NULL:
                    result = b"null"
                if trouble is Trouble.STRANGE:
                    result = strange(asked, call.method) or result
        except Refusal as refusal:
            return _error(bytes(call.id), refusal.code, refusal.message)
        return b'{"jsonrpc":"2.0","id":%s,"result":%s}' % (call.id, result)

    def _command(self, method: str, params: list[Any]) -> bytes:
        """Move the chain from outside: what tests in other processes use."""
        chain = self.chain
        match method, params:
            case "replay_setHead", [int(number)]:
                chain.head = min(number, chain.stop - 1)
            case "replay_advance", [int(count)]:
                chain.head = min(chain.head + count, chain.stop - 1)
            case "replay_fork", [int(number)]:
                chain.fork(number)
            case "replay_setFaults", [dict(changes)]:
                try:
                    self.faults = replace(self.faults, **changes)
                except (TypeError, ValueError) as error:
                    raise Refusal(-32602, str(error)) from None
            case "replay_seen", []:
                pass
            case _:
                raise Refusal(-32602, f"{method} is not to be called so")
        seen = {each.name: getattr(self.seen, each.name) for each in fields(Seen)}
        return msgspec.json.encode({"head": chain.head, "seen": seen})


def _error(call_id: bytes, code: int, message: str) -> bytes:
    error = msgspec.json.encode({"code": code, "message": message})
    return b'{"jsonrpc":"2.0","id":%s,"error":%s}' % (call_id, error)


class _Connection(asyncio.Protocol):
    """One HTTP/1.1 connection: as little as a JSON-RPC client needs, and quick."""

    def __init__(self, server: ReplayServer) -> None:
        self._replay = server
        self._buffer = bytearray()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._replay.connected(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._replay.disconnected(self._transport)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        while (end := buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(buffer[:end])
            length = _LENGTH.search(head)
            stop = end + 4 + (int(length[1]) if length else 0)
            if len(buffer) < stop:
                return
            body = bytes(buffer[end + 4 : stop])
            del buffer[:stop]
            self._replay.respond(head, body, self._transport)


@contextmanager
def serving(
    chain: ReplayChain, faults: Faults | None = None, *, port: int = 0
) -> Iterator[ReplayServer]:
    """Serve in a thread of its own, for tests without an event loop."""
    server, ready, over = ReplayServer(chain, faults, port=port), threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        async with server:
            loops.append(asyncio.get_running_loop())
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: _run(serve()), daemon=True)
    thread.start()
    ready.wait()
    try:
        yield server
    finally:
        loops[0].call_soon_threadsafe(over.set)
        thread.join()


def _run(main: Any) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m jobyard.testing.replay", description="Serve recorded blocks as JSON-RPC."
    )
    parser.add_argument("path", type=Path, help="a file or folder of recorded blocks")
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument("--start", type=int, help="renumber: the first block's number")
    parser.add_argument("--length", type=int, help="repeat the recording up to so many blocks")
    parser.add_argument("--unlinked", action="store_true", help="repeated blocks keep their hashes")
    parser.add_argument("--chain-id", type=int, help="what eth_chainId answers, default 1")
    parser.add_argument("--head", type=int, help="the newest block shown at first")
    parser.add_argument(
        "--block-time", type=float, help="move the head by one each so many seconds"
    )
    for each in fields(Faults):
        name = f"--{each.name.replace('_', '-')}"
        if each.name == "chain_id":
            continue
        if each.type == "bool":
            parser.add_argument(name, action="store_true")
        else:
            kind = {"int": int, "float": float, "str": str}[each.type.split(" ")[0]]
            parser.add_argument(name, type=kind, default=each.default)
    return parser


async def _serve(server: ReplayServer, block_time: float | None) -> None:
    async with server:
        print(server.url, flush=True)  # noqa: T201 - where it listens is what it has to say
        while block_time is not None:
            await clock.sleep(block_time)
            server.chain.head = min(server.chain.head + 1, server.chain.stop - 1)
        await asyncio.Event().wait()


def main(arguments: list[str] | None = None) -> None:
    """Serve until interrupted; prints the address it listens on."""
    asked = _arguments().parse_args(arguments)
    chain = ReplayChain.read(
        asked.path, start=asked.start, length=asked.length, linked=not asked.unlinked
    )
    chain.chain_id = asked.chain_id
    if asked.head is not None:
        chain.head = asked.head
    plan = {
        each.name: getattr(asked, each.name) for each in fields(Faults) if each.name != "chain_id"
    }
    with suppress(KeyboardInterrupt):
        _run(_serve(ReplayServer(chain, Faults(**plan), port=asked.port), asked.block_time))


if __name__ == "__main__":
    main(sys.argv[1:])
