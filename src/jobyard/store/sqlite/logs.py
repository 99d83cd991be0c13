"""What programs printed, in a SQLite file of its own beside the jobs."""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from jobyard.errors import StoreUnavailable
from jobyard.store.chunks import rows_of, unpack
from jobyard.store.sqlite.driver import connect, reclaim, unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from jobyard.store.base import Chunk, LogPlace

T = TypeVar("T")

_LAST = 2**63 - 1

_VERSION = 2
_SCHEMA = """
CREATE TABLE IF NOT EXISTS log_chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    attempt_id INTEGER NOT NULL,
    start INTEGER NOT NULL,
    length INTEGER NOT NULL,
    job_id INTEGER NOT NULL,
    at INTEGER NOT NULL,
    runs TEXT NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (attempt_id, start)
) STRICT;
CREATE INDEX IF NOT EXISTS log_chunks_by_job ON log_chunks (job_id, id);
"""
_UNORDERED = "ALTER TABLE log_chunks RENAME TO log_chunks_unordered; DROP INDEX log_chunks_by_job;"
_ORDERED = """
INSERT INTO log_chunks (attempt_id, start, length, job_id, at, runs, data)
SELECT attempt_id, start, length, job_id, at, runs, data FROM log_chunks_unordered ORDER BY rowid;
DROP TABLE log_chunks_unordered;
"""
"""A file of before version 2 did not keep the order in which chunks came."""
_INSERT = """
INSERT OR IGNORE INTO log_chunks (attempt_id, start, length, job_id, at, runs, data)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_READ = """
SELECT job_id, attempt_id, start, at, runs, data, id FROM log_chunks
WHERE attempt_id = ?1
    AND start >= coalesce(
        (SELECT max(start) FROM log_chunks WHERE attempt_id = ?1 AND start <= ?2), 0)
    AND start + length > ?2
ORDER BY start
LIMIT ?3
"""
_READ_BACK = """
SELECT job_id, attempt_id, start, at, runs, data, id FROM log_chunks
WHERE attempt_id = ?1 AND start < ?2
ORDER BY start DESC
LIMIT ?3
"""
# The writer is alone, so ids appear in their order, and a chunk has one of its own.
_FOLLOW = """
SELECT job_id, attempt_id, start, at, runs, data, id FROM log_chunks
WHERE job_id = ?1 AND id >= ?2 AND (id > ?2 OR start + length > ?3)
ORDER BY id
LIMIT ?4
"""
_FOLLOW_BACK = """
SELECT job_id, attempt_id, start, at, runs, data, id FROM log_chunks
WHERE job_id = ?1 AND id <= ?2 AND (id < ?2 OR start < ?3)
ORDER BY id DESC
LIMIT ?4
"""
_DELETE = "DELETE FROM log_chunks WHERE job_id = ?"


class SqliteLogs:
    """Keeps output compressed; one writer, in a thread of its own."""

    def __init__(self, path: Path) -> None:
        """Use the file at ``path``."""
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="logs")
        self._connection: sqlite3.Connection | None = None
        self._listeners: list[Callable[[frozenset[int]], None]] = []

    async def open(self) -> None:
        """Open the file and make its table."""
        await self._run(self._connect)

    def _connect(self) -> None:
        try:
            self._connection = connect(self._path)
            _migrate(self._connection)
        except (OSError, sqlite3.Error) as error:
            raise unavailable(self._path, error) from error

    async def close(self) -> None:
        """Close the file."""
        await self._run(self._disconnect)
        self._thread.shutdown()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def append(self, chunks: Sequence[Chunk]) -> None:
        """Keep chunks; one that is there already (a retried write) is kept once."""
        await self._run(partial(self._append, chunks))
        job_ids = frozenset(chunk.job_id for chunk in chunks)
        for heard in self._listeners:
            heard(job_ids)

    def listen(self, heard: Callable[[frozenset[int]], None]) -> None:
        """Have ``heard`` called with the jobs of which this process just kept output."""
        self._listeners.append(heard)

    def _append(self, chunks: Sequence[Chunk]) -> None:
        rows = rows_of(chunks)
        self._transact(lambda connection: connection.executemany(_INSERT, rows))

    async def read(self, attempt_id: int, *, offset: int = 0, limit: int = 64) -> list[Chunk]:
        """Read an attempt's chunks that reach beyond ``offset``, in order."""
        return await self._read(_READ, attempt_id, offset, limit)

    async def read_back(
        self, attempt_id: int, *, before: int | None = None, limit: int = 64
    ) -> list[Chunk]:
        """Read an attempt's chunks that begin below ``before``, last ones first."""
        return await self._read(_READ_BACK, attempt_id, _LAST if before is None else before, limit)

    async def follow(
        self, job_id: int, after: LogPlace, *, limit: int = 64, over: bool = False
    ) -> list[Chunk]:
        """Read a job's chunks that reach beyond a place, in the order in which they came."""
        del over
        return await self._read(_FOLLOW, job_id, after.order, after.offset, limit)

    async def follow_back(
        self, job_id: int, *, before: LogPlace | None = None, limit: int = 64
    ) -> list[Chunk]:
        """Read a job's chunks that begin before a place, the last to come first."""
        order, offset = (_LAST, 0) if before is None else (before.order, before.offset)
        return await self._read(_FOLLOW_BACK, job_id, order, offset, limit)

    async def _read(self, sql: str, *arguments: int) -> list[Chunk]:
        def work(connection: sqlite3.Connection) -> list[Chunk]:
            return [unpack(row) for row in connection.execute(sql, arguments)]

        return await self._run(partial(self._transact, work))

    async def delete(self, job_ids: Sequence[int]) -> None:
        """Remove all output of these jobs."""
        rows = [(job_id,) for job_id in job_ids]
        await self._run(
            partial(self._transact, lambda connection: connection.executemany(_DELETE, rows))
        )

    async def reclaim(self) -> bool:
        """Give some pages back that deleted output left unused; tell whether there are more."""
        return await self._run(self._reclaim)

    def _reclaim(self) -> bool:
        if self._connection is None:
            raise StoreUnavailable(f"the log file {self._path} is closed")
        return reclaim(self._connection.cursor(), self._path)

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None:
            raise StoreUnavailable(f"the log file {self._path} is closed")
        try:
            with self._connection:
                self._connection.execute("BEGIN")
                return work(self._connection)
        except sqlite3.Error as error:
            raise unavailable(self._path, error) from error

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _migrate(connection: sqlite3.Connection) -> None:
    """Make the table, or make it anew with the order of its chunks; late rivals wait."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        unordered = "log_chunks" in tables and version < _VERSION
        script = f"{_UNORDERED}{_SCHEMA}{_ORDERED}" if unordered else _SCHEMA
        for statement in script.split(";")[:-1]:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version={_VERSION}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
