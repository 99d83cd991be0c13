"""Renew a worker's lease from a thread and a store connection of its own.

The main loop may be busy for long; the heartbeat goes on. But a main loop that no longer ticks at
all must lose its lease, so the heartbeat stops when it does.
"""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import TYPE_CHECKING

from jobyard import clock, ids, log
from jobyard.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

    from jobyard.core.records import WorkerRecord
    from jobyard.store.base import Store
    from jobyard.store.measures import Gathered

TICK = 1.0
"""Seconds between two signs of life of the main loop."""


RETRY = 0.5
"""Seconds until the next try after a renewal that failed."""


class Heartbeat:
    """Renews one session's lease until it is closed or the lease is lost.

    Args:
        open_store: makes a store of its own for the thread.
        session: whose lease.
        lease: seconds that a renewal lasts.
        outage_grace: seconds that programs may go on while the store cannot be reached.
        renewed: told, in the heartbeat's thread, until when (monotonic) programs may go on.
        beaten: told, in the main loop, after each renewal.
        lost: told, in the main loop, that the lease is gone.
        gathered: what the worker measured, oldest first, to be told with the renewals.

    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        session: str,
        *,
        lease: float,
        outage_grace: float,
        renewed: Callable[[float], None],
        beaten: Callable[[WorkerRecord], None],
        lost: Callable[[], None],
        gathered: deque[Gathered],
    ) -> None:
        """Get ready; ``start`` begins."""
        self._open_store = open_store
        self._session = session
        self._lease = lease
        self._outage_grace = outage_grace
        self._renewed = renewed
        self._beaten = beaten
        self._lost = lost
        self._gathered = gathered
        self._main = asyncio.get_running_loop()
        self._ticked = clock.monotonic()
        self._tick_timer: asyncio.TimerHandle | None = None
        self._own: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Event | None = None
        self._closed = False
        self._failed = False
        self._thread = threading.Thread(target=self._beat_forever, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin; the lease was just taken."""
        self._renewed(clock.monotonic() + self._lease)
        self._tick()
        self._thread.start()

    def _tick(self) -> None:
        self._ticked = clock.monotonic()
        self._tick_timer = self._main.call_later(min(TICK, self._lease / 4), self._tick)

    async def close(self) -> None:
        """End the thread."""
        self._closed = True
        if self._tick_timer is not None:
            self._tick_timer.cancel()
        if self._own is not None and self._closing is not None:
            self._own.call_soon_threadsafe(self._closing.set)
        if self._thread.is_alive():
            await self._main.run_in_executor(None, self._thread.join)

    def _beat_forever(self) -> None:
        try:
            asyncio.run(self._beat())
        except Exception as error:  # noqa: BLE001 - the edge of a thread: nobody else would see it
            log.error("heartbeat died", exception=error, session=self._session)
            self._tell_lost()

    async def _beat(self) -> None:
        self._own = asyncio.get_running_loop()
        self._closing = asyncio.Event()
        store: Store | None = None
        last_good = clock.monotonic()
        try:
            while not self._closed and not await self._pause():
                if clock.monotonic() - self._ticked > self._lease:
                    continue
                try:
                    if store is None:
                        store = self._open_store()
                        await store.open()
                    record = await self._renew(store)
                except StoreUnavailable as error:
                    self._failed = True
                    log.warning("lease not renewed", cause=str(error))
                    # Nobody can take the lease either while the store is away; a partition
                    # that only this worker sees is bounded by the grace.
                    if clock.monotonic() - last_good < self._outage_grace:
                        self._renewed(clock.monotonic() + self._lease)
                    continue
                if record is None:
                    self._tell_lost()
                    return
                self._failed = False
                last_good = clock.monotonic()
                self._renewed(last_good + self._lease)
                self._tell(partial(self._beaten, record))
        finally:
            if store is not None:
                await store.close()

    async def _renew(self, store: Store) -> WorkerRecord | None:
        """Renew the lease and tell what was measured; again if the answer gets lost."""
        told = self._gathered[0] if self._gathered else None
        record = await store.renew(self._session, told)
        if told is not None:
            self._gathered.popleft()
        return record

    async def _pause(self) -> bool:
        """Wait for the next beat, which comes sooner after one that failed; True at the end."""
        if self._closing is None:
            return True
        wait = self._lease / 3 * (0.9 + 0.2 * ids.fraction())
        if self._failed:
            wait = min(wait, RETRY)
        try:
            await asyncio.wait_for(self._closing.wait(), wait)
        except TimeoutError:
            return False
        return True

    def _tell_lost(self) -> None:
        self._tell(self._lost)

    def _tell(self, news: Callable[[], None]) -> None:
        if not self._closed:
            self._main.call_soon_threadsafe(news)
