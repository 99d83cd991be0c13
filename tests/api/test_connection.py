"""What a connection may send, and for how long it may take: strangers cost a bounded amount."""

from __future__ import annotations

import http.client
import json
import socket
from typing import TYPE_CHECKING

import pytest

from jobyard.api import connection, documents

if TYPE_CHECKING:
    from tests.api.conftest import Serving


def connect(still: Serving) -> socket.socket:
    host, _, port = still.url.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def answer_to(still: Serving, *parts: bytes) -> tuple[int, dict[str, object]]:
    """Send parts and read the answer, which ends with the connection."""
    with connect(still) as speaking:
        for part in parts:
            speaking.sendall(part)
        answer = http.client.HTTPResponse(speaking)
        answer.begin()
        assert answer.headers["content-type"] == "application/problem+json"
        body = json.load(answer)
        assert speaking.recv(1) == b""
        return answer.status, body


def test_headers_without_end_are_refused(still: Serving) -> None:
    many = b"x" * (connection.MOST_HEADERS + 1024)

    status, body = answer_to(still, b"GET /jobs HTTP/1.1\r\nhost: localhost\r\nx: " + many)

    assert (status, body["error_code"]) == (431, "HEADERS_TOO_LARGE")


def test_what_is_no_http_is_told_so(still: Serving) -> None:
    status, body = answer_to(still, b"hello\r\n\r\n")

    assert (status, body["error_code"]) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize("begun", [b"", b"GET /jobs HTTP/1.1\r\n", b"GET /jobs HT"])
def test_who_does_not_end_a_request_is_not_waited_for(
    still: Serving, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(connection, "PATIENCE", 0.05)

    status, body = answer_to(still, begun)

    assert (status, body["error_code"]) == (408, "REQUEST_TIMEOUT")


def test_a_second_request_on_a_connection_is_not_waited_for_either(
    still: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PATIENCE", 0.05)
    with connect(still) as speaking:
        speaking.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        first = http.client.HTTPResponse(speaking)
        first.begin()
        assert (first.status, first.read()) == (200, b'{"status":"ok"}')
        speaking.sendall(b"GET /healthz HT")
        second = http.client.HTTPResponse(speaking)
        second.begin()
        assert second.status == 408


def test_a_body_that_does_not_come_is_not_waited_for(
    still: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "PATIENCE", 0.05)
    head = b"POST /jobs HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n"

    status, body = answer_to(still, head + b"connection: close\r\n\r\n", b"{")

    assert (status, body["error_code"]) == (408, "REQUEST_TIMEOUT")


def test_a_request_whose_headers_are_whole_has_time(
    still: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PATIENCE", 0.05)
    with connect(still) as speaking:
        speaking.sendall(b"POST /jobs HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n")
        # Whoever is silent for as long as a server would wait for headers.
        with connect(still) as other:
            assert other.recv(1000).startswith(b"HTTP/1.1 408")
        speaking.sendall(b"{}")
        answer = http.client.HTTPResponse(speaking)
        answer.begin()
        assert answer.status == 400
