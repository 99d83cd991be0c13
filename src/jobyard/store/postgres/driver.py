"""Run the store's transactions on PostgreSQL, each on a pooled connection, again at need."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from jobyard.errors import Internal, StoreUnavailable
from jobyard.store.postgres.connecting import (
    connect_arguments,
    lost_errors,
    plain_connection,
    unavailable,
)
from jobyard.store.postgres.hints import Hints
from jobyard.store.postgres.migrate import migrate
from jobyard.store.query import Query, Rows, Transaction, load_statements

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg

T = TypeVar("T")

PACKAGE = "jobyard.store.postgres"
TRIES = 6
"""How often a transaction is tried that lost a race, before that is taken for a bug."""
WAIT_FOR_CONNECTION = 10.0
"""Seconds to wait for a connection of the pool, the making of one included."""


class PostgresDriver:
    """Runs each transaction inside one READ COMMITTED transaction of the database.

    Every query is written for an index, so plans do not depend on what the statistics say at the
    moment (see ``connect_arguments``).
    """

    def __init__(
        self,
        dsn: str,
        *,
        connections: int = 8,
        read_clock: Callable[[], int] | None = None,
    ) -> None:
        """Use the database at ``dsn``; ``read_clock`` replaces its clock in tests."""
        self._dsn = dsn
        self._connections = connections
        self._read_clock = read_clock
        self._statements = load_statements(PACKAGE)
        self._pool: asyncpg.Pool[Any] | None = None
        self._hints = Hints(dsn)

    async def open(self) -> None:
        """Connect, and bring the schema up to date under an advisory lock."""
        await migrate(self._dsn)
        self._pool = await self._make_pool()

    async def _make_pool(self) -> asyncpg.Pool[Any]:
        import asyncpg

        try:
            return await asyncpg.create_pool(
                self._dsn,
                min_size=1,
                max_size=self._connections,
                connection_class=plain_connection(),
                **connect_arguments(),
            )
        except lost_errors() as error:
            raise unavailable(error) from error

    async def close(self) -> None:
        """Let go of the database; transactions under way end first, within a bound."""
        await self._hints.close()
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                await asyncio.wait_for(pool.close(), WAIT_FOR_CONNECTION)
            except lost_errors():
                pool.terminate()

    async def write(self, make: Callable[[], Transaction[T]], *, durable: bool = False) -> T:
        """Run a transaction and commit it, which on PostgreSQL is durable in any case."""
        del durable
        return await self._with_connection(self._write, make)

    async def read(self, make: Callable[[], Transaction[T]]) -> T:
        """Run a transaction that only reads: a single query as it is, several on one snapshot."""
        return await self._with_connection(self._read, make)

    async def reclaim(self) -> bool:
        """Leave it to autovacuum, which has the room used again."""
        return False

    def hint(self) -> None:
        """Wake whoever listens in this process, and by NOTIFY the others."""
        self._hints.send()

    async def listen(self, heard: Callable[[], None]) -> None:
        """Have ``heard`` called on hints, over a connection of its own."""
        await self._hints.listen(heard)

    async def _with_connection(
        self,
        run: Callable[[Any, Callable[[], Transaction[T]]], Any],
        make: Callable[[], Transaction[T]],
    ) -> T:
        import asyncpg

        if self._pool is None:
            raise StoreUnavailable("the database connection is closed")
        lost_race: Exception | None = None
        for _ in range(TRIES):
            try:
                connection = await self._pool.acquire(timeout=WAIT_FOR_CONNECTION)
                try:
                    result: T = await run(connection, make)
                finally:
                    await self._pool.release(connection)
            except (
                asyncpg.SerializationError,
                asyncpg.DeadlockDetectedError,
                # Two transactions made the same idempotency key, or the same worker.
                asyncpg.UniqueViolationError,
            ) as error:
                lost_race = error
            except lost_errors() as error:
                if isinstance(error, ValueError):
                    # An argument of the wrong type is a bug of ours.
                    raise
                raise unavailable(error) from error
            else:
                return result
        raise StoreUnavailable(f"this change lost {TRIES} races: {lost_race}") from lost_race

    async def _write(self, connection: Any, make: Callable[[], Transaction[T]]) -> T:
        await connection.execute("BEGIN")
        try:
            result = await self._drive(connection, make())
        except BaseException:
            await _roll_back(connection)
            raise
        await connection.execute("COMMIT")
        return result

    async def _read(self, connection: Any, make: Callable[[], Transaction[T]]) -> T:
        transaction = make()
        try:
            rows = await self._query(connection, next(transaction))
            transaction.send(rows)
        except StopIteration as stop:
            result: T = stop.value
            return result
        transaction.close()
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            return await self._drive(connection, make())
        finally:
            await _roll_back(connection)

    async def _drive(self, connection: Any, transaction: Transaction[T]) -> T:
        try:
            query = next(transaction)
            while True:
                query = transaction.send(await self._query(connection, query))
        except StopIteration as stop:
            result: T = stop.value
            return result

    async def _query(self, connection: Any, query: Query) -> Rows:
        if query.name == "now" and self._read_clock is not None:
            return [(self._read_clock(),)]
        statement = self._statements.get(query.name)
        if statement is None:
            raise Internal(f"no query is named {query.name}")
        args = query.args if query.rows is None else (*query.args, query.rows)
        sql = statement.sql
        if query.also is not None:
            sql = statement.beside(self._statements[query.also.name], len(args))
            args = (*args, query.also.rows)
        rows: Rows = await connection.fetch(sql, *args)
        return rows


async def _roll_back(connection: Any) -> None:
    """End a transaction; a connection that cannot even do that is not to be used again."""
    if connection.is_closed():
        return
    try:
        await connection.execute("ROLLBACK")
    except BaseException:
        connection.terminate()
        raise
