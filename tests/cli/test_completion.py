"""Completion, as shells ask for it."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.cli.conftest import environment
from tests.cli.shells import Shell

from jobyard.cli.completion import SHELLS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import CommandLine


@pytest.fixture
def shell(jobyard: CommandLine, tmp_path: Path) -> Shell:
    return Shell(jobyard.folder, tmp_path / "tools")


def completed(shell: Shell, *words: str) -> list[str]:
    """What bash offers for the last of some words."""
    typed = " ".join(f"'{word}'" for word in words)
    return shell.ok(
        f"""eval "$(jobyard completion bash)"
COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}
_jobyard_completion jobyard
printf '%s\\n' "${{COMPREPLY[@]}}" """
    ).split()


def test_commands_and_options_are_completed(shell: Shell) -> None:
    assert {"run", "submit", "apply", "job", "doctor"} <= set(completed(shell, "jobyard", ""))
    assert completed(shell, "jobyard", "job", "pr") == ["progress", "prune"]
    assert completed(shell, "jobyard", "jobs", "re") == ["resume", "retry"]
    assert completed(shell, "jobyard", "job", "list", "--wa") == ["--watch"]
    assert completed(shell, "jobyard", "job", "retry", "1", "--indexes", "") == [
        "all", "failed", "remaining",
    ]  # fmt: skip


def test_statuses_are_completed_word_by_word(shell: Shell) -> None:
    assert completed(shell, "jobyard", "job", "list", "--status", "comp") == ["completed"]
    assert set(completed(shell, "jobyard", "job", "list", "-s", "running,stopp")) == {
        "running,stopped",
        "running,stopping",
    }


def test_ids_are_looked_up_where_the_command_would_ask(shell: Shell) -> None:
    for _ in range(2):
        shell.ok("jobyard submit --state-dir there -- true")

    assert completed(shell, "jobyard", "job", "inspect", "--state-dir", "there", "") == ["2", "1"]
    # Nothing is kept here, and nobody wants to read of that between two words.
    assert completed(shell, "jobyard", "job", "inspect", "") == []
    assert shell.folder.joinpath(".jobyard").exists() is False


@pytest.mark.parametrize("name", SHELLS)
def test_each_script_asks_for_words_as_its_shell_does(jobyard: CommandLine, name: str) -> None:
    script = jobyard.ok("completion", name)

    assert f"_JOBYARD_COMPLETE={name}_complete" in script
    if shutil.which(name) is not None:
        parsed = subprocess.run(
            [name, "-n"], input=script, text=True, env=environment(), check=False
        )
        assert parsed.returncode == 0


def test_an_unknown_shell_is_a_usage_error(jobyard: CommandLine) -> None:
    assert jobyard("completion", "tcsh").returncode == 2
