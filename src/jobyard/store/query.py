"""Named queries and the transactions made of them, free of any database driver.

A transaction is a generator: it yields a ``Query``, is sent its rows, and returns its result. So
the rules of the store are written once, and each database brings only its SQL and a driver that
runs one generator in one database transaction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple, Protocol, TypeVar

from jobyard.errors import Internal

T = TypeVar("T")

Row = Sequence[Any]
Rows = list[Row]


class Query(NamedTuple):
    """A query by name: plain arguments (lists are sets of ids or words), and rows in bulk.

    ``also`` is a bulk query of rows alone that goes along, whenever in the transaction, without a
    journey of its own to the database.
    """

    name: str
    args: tuple[Any, ...] = ()
    rows: Sequence[tuple[Any, ...]] | None = None
    also: Query | None = None


Transaction = Generator[Query, Rows, T]


class Driver(Protocol):
    """What a database must be able to do for the store."""

    async def open(self) -> None:
        """Connect, and bring the schema up to date.

        Raises:
            StoreUnavailable: the database cannot be reached.
            SchemaMismatch: the database is newer than this program.
        """

    async def write(self, make: Callable[[], Transaction[T]], *, durable: bool = False) -> T:
        """Run a transaction and commit it; nothing of it stays if it raises.

        ``make`` is called anew when the database asks for the transaction to be tried again.
        ``durable`` promises that the commit survives a power cut before this returns.
        """

    async def read(self, make: Callable[[], Transaction[T]]) -> T:
        """Run a transaction that only reads, on one consistent picture.

        ``make`` may be called anew, as for ``write``.
        """

    async def reclaim(self) -> bool:
        """Give some of the room back that deletions left; tell whether there is more."""

    def hint(self) -> None:
        """Tell everyone who listens that something may be there to do."""

    async def listen(self, heard: Callable[[], None]) -> None:
        """Have ``heard`` called, in the event loop, on hints of others and after a reconnect."""

    async def close(self) -> None:
        """Let go of the database."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A query's text and its kind.

    ``rows`` answers with rows, ``none`` with nothing. ``many`` takes bulk rows and answers with
    nothing: SQLite runs it once a row, PostgreSQL once with all of them.
    """

    name: str
    kind: str
    sql: str

    def beside(self, other: Statement, arguments: int) -> str:
        """Write both as one; the other's only argument comes after this one's."""
        also = other.sql.rstrip(";").replace("$1", f"${arguments + 1}")
        return f"WITH also AS ({also})\n{self.sql}"


_HEADER = re.compile(r"^-- name: (\w+) :(rows|none|many)\s*$", re.MULTILINE)


@cache
def load_statements(package: str) -> dict[str, Statement]:
    """Read every ``queries/*.sql`` of a package into statements by name.

    Raises:
        Internal: two queries share a name.
    """
    statements: dict[str, Statement] = {}
    for file in sorted(files(package).joinpath("queries").iterdir(), key=lambda f: f.name):
        if not file.name.endswith(".sql"):
            continue
        parts = _HEADER.split(file.read_text(encoding="utf-8"))
        for name, kind, sql in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            if name in statements:
                raise Internal(f"two queries are named {name} in {package}")
            statements[name] = Statement(name, kind, sql.strip())
    return statements


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema: its number, its name and its SQL."""

    version: int
    name: str
    sql: str


@cache
def load_migrations(package: str) -> tuple[Migration, ...]:
    """Read every ``migrations/NNNN_name.sql`` of a package, in order."""
    found = []
    for file in files(package).joinpath("migrations").iterdir():
        match = re.fullmatch(r"(\d{4})_(\w+)\.sql", file.name)
        if match:
            found.append(Migration(int(match[1]), match[2], file.read_text(encoding="utf-8")))
    return tuple(sorted(found, key=lambda migration: migration.version))
