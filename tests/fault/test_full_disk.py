"""A disk that is full or cannot be written: clear words, no accepted job lost, and back to work."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.fault.services import ROOT
from tests.fault.small_disk import ServicesOnSmallDisk, SmallDisk, small_disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZE = "6m"
BULKY = {"bulk": "x" * 3000}
WRITING = [
    ("submit", "--", "true"),
    ("solo", "--port", "0"),
    ("migrate",),
    ("worker",),
    ("controller",),
]


@pytest.fixture
def services(tmp_path: Path) -> Iterator[ServicesOnSmallDisk]:
    with small_disk(tmp_path / "disk", SIZE) as services:
        yield services


def job_of(http: httpx.Client, job_id: int) -> Any:
    return http.get(f"/jobs/{job_id}").raise_for_status().json()


def until(http: httpx.Client, job_id: int, *statuses: str) -> Any:
    # Every look is a request of its own, so nothing has to sleep.
    while (job := job_of(http, job_id))["status"] not in statuses:
        assert job["status"] not in ("FAILED", "CANCELED"), job
    return job


def test_a_full_disk_refuses_jobs_loses_none_and_is_recovered_from(
    services: ServicesOnSmallDisk, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    shell = f"until [ -e {gate} ]; do sleep 0.05; done; head -c 200000 /dev/urandom | od"
    with httpx.Client(base_url=services.solo("--slots", "4"), timeout=60) as http:

        def submit(**fields: Any) -> httpx.Response:
            return http.post("/jobs", json={"name": "a", "command": ["true"], **fields})

        accepted = [submit().json()["id"] for _ in range(3)]
        waiting = submit(command=["sh", "-c", shell]).json()["id"]
        until(http, waiting, "RUNNING")

        services.disk.fill()
        gate.touch()
        while (answer := submit(annotations=BULKY)).status_code == 201:
            accepted.append(answer.json()["id"])
        refused = answer.json()
        read = http.get(f"/jobs/{waiting}")
        again = submit(annotations=BULKY)
        services.disk.empty()
        while (answer := submit()).status_code != 201:
            assert answer.status_code == 503
        accepted.append(answer.json()["id"])

        assert (refused["status"], refused["error_code"]) == (503, "STORE_UNAVAILABLE")
        assert "disk is full" in refused["detail"]
        assert "not full?" in refused["hint"]
        assert (read.status_code, again.status_code) == (200, 503)
        for job_id in (*accepted, waiting):
            job = until(http, job_id, "COMPLETED")
            assert (job["succeeded"], job["failed"]) == (1, 0)
        listed = http.get("/jobs", params={"status": "all", "limit": 1000}).json()["jobs"]
        assert {job["id"] for job in listed} == {*accepted, waiting}


@pytest.mark.parametrize("command", [*WRITING, ("job", "list")], ids=lambda words: words[0])
def test_a_disk_that_is_full_from_the_start_is_told(
    services: ServicesOnSmallDisk, command: tuple[str, ...]
) -> None:
    services.disk.fill()
    if command == ("job", "list"):
        services.seen.mkdir()
        (services.seen / "jobs.db").touch()

    done = services.run(*command)

    assert done.returncode == 5
    assert "cannot be used: database or disk is full\nhint: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", WRITING, ids=lambda words: words[0])
def test_a_state_folder_that_cannot_be_made_is_told(
    services: ServicesOnSmallDisk, command: tuple[str, ...]
) -> None:
    services.disk.forbid_writing()

    done = services.run(*command)

    assert done.returncode == 78
    assert done.stderr.splitlines() == [
        f"error: the state folder {services.folder} cannot be made: Read-only file system",
        "hint: --state-dir or JOBYARD_STATE_DIR names another one",
    ]


@pytest.mark.parametrize("command", [*WRITING, ("job", "list")], ids=lambda words: words[0])
def test_a_state_folder_that_cannot_be_written_is_told(
    services: ServicesOnSmallDisk, command: tuple[str, ...]
) -> None:
    assert services.run("submit", "--", "true").returncode == 0
    services.disk.forbid_writing()

    done = services.run(*command)

    assert done.returncode == 5
    assert done.stderr.splitlines() == [
        f"error: the database {services.folder / 'jobs.db'} cannot be used: Read-only file system",
        "hint: is its folder there, writable, and not full?",
    ]


def test_doctor_finds_a_state_folder_that_cannot_be_written(services: ServicesOnSmallDisk) -> None:
    assert services.run("submit", "--", "true").returncode == 0
    services.disk.forbid_writing()

    done = services.run("doctor")

    assert done.returncode == 78
    assert f"{services.folder} cannot be written" in done.stdout


def test_an_extraction_goes_on_when_a_full_disk_has_room_again(tmp_path: Path) -> None:
    disk = SmallDisk(tmp_path / "disk", "256k")
    disk.fill()
    recording, out = ROOT / "tests" / "data" / "anvil-prague.ndjson.gz", disk.folder / "out"
    extract = ("-m", "jobyard", "extract", "recorded", "--url", str(recording), "--out", str(out))
    state = {"PYTHONPATH": str(ROOT / "src"), "JOBYARD_STATE_DIR": str(tmp_path / "state")}
    with subprocess.Popen(
        disk.enter(sys.executable, *extract),
        env={**os.environ, **state},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        refused = next(line for line in process.stderr if " failed " in line)
        half = [path for path in disk.seen.rglob("*") if path.suffix == ".parquet"]
        disk.empty()
        process.stderr.read()

    assert refused.startswith("0/1 done")
    assert half == []
    assert process.returncode == 0
    assert len([path for path in disk.seen.rglob("*") if path.is_file()]) == 3
    disk.close()
