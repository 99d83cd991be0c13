"""The store on PostgreSQL: for several machines, and for those who have one running anyway."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobyard.store.postgres.logs import PostgresLogs
    from jobyard.store.sql_store import SqlStore


def open_postgres(dsn: str, *, connections: int = 8) -> tuple[SqlStore, PostgresLogs]:
    """Make the store and the log store of a database; neither is connected yet.

    Args:
        dsn: where it is, ``postgresql://user@host/database``.
        connections: how many at most at a time for jobs; logs and hints have their own.
    """
    from jobyard.store.postgres.driver import PostgresDriver
    from jobyard.store.postgres.logs import PostgresLogs
    from jobyard.store.sql_store import SqlStore

    logs = PostgresLogs(dsn)
    return SqlStore(PostgresDriver(dsn, connections=connections), logs), logs
