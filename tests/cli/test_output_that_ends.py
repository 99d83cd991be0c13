"""Commands whose reader has seen enough, whose disk is full, whose server is started anew."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.conftest import environment

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine, Service

FULL = Path("/dev/full")


def submitted_long_output(jobyard: CommandLine) -> None:
    count = "i=0; while [ $i -lt 60000 ]; do echo a rather long line number $i; i=$((i+1)); done"
    jobyard.ok("submit", "--wait", "--", "sh", "-c", count)


def started(jobyard: CommandLine, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "jobyard", *args],
        cwd=jobyard.folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("served", [True, False], ids=["on a server", "in a folder"])
def test_nothing_is_said_to_a_reader_who_has_seen_enough(
    jobyard: CommandLine, solo: Service, served: bool
) -> None:
    submitted_long_output(jobyard)
    if not served:
        solo.end()
    for args in (["logs", "1"], ["logs", "-f", "1"], ["logs", "1", "--prefix"], ["inspect", "1"]):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [sys.executable, "-m", "jobyard", "job", *args],
            cwd=jobyard.folder,
            env=environment(),
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        os.close(writer)

        assert (args, done.stderr, done.returncode) == (args, "", 1)


@pytest.mark.skipif(not FULL.exists(), reason="this system has no full device")
def test_a_full_disk_is_told_in_one_line(jobyard: CommandLine, solo: Service) -> None:
    submitted_long_output(jobyard)
    for args in (["logs", "1"], ["logs", "-f", "1"], ["inspect", "1"], ["list"]):
        with FULL.open("w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "jobyard", "job", *args],
                cwd=jobyard.folder,
                env=environment(),
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )

        told = "error: cannot write: No space left on device\n"
        assert (args, done.stderr, done.returncode) == (args, told, 1)


def test_waiting_and_watching_outlive_a_server_that_is_started_anew(
    jobyard: CommandLine, solo: Service
) -> None:
    jobyard.ok("submit", "--wait", "--", "true")
    jobyard.ok("submit", "--suspend", "--", "true")
    url = solo.lines[-1].split()[-1]
    waiting = started(jobyard, "job", "wait", "1", "2", "--url", url)
    watching = started(jobyard, "job", "list", "--watch", "--json", "--url", url)
    assert waiting.stderr is not None
    assert watching.stdout is not None
    # The server has answered both once it is told of.
    assert waiting.stderr.readline() == "job 1 is COMPLETED\n"
    watching.stdout.readline()

    solo.end()
    jobyard.serve("solo", "--port", url.rpartition(":")[2], until="listening on")
    jobyard.ok("job", "resume", "2")
    told = [watching.stdout.readline()]
    while "COMPLETED" not in told[-1] and told[-1]:
        told.append(watching.stdout.readline())
    watching.send_signal(signal.SIGINT)
    _, said = waiting.communicate(timeout=60)
    watching.communicate(timeout=60)

    assert (waiting.returncode, said) == (0, "job 2 is COMPLETED\n")
    assert '"status":"COMPLETED"' in told[-1]
