# made by scripts/generate.py
"""The connection under the client for programs without an event loop: send, repeat, understand."""

from __future__ import annotations

from typing import Self, TypeVar

import httpx

from jobyard import clock, config
from jobyard.client import calls
from jobyard.client.calls import Call, address, understood, unreachable

T = TypeVar("T")


class Link:
    """Carries calls to a server and brings their answers back."""

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Speak to the server at ``url``, as whoever ``token`` stands for; nothing is sent yet.

        ``JOBYARD_URL`` and ``JOBYARD_TOKEN`` are taken where nothing is given.

        Raises:
            InvalidSetting: ``url`` is no address.
        """
        settings = config.load({"url": url, "token": token})
        self.url = address(calls.NEARBY if settings.url is None else settings.url)
        timeout = httpx.Timeout(calls.PATIENCE, connect=calls.CONNECT_PATIENCE)
        # A loopback server is never behind a proxy, whatever the environment says.
        self._http = httpx.Client(
            base_url=self.url,
            headers=calls.introduction(settings.token),
            timeout=timeout,
            transport=transport,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def _ask(self, call: Call, shape: type[T]) -> T:
        """Send a call whose answer has this shape."""
        del shape
        answer: T = understood(self._send(call))
        return answer

    def _send(self, call: Call) -> httpx.Response:
        """Send a call, again if nobody was there and no harm can come of it."""
        pauses = iter(calls.PAUSES)
        while True:
            try:
                return self._http.request(
                    call.method,
                    call.path,
                    params=call.params,
                    content=call.content,
                    headers=call.headers,
                    timeout=httpx.Timeout(call.patience, connect=calls.CONNECT_PATIENCE),
                )
            except httpx.TransportError as error:
                pause = next(pauses, None)
                if pause is None or not calls.harmless(call, error):
                    raise unreachable(self.url, error) from error
            clock.pause(pause)
