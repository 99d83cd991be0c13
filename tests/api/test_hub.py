"""One reader for all who follow: what that costs, and that nobody waits for anybody."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from jobyard.api import feed
from jobyard.api.chosen import choose
from jobyard.api.feed import Closed
from jobyard.api.follow import LogFollower
from jobyard.api.hub import Hub
from jobyard.core.records import LedgerPlace
from jobyard.errors import StoreUnavailable
from jobyard.store.base import BEGINNING, Chunk, Reports
from jobyard.testing.stage import ended, make_spec, sqlite_stage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator
    from pathlib import Path

    from jobyard.api.follow import Batch
    from jobyard.store.base import LogPlace
    from jobyard.testing.stage import Stage

LINES = 40


class Counting:
    """A log store that tells how often it was read."""

    def __init__(self, logs: Any) -> None:
        self.reads = 0
        self._logs = logs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._logs, name)

    async def follow(self, *place: Any, **how: Any) -> list[Chunk]:
        self.reads += 1
        found: list[Chunk] = await self._logs.follow(*place, **how)
        return found


class Yard:
    """A job whose one attempt runs and prints as told."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.job_id = stage.submit_one(make_spec())
        self.worker = stage.worker()
        self.claim = self.worker.claim_one()
        self.worker.start(self.claim)
        self.logs = Counting(stage.logs)
        self.hub = Hub(stage.store, self.logs)
        self.printed = 0

    async def print(self, data: bytes) -> None:
        chunk = Chunk(
            self.job_id, self.claim.attempt_id, self.printed, 5, ((1, len(data), 0),), data
        )
        self.printed += len(data)
        await self.stage.logs.append([chunk])

    async def end(self) -> None:
        await self.worker.speak(Reports(ended=[ended(self.claim)]))

    async def follow(self, **chosen: Any) -> bytes:
        got = b""
        async with aclosing(self.batches(**chosen)) as batches:
            async for batch in batches:
                got += b"".join(told.line.raw for told in batch.told)
                if batch.ended:
                    return got + b"[end]"
        return got

    def batches(self, **chosen: Any) -> AsyncGenerator[Batch]:
        logs: Any = self.logs
        follower = LogFollower(self.hub, self.stage.store, logs, self.job_id, choose(**chosen))
        return follower.batches()


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    with sqlite_stage(tmp_path) as stage:
        yield Yard(stage)


@pytest.mark.parametrize("followers", [1, 1000])
def test_a_thousand_followers_cost_one_reader(yard: Yard, followers: int) -> None:
    async def play() -> list[bytes]:
        await yard.print(b"before\n")
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(yard.follow()) for _ in range(followers)]
            for number in range(LINES):
                await yard.print(b"%d\n" % number)
            await yard.end()
        return [task.result() for task in tasks]

    got = yard.stage.do(play())

    whole = b"before\n" + b"".join(b"%d\n" % number for number in range(LINES)) + b"[end]"
    assert set(got) == {whole}
    # The reader's own looks depend on time, so this is not exact; readers of their own would
    # each need at least two.
    assert yard.logs.reads < 3 * LINES


def test_a_slow_follower_holds_up_nobody_and_loses_nothing(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "REMEMBERED", 10_000)
    line = b"x" * 999 + b"\n"

    async def play() -> tuple[bytes, bytes, int]:
        await yard.print(line)
        slow = yard.batches()
        got = b"".join(told.line.raw for told in (await anext(slow)).told)
        async with asyncio.TaskGroup() as group:
            quick = group.create_task(yard.follow())
            for _ in range(60):
                await yard.print(line)
            await yard.end()
        [reader] = yard.hub._feeds._feeds.values()
        weight = reader._weight
        async for batch in slow:
            got += b"".join(told.line.raw for told in batch.told)
        return quick.result(), got, weight

    quick, slow, weight = yard.stage.do(play())

    assert quick == slow + b"[end]" == line * 61 + b"[end]"
    assert weight <= 10_000


def test_a_store_that_is_away_for_a_while_is_waited_for(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "RETRY", 0.0)
    works, away = yard.logs._logs.follow, [3]

    async def follow(*place: Any, **how: Any) -> list[Chunk]:
        if away[0]:
            away[0] -= 1
            raise StoreUnavailable("away")
        found: list[Chunk] = await works(*place, **how)
        return found

    monkeypatch.setattr(yard.logs._logs, "follow", follow)

    async def play() -> bytes:
        following = asyncio.create_task(yard.follow())
        await yard.print(b"a\n")
        await yard.end()
        return await following

    assert yard.stage.do(play()) == b"a\n[end]"
    assert away == [0]


def test_nothing_is_read_when_nobody_follows(yard: Yard) -> None:
    async def play() -> int:
        batches = yard.batches()
        await yard.print(b"a\n")
        await anext(batches)
        await batches.aclose()
        assert yard.hub._feeds.names() == []
        before = yard.logs.reads
        await yard.print(b"b\n")
        for _ in range(20):
            await asyncio.to_thread(int)
        others = {task.get_name() for task in asyncio.all_tasks()} - {"feed", "ends"}
        assert {task.get_name() for task in asyncio.all_tasks()} == others
        return yard.logs.reads - before

    assert yard.stage.do(play()) == 0


def test_closing_ends_every_stream_without_an_end(yard: Yard) -> None:
    async def play() -> tuple[bytes, bool]:
        await yard.print(b"a\n")
        running = asyncio.create_task(yard.follow())
        batches = yard.batches()
        await anext(batches)
        yard.hub.close()
        closed = False
        try:
            async with aclosing(yard.hub.changes(LedgerPlace(0, 0))) as changes:
                await anext(changes)
        except Closed:
            closed = True
        assert [batch async for batch in batches] == []
        return await running, closed

    got, closed = yard.stage.do(play())
    assert b"[end]" not in got
    assert closed


def test_a_follower_that_begins_ahead_takes_the_reader_along(yard: Yard) -> None:
    """What the foremost follower does not want is not read for it."""

    async def first(batches: AsyncGenerator[Batch]) -> Batch:
        async for batch in batches:
            if batch.told:
                return batch
        pytest.fail("it ended")

    async def play() -> tuple[LogPlace, LogPlace]:
        for number in range(200):
            await yard.print(b"%d\n" % number)
        batches = yard.batches(tail=1)
        batch = await first(batches)
        [reader] = yard.hub._feeds._feeds.values()
        floor = reader._floor
        await batches.aclose()
        return floor, batch.told[0].position.place

    floor, told = yard.stage.do(play())
    assert told.offset == yard.printed
    assert BEGINNING < floor < told


def test_a_followed_job_that_is_deleted_ends_without_a_status(yard: Yard) -> None:
    async def play() -> Batch:
        await yard.print(b"a\n")
        batches = yard.batches()
        await anext(batches)
        await asyncio.to_thread(yard.stage.sql, "DELETE FROM jobs")
        for origin in yard.hub._origins.values():
            origin.look()
        return [batch async for batch in batches][-1]

    last = yard.stage.do(play())
    assert last.ended
    assert last.status is None
