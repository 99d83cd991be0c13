"""`jobyard run`: an engine for the length of one command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobyard.cli import main
from jobyard.engine.controller import Controller
from jobyard.errors import StoreUnavailable

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

EXAMPLES = Path(__file__).parents[2] / "examples"
CLASSIC = EXAMPLES / "kubernetes"


def write(jobyard: CommandLine, *jobs: dict[str, Any]) -> str:
    (jobyard.folder / "jobs.json").write_text(json.dumps({"jobs": jobs}))
    return "jobs.json"


def job(name: str, *command: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "command": list(command), **fields}


def of(text: str) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in json.loads(text)["jobs"]}


def test_it_shows_output_with_a_prefix_and_sums_up(jobyard: CommandLine) -> None:
    file = write(
        jobyard,
        job("parts", "sh", "-c", "echo $JOBYARD_INDEX", completion_mode="Indexed", completions=2),
        job("merge", "printf", "no newline", depends_on=[{"job": "parts"}]),
    )

    lines = jobyard.ok("run", file).splitlines()

    assert sorted(lines[:2]) == ["parts[0] | 0", "parts[1] | 1"]
    assert lines[2] == "merge    | no newline"
    assert lines[3].split() == ["ID", "NAME", "STATUS", "DONE", "FAILED", "TOOK", "WHY"]
    assert [line.split()[1:4] for line in lines[4:]] == [
        ["parts", "COMPLETED", "2/2"],
        ["merge", "COMPLETED", "1/1"],
    ]


def test_it_fails_when_one_job_fails_and_says_why(jobyard: CommandLine) -> None:
    file = write(jobyard, job("good", "true"), job("bad", "sh", "-c", "exit 7", backoff_limit=0))

    done = jobyard("run", file)

    assert done.returncode == 1
    assert "BackoffLimitExceeded" in done.stdout


def test_it_ends_with_the_exit_code_of_the_job_it_is_told(jobyard: CommandLine) -> None:
    file = write(jobyard, job("bad", "sh", "-c", "exit 7", backoff_limit=0), job("good", "true"))

    assert jobyard("run", file, "--exit-code-from", "bad").returncode == 7
    assert jobyard("run", file, "--exit-code-from", "good").returncode == 0
    assert jobyard("run", file, "--exit-code-from", "ugly").returncode == 2


def test_json_is_all_that_is_on_stdout(jobyard: CommandLine) -> None:
    file = write(jobyard, job("bad", "sh", "-c", "echo seen; exit 1", backoff_limit=0))

    done = jobyard("run", file, "--json")

    assert done.returncode == 1
    [one] = json.loads(done.stdout)["jobs"]
    assert (one["status"], one["reason"], one["failed"]) == ("FAILED", "BackoffLimitExceeded", 1)
    assert "seen" in done.stderr


def test_json_is_printed_for_a_document_that_is_refused(jobyard: CommandLine) -> None:
    done = jobyard("run", write(jobyard, job("bad", "true", parallelism=-1)), "--json")

    assert done.returncode == 1
    assert json.loads(done.stdout) == {"jobs": []}
    assert "parallelism" in done.stderr


def test_a_suspended_job_is_not_waited_for(jobyard: CommandLine) -> None:
    file = write(
        jobyard,
        job("later", "true", suspend=True),
        job("after", "true", depends_on=[{"job": "later"}]),
        job("now", "true"),
    )

    done = jobyard("run", file, "--json")

    jobs = of(done.stdout)
    assert (jobs["later"]["status"], jobs["now"]["status"]) == ("PENDING", "COMPLETED")
    assert "resume" in jobyard("run", write(jobyard, job("later", "true", suspend=True))).stdout
    # What is left may be run by any worker of this folder.
    jobyard.ok("job", "resume", str(jobs["later"]["id"]))
    jobyard.serve("solo", "--port", "0", until="listening on")
    assert jobyard("job", "wait", str(jobs["after"]["id"])).returncode in (0, 2)


def test_it_runs_only_its_own_jobs(jobyard: CommandLine) -> None:
    jobyard.ok("submit", "--name", "other", "--", "true")

    jobyard.ok("run", write(jobyard, job("own", "true")))

    jobs = of(jobyard.ok("job", "list", "--status", "all", "--json"))
    assert (jobs["other"]["status"], jobs["own"]["status"]) == ("SCHEDULED", "COMPLETED")


def test_a_job_with_no_time_to_live_is_kept_until_the_summary_is_out(jobyard: CommandLine) -> None:
    assert "COMPLETED" in jobyard.ok("run", write(jobyard, job("brief", "true", ttl=0)))


def test_more_than_this_machine_has_is_refused_before_anything_waits(jobyard: CommandLine) -> None:
    asks = job("huge", "true", resources={"requests": {"cpu": 10_000}})

    done = jobyard("run", write(jobyard, asks))

    assert done.returncode == 1
    assert "10000 CPUs" in done.stderr


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_stops_and_twice_at_once(jobyard: CommandLine, times: int) -> None:
    stubborn = "import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True)"
    patient = "print('up', flush=True)"
    program = f"{stubborn if times == 2 else patient}; import time; time.sleep(600)"
    file = write(jobyard, job("long", sys.executable, "-c", program))
    running = jobyard.serve("run", file, "--json", until="| up")

    running.process.send_signal(signal.SIGINT)
    running.wait_for("once more")
    if times == 2:
        running.process.send_signal(signal.SIGINT)

    assert running.process.wait(60) == 130


@pytest.mark.parametrize(
    ("file", "status", "reason", "indexes"),
    [
        ("indexed", "COMPLETED", "CompletionsReached", ("0-4", None)),
        ("backoff-limit-per-index", "FAILED", "FailedIndexes", ("1,3,5,7,9", "0,2,4,6,8")),
        ("pod-failure-policy", "FAILED", "PodFailurePolicy", (None, None)),
        ("success-policy", "COMPLETED", "SuccessPolicy", ("2", None)),
        ("active-deadline", "FAILED", "DeadlineExceeded", (None, None)),
    ],
)
def test_kubernetes_examples_run_unchanged(
    jobyard: CommandLine, file: str, status: str, reason: str, indexes: tuple[Any, Any]
) -> None:
    path = os.fspath(CLASSIC / f"{file}.yaml")

    done = jobyard("run", path, "--executor", "process", "--json", "--set", "backoff.base=0.05")

    [one] = json.loads(done.stdout)["jobs"]
    assert (one["status"], one["reason"]) == (status, reason)
    assert (one["completed_indexes"], one["failed_indexes"]) == indexes
    assert done.returncode == (0 if status == "COMPLETED" else 1)


def test_the_web_framework_is_not_imported_to_run_a_job(jobyard: CommandLine) -> None:
    file = write(jobyard, job("quick", "true"))
    program = (
        "import sys; sys.argv[1:] = ['run', sys.argv[1]]\n"
        "from jobyard.cli import main\n"
        "try: main()\n"
        "finally: print(sorted({'fastapi', 'uvicorn', 'httpx', 'yaml'} & set(sys.modules)))\n"
    )
    from tests.cli.conftest import environment

    done = subprocess.run(
        [sys.executable, "-c", program, file],
        cwd=jobyard.folder, env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_error_of_one_of_several_tasks_ends_with_its_own_exit_code(
    jobyard: CommandLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail(*_: Any) -> None:
        raise StoreUnavailable("the store went away")

    monkeypatch.setattr(Controller, "run", fail)
    monkeypatch.chdir(jobyard.folder)
    monkeypatch.setattr(sys, "argv", ["jobyard", "run", write(jobyard, job("long", "sleep", "60"))])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 5
    assert "error: the store went away" in capsys.readouterr().err
