"""All that is followed in this process, read once however many follow it."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from contextlib import aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from jobyard import clock
from jobyard.api.feed import Closed, Feeds
from jobyard.api.lines import Cutter, Line, Source
from jobyard.api.places import Position
from jobyard.core.states import TERMINAL
from jobyard.errors import JobNotFound, JobyardError
from jobyard.wire.logs import line_object

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from jobyard.core.records import Change, LedgerPlace
    from jobyard.core.states import JobStatus
    from jobyard.store.base import Chunk, LogPlace, LogStore, Store

Object = dict[str, Any]

CHUNKS = 32
"""Chunks that are read at once."""
EVENTS = 500
"""Lines of the ledger that are read at once."""
ATTEMPTS = 100
"""Attempts that are looked up at once."""
MOST_SOURCES = 10_000
"""Attempts of a job that are remembered while it is followed."""
LOOK_AT_JOB = 5.0
"""Seconds between looks at a followed job; that it is over is told by the ledger, much sooner."""
SHARED = 64
"""Chunks of which the encoded lines are remembered for other followers."""
YARD = 0
"""The name of the one feed of the ledger."""


class Printed(NamedTuple):
    """A chunk of output, and whose it is."""

    chunk: Chunk
    source: Source


class Told:
    """A line with its place in the stream, encoded once for all who are told it."""

    __slots__ = ("_object", "_sse", "line", "position")

    def __init__(self, line: Line, position: Position) -> None:
        """Tell a line; whoever knows ``position`` needs nothing of it again."""
        self.line = line
        self.position = position
        self._object: Object | None = None
        self._sse: bytes | None = None

    @property
    def object(self) -> Object:
        """The line as JSON."""
        if self._object is None:
            self._object = shown(self.line)
        return self._object

    @property
    def sse(self) -> bytes:
        """The line as an event of a stream."""
        if self._sse is None:
            self._sse = event(self.object, str(self.position))
        return self._sse


def shown(line: Line) -> Object:
    """Write a line as JSON."""
    source = line.source
    return line_object(
        attempt_id=source.attempt_id,
        index=source.index,
        number=source.number,
        stream=line.stream,
        at=line.at,
        offset=line.offset,
        data=line.data,
        partial=line.partial,
    )


def event(value: Object, position: str, kind: str | None = None) -> bytes:
    """Write a server-sent event; one without a kind is a message."""
    data = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    named = f"event: {kind}\n" if kind else ""
    return f"{named}id: {position}\ndata: {data}\n\n".encode()


class LogOrigin:
    """The output of one job, as a feed reads it."""

    def __init__(self, store: Store, logs: LogStore, job_id: int) -> None:
        """Read the output of ``job_id``."""
        self._store = store
        self._logs = logs
        self._job_id = job_id
        self._sources: OrderedDict[int, Source] = OrderedDict()
        self._look_at = 0.0
        self._over = False

    def look(self) -> None:
        """Have the job looked at soon."""
        self._look_at = 0.0

    async def is_over(self) -> bool:
        """Tell whether the job is over, and so all its output kept."""
        if not self._over and clock.monotonic() >= self._look_at:
            self._look_at = clock.monotonic() + LOOK_AT_JOB
            self._over = await job_status(self._store, self._job_id) in (None, *TERMINAL)
        return self._over

    async def read(self, after: LogPlace) -> list[Printed]:
        """Read some chunks behind a place."""
        chunks = await self._logs.follow(self._job_id, after, limit=CHUNKS, over=self._over)
        return [Printed(chunk, await self.source(chunk.attempt_id)) for chunk in chunks]

    async def source(self, attempt_id: int) -> Source:
        """Tell which attempt an id means."""
        if attempt_id not in self._sources:
            page = await self._store.attempts(self._job_id, after=attempt_id - 1, limit=ATTEMPTS)
            for attempt in page:
                self._sources[attempt.id] = Source(attempt.id, attempt.index, attempt.number)
            while len(self._sources) > MOST_SOURCES:
                self._sources.popitem(last=False)
        # The job may have been deleted meanwhile.
        return self._sources.get(attempt_id) or Source(attempt_id, None, 1)

    def place(self, item: Printed) -> LogPlace:
        """Tell the place behind a chunk."""
        return item.chunk.end

    def weigh(self, item: Printed) -> int:
        """Tell about how many bytes a chunk has."""
        return len(item.chunk.data) + 200


async def job_status(store: Store, job_id: int) -> JobStatus | None:
    """Read a job's status; None when there is no such job."""
    try:
        return (await store.job(job_id)).state.status
    except JobNotFound:
        return None


class _LedgerOrigin:
    """What becomes of all jobs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def is_over(self) -> bool:
        return False

    async def read(self, after: LedgerPlace) -> list[Change]:
        return await self._store.events_since(after, EVENTS)

    def place(self, item: Change) -> LedgerPlace:
        return item.place

    def weigh(self, item: Change) -> int:
        return 500 + len(item.line.message or "")


class Hub:
    """All that is followed in this process: one reader for each job, one for the ledger."""

    def __init__(self, store: Store, logs: LogStore) -> None:
        """Read from ``store`` and ``logs`` once somebody follows."""
        self._store = store
        self._logs = logs
        self._origins: dict[int, LogOrigin] = {}
        self._feeds: Feeds[Printed, LogPlace] = Feeds(self._log_origin)
        self._ledger: Feeds[Change, LedgerPlace] = Feeds(lambda _: _LedgerOrigin(store))
        self._shared: OrderedDict[tuple[LogPlace, int | None], list[Told]] = OrderedDict()
        self._watching: asyncio.Task[None] | None = None
        self._listens = False

    def _log_origin(self, job_id: int) -> LogOrigin:
        origin = self._origins[job_id] = LogOrigin(self._store, self._logs, job_id)
        return origin

    def close(self) -> None:
        """Have every follower stop at once, without being told an end."""
        self._feeds.close()
        self._ledger.close()
        self._unwatch()

    async def changes(self, after: LedgerPlace) -> AsyncGenerator[list[Change]]:
        """Follow the ledger; nothing, as an empty list, comes now and then.

        Raises:
            Closed: the hub was closed.
        """
        await self._listen()
        async with aclosing(self._ledger.follow(YARD, after)) as found:
            async for changes in found:
                yield changes

    async def printed(self, job_id: int, after: LogPlace) -> AsyncGenerator[list[Printed]]:
        """Follow a job's output to its end; nothing, as an empty list, comes now and then.

        Raises:
            Closed: the hub was closed.
        """
        await self._listen()
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch(), name="ends")
        try:
            async with aclosing(self._feeds.follow(job_id, after)) as found:
                async for items in found:
                    yield items
        finally:
            followed = self._feeds.names()
            if job_id not in followed:
                self._origins.pop(job_id, None)
            if not followed:
                self._unwatch()

    def told(self, item: Printed, stream: int | None) -> list[Told]:
        """Cut all of a chunk, once for all followers who want it the same way."""
        key = (item.chunk.end, stream)
        found = self._shared.get(key)
        if found is None:
            cutter = Cutter(item.source, stream=stream, whole=False)
            found = [Told(line, Position(line.end, line.end)) for line in cutter.cut(item.chunk)]
            self._shared[key] = found
            if len(self._shared) > SHARED:
                self._shared.popitem(last=False)
        return found

    async def _listen(self) -> None:
        """Hear at once of what this process writes, and of hints that others send."""
        if self._listens:
            return
        self._listens = True
        self._logs.listen(self._heard_output)
        with suppress(OSError):
            await self._store.listen(partial(self._ledger.wake, YARD))

    def _heard_output(self, job_ids: frozenset[int]) -> None:
        for job_id in job_ids:
            self._feeds.wake(job_id)

    async def _watch(self) -> None:
        """Look at a followed job when the ledger says that it is over."""
        # Without it jobs are looked at all the same, only less often.
        with suppress(Closed, JobyardError):
            place = await self._store.last_place()
            for job_id in self._feeds.names():
                self._look(job_id)
            async with aclosing(self._ledger.follow(YARD, place)) as found:
                async for changes in found:
                    for change in changes:
                        if change.line.status in TERMINAL:
                            self._look(change.line.job_id)

    def _look(self, job_id: int) -> None:
        origin = self._origins.get(job_id)
        if origin is not None:
            origin.look()
            self._feeds.wake(job_id)

    def _unwatch(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None
