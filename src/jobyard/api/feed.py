"""One reader of what grows in the store, however many follow it.

Whatever grows is a sequence of items, each with a place that later items exceed. A feed reads on
behind the last item, and keeps the latest ones in memory, up to a bound. A follower is no more
than a place: it takes what lies behind it from memory, or from the store when memory does not
reach back that far. So a slow follower costs the others nothing, and memory does not grow. The
feed is never far ahead of its foremost follower, so nothing is read that nobody wants yet.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from jobyard import clock, log
from jobyard.errors import JobyardError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

Item = TypeVar("Item")
Place = TypeVar("Place", bound=tuple[int, ...])

REMEMBERED = 8 * 1024 * 1024
"""Bytes of the latest items that are kept in memory."""
AT_ONCE = 256 * 1024
"""Bytes that a follower takes at once, unless one item has more."""
SHORTEST_LOOK, LONGEST_LOOK = 0.05, 0.25
"""Seconds between looks of a feed that has followers and heard nothing, growing with silence."""
BEAT = 15.0
"""Seconds of silence after which followers are woken all the same, to say that they live."""
RETRY = 1.0
"""Seconds between attempts while the store is away."""


class Closed(Exception):
    """The feed ended before what is followed did: go on elsewhere from the last place."""


class Origin(Protocol[Item, Place]):
    """Where items come from."""

    async def read(self, after: Place) -> list[Item]:
        """Read some items behind a place, in order; none when there are none yet."""

    async def is_over(self) -> bool:
        """Tell whether what ``read`` finds from now on is all that will ever be there."""

    def place(self, item: Item) -> Place:
        """Tell the place behind an item."""

    def weigh(self, item: Item) -> int:
        """Tell about how many bytes an item has."""


class Feed(Generic[Item, Place]):
    """Reads for all who follow; runs while somebody does."""

    def __init__(self, origin: Origin[Item, Place], start: Place) -> None:
        """Begin at ``start``, where the first follower does."""
        self._origin = origin
        self._items: list[Item] = []
        self._places: list[Place] = []
        self._weight = 0
        self._floor = start
        self._head = start
        self._front = start
        self._over = False
        self._failure: BaseException | None = None
        self._more = asyncio.Event()
        self._woken = asyncio.Event()
        self._shared: dict[Place, asyncio.Task[list[Item]]] = {}
        self._task: asyncio.Task[None] | None = None
        self.followers = 0
        self.closed = False

    def wake(self) -> None:
        """Have the feed look at once."""
        self._woken.set()

    def close(self) -> None:
        """Have every follower stop, before the end."""
        self.closed = True
        self._stop()
        self._tell()

    async def follow(self, after: Place) -> AsyncGenerator[list[Item]]:
        """Give what lies behind a place and what comes, until it is over.

        Nothing, as an empty list, comes now and then while nothing happens.

        Raises:
            Closed: the feed was closed.
        """
        self.followers += 1
        try:
            if self._task is None:
                self._task = asyncio.create_task(self._run(), name="feed")
            while True:
                if self.closed:
                    raise Closed
                more = self._more
                self._reach(after)
                found = await self._behind(after)
                if found:
                    after = self._origin.place(found[-1])
                    yield found
                elif self._failure is not None:
                    raise self._failure
                elif self._over:
                    return
                else:
                    await more.wait()
                    if after >= self._head:
                        yield []
        finally:
            self.followers -= 1
            if not self.followers:
                self._stop()

    def _stop(self) -> None:
        for task in (self._task, *self._shared.values()):
            if task is not None:
                task.cancel()
        self._task = None

    def _reach(self, place: Place) -> None:
        """Note that a follower is at a place; the feed has no business behind its foremost one."""
        if place <= self._front:
            return
        self._front = place
        self._woken.set()
        if place > self._head:
            self._floor = self._head = place
            self._items, self._places, self._weight = [], [], 0

    def _ahead(self) -> bool:
        """Tell whether enough is in memory that not even the foremost follower has taken."""
        first = bisect_right(self._places, self._front)
        return sum(map(self._origin.weigh, self._items[first:])) > REMEMBERED // 2

    async def _behind(self, after: Place) -> list[Item]:
        while after < self._floor:
            found = await self._from_store(after)
            if found:
                return found
            # All between was deleted.
            after = self._floor
        first = bisect_right(self._places, after)
        last, weight = first, 0
        while last < len(self._items) and (not weight or weight < AT_ONCE):
            weight += self._origin.weigh(self._items[last])
            last += 1
        return self._items[first:last]

    async def _from_store(self, after: Place) -> list[Item]:
        """Read for all followers that are at the same place."""
        task = self._shared.get(after)
        if task is None:
            task = self._shared[after] = asyncio.create_task(self._patiently(after))
            task.add_done_callback(lambda _: self._shared.pop(after, None))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not (self.closed and task.cancelled()):
                raise
            return []

    async def _patiently(self, after: Place) -> list[Item]:
        while True:
            try:
                return await self._origin.read(after)
            except StoreUnavailable:
                await clock.sleep(RETRY)

    async def _run(self) -> None:
        try:
            await self._read_on()
            self._over = True
        except JobyardError as error:
            self._failure = error
        except Exception as error:  # noqa: BLE001 - its followers raise it
            log.error("a stream failed", exception=error)
            self._failure = error
        self._tell()

    async def _read_on(self) -> None:
        pause, silent_since = SHORTEST_LOOK, clock.monotonic()
        while True:
            self._woken.clear()
            if self._ahead():
                await self._woken.wait()
                continue
            head = self._head
            try:
                # The order matters: what there was before it was over is there afterwards.
                over = await self._origin.is_over()
                found = await self._origin.read(head)
            except StoreUnavailable:
                await clock.sleep(RETRY)
                continue
            if head != self._head:
                continue
            if found:
                self._remember(found)
                pause, silent_since = SHORTEST_LOOK, clock.monotonic()
                self._tell()
                continue
            if over:
                return
            if clock.monotonic() - silent_since > BEAT:
                silent_since = clock.monotonic()
                self._tell()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), pause)
            pause = SHORTEST_LOOK if self._woken.is_set() else min(pause * 1.5, LONGEST_LOOK)

    def _remember(self, found: list[Item]) -> None:
        self._items += found
        self._places += [self._origin.place(item) for item in found]
        self._weight += sum(self._origin.weigh(item) for item in found)
        self._head = self._places[-1]
        forget = 0
        while self._weight > REMEMBERED:
            self._weight -= self._origin.weigh(self._items[forget])
            forget += 1
        if forget:
            self._floor = self._places[forget - 1]
            del self._items[:forget], self._places[:forget]

    def _tell(self) -> None:
        """Wake all who wait for more."""
        self._more.set()
        self._more = asyncio.Event()


class Feeds(Generic[Item, Place]):
    """The feeds of one kind that somebody follows, by name."""

    def __init__(self, make: Callable[[int], Origin[Item, Place]]) -> None:
        """Make a feed's origin with ``make`` when its first follower comes."""
        self._make = make
        self._feeds: dict[int, Feed[Item, Place]] = {}
        self._closed = False

    async def follow(self, name: int, after: Place) -> AsyncGenerator[list[Item]]:
        """Follow the feed of a name, which lives as long as somebody does.

        Raises:
            Closed: the feeds were closed.
        """
        if self._closed:
            raise Closed
        feed = self._feeds.get(name)
        if feed is None:
            feed = self._feeds[name] = Feed(self._make(name), after)
        try:
            async with aclosing(feed.follow(after)) as items:
                async for found in items:
                    yield found
        finally:
            if not feed.followers and self._feeds.get(name) is feed:
                del self._feeds[name]

    def wake(self, name: int) -> None:
        """Have a feed look at once, if it is followed."""
        feed = self._feeds.get(name)
        if feed is not None:
            feed.wake()

    def names(self) -> list[int]:
        """Name the feeds that are followed."""
        return list(self._feeds)

    def close(self) -> None:
        """Have every follower stop; new ones stop at once."""
        self._closed = True
        for feed in self._feeds.values():
            feed.close()
