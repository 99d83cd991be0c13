"""Run the store's transactions on SQLite: one thread, one connection, one transaction at a time."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from jobyard import clock
from jobyard.errors import InvalidSetting, SchemaMismatch, StoreUnavailable
from jobyard.store.query import Query, Rows, Transaction, load_migrations, load_statements

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jobyard.store.sqlite.wakes import Wakes

T = TypeVar("T")

PACKAGE = "jobyard.store.sqlite"
BUSY = 30.0
"""Seconds to wait for another process's transaction."""
SPARE = 256
"""Unused pages that any file may keep: 1 MiB."""
CUT = 2000
"""Pages cut off at a time; each may have to be moved, so this is a write of 8 MB at most."""
INCREMENTAL = 2
"""How SQLite numbers that way of auto_vacuum."""
OLDEST_SQLITE = (3, 38, 0)
"""The first version with the ``->>`` operator."""


class SqliteDriver:
    """Runs each transaction whole, with no await inside, in a thread of its own."""

    def __init__(
        self, path: Path, wakes: Wakes, *, read_clock: Callable[[], int] = clock.now_us
    ) -> None:
        """Use the file at ``path``; ``wakes`` carries hints, ``read_clock`` is what decides."""
        self._path = path
        self._wakes = wakes
        self._read_clock = read_clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        self._statements = load_statements(PACKAGE)
        self._connection: sqlite3.Connection | None = None
        self._durable = False

    async def open(self) -> None:
        """Open the file, make or migrate the schema under an exclusive lock."""
        await self._run(self._connect)

    async def close(self) -> None:
        """Close the file; transactions under way end first."""
        await self._run(self._disconnect)
        self._thread.shutdown()
        await self._wakes.close()

    async def write(self, make: Callable[[], Transaction[T]], *, durable: bool = False) -> T:
        """Run a transaction under the one writer's lock."""
        return await self._run(partial(self._write, make, durable))

    async def read(self, make: Callable[[], Transaction[T]]) -> T:
        """Run a transaction on one snapshot."""
        return await self._run(partial(self._transact, make, "BEGIN"))

    async def reclaim(self) -> bool:
        """Give some pages back that deletions left unused; tell whether there are more."""
        return await self._run(lambda: reclaim(self._cursor(), self._path))

    def hint(self) -> None:
        """Wake the other processes on this file, and whoever listens in this one."""
        self._wakes.send()

    async def listen(self, heard: Callable[[], None]) -> None:
        """Have ``heard`` called on hints."""
        await self._wakes.listen(heard)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _connect(self) -> None:
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            wanted = ".".join(map(str, OLDEST_SQLITE))
            raise InvalidSetting(
                f"this Python's SQLite is {sqlite3.sqlite_version}, {wanted} is needed",
                hint="use a newer Python, or PostgreSQL with --database",
            )
        try:
            connection = connect(self._path, self._read_clock)
        except (OSError, sqlite3.Error) as error:
            raise unavailable(self._path, error) from error
        self._connection = connection
        migrate(connection, self._path)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _write(self, make: Callable[[], Transaction[T]], durable: bool) -> T:
        if durable is not self._durable:
            level = "FULL" if durable else "NORMAL"
            self._cursor().execute(f"PRAGMA synchronous={level}")
            self._durable = durable
        return self._transact(make, "BEGIN IMMEDIATE")

    def _transact(self, make: Callable[[], Transaction[T]], begin: str) -> T:
        cursor = self._cursor()
        try:
            cursor.execute(begin)
            try:
                result = self._drive(cursor, make())
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if cursor.connection.in_transaction:
                cursor.execute("ROLLBACK")
            if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:
                # Wrong SQL is a bug of ours, not a database out of reach.
                raise
            raise unavailable(self._path, error) from error
        return result

    def _cursor(self) -> sqlite3.Cursor:
        if self._connection is None:
            raise StoreUnavailable(f"the database {self._path} is closed")
        return self._connection.cursor()

    def _drive(self, cursor: sqlite3.Cursor, transaction: Transaction[T]) -> T:
        try:
            query = next(transaction)
            while True:
                query = transaction.send(self._query(cursor, query))
        except StopIteration as stop:
            result: T = stop.value
            return result

    def _query(self, cursor: sqlite3.Cursor, query: Query) -> Rows:
        if query.also is not None:
            self._query(cursor, query.also)
        statement = self._statements[query.name]
        args = [json.dumps(arg) if isinstance(arg, list) else arg for arg in query.args]
        if statement.kind == "many":
            cursor.executemany(statement.sql, query.rows or ())
            return []
        if query.rows is not None:
            args.append(json.dumps(query.rows))
        cursor.execute(statement.sql, args)
        return cursor.fetchall() if statement.kind == "rows" else []


def connect(path: Path, read_clock: Callable[[], int] = clock.now_us) -> sqlite3.Connection:
    """Open a database file in the way that this store needs; a new one is its owner's alone."""
    path.touch(mode=0o600)
    connection = sqlite3.connect(
        path, timeout=BUSY, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    connection.create_function("now_us", 0, read_clock)
    # Only before a file has its first page; in an older file, pages are used again but kept.
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA cache_size=-16000")
    connection.execute("PRAGMA temp_store=MEMORY")
    return connection


def reclaim(cursor: sqlite3.Cursor, path: Path) -> bool:
    """Cut some unused pages off a file's end; tell whether there are more than it should keep.

    What is deleted will be followed by something new, so some pages are kept for that.
    """
    try:
        pages: int = cursor.execute("PRAGMA page_count").fetchone()[0]
        unused: int = cursor.execute("PRAGMA freelist_count").fetchone()[0]
        surplus = unused - max(SPARE, (pages - unused) // 4)
        if surplus <= 0 or cursor.execute("PRAGMA auto_vacuum").fetchone()[0] != INCREMENTAL:
            return False
        # Each step of the statement cuts off one page, and `execute` makes only one.
        cursor.executescript(f"PRAGMA incremental_vacuum({min(surplus, CUT)})")
    except sqlite3.Error as error:
        raise unavailable(path, error) from error
    return surplus > CUT


def migrate(connection: sqlite3.Connection, path: Path) -> list[str]:
    """Bring the schema up to date and tell which steps that took; late rivals wait.

    Raises:
        SchemaMismatch: the file was made by a newer program.
    """
    done: list[str] = []
    try:
        connection.execute("BEGIN EXCLUSIVE")
        try:
            version: int = connection.execute("PRAGMA user_version").fetchone()[0]
            migrations = load_migrations(PACKAGE)
            _refuse_newer(version, migrations[-1].version)
            for migration in migrations:
                if migration.version > version:
                    for sql in _split(migration.sql):
                        connection.execute(sql)
                    connection.execute(f"PRAGMA user_version={migration.version}")
                    done.append(migration.name)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise unavailable(path, error) from error
    return done


def _refuse_newer(found: int, known: int) -> None:
    if found > known:
        raise SchemaMismatch(found, known)


def schema_version(path: Path) -> int:
    """Read the version of a file's schema, 0 when there is none yet; nothing is changed.

    Raises:
        StoreUnavailable: the file cannot be read.
    """
    if not path.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error as error:
        raise unavailable(path, error) from error
    return version


def _split(script: str) -> list[str]:
    """Split a migration into statements as SQLite itself sees them."""
    statements: list[str] = []
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            statements.append(pending)
            pending = ""
    return statements


def unavailable(path: Any, error: Exception) -> StoreUnavailable:
    """Say in a person's words why a database file cannot be used."""
    what = error.strerror if isinstance(error, OSError) else error
    return StoreUnavailable(
        f"the database {path} cannot be used: {what}",
        hint="is its folder there, writable, and not full?",
    )
