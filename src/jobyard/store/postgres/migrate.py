"""Bring the schema of a PostgreSQL database up to date, one migration a transaction."""

from __future__ import annotations

from typing import Any

from jobyard import clock
from jobyard.errors import SchemaMismatch
from jobyard.store.postgres.connecting import connect, lost_errors, unavailable
from jobyard.store.query import Migration, load_migrations

PACKAGE = "jobyard.store.postgres"
LOCK = 0x6A6F6279617264
"""The advisory lock under which schemas change: "jobyard" in ASCII."""

_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    applied_at bigint NOT NULL
)
"""
_VERSION = "SELECT coalesce(max(version), 0) FROM schema_migrations"


async def migrate(dsn: str) -> list[str]:
    """Apply what is missing and tell which steps that took; late rivals wait and find it done.

    Raises:
        SchemaMismatch: the schema was made by a newer program.
        StoreUnavailable: the database cannot be reached.
    """
    import asyncpg

    expected: tuple[type[Exception], ...] = (*lost_errors(), asyncpg.InsufficientPrivilegeError)
    connection = await connect(dsn)
    try:
        return await _apply_all(connection)
    except expected as error:
        raise unavailable(error) from error
    finally:
        connection.terminate()


async def _apply_all(connection: Any) -> list[str]:
    migrations = load_migrations(PACKAGE)
    if await _has_table(connection) and await _missing(connection, migrations) == []:
        return []
    done: list[str] = []
    while True:
        async with connection.transaction():
            # Another process may be building an index: no bound on how long that takes.
            await connection.execute("SET LOCAL statement_timeout = 0", timeout=None)
            await connection.execute(f"SELECT pg_advisory_xact_lock({LOCK})", timeout=None)
            await connection.execute(_TABLE)
            missing = await _missing(connection, migrations)
            if not missing:
                return done
            await _apply(connection, missing[0])
            done.append(missing[0].name)


async def schema_version(dsn: str) -> int:
    """Read the version of a database's schema, 0 when it has none yet; nothing is changed.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """
    connection = await connect(dsn)
    try:
        version: int = await connection.fetchval(_VERSION) if await _has_table(connection) else 0
    except lost_errors() as error:
        raise unavailable(error) from error
    else:
        return version
    finally:
        connection.terminate()


async def _has_table(connection: Any) -> bool:
    return bool(await connection.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL"))


async def _missing(connection: Any, migrations: tuple[Migration, ...]) -> list[Migration]:
    version: int = await connection.fetchval(_VERSION)
    if version > migrations[-1].version:
        raise SchemaMismatch(version, migrations[-1].version)
    return [migration for migration in migrations if migration.version > version]


async def _apply(connection: Any, migration: Migration) -> None:
    await connection.execute(migration.sql, timeout=None)
    await connection.execute(
        "INSERT INTO schema_migrations VALUES ($1, $2, $3)",
        migration.version,
        migration.name,
        clock.now_us(),
    )
