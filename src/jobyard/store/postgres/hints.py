"""Hints between processes over LISTEN and NOTIFY: without payload, merged, on one connection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from jobyard import clock, ids
from jobyard.errors import JobyardError
from jobyard.store.postgres.connecting import connect, lost_errors

if TYPE_CHECKING:
    from collections.abc import Callable

CHANNEL = "jobyard"
CHECK_EVERY = 20.0
"""Seconds after which a silent connection is asked whether it still lives."""
SHORTEST_WAIT = 0.1
LONGEST_WAIT = 5.0
"""Seconds between attempts to connect again, doubled from the shortest, spread by half."""


class Hints:
    """Tells others, and is told, over one connection that is made anew whenever it is lost.

    NOTIFY is not part of the transactions it speaks of: those that notify commit one after the
    other, and a burst of them needs one hint, not one each. A lost hint is made good by polling.
    """

    def __init__(self, dsn: str) -> None:
        """Speak to the database at ``dsn``, once there is something to say or to hear."""
        self._dsn = dsn
        self._listeners: list[Callable[[], None]] = []
        self._connection: Any = None
        self._lost = asyncio.Event()
        self._first = asyncio.Event()
        self._to_send = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def listen(self, heard: Callable[[], None]) -> None:
        """Have ``heard`` called on hints, and after a reconnect; returns when it first listens."""
        self._listeners.append(heard)
        self._start()
        await self._first.wait()

    def send(self) -> None:
        """Wake this process at once and the others soon; what cannot be sent is left to polling."""
        self._wake()
        self._to_send.set()
        self._start()

    async def close(self) -> None:
        """Stop telling and hearing."""
        self._listeners.clear()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    def _start(self) -> None:
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._stay_connected()),
                asyncio.create_task(self._send_on()),
            ]

    def _wake(self) -> None:
        for heard in self._listeners:
            heard()

    async def _stay_connected(self) -> None:
        wait = SHORTEST_WAIT
        expected: tuple[type[Exception], ...] = (JobyardError, *lost_errors())
        while True:
            try:
                await self._connect()
                wait = SHORTEST_WAIT
                self._first.set()
                # What was said while nobody listened was missed.
                self._wake()
                await self._until_lost()
            except expected:
                self._first.set()
                await clock.sleep(wait * (0.5 + ids.fraction()))
                wait = min(wait * 2, LONGEST_WAIT)

    async def _connect(self) -> None:
        connection = await connect(self._dsn)
        self._lost.clear()
        connection.add_termination_listener(self._on_lost)
        await connection.add_listener(CHANNEL, self._on_hint)
        self._connection = connection

    async def _until_lost(self) -> None:
        connection = self._connection
        try:
            while not connection.is_closed():
                try:
                    await asyncio.wait_for(self._lost.wait(), CHECK_EVERY)
                except TimeoutError:
                    await connection.execute("SELECT 1")
        finally:
            self._connection = None
            connection.terminate()

    def _on_lost(self, _: Any) -> None:
        self._lost.set()

    def _on_hint(self, _: Any, sender: int, __: str, ___: object) -> None:
        connection = self._connection
        if connection is None or sender != connection.get_server_pid():
            self._wake()

    async def _send_on(self) -> None:
        """Send a hint, and while it is under way collect those that the next one stands for."""
        await self._first.wait()
        while True:
            await self._to_send.wait()
            self._to_send.clear()
            connection = self._connection
            if connection is None:
                # Whoever connects again looks anyway.
                continue
            try:
                await connection.execute(f"NOTIFY {CHANNEL}")
            except lost_errors():
                continue
