"""What deletion gives back: bytes on SQLite, room that is used again on PostgreSQL."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from jobyard.store.base import Chunk, JobQuery
from jobyard.store.sqlite import driver
from jobyard.store.sqlite.logs import SqliteLogs
from jobyard.testing.stage import make_spec

if TYPE_CHECKING:
    from jobyard.testing.stage import Stage

JOBS = 400
BYTES = 4000
"""Of incompressible output of each job."""


def noise(count: int) -> bytes:
    """Make bytes that cannot be compressed."""
    return hashlib.shake_256(b"noise").digest(count)


def fill(stage: Stage) -> None:
    """Run jobs with labels and output to their end."""
    made = stage.submit(*[make_spec(labels={"a": "b" * 60}, annotations={"c": "d" * 2000})] * JOBS)
    worker = stage.worker(f"w{made[0].id}")
    claims = worker.claim(JOBS)
    worker.end(*claims)
    chunks = [Chunk(c.job_id, c.attempt_id, 0, 1, ((1, BYTES, 0),), noise(BYTES)) for c in claims]
    stage.do(stage.logs.append(chunks))


def empty(stage: Stage) -> None:
    """Delete all, and sweep until there is nothing left to do."""
    while stage.do(stage.store.prune(JobQuery())):
        pass
    while stage.do(stage.store.sweep()):
        pass


def file_sizes(stage: Stage) -> dict[str, int]:
    """Measure the files of a SQLite store, all that was committed in them."""
    sizes = {}
    for name in ("jobs.db", "logs.db"):
        path = Path(stage.place).with_name(name)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        sizes[name] = path.stat().st_size
    return sizes


TABLES = "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' AND relname"
MINE = "('jobs', 'job_specs', 'attempts', 'job_events', 'job_labels', 'log_chunks', 'deletions')"


async def _vacuumed(dsn: str) -> dict[str, tuple[int, int]]:
    """Do what autovacuum does; tell each table's bytes and what of its rows is still dead."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("VACUUM")
        rows = await connection.fetch(f"{TABLES} IN {MINE}")
        sizes = {row[0]: row[1] for row in rows}
        await connection.execute("CREATE EXTENSION IF NOT EXISTS pgstattuple")
        dead = {
            name: await connection.fetchval("SELECT dead_tuple_count FROM pgstattuple($1)", name)
            for name in sizes
        }
    finally:
        await connection.close()
    return {name: (size, dead[name]) for name, size in sizes.items()}


def test_deletion_gives_bytes_back_or_has_them_used_again(stage: Stage) -> None:
    new = file_sizes(stage) if stage.kind == "sqlite" else {}
    fill(stage)
    if stage.kind == "sqlite":
        full = file_sizes(stage)
        assert min(full.values()) > JOBS * BYTES // 2

        empty(stage)

        left = file_sizes(stage)
        assert {
            name: size for name, size in left.items() if size > new[name] + driver.SPARE * 4096
        } == {}
        return
    sizes: list[dict[str, int]] = []
    for _ in range(6):
        empty(stage)
        gone = asyncio.run(_vacuumed(stage.place))
        assert {name: dead for name, (_, dead) in gone.items() if dead} == {}
        fill(stage)
        sizes.append({name: size for name, (size, _) in gone.items()})
    assert {name: sizes[-1][name] / size for name, size in sizes[2].items() if size} == {
        name: pytest.approx(1, abs=0.2) for name in sizes[2]
    }


def test_an_older_sqlite_file_does_not_grow_when_it_is_filled_again(tmp_path: Path) -> None:
    """Its pages are not given back, for it was made before they could be, but used again."""
    path = tmp_path / "logs.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA auto_vacuum=NONE")
        connection.execute("CREATE TABLE old (a)")
    logs = SqliteLogs(path)
    sizes: list[int] = []

    async def cycles() -> None:
        await logs.open()
        for cycle in range(3):
            chunk = Chunk(1, cycle, 0, 1, ((1, 10**6, 0),), noise(10**6))
            await logs.append([chunk])
            await logs.delete([1])
            assert await logs.reclaim() is False
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            sizes.append(path.stat().st_size)
        await logs.close()

    asyncio.run(cycles())

    assert sizes[0] > 10**6
    assert sizes == sizes[:1] * 3


def test_a_file_that_will_be_filled_again_keeps_some_pages(tmp_path: Path) -> None:
    """A quarter of what is in use, so that a steady flow of jobs moves no pages."""
    connection = driver.connect(tmp_path / "a.db")
    connection.execute("CREATE TABLE a (id INTEGER PRIMARY KEY, b BLOB)")
    rows = [(noise(3000),) for _ in range(4000)]
    connection.executemany("INSERT INTO a (b) VALUES (?)", rows)

    def unused() -> int:
        while driver.reclaim(connection.cursor(), tmp_path):
            pass
        pages: int = connection.execute("PRAGMA freelist_count").fetchone()[0]
        return pages

    connection.execute("DELETE FROM a WHERE id <= 500")
    assert unused() == 500
    connection.execute("DELETE FROM a WHERE id <= 2000")
    assert 480 <= unused() <= 520
    connection.execute("DELETE FROM a")
    assert unused() == driver.SPARE
    connection.close()
