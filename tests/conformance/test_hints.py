"""Hints: whoever listens hears that there is something to do, in this process and in others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest

from jobyard.store.base import Submission
from jobyard.store.postgres import open_postgres
from jobyard.store.sqlite import open_sqlite
from jobyard.testing.stage import make_spec

if TYPE_CHECKING:
    from pathlib import Path

    from jobyard.store.sql_store import SqlStore

    Places = tuple[str, Path | str]

PATIENCE = 20.0


@pytest.fixture(params=["sqlite", "sqlite far down", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Places:
    if request.param == "sqlite":
        return ("sqlite", tmp_path)
    if request.param == "sqlite far down":
        # A socket's path may not have so many bytes.
        return ("sqlite", tmp_path / ("down" * 30))
    return ("postgres", request.getfixturevalue("postgres_dsn"))


async def opened(place: Places) -> SqlStore:
    kind, where = place
    store = (open_sqlite(where) if kind == "sqlite" else open_postgres(where))[0]  # type: ignore[arg-type]
    await store.open()
    return store


class Ear:
    """Remembers that it heard something."""

    def __init__(self) -> None:
        self.heard = asyncio.Event()
        self.count = 0

    def __call__(self) -> None:
        self.count += 1
        self.heard.set()

    async def hears(self) -> None:
        await asyncio.wait_for(self.heard.wait(), PATIENCE)
        self.heard.clear()


def test_a_hint_is_heard_at_once_in_the_same_process(place: Places) -> None:
    async def play() -> None:
        store = await opened(place)
        ear = Ear()
        await store.listen(ear)
        before = ear.count
        store.hint()
        assert ear.count == before + 1
        await store.close()

    asyncio.run(play())


def test_a_hint_is_heard_by_others(place: Places) -> None:
    async def play() -> None:
        store, other = await opened(place), await opened(place)
        ear = Ear()
        await other.listen(ear)
        ear.heard.clear()
        await store.submit(Submission([make_spec()]))
        await ear.hears()
        await store.close()
        await other.close()

    asyncio.run(play())


def test_many_hints_are_told_as_few(postgres_dsn: str) -> None:
    async def play() -> None:
        place = ("postgres", postgres_dsn)
        store, other = await opened(place), await opened(place)
        ear = Ear()
        await other.listen(ear)
        await store.listen(lambda: None)
        ear.heard.clear()
        before = ear.count
        for _ in range(1000):
            store.hint()
        await ear.hears()
        assert ear.count - before < 10
        await store.close()
        await other.close()

    asyncio.run(play())


def test_a_lost_listener_comes_back_and_looks(postgres_dsn: str) -> None:
    async def play() -> None:
        store = await opened(("postgres", postgres_dsn))
        ear = Ear()
        await store.listen(ear)
        ear.heard.clear()
        killer = await asyncpg.connect(postgres_dsn)
        listening = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
        [row] = await killer.fetch(listening)
        await killer.execute(f"SELECT pg_terminate_backend({row[0]})")
        await ear.hears()
        [again] = await killer.fetch(listening)
        assert again != row
        await killer.execute("NOTIFY jobyard")
        await ear.hears()
        await killer.close()
        await store.close()

    asyncio.run(play())


def test_a_store_that_never_listened_closes_quietly(place: Places) -> None:
    async def play() -> None:
        store = await opened(place)
        store.hint()
        await store.close()

    asyncio.run(play())
