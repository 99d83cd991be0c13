"""What programs printed, in a table of its own, over connections of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from jobyard.errors import StoreUnavailable
from jobyard.store.chunks import rows_of, unpack
from jobyard.store.postgres.connecting import (
    connect_arguments,
    lost_errors,
    plain_connection,
    unavailable,
)
from jobyard.store.postgres.migrate import PACKAGE, migrate
from jobyard.store.query import load_statements

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    import asyncpg

    from jobyard.store.base import Chunk, LogPlace

T = TypeVar("T")

_LAST = 2**63 - 1
CONNECTIONS = 3
WAIT_FOR_CONNECTION = 10.0
"""Seconds to wait for one of the connections."""
IN_A_THREAD = 64 * 1024
"""Bytes from which on compressing would hold up the event loop."""

_INSERT = """
INSERT INTO log_chunks (attempt_id, start, length, job_id, at, runs, data)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (attempt_id, start) DO NOTHING
"""
_READ = """
SELECT job_id, attempt_id, start, at, runs, data, written_in
FROM log_chunks
WHERE attempt_id = $1
    AND start >= coalesce(
        (SELECT max(start) FROM log_chunks WHERE attempt_id = $1 AND start <= $2), 0)
    AND start + length > $2
ORDER BY start
LIMIT $3
"""
_READ_BACK = """
SELECT job_id, attempt_id, start, at, runs, data, written_in
FROM log_chunks
WHERE attempt_id = $1
    AND start < $2
ORDER BY start DESC
LIMIT $3
"""
_FOLLOW = """
SELECT job_id, attempt_id, start, at, runs, data, written_in
FROM log_chunks
WHERE job_id = $1
    AND (written_in, attempt_id) >= ($2, $3)
    AND (written_in, attempt_id, start + length) > ($2, $3, $4)
    AND written_in < $6
ORDER BY written_in, attempt_id, start
LIMIT $5
"""
_FOLLOW_BACK = """
SELECT job_id, attempt_id, start, at, runs, data, written_in
FROM log_chunks
WHERE job_id = $1
    AND (written_in, attempt_id, start) < ($2, $3, $4)
    AND written_in < $6
ORDER BY written_in DESC, attempt_id DESC, start DESC
LIMIT $5
"""
_DELETE = "DELETE FROM log_chunks WHERE job_id = ANY ($1::bigint[])"


class PostgresLogs:
    """Keeps output compressed; neither reading nor writing it waits for the jobs' connections."""

    def __init__(self, dsn: str) -> None:
        """Use the database at ``dsn``."""
        self._dsn = dsn
        self._pool: asyncpg.Pool[Any] | None = None
        self._horizon = load_statements(PACKAGE)["ledger_horizon"].sql
        self._listeners: list[Callable[[frozenset[int]], None]] = []

    async def open(self) -> None:
        """Connect, and bring the schema up to date."""
        import asyncpg

        await migrate(self._dsn)
        try:
            self._pool = await asyncpg.create_pool(
                self._dsn,
                min_size=0,
                max_size=CONNECTIONS,
                connection_class=plain_connection(),
                **connect_arguments(),
            )
        except lost_errors() as error:
            raise unavailable(error) from error

    async def close(self) -> None:
        """Let go of the database."""
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                await asyncio.wait_for(pool.close(), WAIT_FOR_CONNECTION)
            except lost_errors():
                pool.terminate()

    async def append(self, chunks: Sequence[Chunk]) -> None:
        """Keep chunks; one that is there already (a retried write) is kept once."""
        if sum(len(chunk.data) for chunk in chunks) < IN_A_THREAD:
            rows = rows_of(chunks)
        else:
            rows = await asyncio.to_thread(rows_of, chunks)
        # One transaction, and on the wire one stream of all rows.
        await self._with_connection(lambda connection: connection.executemany(_INSERT, rows))
        job_ids = frozenset(chunk.job_id for chunk in chunks)
        for heard in self._listeners:
            heard(job_ids)

    def listen(self, heard: Callable[[frozenset[int]], None]) -> None:
        """Have ``heard`` called with the jobs of which this process just kept output."""
        self._listeners.append(heard)

    async def read(self, attempt_id: int, *, offset: int = 0, limit: int = 64) -> list[Chunk]:
        """Read an attempt's chunks that reach beyond ``offset``, in order."""
        rows: list[Any] = await self._with_connection(
            lambda connection: connection.fetch(_READ, attempt_id, offset, limit)
        )
        return [unpack(row) for row in rows]

    async def read_back(
        self, attempt_id: int, *, before: int | None = None, limit: int = 64
    ) -> list[Chunk]:
        """Read an attempt's chunks that begin below ``before``, last ones first."""
        below = _LAST if before is None else before
        rows: list[Any] = await self._with_connection(
            lambda connection: connection.fetch(_READ_BACK, attempt_id, below, limit)
        )
        return [unpack(row) for row in rows]

    async def follow(
        self, job_id: int, after: LogPlace, *, limit: int = 64, over: bool = False
    ) -> list[Chunk]:
        """Read a job's chunks that reach beyond a place, in the order of their transactions."""
        return await self._in_order(_FOLLOW, job_id, after, limit, over=over)

    async def follow_back(
        self, job_id: int, *, before: LogPlace | None = None, limit: int = 64
    ) -> list[Chunk]:
        """Read a job's chunks that begin before a place, as ``follow`` orders them, last first."""
        place = (_LAST, _LAST, _LAST) if before is None else before
        return await self._in_order(_FOLLOW_BACK, job_id, place, limit, over=False)

    async def _in_order(
        self, sql: str, job_id: int, place: tuple[int, int, int], limit: int, *, over: bool
    ) -> list[Chunk]:
        async def read(connection: Any) -> list[Any]:
            horizon = _LAST if over else await connection.fetchval(self._horizon)
            # A statement of its own, for it has to see what was committed before that answer.
            rows: list[Any] = await connection.fetch(sql, job_id, *place, limit, horizon)
            return rows

        return [unpack(row) for row in await self._with_connection(read)]

    async def delete(self, job_ids: Sequence[int]) -> None:
        """Remove all output of these jobs."""
        await self._with_connection(lambda connection: connection.execute(_DELETE, list(job_ids)))

    async def reclaim(self) -> bool:
        """Leave it to autovacuum, which has the room used again."""
        return False

    async def _with_connection(self, run: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        if self._pool is None:
            raise StoreUnavailable("the database connection of the logs is closed")
        try:
            connection = await self._pool.acquire(timeout=WAIT_FOR_CONNECTION)
            try:
                return await run(connection)
            finally:
                await self._pool.release(connection)
        except lost_errors() as error:
            if isinstance(error, ValueError):
                # An argument of the wrong type is a bug of ours.
                raise
            raise unavailable(error) from error
