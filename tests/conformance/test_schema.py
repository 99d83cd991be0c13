"""What the schema refuses, and how it comes to be, on both databases."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from functools import partial
from typing import TYPE_CHECKING

import asyncpg
import pytest

from jobyard.core.states import JobStatus
from jobyard.errors import InvalidSetting, SchemaMismatch, StoreUnavailable
from jobyard.store.base import JobQuery, LabelFilter
from jobyard.store.postgres import migrate as postgres_migrations
from jobyard.store.postgres import open_postgres
from jobyard.store.query import load_migrations, load_statements
from jobyard.store.sqlite import driver as sqlite_driver
from jobyard.store.sqlite import open_sqlite
from jobyard.store.transactions import find
from jobyard.testing.stage import make_spec

if TYPE_CHECKING:
    from pathlib import Path

    from jobyard.store.query import Transaction
    from jobyard.store.sql_store import SqlStore
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
        "memory, labels, lease, draining, started_at, heartbeat_at, lease_until, portions "
        "FROM workers"
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


OLD_JOBS = """
INSERT INTO jobs (id, status, outcome, waiting_on, active, terminating, succeeded, failed, restarts,
    completed_indexes, failed_indexes, live_indexes, leaving_indexes, held, overall, tries,
    worker_id, finished_at, created_at, updated_at)
VALUES
    (1, 'COMPLETED', 'COMPLETED', 0, 0, 0, 1, 0, 0, '', '', '', '', {false}, '', '', 'w', 1, 1, 1),
    (2, 'QUEUED', NULL, 0, 1, 0, 0, 0, 0, '', '', '', '', {false}, '', '', 'w', NULL, 1, 1),
    (3, 'SCHEDULED', NULL, 0, 1, 0, 0, 0, 0, '', '', '', '', {false}, '', '', NULL, NULL, 1, 1)
"""
OLD_SPECS = """
INSERT INTO job_specs (job_id, namespace, name, labels, executor, priority, request_cpu,
    request_memory, "trigger", policy, spec)
VALUES
    (1, 'default', 'a', '{{"a/b": "c \\"d\\""}}', 'fake', 0, 0, 0, 'api', '{{}}', '{{}}'),
    (2, 'default', 'a', '{{}}', 'fake', 0, 0, 0, 'api', '{{}}', '{{}}'),
    (3, 'default', 'a', '{{"a/b": "e", "f": ""}}', 'fake', 0, 0, 0, 'run', '{{}}', '{{}}')
"""
OLD_ATTEMPTS = """
INSERT INTO attempts (job_id, number, status, executor, priority, turn, session, finished_at)
VALUES
    (1, 1, 'SUCCEEDED', 'fake', 0, 0, 's', 1),
    (2, 1, 'QUEUED', 'fake', 0, 0, 's', NULL),
    (3, 1, 'SCHEDULED', 'fake', 0, 0, NULL, NULL)
"""


def old_rows(**words: str) -> list[str]:
    return [text.format(**words) for text in (OLD_JOBS, OLD_SPECS, OLD_ATTEMPTS)]


async def check_what_was_there(store: SqlStore) -> None:
    """Lists and sums know the jobs from before the migration."""
    await store.open()
    try:
        for query, wanted in (
            (JobQuery(labels=[LabelFilter("a/b", 'c "d"')]), [1]),
            (JobQuery(labels=[LabelFilter("f", "")]), [3]),
            (JobQuery(worker_id="w"), [2, 1]),
            (JobQuery(worker_id="w*"), [2, 1]),
            (JobQuery(statuses=[JobStatus.QUEUED]), [2]),
            (JobQuery(statuses=[JobStatus.SCHEDULED]), [3]),
            (JobQuery(statuses=[JobStatus.COMPLETED]), [1]),
            (JobQuery(trigger="run"), [3]),
            (JobQuery(namespace="default"), [3, 2, 1]),
        ):
            ids = [row[0] for row in await store._driver.read(partial(found, query))]
            assert ids == wanted, query
        measures = await store.measure()
        assert {status: n for status, n in measures.jobs.items() if n} == {
            JobStatus.COMPLETED: 1, JobStatus.QUEUED: 1, JobStatus.SCHEDULED: 1,
        }  # fmt: skip
        assert (measures.waiting, measures.running) == ({"fake": 1}, 1)
    finally:
        await store.close()


def found(query: JobQuery) -> Transaction[list[tuple[int]]]:
    """Find ids alone: the specs of these jobs are no specs."""
    job_ids, _ = yield from find.find(query, find.LARGEST_ID, 10)
    return [(job_id,) for job_id in job_ids]


def test_an_older_sqlite_file_is_brought_up_to_date_with_what_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_migrations(sqlite_driver.PACKAGE)[:1]
    connection = sqlite_driver.connect(tmp_path / "jobs.db")
    with monkeypatch.context() as patched:
        patched.setattr(sqlite_driver, "load_migrations", lambda _: first)
        sqlite_driver.migrate(connection, tmp_path)
    for sql in old_rows(false="0"):
        connection.execute(sql)
    connection.close()

    asyncio.run(check_what_was_there(open_sqlite(tmp_path)[0]))


def test_an_older_postgres_database_is_brought_up_to_date_with_what_is_in_it(
    postgres: PrivatePostgres, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_migrations(postgres_migrations.PACKAGE)[:1]
    with monkeypatch.context() as patched:
        patched.setattr(postgres_migrations, "load_migrations", lambda _: first)
        asyncio.run(postgres_migrations.migrate(postgres_dsn))
    database = postgres_dsn.partition("@/")[2].partition("?")[0]
    for sql in old_rows(false="false"):
        postgres.execute(sql, database)

    asyncio.run(check_what_was_there(open_postgres(postgres_dsn)[0]))
