"""The controller: decide on jobs whose time has come, and take lost workers' attempts away.

Any number of controllers may run; whoever locks a job's row decides on it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jobyard import clock, ids, log
from jobyard.errors import StoreUnavailable
from jobyard.store.base import POLL, Retention

if TYPE_CHECKING:
    from jobyard.engine.collector import Collector
    from jobyard.store.base import Store

BATCH = 200
"""Jobs decided on in one transaction."""

RETAIN_EVERY = 10.0
"""Seconds between two looks for jobs beyond the retention, which is days or a million jobs."""

COLLECT_EVERY = 10.0
"""Seconds between two looks for files whose time has come, which was half an hour away."""

LULL = 0.02
"""Seconds between two looks at the least: a busy yard hints far more often than it needs one."""


class Controller:
    """Looks at the jobs that need a decision until it is told to end."""

    def __init__(
        self,
        store: Store,
        *,
        cleans: bool = True,
        retention: Retention | None = None,
        collector: Collector | None = None,
    ) -> None:
        """Decide on the jobs of ``store``.

        If it ``cleans``, it deletes those whose time to live has passed and those beyond the
        ``retention``, and sweeps what deleted jobs left; ``collector`` removes files that are not
        part of a table any more.
        """
        self._store = store
        self._cleans = cleans
        self._retention = retention or Retention()
        self._collector = collector
        self._collecting: asyncio.Task[bool] | None = None
        self._collect_at = 0.0
        self._wake = asyncio.Event()
        self._ending = False
        self._in_touch_since: float | None = None
        self._leases_at = 0.0
        self._clean_at = 0.0
        self._retain_at = 0.0

    def end(self) -> None:
        """Have ``run`` return soon."""
        self._ending = True
        self._wake.set()

    def look(self) -> None:
        """Look at the jobs soon."""
        self._wake.set()

    async def run(self) -> None:
        """Decide until told to end; a store that is away is waited for."""
        await self._store.listen(self.look)
        log.info("controller ready")
        delay = 0.0
        while not self._ending:
            began = clock.monotonic()
            try:
                pause = await self._turn()
                delay = 0.0
            except StoreUnavailable as error:
                self._in_touch_since = None
                delay = min(max(delay * 2, 0.05), 2.0)
                log.warning("store unavailable", cause=str(error), retry_in=delay)
                pause = delay * (0.5 + ids.fraction())
            await self._rest(pause)
            if not self._ending:
                await clock.sleep(max(0.0, began + min(LULL, pause) - clock.monotonic()))
        if self._collecting is not None:
            # What it is in the middle of is done anew by the next one, should it fail now.
            await asyncio.gather(self._collecting, return_exceptions=True)

    async def _turn(self) -> float:
        """Do what is due; tell how long nothing will be."""
        self._wake.clear()
        now = clock.monotonic()
        if self._in_touch_since is None:
            await self._store.now()
            self._in_touch_since = now
        if now >= self._leases_at:
            self._leases_at = now + POLL
            lost = await self._store.expire_leases(unbroken=now - self._in_touch_since)
            for session in lost:
                log.warning("worker lost", session=session)
        if self._cleans and now >= self._clean_at:
            self._clean_at = now if await self._clean(now) else now + POLL
        self._collect(now)
        decided = await self._store.decide_due(BATCH)
        if decided.more:
            return 0.0
        pause = POLL * (0.8 + 0.4 * ids.fraction())
        if decided.wake_at is not None:
            until = (decided.wake_at - await self._store.now()) / 1_000_000
            pause = min(pause, max(until, 0.001))
        return pause

    async def _clean(self, now: float) -> bool:
        """Delete and sweep a bounded part of what is to go; tell whether there is more."""
        deleted = await self._store.delete_expired()
        if now >= self._retain_at:
            surplus = await self._store.retain(self._retention)
            self._retain_at = now if surplus else now + RETAIN_EVERY
            deleted += surplus
        return await self._store.sweep() or bool(deleted)

    def _collect(self, now: float) -> None:
        """Have files collected beside all else: an object store may take its time."""
        if self._collecting is not None and self._collecting.done():
            error = self._collecting.exception()
            more = error is None and self._collecting.result()
            if error is not None and not isinstance(error, StoreUnavailable):
                raise error
            self._collect_at = now if more else now + COLLECT_EVERY
            self._collecting = None
        if self._collector and self._collecting is None and now >= self._collect_at:
            self._collecting = asyncio.create_task(self._collector.collect())
            self._collecting.add_done_callback(lambda _: self._wake.set())

    async def _rest(self, pause: float) -> None:
        if self._ending:
            return
        try:
            await asyncio.wait_for(self._wake.wait(), pause)
        except TimeoutError:
            return
