"""`jobyard run` where a server is named: its workers run the jobs, this command follows them."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine, Service


def write(jobyard: CommandLine, name: str, *jobs: dict[str, Any]) -> str:
    (jobyard.folder / name).write_text(json.dumps({"jobs": jobs}))
    return name


def job(name: str, *command: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "command": list(command), **fields}


@pytest.fixture
def url(solo: Service) -> str:
    return solo.lines[-1].split()[-1]


def test_the_server_runs_the_jobs_and_their_output_comes_here(
    jobyard: CommandLine, solo: Service, url: str
) -> None:
    parts = job("parts", "sh", "-c", "echo $JOBYARD_INDEX", completion_mode="Indexed")
    file = write(
        jobyard, "jobs.json", parts | {"completions": 2},
        job("merge", "printf", "no newline", depends_on=[{"job": "parts"}]),
    )  # fmt: skip

    lines = jobyard.ok("run", file, "--url", url).splitlines()

    assert sorted(lines[:2]) == ["parts[0] | 0", "parts[1] | 1"]
    assert lines[2] == "merge    | no newline"
    assert [line.split()[:4] for line in lines[4:]] == [
        ["1", "parts", "COMPLETED", "2/2"],
        ["2", "merge", "COMPLETED", "1/1"],
    ]
    assert json.loads(jobyard.ok("job", "inspect", "1"))["trigger"] == "api"


def test_more_jobs_than_are_asked_for_one_by_one_are_all_seen(
    jobyard: CommandLine, solo: Service, url: str
) -> None:
    names = [f"job-{at}" for at in range(30)]
    fake = [{"name": name, "fake": {}} for name in names]

    done = jobyard(
        "run", write(jobyard, "jobs.json", *fake), "--executor", "fake", "--json", JOBYARD_URL=url
    )

    jobs = json.loads(done.stdout)["jobs"]
    assert [(one["name"], one["status"]) for one in jobs] == [(n, "COMPLETED") for n in names]


def test_fields_are_set_and_the_exit_code_is_that_of_the_job_that_is_named(
    jobyard: CommandLine, solo: Service, url: str
) -> None:
    file = write(jobyard, "jobs.json", job("bad", "sh", "-c", "exit 7"))
    told = ("--set", "backoff_limit=0", "--json", "--url", url)

    done = jobyard("run", file, *told, "--exit-code-from", "bad")

    assert done.returncode == 7
    assert json.loads(done.stdout)["jobs"][0]["failed"] == 1
    assert jobyard("run", file, *told).returncode == 1


def test_an_image_runs_as_a_process_if_that_is_asked_for(
    jobyard: CommandLine, solo: Service, url: str
) -> None:
    file = write(jobyard, "jobs.json", job("boxed", "true", image="busybox"))

    assert jobyard("run", file, "--url", url).returncode == 1
    assert "COMPLETED" in jobyard.ok("run", file, "--url", url, "--executor", "process")


def test_what_is_wrong_with_one_file_keeps_all_of_them_back(
    jobyard: CommandLine, solo: Service, url: str
) -> None:
    good = write(jobyard, "good.json", job("good", "true"))
    bad = write(jobyard, "bad.json", job("bad", "true", parallelism=-1))

    done = jobyard("run", good, bad, "--json", "--url", url)

    assert (done.returncode, json.loads(done.stdout)) == (1, {"jobs": []})
    assert "bad.json" in done.stderr
    assert json.loads(jobyard.ok("job", "list", "-s", "all", "--json"))["jobs"] == []


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_stops_the_jobs_of_the_server_and_twice_leaves_them_to_it(
    jobyard: CommandLine, solo: Service, url: str, times: int
) -> None:
    deaf = "trap '' TERM; " if times == 2 else ""
    file = write(jobyard, "jobs.json", job("long", "sh", "-c", f"{deaf}echo up; sleep 1000"))
    running = jobyard.serve("run", file, "--json", "--url", url, until="| up")

    running.process.send_signal(signal.SIGINT)
    running.wait_for("once more")
    if times == 2:
        running.process.send_signal(signal.SIGINT)
        running.wait_for("goes on")

    assert running.process.wait(60) == 130
    status = json.loads(jobyard.ok("job", "get", "1"))["status"]
    assert status in (("STOPPED",) if times == 1 else ("STOP_REQUESTED", "STOPPING"))


def test_nobody_at_the_address_is_told_as_such(jobyard: CommandLine) -> None:
    file = write(jobyard, "jobs.json", job("good", "true"))

    assert jobyard("run", file, "--url", "http://127.0.0.1:9").returncode == 5


def test_a_flag_of_the_engine_here_is_stronger_than_a_server_in_the_environment(
    jobyard: CommandLine,
) -> None:
    file = write(jobyard, "jobs.json", job("good", "true"))
    nobody = "http://127.0.0.1:9"

    assert "COMPLETED" in jobyard.ok("run", file, "--state-dir", "here", JOBYARD_URL=nobody)
    assert jobyard("run", file, JOBYARD_URL=nobody).returncode == 5
    assert jobyard("run", file, "--slots", "1", "--url", nobody).returncode == 2
