"""What the databases do for a bare loop that keeps no states: the engine's floors."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import asyncpg

from jobyard import app

if TYPE_CHECKING:
    from pathlib import Path

    from ground import Ground

BATCH = 500
CALLERS = 16
TEXT = json.dumps({"command": ["true"], "padding": "x" * 1500})
"""About what a job's row and its spec hold."""

_SQLITE = """
CREATE TABLE work (id INTEGER PRIMARY KEY, status TEXT NOT NULL, spec TEXT);
CREATE INDEX waiting ON work (id) WHERE status = 'waiting';
"""
_POSTGRES = """
CREATE TABLE work (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, status text NOT NULL, spec text);
CREATE INDEX waiting ON work (id) WHERE status = 'waiting';
"""
_TAKE = """
UPDATE work SET status = 'running' WHERE id IN (
    SELECT id FROM work WHERE status = 'waiting' ORDER BY id LIMIT {} {}) RETURNING id
"""
_TAKE_SQLITE = _TAKE.format(BATCH, "")
_TAKE_POSTGRES = _TAKE.format(BATCH, "FOR UPDATE SKIP LOCKED")


def _connect(folder: Path, *, durable: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(folder / "floor.db", isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
    connection.executescript(_SQLITE)
    return connection


def batches(ground: Ground, store: str, count: int) -> float:
    """Insert, claim and finish rows in batches, each step a transaction; return rows a second."""
    if store == "sqlite":
        with ground.folder() as folder, closing(_connect(folder)) as connection:
            return count / _batches_sqlite(connection, count)
    with ground.database() as dsn:
        return count / app.run_async(_batches_postgres(dsn, count))


def _batches_sqlite(connection: sqlite3.Connection, count: int) -> float:
    rows = [("waiting",)] * BATCH
    start = time.perf_counter()
    for _ in range(count // BATCH):
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO work (status) VALUES (?)", rows)
        connection.execute("COMMIT")
        taken = [row[0] for row in connection.execute(_TAKE_SQLITE).fetchall()]
        connection.execute(
            "UPDATE work SET status = 'done' WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(taken),),
        )
    return time.perf_counter() - start


async def _batches_postgres(dsn: str, count: int) -> float:
    connection = await asyncpg.connect(dsn)
    await connection.execute(_POSTGRES)
    rows = ["waiting"] * BATCH
    start = time.perf_counter()
    for _ in range(count // BATCH):
        await connection.execute("INSERT INTO work (status) SELECT * FROM unnest($1::text[])", rows)
        taken = [row[0] for row in await connection.fetch(_TAKE_POSTGRES)]
        await connection.execute(
            "UPDATE work SET status = 'done' WHERE id = ANY ($1::bigint[])", taken
        )
    seconds = time.perf_counter() - start
    await connection.close()
    return seconds


def singles(ground: Ground, store: str, count: int) -> float:
    """Insert rows one by one, each durable, many callers at a time; return rows a second."""
    if store == "sqlite":
        with ground.folder() as folder, closing(_connect(folder, durable=True)) as connection:
            start = time.perf_counter()
            for _ in range(count):
                connection.execute("INSERT INTO work (status, spec) VALUES ('waiting', ?)", (TEXT,))
            return count / (time.perf_counter() - start)
    with ground.database() as dsn:
        return count / app.run_async(_singles_postgres(dsn, count))


async def _singles_postgres(dsn: str, count: int) -> float:
    async with asyncpg.create_pool(dsn, min_size=CALLERS, max_size=CALLERS) as pool:
        await pool.execute(_POSTGRES)

        async def caller() -> None:
            async with pool.acquire() as connection:
                for _ in range(count // CALLERS):
                    await connection.execute(
                        "INSERT INTO work (status, spec) VALUES ('waiting', $1)", TEXT
                    )

        start = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        return time.perf_counter() - start


def insert_one(ground: Ground, store: str, count: int) -> float:
    """Insert one row at a time, durable, one caller; return the median milliseconds."""
    if store == "sqlite":
        with ground.folder() as folder, closing(_connect(folder, durable=True)) as connection:
            took = []
            for _ in range(count):
                start = time.perf_counter()
                connection.execute("INSERT INTO work (status, spec) VALUES ('waiting', ?)", (TEXT,))
                took.append(time.perf_counter() - start)
            return statistics.median(took) * 1000
    with ground.database() as dsn:
        return app.run_async(_insert_one_postgres(dsn, count))


async def _insert_one_postgres(dsn: str, count: int) -> float:
    connection = await asyncpg.connect(dsn)
    await connection.execute(_POSTGRES)
    took = []
    for _ in range(count):
        start = time.perf_counter()
        await connection.execute("INSERT INTO work (status, spec) VALUES ('waiting', $1)", TEXT)
        took.append(time.perf_counter() - start)
    await connection.close()
    return statistics.median(took) * 1000


def hand_over(ground: Ground, store: str, count: int, pause: float) -> float:
    """Insert a row durably, wake another connection, have it claim; return median milliseconds."""
    if store == "sqlite":
        with ground.folder() as folder:
            return app.run_async(_hand_over_sqlite(folder, count, pause))
    with ground.database() as dsn:
        return app.run_async(_hand_over_postgres(dsn, count, pause))


async def _hand_over_sqlite(folder: Path, count: int, pause: float) -> float:
    run = asyncio.get_running_loop().run_in_executor
    took = []
    with ThreadPoolExecutor(1) as thread, closing(_connect(folder, durable=True)) as connection:

        def insert() -> None:
            connection.execute("INSERT INTO work (status, spec) VALUES ('waiting', ?)", (TEXT,))

        def claim() -> None:
            assert connection.execute(_TAKE_SQLITE).fetchall()

        for _ in range(count):
            await asyncio.sleep(pause)
            start = time.perf_counter()
            await run(thread, insert)
            await run(thread, claim)
            took.append(time.perf_counter() - start)
    return statistics.median(took) * 1000


async def _hand_over_postgres(dsn: str, count: int, pause: float) -> float:
    asking, listening = [await asyncpg.connect(dsn) for _ in range(2)]
    await asking.execute(_POSTGRES)
    heard = asyncio.Event()
    await listening.add_listener("work", lambda *_: heard.set())
    took = []
    for _ in range(count):
        await asyncio.sleep(pause)
        heard.clear()
        start = time.perf_counter()
        async with asking.transaction():
            await asking.execute("INSERT INTO work (status, spec) VALUES ('waiting', $1)", TEXT)
            await asking.execute("NOTIFY work")
        await heard.wait()
        assert await listening.fetch(_TAKE_POSTGRES)
        took.append(time.perf_counter() - start)
    for connection in (asking, listening):
        await connection.close()
    return statistics.median(took) * 1000


def database_versions(ground: Ground) -> dict[str, str]:
    """Tell which databases these are."""
    version = ground.postgres.execute("SHOW server_version").split()[0]
    return {"SQLite": sqlite3.sqlite_version, "PostgreSQL": version}
