"""Speak to the worker of this attempt over HTTP, one short connection for each word."""

from __future__ import annotations

import http.client
import json
import os
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

URL = "JOBYARD_ATTEMPT_URL"
TOKEN = "JOBYARD_ATTEMPT_TOKEN"  # noqa: S105 - the name of a variable
PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds to wait between tries while nobody listens at the worker's address."""
TIMEOUT = 30.0


class ChannelError(Exception):
    """The worker did not take what was said.

    ``status`` is its HTTP status: 401 when this attempt is over or not its own, 409 when its
    lease is lost, 413 when the value is too large; 0 when nobody answered at all.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{message} (status {status})" if status else message)
        self.status = status
        self.message = message


class Channel:
    """The line from one attempt to its worker. Safe to use from several threads."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout: float = TIMEOUT,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ChannelError(0, f"{URL} is not an http address: {url!r}")
        self._host = parts.hostname
        self._port = parts.port
        self._path = parts.path.rstrip("/")
        self._token = token
        self._timeout = timeout
        self._sleep = sleep

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Channel:
        """Find the worker of this attempt.

        Raises:
            ChannelError: this program was not started by a Jobyard worker.

        """
        try:
            return cls(environ[URL], environ[TOKEN])
        except KeyError as missing:
            raise ChannelError(
                0, f"{missing.args[0]} is not set: this program was not started by Jobyard"
            ) from None

    def progress(self, done: int, total: int | None = None) -> None:
        """Say that ``done`` of ``total`` is done; without ``total`` nobody knows of how much."""
        self._say("PUT", "progress", {"done": done, "total": total})

    def result(self, value: Any) -> None:
        """Keep a small JSON value with the job; the last one said counts."""
        self._say("PUT", "result", value)

    def checkpoint(self, value: Any) -> None:
        """Remember a JSON value for the next attempt of this index, should this one fail."""
        self._say("PUT", "checkpoint", value)

    def last_checkpoint(self) -> Any:
        """Recall what this or an earlier attempt of this index remembered; None if nothing."""
        return self._say("GET", "checkpoint")

    def publish(self, segment: Mapping[str, Any]) -> list[str]:
        """Make a finished segment part of its table; return the files that are not any more."""
        gone: list[str] = self._say("POST", "segments", segment)["gone"]
        return gone

    def ask(self, noun: str, value: Any) -> Any:
        """Say another word of an extraction (`jobyard.wire.extract.WORDS`)."""
        return self._say("PUT" if noun == "failure" else "POST", noun, value)

    def orders(self) -> Any:
        """Read what this attempt of an extraction is to do."""
        return self._say("GET", "orders")

    def fix_stop(self, stop: int) -> int:
        """Say which block is behind the last one; what counts for the whole job is the answer."""
        return int(self._say("PUT", "stop", {"stop": stop})["stop"])

    def _say(self, method: str, noun: str, value: Any = None) -> Any:
        """Send one request; an answer that is not a success is a ``ChannelError``."""
        body = None if method == "GET" else json.dumps(value, allow_nan=False).encode()
        for pause in (*PAUSES, None):
            try:
                return self._send(method, f"{self._path}/{noun}", body)
            except ConnectionRefusedError as error:
                if pause is None:
                    raise ChannelError(0, f"nobody listens at {self._host}:{self._port}") from error
                self._sleep(pause)
            except (OSError, http.client.HTTPException) as error:
                raise ChannelError(0, f"the worker did not answer: {error!r}") from error
        raise AssertionError

    def _send(self, method: str, path: str, body: bytes | None) -> Any:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        headers = {"Authorization": f"Bearer {self._token}", "Connection": "close"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status >= http.client.BAD_REQUEST:
            raise ChannelError(answer.status, _read_message(text) or answer.reason)
        return json.loads(text) if text else None


def _read_message(text: bytes) -> str | None:
    try:
        problem = json.loads(text)
    except ValueError:
        return None
    message = problem.get("error_message") if isinstance(problem, dict) else None
    return str(message) if message else None


def progress(done: int, total: int | None = None) -> None:
    """Say that ``done`` of ``total`` is done; without ``total`` nobody knows of how much."""
    Channel.from_environment().progress(done, total)


def result(value: Any) -> None:
    """Keep a small JSON value with the job; the last one said counts."""
    Channel.from_environment().result(value)


def checkpoint(value: Any) -> None:
    """Remember a JSON value for the next attempt of this index, should this one fail."""
    Channel.from_environment().checkpoint(value)


def last_checkpoint() -> Any:
    """Recall what this or an earlier attempt of this index remembered; None if nothing."""
    return Channel.from_environment().last_checkpoint()


def publish(segment: Mapping[str, Any]) -> list[str]:
    """Make a finished segment part of its table; return the files that are not any more."""
    return Channel.from_environment().publish(segment)
