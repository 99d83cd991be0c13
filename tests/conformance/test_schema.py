"""What the schema refuses, and how it comes to be, on both databases."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from typing import TYPE_CHECKING

import asyncpg
import pytest

from jobyard.errors import InvalidSetting, SchemaMismatch, StoreUnavailable
from jobyard.store.postgres import migrate as postgres_migrations
from jobyard.store.postgres import open_postgres
from jobyard.store.query import load_migrations, load_statements
from jobyard.store.sqlite import driver as sqlite_driver
from jobyard.store.sqlite import open_sqlite
from jobyard.testing.stage import make_spec

if TYPE_CHECKING:
    from pathlib import Path

    from jobyard.testing.postgres import PrivatePostgres
    from jobyard.testing.stage import Stage

NONSENSE = {
    "a job of no known status": "UPDATE jobs SET status = 'DONE'",
    "a job of no known outcome": "UPDATE jobs SET outcome = 'RUNNING'",
    "a terminal job that did not finish": "UPDATE jobs SET status = 'FAILED', outcome = 'FAILED'",
    "a finished job that is not terminal": "UPDATE jobs SET finished_at = 1",
    "a terminal job with another outcome": (
        "UPDATE jobs SET status = 'FAILED', outcome = 'COMPLETED', finished_at = 1, active = 0"
    ),
    "a terminal job with active attempts": (
        "UPDATE jobs SET status = 'FAILED', outcome = 'FAILED', finished_at = 1, active = 1"
    ),
    "a terminal job with terminating attempts": (
        "UPDATE jobs SET status = 'FAILED', outcome = 'FAILED', finished_at = 1, active = 0, "
        "terminating = 1"
    ),
    "an unknown request": "UPDATE jobs SET request = 'please'",
    "fewer active attempts than none": "UPDATE jobs SET active = -1",
    "fewer terminating attempts than none": "UPDATE jobs SET terminating = -1",
    "fewer successes than none": "UPDATE jobs SET succeeded = -1",
    "fewer failures than none": "UPDATE jobs SET failed = -1",
    "fewer restarts than none": "UPDATE jobs SET restarts = -1",
    "fewer dependencies than none": "UPDATE jobs SET waiting_on = -1",
    "two jobs of one id": "INSERT INTO jobs SELECT * FROM jobs",
    "an attempt of no known status": "UPDATE attempts SET status = 'DONE'",
    "an attempt that ended without an end": "UPDATE attempts SET status = 'FAILED'",
    "an attempt with an end that did not end": "UPDATE attempts SET finished_at = 1",
    "a waiting attempt with a session": "UPDATE attempts SET session = 's'",
    "an attempt before the first": "UPDATE attempts SET number = 0",
    "an attempt with fewer restarts than none": "UPDATE attempts SET restarts = -1",
    "two workers of one session": (
        "INSERT INTO workers SELECT id || '2', session, host, pid, version, executors, cpu, "
        "memory, labels, lease, draining, started_at, heartbeat_at, lease_until FROM workers"
    ),
    "a lease of no length": "UPDATE workers SET lease = 0",
}


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_the_schema_refuses(stage: Stage, nonsense: str) -> None:
    stage.submit(make_spec())
    stage.worker()

    with pytest.raises((sqlite3.IntegrityError, asyncpg.IntegrityConstraintViolationError)):
        stage.sql(NONSENSE[nonsense])


def newer(known: int) -> str:
    return f"INSERT INTO schema_migrations VALUES ({known + 1}, 'from_the_future', 1)"


def test_both_databases_know_the_same_migrations() -> None:
    names = [
        [(migration.version, migration.name) for migration in load_migrations(package)]
        for package in (sqlite_driver.PACKAGE, postgres_migrations.PACKAGE)
    ]

    assert names[0] == names[1]
    assert [version for version, _ in names[0]] == list(range(1, len(names[0]) + 1))


def test_every_migration_says_when_it_may_run() -> None:
    for package in (sqlite_driver.PACKAGE, postgres_migrations.PACKAGE):
        for migration in load_migrations(package):
            assert migration.sql.split("\n")[0] in {"-- phase: before", "-- phase: after"}


def test_every_query_answers_alike_on_both() -> None:
    kinds = [
        {name: statement.kind for name, statement in load_statements(package).items()}
        for package in (sqlite_driver.PACKAGE, postgres_migrations.PACKAGE)
    ]

    assert kinds[0] == kinds[1]


def test_migrating_sqlite_from_empty_takes_every_step_once(tmp_path: Path) -> None:
    names = [migration.name for migration in load_migrations(sqlite_driver.PACKAGE)]
    connection = sqlite_driver.connect(tmp_path / "jobs.db")

    assert sqlite_driver.migrate(connection, tmp_path) == names
    assert sqlite_driver.migrate(connection, tmp_path) == []
    connection.close()


def test_migrating_postgres_from_empty_takes_every_step_once(postgres_dsn: str) -> None:
    names = [migration.name for migration in load_migrations(postgres_migrations.PACKAGE)]

    async def migrate_at_once() -> list[list[str]]:
        return await asyncio.gather(*(postgres_migrations.migrate(postgres_dsn) for _ in range(4)))

    done = asyncio.run(migrate_at_once())

    assert sorted(name for steps in done for name in steps) == sorted(names)
    assert asyncio.run(postgres_migrations.migrate(postgres_dsn)) == []


def test_a_newer_sqlite_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    known = load_migrations(sqlite_driver.PACKAGE)[-1].version
    connection = sqlite_driver.connect(tmp_path / "jobs.db")
    connection.execute(f"PRAGMA user_version={known + 1}")

    with pytest.raises(SchemaMismatch) as raised:
        sqlite_driver.migrate(connection, tmp_path)

    assert raised.value.fields == {"found": known + 1, "known": known}
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    connection.close()


def test_a_newer_postgres_database_is_refused(postgres: PrivatePostgres, postgres_dsn: str) -> None:
    asyncio.run(postgres_migrations.migrate(postgres_dsn))
    known = load_migrations(postgres_migrations.PACKAGE)[-1].version
    postgres.execute(newer(known), postgres_dsn.partition("@/")[2].partition("?")[0])

    with pytest.raises(SchemaMismatch) as raised:
        asyncio.run(open_postgres(postgres_dsn)[0].open())

    assert raised.value.fields == {"found": known + 1, "known": known}


def test_a_state_folder_is_its_owner_s_alone(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "state"

    async def open_and_close() -> None:
        store, logs = open_sqlite(folder)
        await logs.open()
        await store.open()
        await store.listen(lambda: None)
        await store.close()
        await logs.close()

    asyncio.run(open_and_close())

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {"jobs.db": 0o600, "logs.db": 0o600, "wake": 0o700}


def test_a_folder_that_cannot_be_used_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "jobs.db").mkdir()

    with pytest.raises(StoreUnavailable, match="cannot be used") as raised:
        asyncio.run(open_sqlite(tmp_path)[0].open())

    assert raised.value.hint


@pytest.mark.parametrize(
    ("dsn", "error"),
    [
        ("postgresql://u@127.0.0.1:1/x", StoreUnavailable),
        ("postgresql://u@/x?host=/nowhere", StoreUnavailable),
        ("postgresql://u@host.invalid/x", StoreUnavailable),
        ("not a dsn", InvalidSetting),
    ],
)
def test_a_database_that_cannot_be_reached_is_said_in_words(
    dsn: str, error: type[Exception]
) -> None:
    with pytest.raises(error) as raised:
        asyncio.run(open_postgres(dsn)[0].open())

    assert "PostgreSQL" in str(raised.value)
    assert getattr(raised.value, "hint", None)


def test_a_database_or_user_that_is_not_there_is_a_setting(postgres: PrivatePostgres) -> None:
    for dsn in (postgres.dsn("nowhere"), postgres.dsn().replace("jobyard@", "nobody@")):
        with pytest.raises(InvalidSetting, match="does not let us in"):
            asyncio.run(open_postgres(dsn)[1].open())
