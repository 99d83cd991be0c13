"""The same commands with everything kept in PostgreSQL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine


def test_a_job_goes_through_all_rooms_on_postgresql(
    jobyard: CommandLine, postgres_dsn: str
) -> None:
    database = {"JOBYARD_DATABASE_URL": postgres_dsn}
    jobyard.ok("migrate", **database)
    solo = jobyard.serve("solo", "--port", "0", "--database", postgres_dsn, until="listening on")
    url = solo.lines[-1].split()[-1]

    over_http = jobyard("submit", "--logs", "--url", url, "--", "echo", "http")
    straight = jobyard("submit", "--logs", "--", "echo", "straight", **database)

    assert (over_http.returncode, over_http.stdout) == (0, "http\n")
    assert (straight.returncode, straight.stdout) == (0, "straight\n")
    listed = json.loads(jobyard.ok("job", "list", "-s", "all", "--json", **database))
    assert [job["trigger"] for job in listed["jobs"]] == ["cli", "api"]
    assert solo.end() == 0


def test_doctor_tells_the_schema_of_postgresql(jobyard: CommandLine, postgres_dsn: str) -> None:
    told = jobyard.ok("doctor", "--database", postgres_dsn)

    assert "schema version" in told


def test_a_database_that_is_away_is_unreachable(jobyard: CommandLine) -> None:
    away = "postgresql://me:secret@127.0.0.1:9/x"

    for command in (("doctor",), ("job", "list"), ("migrate",), ("submit", "--", "true")):
        done = jobyard(*command, JOBYARD_DATABASE_URL=away)
        assert done.returncode == 5, done.stderr
        assert "secret" not in done.stdout + done.stderr
