"""How this store connects to PostgreSQL, and what it says when that fails."""

from __future__ import annotations

from functools import cache
from typing import Any

from jobyard.errors import InvalidSetting, JobyardError, StoreUnavailable

CONNECT_TIMEOUT = 5.0
"""Seconds for making a connection."""
COMMAND_TIMEOUT = 30.0
"""Seconds for one statement; then it is canceled and its connection given up."""

NETWORK = (OSError, TimeoutError)
"""What a network says when it fails; a refused or reset connection is an OSError."""

_SETTINGS = {
    "application_name": "jobyard",
    # Every query is written for an index and reads few rows, and the tables change faster than
    # their statistics: a plan must never turn into a scan because a table was small when last
    # looked at. So there is one plan for each query, as on SQLite.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    # A worker that is frozen, or a machine that is gone, must not hold a job's row for ever.
    "idle_in_transaction_session_timeout": "10s",
    "statement_timeout": "35s",
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "timezone": "UTC",
}


def connect_arguments() -> dict[str, Any]:
    """Name the arguments with which every connection is made."""
    return {
        "timeout": CONNECT_TIMEOUT,
        "command_timeout": COMMAND_TIMEOUT,
        "server_settings": _SETTINGS,
        "statement_cache_size": 200,
        # Plans know the sizes of tables at their making: make them anew from time to time.
        "max_cached_statement_lifetime": 60,
        "max_cacheable_statement_size": 0,
    }


@cache
def plain_connection() -> Any:
    """Make the class of connections that the pool takes back as they are.

    asyncpg resets a connection on its return, which costs a round trip; ours never leave
    anything behind.
    """
    import asyncpg

    class PlainConnection(asyncpg.Connection):
        """A connection that needs no reset."""

        __slots__ = ()

        def get_reset_query(self) -> str:
            """Ask for nothing."""
            return ""

    return PlainConnection


async def connect(dsn: str) -> Any:
    """Make one connection outside the pool.

    Raises:
        StoreUnavailable: the database cannot be reached.
        InvalidSetting: it can, but not with these names or this password.
    """
    import asyncpg

    expected: tuple[type[Exception], ...] = (*lost_errors(), asyncpg.PostgresError, ValueError)
    try:
        return await asyncpg.connect(
            dsn, connection_class=plain_connection(), **connect_arguments()
        )
    except expected as error:
        raise unavailable(error) from error


@cache
def lost_errors() -> tuple[type[Exception], ...]:
    """Name the errors that mean: the database is out of reach now, and may be back later."""
    import asyncpg

    return (
        *NETWORK,
        asyncpg.PostgresConnectionError,
        asyncpg.InterfaceError,
        asyncpg.CannotConnectNowError,
        asyncpg.AdminShutdownError,
        asyncpg.CrashShutdownError,
        asyncpg.IdleInTransactionSessionTimeoutError,
        asyncpg.QueryCanceledError,
        asyncpg.InsufficientResourcesError,
        asyncpg.ReadOnlySQLTransactionError,
        asyncpg.InternalClientError,
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
    )


def unavailable(error: Exception) -> JobyardError:
    """Say in a person's words why the database cannot be used."""
    import asyncpg

    what = str(error).strip() or type(error).__name__
    if isinstance(
        error,
        (
            asyncpg.InvalidAuthorizationSpecificationError,
            asyncpg.InvalidCatalogNameError,
            asyncpg.ClientConfigurationError,
            ValueError,
        ),
    ):
        return InvalidSetting(
            f"PostgreSQL does not let us in: {what}",
            hint="check user, password and database in --database or JOBYARD_DATABASE_URL",
        )
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return InvalidSetting(
            f"PostgreSQL does not allow this: {what}",
            hint="the user needs the right to create tables in the database's schema",
        )
    if isinstance(error, TimeoutError):
        what = "it does not answer in time"
    return StoreUnavailable(
        f"PostgreSQL cannot be used: {what}",
        hint="does it run, and does --database or JOBYARD_DATABASE_URL lead to it?",
    )
