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

    from jobyard.store.base import Chunk

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS log_chunks (
    attempt_id INTEGER NOT NULL,
    start INTEGER NOT NULL,
    length INTEGER NOT NULL,
    job_id INTEGER NOT NULL,
    at INTEGER NOT NULL,
    runs TEXT NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (attempt_id, start)
) STRICT;
CREATE INDEX IF NOT EXISTS log_chunks_by_job ON log_chunks (job_id);
"""
_INSERT = "INSERT OR IGNORE INTO log_chunks VALUES (?, ?, ?, ?, ?, ?, ?)"
_READ = """
SELECT job_id, attempt_id, start, at, runs, data FROM log_chunks
WHERE attempt_id = ?1
    AND start >= coalesce(
        (SELECT max(start) FROM log_chunks WHERE attempt_id = ?1 AND start <= ?2), 0)
    AND start + length > ?2
ORDER BY start
LIMIT ?3
"""
_DELETE = "DELETE FROM log_chunks WHERE job_id = ?"


class SqliteLogs:
    """Keeps output compressed; one writer, in a thread of its own."""

    def __init__(self, path: Path) -> None:
        """Use the file at ``path``."""
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="logs")
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Open the file and make its table."""
        await self._run(self._connect)

    def _connect(self) -> None:
        try:
            self._connection = connect(self._path)
            self._connection.executescript(_SCHEMA)
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

    def _append(self, chunks: Sequence[Chunk]) -> None:
        rows = rows_of(chunks)
        self._transact(lambda connection: connection.executemany(_INSERT, rows))

    async def read(self, attempt_id: int, *, offset: int = 0, limit: int = 64) -> list[Chunk]:
        """Read an attempt's chunks that reach beyond ``offset``, in order."""
        rows = await self._run(
            partial(
                self._transact,
                lambda connection: connection.execute(
                    _READ, (attempt_id, offset, limit)
                ).fetchall(),
            )
        )
        return [unpack(row) for row in rows]

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
