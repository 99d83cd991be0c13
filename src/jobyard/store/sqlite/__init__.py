"""The store on SQLite: one file in the state folder, for one machine, with no service to start."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from jobyard.store.sql_store import SqlStore
    from jobyard.store.sqlite.logs import SqliteLogs


def open_sqlite(folder: Path) -> tuple[SqlStore, SqliteLogs]:
    """Make the store and the log store of a state folder; neither is opened yet.

    The folder is made here, for nobody but its owner: jobs carry secrets in their environment.
    """
    from jobyard.store.sql_store import SqlStore
    from jobyard.store.sqlite.driver import SqliteDriver
    from jobyard.store.sqlite.logs import SqliteLogs
    from jobyard.store.sqlite.wakes import Wakes

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    logs = SqliteLogs(folder / "logs.db")
    return SqlStore(SqliteDriver(folder / "jobs.db", Wakes(folder / "wake")), logs), logs
