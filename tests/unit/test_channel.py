"""The attempt channel: what a program says arrives, and only for its own attempt."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from jobyard import channel
from jobyard.channel.client import PAUSES, Channel, ChannelError
from jobyard.engine.channel_server import MAX_BODY, ChannelServer
from jobyard.errors import LeaseLost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

TOKEN = "right"


class Heard:
    """A handler that remembers."""

    def __init__(self) -> None:
        self.words: list[tuple[Any, ...]] = []
        self.remembered: Any = None
        self.lost = False

    async def progress(self, attempt_id: int, done: int, total: int | None) -> None:
        self._check()
        self.words.append(("progress", attempt_id, done, total))

    async def result(self, attempt_id: int, value: Any) -> None:
        self.words.append(("result", attempt_id, value))

    async def checkpoint(self, attempt_id: int, value: Any) -> None:
        self.remembered = value

    async def last_checkpoint(self, attempt_id: int) -> Any:
        return self.remembered

    async def extraction(self, attempt_id: int, word: str, value: Any) -> Any:
        self.words.append((word, attempt_id, value))
        if value == {"break": True}:
            raise RuntimeError("bug")
        return {"gone": []}

    async def orders(self, attempt_id: int) -> Any:
        return {"attempt_id": attempt_id}

    async def fix_stop(self, attempt_id: int, stop: int) -> int:
        self.words.append(("stop", attempt_id, stop))
        return 60

    def _check(self) -> None:
        if self.lost:
            raise LeaseLost("the lease is lost")


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[tuple[Heard, ChannelServer]]:
    heard = Heard()
    server = ChannelServer(heard)
    await server.open()
    server.grant(7, TOKEN)
    try:
        yield heard, server
    finally:
        await server.close()


def said(server: ChannelServer, token: str = TOKEN, attempt_id: int = 7) -> Channel:
    return Channel(server.url_for(attempt_id), token)


async def ask(
    server: ChannelServer,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, Any]:
    """Ask as a stranger would, with headers of its own choice."""

    def run() -> tuple[int, Any]:
        host = server.url_for(7).split("/")[2]
        connection = http.client.HTTPConnection(host, timeout=10)
        connection.request(
            method, path, body, {"Authorization": f"Bearer {TOKEN}"} | (headers or {})
        )
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text) if text else None

    return await asyncio.to_thread(run)


async def refused(say: Callable[..., Any], *words: Any) -> ChannelError:
    with pytest.raises(ChannelError) as caught:
        await asyncio.to_thread(say, *words)
    return caught.value


def test_progress_result_and_segments_arrive_with_their_attempt() -> None:
    async def main() -> None:
        async with serving() as (heard, server):
            line = said(server)
            await asyncio.to_thread(line.progress, 3, 10)
            await asyncio.to_thread(line.progress, 4)
            await asyncio.to_thread(line.result, {"rows": [1, None, "ä"]})
            await asyncio.to_thread(line.publish, {"file": "a.parquet"})
            assert heard.words == [
                ("progress", 7, 3, 10),
                ("progress", 7, 4, None),
                ("result", 7, {"rows": [1, None, "ä"]}),
                ("segments", 7, {"file": "a.parquet"}),
            ]

    asyncio.run(main())


def test_a_checkpoint_is_recalled_and_none_is_none() -> None:
    async def main() -> None:
        async with serving() as (_, server):
            line = said(server)
            assert await asyncio.to_thread(line.last_checkpoint) is None
            await asyncio.to_thread(line.checkpoint, {"block": 12})
            assert await asyncio.to_thread(line.last_checkpoint) == {"block": 12}

    asyncio.run(main())


def test_the_functions_find_their_worker_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with serving() as (heard, server):
            monkeypatch.setenv("JOBYARD_ATTEMPT_URL", server.url_for(7))
            monkeypatch.setenv("JOBYARD_ATTEMPT_TOKEN", TOKEN)
            await asyncio.to_thread(channel.progress, 1, 2)
            await asyncio.to_thread(channel.result, 5)
            await asyncio.to_thread(channel.publish, {})
            await asyncio.to_thread(channel.checkpoint, [1])
            assert await asyncio.to_thread(channel.last_checkpoint) == [1]
            assert [word[0] for word in heard.words] == ["progress", "result", "segments"]

    asyncio.run(main())


def test_outside_of_jobyard_the_channel_says_what_is_missing() -> None:
    with pytest.raises(ChannelError, match="JOBYARD_ATTEMPT_URL is not set"):
        Channel.from_environment({})


@pytest.mark.parametrize(("token", "attempt_id"), [("wrong", 7), ("", 7), (TOKEN, 8)])
def test_another_token_or_another_attempt_is_refused_alike(token: str, attempt_id: int) -> None:
    async def main() -> None:
        async with serving() as (heard, server):
            error = await refused(said(server, token, attempt_id).result, 1)
            assert error.status == 401
            assert error.message == f"this token does not speak for attempt {attempt_id}"
            assert heard.words == []

    asyncio.run(main())


def test_a_revoked_attempt_is_not_heard_any_more() -> None:
    async def main() -> None:
        async with serving() as (heard, server):
            server.revoke(7)
            assert (await refused(said(server).result, 1)).status == 401
            assert heard.words == []

    asyncio.run(main())


def test_a_lost_lease_reaches_the_program_as_a_conflict() -> None:
    async def main() -> None:
        async with serving() as (heard, server):
            heard.lost = True
            error = await refused(said(server).progress, 1, 2)
            assert (error.status, error.message) == (409, "the lease is lost")

    asyncio.run(main())


def test_a_bug_in_the_worker_is_a_500_and_is_reported() -> None:
    async def main() -> None:
        reports: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, report: reports.append(report))
        async with serving() as (_, server):
            error = await refused(said(server).publish, {"break": True})
            assert error.status == 500
            assert [str(report["exception"]) for report in reports] == ["bug"]

    asyncio.run(main())


def test_a_body_over_the_limit_is_refused() -> None:
    async def main() -> None:
        async with serving() as (heard, server):
            assert (await refused(said(server).result, "x" * MAX_BODY)).status in (0, 413)
            assert heard.words == []
            await asyncio.to_thread(said(server).result, "x" * (MAX_BODY - 2))
            assert len(heard.words) == 1

    asyncio.run(main())


def test_a_body_announced_over_the_limit_is_refused_before_it_is_sent() -> None:
    async def main() -> None:
        async with serving() as (_, server):
            headers = {"Content-Length": str(MAX_BODY + 1), "Expect": "100-continue"}
            status, problem = await ask(server, "PUT", "/attempts/7/result", None, headers)
            assert (status, problem["error_code"]) == (413, "TOO_LARGE")

    asyncio.run(main())


def test_headers_over_the_limit_are_refused() -> None:
    async def main() -> None:
        async with serving() as (_, server):
            status, _ = await ask(
                server, "GET", "/attempts/7/checkpoint", None, {"X-Y": "x" * 40_000}
            )
            assert status == 431

    asyncio.run(main())


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/attempts/7/result", b"{", 400),
        ("PUT", "/attempts/7/result", b"NaN", 400),
        ("PUT", "/attempts/7/result", b"\xff", 400),
        ("PUT", "/attempts/7/progress", b"[]", 400),
        ("PUT", "/attempts/7/progress", b'{"done": -1}', 400),
        ("PUT", "/attempts/7/progress", b'{"done": true}', 400),
        ("PUT", "/attempts/7/progress", b'{"done": 1, "total": "2"}', 400),
        ("DELETE", "/attempts/7/result", None, 405),
        ("PUT", "/attempts/7/nothing", b"1", 404),
        ("PUT", "/attempts/seven/result", b"1", 404),
        ("GET", "/", None, 404),
    ],
)
def test_what_is_not_understood_is_refused_in_json(
    method: str, path: str, body: bytes | None, status: int
) -> None:
    async def main() -> None:
        async with serving() as (heard, server):
            answered, problem = await ask(server, method, path, body)
            assert (answered, problem["status"]) == (status, status)
            assert problem["error_message"]
            assert heard.words == []

    asyncio.run(main())


def test_a_connection_is_used_for_more_than_one_word() -> None:
    async def main() -> None:
        async with serving() as (heard, server):

            def speak() -> None:
                connection = http.client.HTTPConnection(server.url_for(7).split("/")[2], timeout=10)
                connection.connect()
                line = connection.sock
                for number in range(3):
                    headers = {"Authorization": f"Bearer {TOKEN}"}
                    connection.request("PUT", "/attempts/7/result", str(number), headers)
                    answer = connection.getresponse()
                    assert (answer.status, answer.read()) == (204, b"")
                    assert connection.sock is line
                connection.close()

            await asyncio.to_thread(speak)
            assert [word[2] for word in heard.words] == [0, 1, 2]

    asyncio.run(main())


def test_what_is_not_http_is_told_so() -> None:
    async def main() -> None:
        async with serving() as (_, server):
            port = int(server.url_for(7).split("/")[2].split(":")[1])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"hello\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 400")
            writer.close()
            await writer.wait_closed()

    asyncio.run(main())


def test_close_hangs_up_on_whoever_is_still_connected() -> None:
    async def main() -> None:
        async with serving() as (_, server):
            port = int(server.url_for(7).split("/")[2].split(":")[1])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /attempts/7/checkpoint HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 401")
        await reader.read()
        writer.close()

    asyncio.run(main())


def test_a_worker_that_is_not_there_yet_is_tried_again_and_then_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    pauses: list[float] = []
    line = Channel(f"http://127.0.0.1:{port}/attempts/7", TOKEN, sleep=pauses.append)

    with pytest.raises(ChannelError, match="nobody listens") as caught:
        line.progress(1)

    assert caught.value.status == 0
    assert tuple(pauses) == PAUSES


def test_an_extraction_reads_its_orders_and_says_where_it_ends() -> None:
    async def main() -> None:
        async with serving() as (heard, server):
            line = said(server)
            assert await asyncio.to_thread(line.orders) == {"attempt_id": 7}
            assert await asyncio.to_thread(line.fix_stop, 70) == 60
            assert heard.words == [("stop", 7, 70)]
            error = await refused(line.fix_stop, -1)
            assert (error.status, "number of a block" in error.message) == (400, True)

    asyncio.run(main())
