"""Commands on a state folder without a server."""

from __future__ import annotations

import json
import os
import pty
import re
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.conftest import environment

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


def still(text: str) -> str:
    return MOMENT.sub("<moment>", text)


def submitted(jobyard: CommandLine, *args: str) -> dict[str, Any]:
    job: dict[str, Any] = json.loads(jobyard.ok("submit", "--json", *args))
    return job


def test_a_submitted_command_is_a_job_that_waits_for_a_worker(jobyard: CommandLine) -> None:
    done = jobyard("submit", "--", "echo", "hello")

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [
        "job 1 `echo` is SCHEDULED",
        "no worker is there: job 1 waits until one runs",
        "hint: `jobyard solo` in this folder runs it",
    ]


def test_the_options_of_submit_reach_the_spec(jobyard: CommandLine) -> None:
    job = submitted(
        jobyard, "--name", "n", "--completions", "10", "--parallelism", "4", "--indexed",
        "--env", "A=b=c", "--executor", "fake", "--backoff-limit", "2", "--priority", "7",
        "--", "sh", "-c", "--json",
    )  # fmt: skip

    assert job["name"] == "n"
    assert (job["completions"], job["parallelism"]) == (10, 4)
    assert job["completion_mode"] == "Indexed"
    assert (job["executor"], job["priority"], job["trigger"]) == ("fake", 7, "cli")
    assert job["spec"]["command"] == ["sh", "-c", "--json"]
    assert job["spec"]["env"] == [{"name": "A", "value": "b=c"}]


@pytest.mark.parametrize(
    ("command", "name"),
    [("/usr/bin/My_Tool.py", "my-tool-py"), ("..", "job"), ("a" * 99, "a" * 63)],
)
def test_a_job_is_named_after_its_command(jobyard: CommandLine, command: str, name: str) -> None:
    assert submitted(jobyard, "--", command)["name"] == name


def test_the_list_is_a_table_of_active_jobs_newest_first(jobyard: CommandLine) -> None:
    for name in ("one", "two", "three"):
        submitted(jobyard, "--name", name, "--", "true")
    jobyard.ok("job", "stop", "2")

    assert still(jobyard.ok("job", "list")).splitlines() == [
        "ID  NAME   STATUS     DONE  CREATED              WHY",
        "3   three  SCHEDULED  0/1   <moment>  no worker is there",
        "1   one    SCHEDULED  0/1   <moment>  no worker is there",
    ]
    assert "two" in jobyard.ok("job", "ls", "-s", "all")


def test_the_spellings_of_the_source_document_work(jobyard: CommandLine) -> None:
    for _ in range(3):
        submitted(jobyard, "--", "true")

    page = json.loads(jobyard.ok("job", "list", "-l", "2", "--json"))
    rest = json.loads(jobyard.ok("job", "ls", "-a", str(page["next_cursor"]), "--json"))

    assert [job["id"] for job in page["jobs"]] == [3, 2]
    assert [job["id"] for job in rest["jobs"]] == [1]
    assert "next_cursor" not in rest
    for status in ("all", "scheduled,running", "completed", "error"):
        jobyard.ok("job", "list", "--status", status)
    jobyard.ok("job", "list", "--limit", "100", "--after", "1234")


def test_a_page_that_is_not_the_last_says_how_to_go_on(jobyard: CommandLine) -> None:
    submitted(jobyard, "--", "true")
    submitted(jobyard, "--", "true")

    assert jobyard("job", "list", "-l", "1").stderr == "there are more: --after 2\n"


def test_one_object_is_a_page_where_somebody_looks(jobyard: CommandLine) -> None:
    submitted(jobyard, "--", "true")
    terminal, slave = pty.openpty()

    subprocess.run(
        [sys.executable, "-m", "jobyard", "job", "inspect", "1"],
        cwd=jobyard.folder,
        env=environment(),
        stdout=slave,
        check=True,
    )
    os.close(slave)
    shown = os.read(terminal, 1 << 16).decode().splitlines()
    os.close(terminal)

    assert [line.split() for line in shown[:4]] == [
        ["id", "1"], ["name", "true"], ["namespace", "default"], ["status", "SCHEDULED"],
    ]  # fmt: skip
    assert not any(line.startswith("finished_at") for line in shown)


@pytest.mark.parametrize("command", ["inspect", "get", "progress"])
def test_one_object_is_json_where_nobody_looks(jobyard: CommandLine, command: str) -> None:
    submitted(jobyard, "--", "true")

    found = json.loads(jobyard.ok("job", command, "1"))

    assert found == json.loads(jobyard.ok("job", command, "1", "--json"))
    assert found.get("id", found.get("job_id")) == 1


def test_stop_cancel_suspend_and_resume_say_what_became_of_the_job(jobyard: CommandLine) -> None:
    for _ in range(2):
        submitted(jobyard, "--", "true")

    said = [
        jobyard("job", verb, job_id).stderr
        for verb, job_id in (
            ("suspend", "1"), ("resume", "1"), ("stop", "1"), ("stop", "1"), ("cancel", "2"),
        )
    ]  # fmt: skip

    assert said == [
        "job 1 is PENDING\n", "job 1 is SCHEDULED\n", "job 1 is STOPPED\n",
        "job 1 is STOPPED\n", "job 2 is CANCELED\n",
    ]  # fmt: skip


def test_the_story_of_a_job_is_told(jobyard: CommandLine) -> None:
    submitted(jobyard, "--", "true")
    jobyard.ok("job", "stop", "1")

    told = json.loads(jobyard.ok("job", "events", "1", "--json"))

    assert [event["event"] for event in told["events"]] == [
        "created", "due", "stop_asked", "stopped",
    ]  # fmt: skip
    assert jobyard.ok("job", "events", "1").splitlines()[0].split() == [
        "ID", "AT", "EVENT", "STATUS", "WHY",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("job", "inspect", "99"), 3), (("job", "stop", "99"), 3), (("job", "logs", "99"), 3),
        (("job", "logs", "99", "--follow"), 3), (("job", "inspect", "x"), 2),
        (("job", "inspect", "0"), 2), (("job", "list", "--status", "foo"), 2),
        (("job", "list", "--limit", "0"), 2), (("nope",), 2), (("submit",), 2),
        (("worker", "inspect", "nobody"), 3), (("worker", "drain", "nobody"), 3),
        (("worker", "--label", "x"), 2), (("submit", "--env", "x", "--", "true"), 2),
        (("submit", "--name", "B!", "--", "true"), 1), (("solo", "--host", "0.0.0.0"), 78),
        (("job", "list", "--url", "x"), 78), (("job", "list", "--url", "http://127.0.0.1:9"), 5),
    ],
)  # fmt: skip
def test_a_refusal_has_its_exit_code_and_prints_no_data(
    jobyard: CommandLine, args: tuple[str, ...], code: int
) -> None:
    jobyard.ok("migrate")

    done = jobyard(*args)

    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr
    assert done.stderr


def test_suspending_a_job_that_is_over_is_a_conflict(jobyard: CommandLine) -> None:
    submitted(jobyard, "--", "true")
    jobyard.ok("job", "stop", "1")

    assert jobyard("job", "suspend", "1").returncode == 4


def test_asking_where_nothing_is_kept_makes_nothing(jobyard: CommandLine) -> None:
    done = jobyard("job", "list")

    assert (done.returncode, done.stdout) == (5, "")
    assert "hint: `jobyard solo`" in done.stderr
    assert list(jobyard.folder.iterdir()) == []


def test_no_worker_is_an_empty_list(jobyard: CommandLine) -> None:
    jobyard.ok("migrate")

    assert json.loads(jobyard.ok("worker", "list", "--json")) == {"workers": []}


def test_validate_tells_every_problem_of_every_file(jobyard: CommandLine) -> None:
    (jobyard.folder / "good.yaml").write_text("name: a\ncommand: [x]\nttl: 60\n")
    (jobyard.folder / "bad.yaml").write_text("name: B!\ncommand: [x]\ncompletions: -1\n")

    good = jobyard("validate", "good.yaml")
    both = jobyard("validate", "good.yaml", "bad.yaml")
    told = json.loads(jobyard("validate", "--json", "bad.yaml").stdout)
    piped = jobyard("validate", "-", stdin="name: a\ncommand: [x]\n")

    assert (good.returncode, good.stdout) == (0, "good.yaml: valid, 1 job\n")
    assert both.returncode == 1
    assert "line 1: name" in both.stderr
    assert "line 3: completions" in both.stderr
    assert [problem["path"] for problem in told["files"][0]["problems"]] == ["name", "completions"]
    assert piped.returncode == 0
    assert jobyard("validate", "missing.yaml").returncode == 2


@pytest.mark.parametrize("shape", ["application", "kubernetes-job"])
def test_the_schema_is_json(jobyard: CommandLine, shape: str) -> None:
    assert json.loads(jobyard.ok("schema", shape))["$schema"]


def test_migrate_makes_the_database_and_can_be_repeated(jobyard: CommandLine) -> None:
    for _ in range(2):
        done = jobyard("migrate")
        assert done.returncode == 0
        assert "schema version" in done.stderr
    assert (jobyard.folder / ".jobyard" / "jobs.db").exists()


def test_doctor_tells_settings_with_their_source_and_makes_nothing(jobyard: CommandLine) -> None:
    (jobyard.folder / "mine.toml").write_text('lease = "30s"\n')
    (jobyard.folder / "mine.toml").chmod(0o600)

    found = json.loads(
        jobyard.ok(
            "doctor", "--json", "--state-dir", "s", JOBYARD_SLOTS="7", JOBYARD_CONFIG="mine.toml",
            JOBYARD_TOKEN="never shown",
        )
    )  # fmt: skip

    settings = {setting["name"]: setting for setting in found["settings"]}
    sources = {name: setting["source"] for name, setting in settings.items()}
    assert (sources["state_dir"], sources["slots"], sources["lease"], sources["port"]) == (
        "flag", "environment", "file", "default",
    )  # fmt: skip
    assert (settings["lease"]["value"], settings["token"]["value"]) == (30, "***")
    process = next(able for able in found["executors"] if able["name"] == "process")
    assert process["memory_limit"] in ("cgroup", "sampled", "none")
    assert all(check["ok"] for check in found["checks"])
    assert [file.name for file in jobyard.folder.iterdir()] == ["mine.toml"]


def test_a_newer_database_is_refused_by_its_own_exit_code(jobyard: CommandLine) -> None:
    jobyard.ok("migrate")
    connection = sqlite3.connect(jobyard.folder / ".jobyard" / "jobs.db")
    connection.execute("PRAGMA user_version=999")
    connection.close()

    for command in (("doctor",), ("job", "list"), ("migrate",), ("controller",)):
        assert jobyard(*command).returncode == 78


def test_a_file_that_is_no_database_is_told_as_such(jobyard: CommandLine) -> None:
    jobyard.ok("migrate")
    for file in (jobyard.folder / ".jobyard").glob("jobs.db*"):
        file.write_bytes(b"this is no database" * 100)

    for command in (("doctor",), ("job", "list")):
        done = jobyard(*command)
        assert done.returncode == 5
        assert "Traceback" not in done.stderr


def test_a_reader_who_has_seen_enough_is_no_error(jobyard: CommandLine) -> None:
    for name in ("one", "two"):
        submitted(jobyard, "--name", name, "--", "true")
    script = f"{sys.executable} -m jobyard job list --json | head -c 1"

    done = subprocess.run(
        ["sh", "-c", script],
        cwd=jobyard.folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )

    assert (done.stdout, done.stderr) == ("{", "")


def test_a_state_folder_that_is_a_file_is_a_wrong_setting(jobyard: CommandLine) -> None:
    (jobyard.folder / ".jobyard").write_text("")

    assert jobyard("doctor").returncode == 78


def test_a_setting_that_cannot_be_read_is_told_with_what_it_must_be(jobyard: CommandLine) -> None:
    done = jobyard("job", "list", JOBYARD_SLOTS="many")

    assert done.returncode == 78
    assert "JOBYARD_SLOTS is `many`" in done.stderr


def test_help_imports_no_heavy_library(jobyard: CommandLine) -> None:
    assert "Commands:" in jobyard.ok("--help")
    heavy = "{'fastapi', 'uvicorn', 'httpx', 'asyncio', 'pydantic', 'yaml'}"
    script = f"import sys, jobyard.cli; print({heavy} & set(sys.modules))"

    said = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "set()\n"
