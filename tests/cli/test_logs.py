"""`job logs` on a server and without one: what was printed, live, and only what is asked for."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.cli.conftest import environment

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine, Service

THREE = """
jobs:
  - name: talk
    command: [sh, -c, 'for n in 1 2 3; do echo $JOBYARD_INDEX:$n; done; echo oops >&2; printf end']
    completion_mode: Indexed
    completions: 2
    parallelism: 1
"""


@pytest.mark.parametrize("served", [True, False], ids=["on a server", "in a folder"])
def test_logs_are_chosen_alike_with_and_without_a_server(
    jobyard: CommandLine, served: bool
) -> None:
    (jobyard.folder / "talk.yaml").write_text(THREE)
    jobyard.ok("run", "--state-dir", ".jobyard", "talk.yaml")
    if served:
        jobyard.serve("server", "--port", "0", until="listening on")

    def logs(*args: str) -> str:
        return jobyard.ok("job", "logs", "1", *args)

    assert logs("--stream", "stderr") == "oops\noops\n"
    assert logs("--tail", "2", "--stream", "stdout") == "1:3\nend"
    assert logs("--grep", "[01]:[13]") == "0:1\n0:3\n1:1\n1:3\n"
    assert logs("--grep", ":2", "--index", "1", "--since", "1h") == "1:2\n"
    assert logs("--since", "2999-01-01T00:00:00Z") == ""
    stamped = logs("--timestamps", "--grep", ":1").splitlines()
    assert [re.sub(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z ", "", s) for s in stamped] == [
        "0:1", "1:1",
    ]  # fmt: skip
    assert logs("--prefix", "--grep", ":1") == "talk[0] | 0:1\ntalk[1] | 1:1\n"
    for how in ([], ["--tail", "3"], ["--grep", "e"], ["--stream", "stderr"]):
        assert sorted(logs("--follow", *how)) == sorted(logs(*how))
    for how in ([], ["--follow"]):
        absent = jobyard("job", "logs", "1", "--index", "2", *how)
        assert (absent.returncode, absent.stdout) == (3, "")
        assert "job 1 has no index 2: the last is 1" in absent.stderr
    wrong = jobyard("job", "logs", "1", "--grep", "(")
    assert wrong.returncode == 2
    assert "grep is `(`" in wrong.stderr


def test_several_indexes_that_print_at_once_are_told_apart(
    jobyard: CommandLine, solo: Service
) -> None:
    script = 'printf "a$JOBYARD_INDEX"; sleep 0.1; echo "b$JOBYARD_INDEX"; printf c'
    jobyard.ok("submit", "--name", "two", "--completions", "2", "--indexed", "--parallelism", "2",
               "--", "sh", "-c", script)  # fmt: skip

    lines = jobyard.ok("job", "logs", "1", "--follow", "--prefix").splitlines()
    assert sorted(lines) == ["two[0] | a0b0", "two[0] | c", "two[1] | a1b1", "two[1] | c"]


def test_following_shows_what_is_printed_at_once(jobyard: CommandLine, solo: Service) -> None:
    jobyard.ok("submit", "--", "sh", "-c", "printf up; until [ -e gate ]; do sleep 0.02; done")
    with subprocess.Popen(
        [sys.executable, "-m", "jobyard", "job", "logs", "1", "--follow"],
        cwd=jobyard.folder,
        env=environment(),
        stdout=subprocess.PIPE,
    ) as following:
        assert following.stdout is not None
        assert following.stdout.read(2) == b"up"
        assert '"RUNNING"' in jobyard.ok("job", "inspect", "1")
        jobyard.ok("job", "stop", "1")
        assert following.stdout.read() == b""
    assert following.returncode == 0
