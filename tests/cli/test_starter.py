"""Commands of a starter are processes as a shell starts them."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.cli.conftest import environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import CommandLine
    from tests.cli.starter import Starter


def test_a_command_has_its_own_folder_environment_and_streams(jobyard: CommandLine) -> None:
    first = jobyard("doctor", "--json", JOBYARD_SLOTS="7")
    second = jobyard("validate", "-", stdin="{name: B!, command: [x]}")

    assert '"value":7,"source":"environment"' in first.stdout
    assert (first.returncode, first.stderr) == (0, "")
    assert (second.returncode, second.stdout) == (1, "")
    assert "1 problem in standard input" in second.stderr
    assert '"value":7,"source":"environment"' not in jobyard.ok("doctor", "--json")


def test_a_command_that_does_not_end_is_killed_and_the_next_one_answered(
    starter: Starter, jobyard: CommandLine, tmp_path: Path
) -> None:
    jobyard.ok("submit", "--", "true")
    waiting = ["job", "wait", "1"]

    with pytest.raises(subprocess.TimeoutExpired):
        starter.run(waiting, tmp_path, environment(), "", 0.5)

    assert jobyard.ok("--version").startswith("jobyard")
