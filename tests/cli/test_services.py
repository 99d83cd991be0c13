"""Services as processes: solo, and server, controller and worker apart; their signals."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine, Service


def test_a_job_goes_through_all_rooms(jobyard: CommandLine, solo: Service) -> None:
    done = jobyard("submit", "--wait", "--", "sh", "-c", "echo out; echo err >&2")

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == ["job 1 `sh` is SCHEDULED", "job 1 is COMPLETED"]
    job = json.loads(jobyard.ok("job", "inspect", "1"))
    assert (job["status"], job["trigger"]) == ("COMPLETED", "api")
    assert jobyard.ok("job", "logs", "1") == "out\nerr\n"
    assert jobyard.ok("job", "logs", "1", "--stream", "stderr", "--attempt", "1") == "err\n"
    (attempt,) = json.loads(jobyard.ok("job", "attempts", "1", "--json"))["attempts"]
    assert (attempt["status"], attempt["exit_code"]) == ("SUCCEEDED", 0)
    assert solo.end() == 0


def test_submit_can_print_what_the_job_prints(jobyard: CommandLine, solo: Service) -> None:
    done = jobyard(
        "submit", "--logs", "--completions", "3", "--indexed", "--parallelism", "1", "--",
        "sh", "-c", "echo $JOB_COMPLETION_INDEX",
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, "0\n1\n2\n")


def test_a_failed_job_fails_the_waiting_command(jobyard: CommandLine, solo: Service) -> None:
    done = jobyard("submit", "--wait", "--backoff-limit", "0", "--", "sh", "-c", "exit 9")

    assert done.returncode == 1
    assert "job 1 is FAILED" in done.stderr


def test_a_running_job_is_stopped_and_followed_to_its_end(
    jobyard: CommandLine, solo: Service
) -> None:
    jobyard.ok("submit", "--", "sh", "-c", "echo up; exec sleep 1000")
    while jobyard.ok("job", "logs", "1") != "up\n":
        pass

    jobyard.ok("job", "stop", "1")

    assert jobyard.ok("job", "logs", "1", "--follow") == "up\n"
    assert json.loads(jobyard.ok("job", "get", "1"))["status"] == "STOPPED"


def test_the_server_of_a_folder_is_found_and_forgotten_with_it(
    jobyard: CommandLine, solo: Service
) -> None:
    announcement = jobyard.folder / ".jobyard" / "server.json"
    assert announcement.stat().st_mode & 0o777 == 0o600
    assert json.loads(announcement.read_text())["url"] in solo.lines[-1]

    assert solo.end() == 0

    assert not announcement.exists()
    assert jobyard.ok("job", "list").startswith("ID")


def test_the_announcement_of_a_killed_server_is_not_believed(
    jobyard: CommandLine, solo: Service
) -> None:
    solo.end(signal.SIGKILL)
    assert (jobyard.folder / ".jobyard" / "server.json").exists()

    assert jobyard.ok("job", "list").startswith("ID")
    again = jobyard.serve("server", "--port", "0", until="listening on")

    assert jobyard.ok("job", "list").startswith("ID")
    assert again.end() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_idle_solo_ends_at_the_first_signal(solo: Service, number: signal.Signals) -> None:
    assert solo.end(number) == 0


def test_the_first_signal_lets_programs_finish(jobyard: CommandLine, solo: Service) -> None:
    go = jobyard.folder / "go"
    jobyard.ok("submit", "--", "sh", "-c", f"echo up; until test -e {go}; do sleep 0.05; done")
    while jobyard.ok("job", "logs", "1") != "up\n":
        pass

    solo.process.send_signal(signal.SIGTERM)
    solo.wait_for("ending")
    go.touch()

    assert solo.process.wait(30) == 0
    assert json.loads(jobyard.ok("job", "get", "1"))["status"] == "COMPLETED"


def test_the_second_signal_hands_programs_back_uncounted(
    jobyard: CommandLine, solo: Service
) -> None:
    jobyard.ok("submit", "--", "sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done")
    while jobyard.ok("job", "logs", "1") != "up\n":
        pass

    solo.process.send_signal(signal.SIGTERM)
    solo.wait_for("ending")
    solo.process.send_signal(signal.SIGTERM)

    assert solo.process.wait(30) == 0
    job = json.loads(jobyard.ok("job", "get", "1"))
    assert (job["failed"], job["finished_at"]) == (0, None)


def test_server_controller_and_worker_work_as_three_processes(jobyard: CommandLine) -> None:
    jobyard.serve("server", "--port", "0", until="listening on")
    jobyard.serve("controller", "--state-dir", ".jobyard", until="controller ready")
    worker = jobyard.serve("worker", "--id", "w1", "--label", "zone=a", until="worker ready")

    done = jobyard("submit", "--wait", "--", "true")
    found = json.loads(jobyard.ok("worker", "inspect", "w1"))

    assert done.returncode == 0
    assert found["labels"] == {"zone": "a"}
    assert jobyard("worker", "--id", "w1").returncode == 4
    assert jobyard("worker", "drain", "w1").stderr == "worker w1 is draining\n"
    assert jobyard("worker", "resume", "w1").stderr == "worker w1 is working\n"
    assert worker.end() == 0
    assert json.loads(jobyard.ok("worker", "list", "--json")) == {"workers": []}


def test_a_port_that_is_taken_ends_the_second_server(jobyard: CommandLine, solo: Service) -> None:
    port = solo.lines[-1].strip().rpartition(":")[2]

    done = jobyard("server", "--port", port)

    assert done.returncode == 78
    assert f"port {port}" in done.stderr
