"""PostgreSQL dies while people submit: whoever got a job's id finds the job afterwards."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.fault.services import Services, services_on

from jobyard.testing.postgres import PrivatePostgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOBODY_THERE = "postgresql://me@127.0.0.1:9/yard"
CLIENTS = 4
ENOUGH = 40
"""Jobs that must have been accepted before the strike, and refused before the server is back."""


@pytest.fixture
def server(postgres: PrivatePostgres) -> Iterator[PrivatePostgres]:
    """A server to strike at, which writes through to its disk, unlike the shared one."""
    del postgres
    with PrivatePostgres() as mine:
        mine.create_database("yard")
        yield mine


class Submitters:
    """People who submit one job after the other, and what they were told."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._told = threading.Condition()
        self._over = False
        self.accepted: list[int] = []
        self.refused: list[httpx.Response] = []

    def submit(self, who: int) -> None:
        with httpx.Client(base_url=self._url, timeout=60) as http:
            number = 0
            while not self._over:
                number += 1
                job = {"name": "a", "command": ["true"], "labels": {"who": f"{who}-{number}"}}
                answer = http.post("/jobs", json=job)
                with self._told:
                    if answer.status_code == 201:
                        self.accepted.append(answer.json()["id"])
                    else:
                        self.refused.append(answer)
                    self._told.notify_all()

    def until_accepted(self, more: int) -> None:
        with self._told:
            wanted = len(self.accepted) + more
            self._told.wait_for(lambda: len(self.accepted) >= wanted)

    def until_refused(self, more: int) -> None:
        with self._told:
            wanted = len(self.refused) + more
            self._told.wait_for(lambda: len(self.refused) >= wanted)

    def end(self) -> None:
        self._over = True


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_no_accepted_job_is_lost_when_postgresql_dies(
    server: PrivatePostgres, tmp_path: Path, how: str
) -> None:
    with services_on(tmp_path / "state", server.dsn("yard")) as services:
        url = services.start("server", "--port", "0").last_line.split()[-1]
        people = Submitters(url)
        with ThreadPoolExecutor(CLIENTS) as threads:
            submitting = [threads.submit(people.submit, who) for who in range(CLIENTS)]
            try:
                people.until_accepted(ENOUGH)
                if how == "killed":
                    server.kill()
                else:
                    server.stop("immediate")
                people.until_refused(ENOUGH)
                server.start()
                people.until_accepted(ENOUGH)
            finally:
                people.end()
            for future in submitting:
                future.result()

        assert {answer.status_code for answer in people.refused} == {503}
        assert {answer.json()["error_code"] for answer in people.refused} == {"STORE_UNAVAILABLE"}
        assert all("does it run" in answer.json()["hint"] for answer in people.refused)
        with httpx.Client(base_url=url, timeout=60) as http:
            assert len(set(people.accepted)) == len(people.accepted)
            for job_id in people.accepted:
                assert http.get(f"/jobs/{job_id}").status_code == 200


@pytest.mark.parametrize("command", ["server", "solo", "worker", "controller", "migrate"])
def test_postgresql_that_is_down_at_the_start_is_told(tmp_path: Path, command: str) -> None:
    services = Services(tmp_path / "state", NOBODY_THERE)
    flags = ["--port", "0"] if command in ("server", "solo") else []

    done = services.run(command, *flags)

    assert done.returncode == 5
    first, hint = done.stderr.splitlines()
    assert first.startswith("error: PostgreSQL cannot be used: ")
    assert hint == "hint: does it run, and does --database or JOBYARD_DATABASE_URL lead to it?"
