"""The operators' document: its command lines, responses and scripts, with the command's name."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.shells import Shell

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import CommandLine, Service

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
JOB = {"id", "status", "dataset", "manifest_hash", "worker_id", "created_at", "updated_at"}
INSPECTED = JOB | {"end_block", "parallelism"}


@pytest.fixture
def shell(jobyard: CommandLine, tmp_path: Path) -> Shell:
    return Shell(jobyard.folder, tmp_path / "tools")


class Yard:
    """A solo whose next job has the id that the document speaks of."""

    def __init__(self, jobyard: CommandLine) -> None:
        self._jobyard = jobyard

    def next_id(self, job_id: int) -> None:
        with contextlib.closing(sqlite3.connect(self._jobyard.folder / ".jobyard/jobs.db")) as file:
            file.execute("UPDATE job_ids SET last = ?", [job_id - 1])
            file.commit()

    def job(self, job_id: int, *command: str, wait: bool = True) -> None:
        """Make a job of this id; it is over when this returns, or else it runs."""
        self.next_id(job_id)
        made = json.loads(
            self._jobyard.ok("submit", "--backoff-limit", "0", "--json", "--", *command)
        )
        assert made["id"] == job_id
        until = "finished" if wait else "started"
        self._jobyard.ok("job", "wait", str(job_id), "--for", until)


@pytest.fixture
def yard(jobyard: CommandLine, solo: Service) -> Yard:
    return Yard(jobyard)


@pytest.mark.parametrize(
    "line",
    [
        "jobyard job list",
        "jobyard job ls  # alias",
        "jobyard job list --limit 100",
        "jobyard job list --after 1234",
        "jobyard job list --status all",
        "jobyard job list --status scheduled,running",
        "jobyard job list -s completed",
        "jobyard job list -l 20 -a 500",
        "jobyard job list --json",
        "jobyard jobs list --status completed,stopped,error",
    ],
)
def test_every_way_of_listing_works(shell: Shell, yard: Yard, line: str) -> None:
    assert shell.ok(line).startswith(("ID  ", '{"jobs":['))


def test_a_list_as_json_is_one_line_with_the_documents_fields(shell: Shell, yard: Yard) -> None:
    yard.job(12345, "sleep", "600", wait=False)
    yard.job(12346, "sleep", "600", wait=False)

    printed = shell.ok("jobyard job list --limit 1 --json")
    page = json.loads(printed)

    assert printed.count("\n") == 1
    assert page["next_cursor"] == 12346
    [job] = page["jobs"]
    assert job.keys() >= JOB
    assert (job["id"], job["status"]) == (12346, "RUNNING")
    assert MOMENT.fullmatch(job["created_at"])
    assert MOMENT.fullmatch(job["updated_at"])
    rest = json.loads(shell.ok("jobyard job list --after 12346 --json"))
    assert [job["id"] for job in rest["jobs"]] == [12345]
    assert "next_cursor" not in rest


def test_a_list_is_of_the_active_jobs_unless_another_is_asked_for(shell: Shell, yard: Yard) -> None:
    yard.job(1, "true")
    yard.job(2, "false")
    yard.job(3, "sleep", "600", wait=False)

    def ids(status: str) -> list[int]:
        found = json.loads(shell.ok(f"jobyard job list {status} --json"))["jobs"]
        return [job["id"] for job in found]

    assert (ids(""), ids("-s active"), ids("-s Running")) == ([3], [3], [3])
    assert (ids("-s all"), ids("-s completed"), ids("-s error")) == ([3, 2, 1], [1], [2])


def test_a_job_is_inspected_and_its_fields_are_taken_with_jq(shell: Shell, yard: Yard) -> None:
    yard.job(12345, "sleep", "600", wait=False)

    job: dict[str, Any] = json.loads(shell.ok("jobyard job inspect 12345"))

    assert job.keys() >= INSPECTED
    assert (job["id"], job["status"], job["parallelism"]) == (12345, "RUNNING", 1)
    assert (job["end_block"], job["worker_id"]) == (None, job["node_id"])
    assert json.loads(shell.ok("jobyard job get 12345  # alias"))["id"] == 12345
    assert shell.ok("jobyard job inspect 12345 | jq '.status'") == '"RUNNING"\n'
    assert shell.ok("jobyard job inspect 12345 --json").count("\n") == 1


def test_the_progress_of_a_job_is_json_for_scripts(shell: Shell, yard: Yard) -> None:
    yard.job(123, "sleep", "600", wait=False)

    plain = json.loads(shell.ok("jobyard job progress 123"))

    assert plain == json.loads(shell.ok("jobyard job progress 123 --json"))
    assert (plain["job_id"], plain["job_status"], plain["tables"]) == (123, "RUNNING", {})


def test_a_job_is_stopped_as_often_as_somebody_asks(shell: Shell, yard: Yard) -> None:
    yard.job(12345, "sleep", "600", wait=False)

    shell.ok("jobyard job stop 12345")
    shell.ok("jobyard job wait 12345 --for stopped")

    assert json.loads(shell.ok("jobyard job inspect 12345"))["status"] == "STOPPED"
    shell.ok("jobyard job stop 12345")
    told = json.loads(shell.ok("jobyard job events 12345 --json"))["events"]
    assert [event["status"] for event in told][-3:] == ["STOP_REQUESTED", "STOPPING", "STOPPED"]


def test_only_jobs_that_are_over_are_removed(shell: Shell, yard: Yard) -> None:
    yard.job(123, "true")
    yard.job(456, "sleep", "600", wait=False)

    refused = shell("jobyard job remove 456  # alias")
    shell.ok("jobyard job rm 123")

    assert refused.returncode == 4
    assert "job 456" in refused.stderr
    assert shell("jobyard job inspect 123").returncode == 3
    shell.ok("jobyard job rm 123")
    shell.ok("jobyard job stop 456 && jobyard job wait 456 --for stopped")
    assert "456" in shell("jobyard job remove 456").stderr


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("jobyard job prune", []),
        ("jobyard job prune --status completed", [3, 2]),
        ("jobyard job prune --status error", [3, 1]),
        ("jobyard job prune --status stopped", [2, 1]),
    ],
)
def test_jobs_that_are_over_are_pruned(
    shell: Shell, yard: Yard, line: str, left: list[int]
) -> None:
    yard.job(1, "true")
    yard.job(2, "false")
    yard.job(3, "sleep", "600", wait=False)
    shell.ok("jobyard job stop 3 && jobyard job wait 3 --for stopped")
    yard.job(4, "sleep", "600", wait=False)

    shell.ok(line)

    found = json.loads(shell.ok("jobyard job list --status all --json"))["jobs"]
    assert [job["id"] for job in found] == [4, *left]


def test_a_status_in_which_jobs_run_on_is_not_pruned(shell: Shell, yard: Yard) -> None:
    assert shell("jobyard job prune --status running").returncode == 2


def test_the_script_that_finds_running_jobs_of_a_dataset_works(shell: Shell, yard: Yard) -> None:
    yard.job(1, "sleep", "600", wait=False)

    script = """jobyard job list --json | jq '.jobs[] |
  select(.status == "RUNNING" and .dataset.name == "mainnet")'"""

    # No job of this yard extracts a dataset, and the field of those that do not is null.
    assert shell.ok(script) == ""
    assert json.loads(shell.ok(script.replace('.dataset.name == "mainnet"', ".name")))["id"] == 1


def test_progress_can_be_watched(shell: Shell, yard: Yard) -> None:
    yard.job(123, "sleep", "600", wait=False)

    assert b"RUNNING" in shell.watched("watch -n 5 'jobyard job progress 123'", b'"job_status"')


ALERT = """#!/bin/bash
# Check for failed jobs
failed=$(jobyard job list --status error --json | jq '.jobs | length')

if [ $failed -gt 0 ]; then
  echo "ALERT: $failed failed jobs detected"
  jobyard job list --status error
fi
"""


def test_the_script_that_alerts_on_failed_jobs_works(shell: Shell, yard: Yard) -> None:
    yard.job(1, "true")
    assert shell.ok(ALERT) == ""

    yard.job(2, "false")

    lines = shell.ok(ALERT).splitlines()
    assert lines[0] == "ALERT: 1 failed jobs detected"
    assert lines[1].startswith("ID ")
    assert lines[2].split()[:3] == ["2", "false", "FAILED"]
