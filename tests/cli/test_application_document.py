"""The application document's own examples, their images replaced by processes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.shells import Shell

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import CommandLine, Service

BUILDS = """builds:
- name: api-build
  dockerfile: Dockerfile
- name: worker-build
  dockerfile: Dockerfile

"""
MIGRATE = """jobs:
- name: db-migrate
  image_from_build: api-build
  command:
  - yarn
  - migrate
"""
BATCH = """jobs:
- name: batch-process
  image_from_build: worker-build
  command:
  - node
  - process.js
  parallelism: 4
  completions: 10
"""
MANUAL = """jobs:
- name: manual-task
  image_from_build: api-build
  command:
  - node
  - one-off.js
  suspend: true
"""
SEED = """jobs:
- name: db-seed
  image_from_build: api-build
  command:
  - yarn
  - seed
  restart_policy: Never
"""
SERVICES = """
services:
- name: api
  image_from_build: api-build
  ports:
  - containerPort: 3000
"""
TOOL = """#!/bin/sh
# Does what it is told, and writes down that it did.
echo "$(basename "$0") $*" >> did.txt
test ! -e fail || { rm fail; exit 1; }
"""


@pytest.fixture
def shell(jobyard: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell with the two programs of the examples, here and in the services' PATH."""
    made = Shell(jobyard.folder, tmp_path / "tools")
    for name in ("yarn", "node"):
        made.put(name, TOOL)
    monkeypatch.setenv("PATH", made.environment()["PATH"])
    return made


def run(shell: Shell, document: str, *options: str) -> dict[str, Any]:
    (shell.folder / "app.yaml").write_text(BUILDS + document)
    line = " ".join(("jobyard run app.yaml --executor process --json", *options))
    [job] = json.loads(shell.ok(line))["jobs"]
    found: dict[str, Any] = job
    return found


def did(shell: Shell) -> list[str]:
    return (shell.folder / "did.txt").read_text().splitlines()


def test_an_image_without_its_executor_is_told_with_the_way_out(shell: Shell) -> None:
    (shell.folder / "app.yaml").write_text(BUILDS + MIGRATE)

    refused = shell("jobyard run app.yaml")

    assert refused.returncode == 1
    assert "--executor process" in refused.stderr


def test_a_migration_runs_once(shell: Shell) -> None:
    job = run(shell, MIGRATE)

    assert (job["name"], job["status"], job["succeeded"]) == ("db-migrate", "COMPLETED", 1)
    assert did(shell) == ["yarn migrate"]


def test_a_migration_before_services_runs_beside_their_declaration(shell: Shell) -> None:
    assert run(shell, MIGRATE + SERVICES)["status"] == "COMPLETED"


@pytest.mark.parametrize("field", ["restart_policy: OnFailure", "backoff_limit: 3"])
def test_a_failure_is_forgiven_as_often_as_the_document_says(shell: Shell, field: str) -> None:
    (shell.folder / "fail").touch()

    job = run(shell, f"{MIGRATE}  {field}\n", "--set backoff.base=0.05")

    assert job["status"] == "COMPLETED"
    assert did(shell) == ["yarn migrate"] * 2


def test_a_seed_script_that_must_not_be_retried_is_not(shell: Shell) -> None:
    (shell.folder / "fail").touch()
    (shell.folder / "app.yaml").write_text(BUILDS + SEED)

    assert shell("jobyard run app.yaml --executor process").returncode == 1
    assert did(shell) == ["yarn seed"]


def test_a_batch_runs_four_at_a_time_until_ten_have_completed(shell: Shell) -> None:
    job = run(shell, BATCH)

    assert (job["status"], job["succeeded"], job["parallelism"]) == ("COMPLETED", 10, 4)
    assert did(shell) == ["node process.js"] * 10
    attempts = json.loads(shell.ok(f"jobyard job attempts {job['id']} --json"))["attempts"]
    assert most_at_once(attempts) <= 4


def most_at_once(attempts: list[dict[str, Any]]) -> int:
    """Count the attempts that ran at the same time, from what is written of their times."""
    ends = [(one["started_at"], 1) for one in attempts]
    ends += [(one["finished_at"], -1) for one in attempts]
    now = most = 0
    for _, step in sorted(ends):
        now += step
        most = max(most, now)
    return most


def test_a_manual_task_waits_until_it_is_resumed(
    shell: Shell, jobyard: CommandLine, solo: Service
) -> None:
    (shell.folder / "app.yaml").write_text(BUILDS + MANUAL)
    shell.ok("jobyard create -f app.yaml --executor process")
    waiting = json.loads(shell.ok("jobyard job inspect 1"))
    assert (waiting["status"], waiting["suspend"]) == ("PENDING", True)
    assert "suspended" in waiting["waiting_reason"]

    shell.ok("jobyard job resume 1")

    shell.ok("jobyard job wait 1")
    assert did(shell) == ["node one-off.js"]


def test_the_times_of_cleaning_up_are_kept_with_the_job(shell: Shell) -> None:
    job = run(shell, f"{MIGRATE}  ttl: 3600\n  completed_timeout: 600\n")

    assert (job["status"], job["spec"]["ttl"]) == ("COMPLETED", 3600)
    assert job["spec"]["completed_timeout"] == 600


def test_a_job_goes_when_its_time_to_live_is_over(
    shell: Shell, jobyard: CommandLine, solo: Service
) -> None:
    (shell.folder / "app.yaml").write_text(f"{BUILDS}{MIGRATE}  ttl: 0\n")
    shell.ok("jobyard create -f app.yaml --executor process")

    while shell("jobyard job inspect 1").returncode == 0:
        pass

    assert did(shell) == ["yarn migrate"]
    assert shell("jobyard job inspect 1").returncode == 3
