"""What operators do with jobs: find, watch, wait, retry, explain, remove, hand in files."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.conftest import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import CommandLine, Service


def submitted(jobyard: CommandLine, *args: str) -> int:
    job: dict[str, Any] = json.loads(jobyard.ok("submit", "--json", *args))
    number: int = job["id"]
    return number


def ended(jobyard: CommandLine, *args: str) -> int:
    number = submitted(jobyard, *args)
    jobyard.ok("job", "wait", str(number), "--for", "finished")
    return number


def listed(jobyard: CommandLine, *args: str) -> list[int]:
    return [job["id"] for job in json.loads(jobyard.ok("job", "list", "--json", *args))["jobs"]]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (["--label", "team=data"], [2, 1]),
        (["--label", "team=data", "--label", "stage!=load"], [2]),
        (["--label", "team!=data"], [3]),
        (["--name", "one"], [1]),
        (["--namespace", "other"], [3]),
        (["--trigger", "cli"], [3, 2, 1]),
        (["--trigger", "api"], []),
        (["--worker", "nobody"], []),
        (["--workflow", "7"], []),
        (["--dataset", "ethereum/mainnet"], []),
        (["--created-after", "1h"], [3, 2, 1]),
        (["--created-after", "2999-01-01T00:00:00Z"], []),
    ],
)
def test_each_filter_finds_its_jobs(
    jobyard: CommandLine, filters: list[str], found: list[int]
) -> None:
    submitted(jobyard, "--name", "one", "--label", "team=data", "--label", "stage=load", "--", "x")
    submitted(jobyard, "--label", "team=data", "--", "x")
    submitted(jobyard, "--namespace", "other", "--", "x")

    assert listed(jobyard, *filters) == found


def test_verbs_take_several_ids_and_tell_of_each(jobyard: CommandLine) -> None:
    for _ in range(3):
        submitted(jobyard, "--", "true")

    assert jobyard("job", "suspend", "1", "2").stderr == "job 1 is PENDING\njob 2 is PENDING\n"
    told = jobyard.ok("job", "stop", "1", "3", "--json").splitlines()

    assert [(job["id"], job["status"]) for job in map(json.loads, told)] == [
        (1, "STOPPED"),
        (3, "STOPPED"),
    ]


def test_a_job_that_is_missing_or_in_the_way_keeps_no_other_back(jobyard: CommandLine) -> None:
    for _ in range(2):
        submitted(jobyard, "--", "true")

    stopped = jobyard("job", "stop", "99", "1", "1")
    removed = jobyard("job", "rm", "2", "1")

    assert (stopped.returncode, removed.returncode) == (3, 4)
    assert stopped.stderr.startswith("job 1 is STOPPED\nerror: no job has the id 99\n")
    assert removed.stderr.startswith("job 1 removed\nerror: job 2 is SCHEDULED, and only")


def test_an_age_without_a_unit_deletes_nothing(jobyard: CommandLine) -> None:
    submitted(jobyard, "--", "true")
    jobyard.ok("job", "stop", "1")

    done = jobyard("job", "prune", "--older-than", "0")

    assert (done.returncode, done.stderr) == (
        2,
        "error: --older-than is `0`\nhint: say the unit: 0d for days, 0s for seconds\n",
    )
    assert jobyard("job", "prune", "--older-than", "0s").stderr == "1 job removed\n"


def test_a_program_that_crashes_again_and_again_is_seen_to(
    jobyard: CommandLine, solo: Service
) -> None:
    waiting = jobyard.serve(
        "submit", "--name", "w", "--wait", "--", "false",
        until="job 1: its program failed and is restarted, once so far",
    )  # fmt: skip

    assert "restarted once" in jobyard.ok("job", "list")
    told = jobyard.ok("job", "explain", "1")
    assert "programs that failed were restarted once; beyond 6 the job fails" in told
    assert "hint: `jobyard job logs 1`" in told
    waiting.end(signal.SIGINT)


def test_who_waits_is_told_of_failures_and_that_the_job_goes_on(
    jobyard: CommandLine, solo: Service
) -> None:
    waiting = jobyard.serve(
        "submit", "--name", "w", "--logs", "--backoff-limit", "1", "--restart-policy", "Never",
        "--", "false", until="job 1: 1 failed try, ",
    )  # fmt: skip

    assert waiting.end(signal.SIGINT) == 130
    assert "job 1 goes on; `jobyard job stop 1` stops it\n" in waiting.rest()


def test_the_fields_of_a_job_are_options_of_submit(jobyard: CommandLine) -> None:
    submitted(jobyard, "--name", "first", "--", "true")
    job = json.loads(
        jobyard.ok(
            "submit", "--json", "--label", "a=b", "--completion-mode", "Indexed", "--completions",
            "3", "--working-dir", ".", "--restart-policy", "Never", "--active-deadline", "2m",
            "--attempt-timeout", "30s", "--ttl", "1h", "--worker-id", "w*", "--suspend",
            "--depends-on", "1:finished", "-n", "ours", "--", "true",
        )
    )  # fmt: skip

    spec = job["spec"]
    assert job["labels"] == {"a": "b"}
    assert (job["namespace"], job["suspend"], job["completion_mode"]) == ("ours", True, "Indexed")
    assert (spec["active_deadline"], spec["attempt_timeout"], spec["ttl"]) == (120, 30, 3600)
    assert (spec["worker_id"], spec["restart_policy"]) == ("w*", "Never")
    assert spec["depends_on"] == [{"job": 1, "condition": "finished"}]


def test_waiting_ends_well_only_if_every_job_got_there(jobyard: CommandLine, solo: Service) -> None:
    good = str(submitted(jobyard, "--", "true"))
    bad = str(submitted(jobyard, "--backoff-limit", "0", "--", "sh", "-c", "exit 9"))

    both = jobyard("job", "wait", good, bad, "--json")

    assert both.returncode == 1
    told = {job["id"]: job["status"] for job in map(json.loads, both.stdout.splitlines())}
    assert told == {1: "COMPLETED", 2: "FAILED"}
    codes = {
        condition: jobyard("job", "wait", bad, "--for", condition).returncode
        for condition in ("completed", "failed", "finished", "started", "stopped")
    }
    assert codes == {"completed": 1, "failed": 0, "finished": 0, "started": 0, "stopped": 1}
    assert jobyard("job", "wait", good, bad, "--exit-code").returncode == 9


def test_waiting_is_over_when_time_is_up(jobyard: CommandLine) -> None:
    submitted(jobyard, "--", "true")

    done = jobyard("job", "wait", "1", "--timeout", "10ms")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "time is up: not completed: 1\n"


def test_a_job_is_made_anew_and_its_output_shown(jobyard: CommandLine, solo: Service) -> None:
    ended(jobyard, "--name", "again", "--backoff-limit", "0", "--", "sh", "-c", "cat allowed")
    (jobyard.folder / "allowed").write_text("now it works\n")

    done = jobyard("job", "retry", "1", "--logs")

    assert (done.returncode, done.stdout) == (0, "now it works\n")
    assert done.stderr.splitlines() == [
        "job 2 `again` is SCHEDULED, made of job 1", "job 2 is COMPLETED",
    ]  # fmt: skip
    assert json.loads(jobyard.ok("job", "inspect", "2"))["retried_from"] == 1


def test_only_the_indexes_that_failed_are_done_again(jobyard: CommandLine, solo: Service) -> None:
    program = "test $JOBYARD_INDEX != 1 || test -e mended"
    ended(
        jobyard, "--indexed", "--completions", "3", "--restart-policy", "Never",
        "--backoff-limit", "0", "--parallelism", "1", "--", "sh", "-c", program,
    )  # fmt: skip
    (jobyard.folder / "mended").touch()

    again = json.loads(jobyard.ok("job", "retry", "1", "--indexes", "failed", "--wait", "--json"))

    assert (again["status"], again["completed_indexes"], again["indexes"]) == (
        "COMPLETED", "1", "1",
    )  # fmt: skip


def test_what_would_be_pruned_is_counted_first(jobyard: CommandLine) -> None:
    for label in ("a=1", "a=1", "a=2"):
        submitted(jobyard, "--label", label, "--", "true")
    jobyard.ok("job", "stop", "1", "2", "3")
    chosen = ("job", "prune", "--label", "a=1")

    assert jobyard(*chosen, "--dry-run").stderr == "2 jobs would be removed\n"
    assert jobyard(*chosen, "--older-than", "1d").stderr == "0 jobs removed\n"
    assert json.loads(jobyard.ok(*chosen, "--json")) == {
        "status_filter": "terminal", "dry_run": False, "deleted": 2,
    }  # fmt: skip
    assert listed(jobyard, "-s", "all") == [3]


def test_removing_tells_of_each_job(jobyard: CommandLine) -> None:
    submitted(jobyard, "--", "true")
    jobyard.ok("job", "stop", "1")

    assert jobyard("job", "rm", "1", "77").stderr == "job 1 removed\njob 77 removed\n"
    assert jobyard.ok("job", "remove", "1", "--json") == '{"job_id":1}\n'


def test_why_a_job_waits_is_explained(jobyard: CommandLine, solo: Service) -> None:
    submitted(jobyard, "--worker-id", "elsewhere", "--", "true")
    submitted(jobyard, "--depends-on", "1", "--", "true")

    first, second = jobyard.ok("job", "explain", "1"), jobyard.ok("job", "explain", "2")

    assert first.startswith("job 1 `true` is SCHEDULED: ")
    assert "WORKER" in first
    assert "elsewhere" in first
    assert second.startswith("job 2 `true` is PENDING: ")
    assert ["1", "completed", "SCHEDULED", "-"] in [line.split() for line in second.splitlines()]
    assert json.loads(jobyard.ok("job", "explain", "2", "--json"))["job_id"] == 2


def test_one_event_is_shown_with_its_detail(jobyard: CommandLine) -> None:
    submitted(jobyard, "--", "true")

    event = json.loads(jobyard.ok("job", "events", "1", "--event-id", "1", "--json"))

    assert (event["id"], event["job_id"], event["event"]) == (1, 1, "created")
    assert "detail" in event
    assert jobyard("job", "events", "1", "--event-id", "99").returncode == 3


JOB = "name: {name}\ncommand: [{command}]\npriority: {priority}\n"


def test_a_file_is_applied_as_often_as_one_likes(jobyard: CommandLine) -> None:
    def apply(*options: str, command: str = "x", priority: int = 1) -> list[tuple[str, int]]:
        document = JOB.format(name="one", command=command, priority=priority)
        told = jobyard.ok("apply", "-f", "-", "--json", *options, stdin=document)
        return [(one["action"], one["job"]["id"]) for one in json.loads(told)["jobs"]]

    assert apply() == [("created", 1)]
    assert apply() == [("unchanged", 1)]
    assert apply(priority=5) == [("patched", 1)]
    jobyard.ok("job", "stop", "1")
    assert apply(priority=5) == [("unchanged", 1)]
    assert apply("--rerun", priority=5) == [("created", 2)]


def test_the_files_of_a_folder_are_handed_in_by_name_and_one_keeps_no_other_back(
    jobyard: CommandLine,
) -> None:
    folder = jobyard.folder / "jobs"
    folder.mkdir()
    (folder / "b.yml").write_text(JOB.format(name="b", command="x", priority=1))
    (folder / "a.yaml").write_text("name: B!\ncommand: [x]\n")
    (folder / "c.json").write_text('{"jobs": [{"name": "c", "command": ["x"]}]}')
    (folder / "README").write_text("no document")

    done = jobyard("create", "-f", "jobs", "--json")

    assert done.returncode == 1
    assert [job["name"] for job in json.loads(done.stdout)["jobs"]] == ["b", "c"]
    assert "1 problem in jobs/a.yaml" in done.stderr
    # Create always makes new ones.
    assert jobyard("create", "-f", "jobs/b.yml").stderr.startswith("job 3 `b` created")


class Terminal:
    """A command on a terminal; what it draws is read until something is there."""

    def __init__(self, jobyard: CommandLine, *args: str, **env: str) -> None:
        self._screen, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jobyard", *args],
            cwd=jobyard.folder,
            env=environment(**env),
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        self.drawn = ""

    def wait_for(self, text: str) -> str:
        while text not in self.drawn:
            self.drawn += os.read(self._screen, 1 << 16).decode()
        return self.drawn

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(30)
        os.close(self._screen)
        return code


@pytest.fixture
def watching(jobyard: CommandLine) -> Iterator[Terminal]:
    submitted(jobyard, "--name", "seen", "--", "true")
    terminal = Terminal(jobyard, "job", "list", "--watch")
    yield terminal
    if terminal.process.poll() is None:
        terminal.end()


def test_a_watched_list_is_drawn_over_itself(jobyard: CommandLine, watching: Terminal) -> None:
    watching.wait_for("seen")
    submitted(jobyard, "--name", "late", "--", "true")

    drawn = watching.wait_for("late")

    # Two lines up, where the first drawing began.
    assert "\x1b[2F\x1b[J" in drawn
    assert watching.end() == 130


def test_a_watched_list_tells_programs_what_changed_one_line_each(jobyard: CommandLine) -> None:
    submitted(jobyard, "--name", "seen", "--", "true")
    watching = subprocess.Popen(
        [sys.executable, "-m", "jobyard", "job", "list", "--watch", "--json"],
        cwd=jobyard.folder,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout is not None
    try:
        first = json.loads(watching.stdout.readline())
        jobyard.ok("job", "stop", "1")
        # It is active no longer, and its end is told before it is let go.
        second = json.loads(watching.stdout.readline())
    finally:
        watching.send_signal(signal.SIGINT)
        code = watching.wait(30)
        watching.stdout.close()

    assert [(job["name"], job["status"]) for job in (first, second)] == [
        ("seen", "SCHEDULED"), ("seen", "STOPPED"),
    ]  # fmt: skip
    assert code == 130


@pytest.mark.parametrize(("wish", "painted"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_are_for_terminals_that_want_them(
    jobyard: CommandLine, wish: dict[str, str], painted: bool
) -> None:
    submitted(jobyard, "--", "true")
    jobyard.ok("job", "stop", "1")

    terminal = Terminal(jobyard, "job", "list", "-s", "all", **{"NO_COLOR": "", **wish})

    assert ("\x1b[" in terminal.wait_for("StopRequested")) == painted
    assert terminal.process.wait(30) == 0
    assert "\x1b" not in jobyard.ok("job", "list", "-s", "all", NO_COLOR="")


def test_nouns_have_plurals_and_short_names(jobyard: CommandLine) -> None:
    jobyard.ok("migrate")

    assert jobyard.ok("jobs", "ls") == jobyard.ok("job", "list")
    assert jobyard.ok("workers", "ls") == jobyard.ok("worker", "list")
    assert jobyard("worker", "get", "nobody").returncode == 3


def test_a_server_with_tokens_lets_each_role_do_its_own(jobyard: CommandLine) -> None:
    tokens = jobyard.folder / "tokens"
    tokens.write_text("viewer:look\noperator:act\nadmin:all\n")
    tokens.chmod(0o600)
    solo = jobyard.serve("solo", "--port", "0", "--token-file", str(tokens), until="listening on")
    url = solo.lines[-1].split()[-1]

    def code(token: str, *args: str) -> int:
        return jobyard(*args, JOBYARD_TOKEN=token).returncode

    stranger = jobyard("job", "list", "--url", url)
    assert (stranger.returncode, stranger.stdout) == (1, "")
    assert "token" in stranger.stderr
    assert code("look", "job", "list") == 0
    assert code("look", "submit", "--", "true") == 1
    assert code("all", "submit", "--suspend", "--", "true") == 0
    assert code("look", "job", "stop", "1") == 1
    # What the command line says is stronger than the environment.
    assert code("look", "job", "stop", "1", "--auth-token", "act") == 0
    assert code("look", "job", "inspect", "1") == 0
