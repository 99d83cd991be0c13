"""Waiting with a client while its server is away: a short absence is borne, others are told."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from jobyard import AsyncClient, Client
from jobyard.errors import ServerUnreachable

# Of those that a single call does not send again by itself.
AWAY = httpx.ConnectTimeout("nobody is there")


class Server:
    """Answers in turn; None is an absence, and the last answer stays."""

    def __init__(self, *statuses: str | None) -> None:
        self._answers = list(statuses)
        self.asked = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        status = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if status is None:
            raise AWAY
        return httpx.Response(200, json={"id": 1, "status": status})


GONE = (None, None)


def test_a_server_that_comes_back_is_waited_for() -> None:
    server = Server("RUNNING", *GONE, "COMPLETED")

    with Client("http://127.0.0.1:1", transport=httpx.MockTransport(server)) as client:
        assert client.wait(1)["status"] == "COMPLETED"

    assert server.asked == len(GONE) + 2


def test_a_server_that_comes_back_is_waited_for_in_an_event_loop() -> None:
    server = Server("RUNNING", *GONE, "COMPLETED")

    async def wait() -> str:
        transport = httpx.MockTransport(server)
        async with AsyncClient("http://127.0.0.1:1", transport=transport) as client:
            return (await client.wait(1))["status"]

    assert asyncio.run(wait()) == "COMPLETED"
    assert server.asked == len(GONE) + 2


def test_a_server_that_never_answered_is_not_waited_for() -> None:
    with (
        Client("http://127.0.0.1:1", transport=httpx.MockTransport(Server(None))) as client,
        pytest.raises(ServerUnreachable),
    ):
        client.wait(1)


def test_an_absence_is_not_borne_beyond_the_time_to_wait() -> None:
    server = Server("RUNNING", None)

    with (
        Client("http://127.0.0.1:1", transport=httpx.MockTransport(server)) as client,
        pytest.raises(ServerUnreachable),
    ):
        client.wait(1, within=0.01)
