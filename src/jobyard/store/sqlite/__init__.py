"""SQLite: one file in the state folder, one writer at a time, nothing to install."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobyard.store.sql_store import SqlStore
from jobyard.store.sqlite.driver import SqliteDriver
from jobyard.store.sqlite.logs import SqliteLogs
from jobyard.store.sqlite.wakes import Wakes

if TYPE_CHECKING:
    from pathlib import Path


def open_sqlite(folder: Path) -> tuple[SqlStore, SqliteLogs]:
    """Make a store and its logs in a state folder; ``open`` them before use."""
    logs = SqliteLogs(folder / "logs.db")
    return SqlStore(SqliteDriver(folder / "jobs.db", Wakes(folder / "wake")), logs), logs
