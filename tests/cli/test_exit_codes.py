"""The command line's exit codes: one meaning each, whichever command it is."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING

import click
import pytest

from jobyard.cli import jobyard as root
from jobyard.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import CommandLine

NOBODY = "http://127.0.0.1:9"
"""Where nobody listens: the port of a service that nobody has run for decades."""
VALUES = {
    "job_id": "1", "job_ids": "1", "worker_id": "w", "command": "true", "names": "-f a.json",
    "dataset": "space/set", "manifest_hash": "0" * 64, "name": "node", "file": "a.json",
    "manifest": "a.json", "revision_id": "1", "file_id": "1", "table_name": "blocks", "path": "p",
    "start_block": "--start-block 1", "end_block": "--end-block 2",
}  # fmt: skip
ASK_NO_SERVER = ("doctor", "extract", "query", "verify")
"""Their `--url` is looked at, or is a chain's, or is asked for what datasets have only."""


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command, by the words that call it."""
    context = click.Context(root, info_name="jobyard")
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        assert command is not None
        if not isinstance(command, click.Group):
            yield name, command
            continue
        own = click.Context(command, info_name=name, parent=context)
        for below in command.list_commands(own):
            found = command.get_command(own, below)
            assert found is not None
            yield f"{name} {below}", found


def asking() -> dict[str, click.Command]:
    """The commands that ask a server, and so can be told which."""
    return {
        path: command
        for path, command in commands()
        if any("--url" in parameter.opts for parameter in command.params)
        and path not in ASK_NO_SERVER
    }


def arguments(path: str, command: click.Command) -> list[str]:
    given = [VALUES[p.name or ""] for p in command.params if p.required and p.name != "files"]
    files = ["a.json"] if path == "run" else []
    unasked = ["--force"] if any("--force" in p.opts for p in command.params) else []
    return [*path.split(), *files, *unasked, *" ".join(given).split()]


@pytest.mark.parametrize("path", asking())
def test_every_command_that_asks_takes_a_token(path: str) -> None:
    options = {option for parameter in asking()[path].params for option in parameter.opts}

    assert {"--url", "--auth-token", "--state-dir", "--database"} <= options
    assert "--json" in options or path == "job logs"


@pytest.mark.parametrize("path", asking())
def test_nobody_who_answers_is_5(
    path: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "a.json").write_text('{"name": "a", "command": ["true"]}')
    monkeypatch.chdir(tmp_path)
    told = [*arguments(path, asking()[path]), "--url", NOBODY]
    monkeypatch.setattr(sys, "argv", ["jobyard", *_before_the_program(told)])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 5
    assert "no server answers" in capsys.readouterr().err


def _before_the_program(words: list[str]) -> list[str]:
    # Options of ours stand before the command that is submitted.
    return ["submit", *words[2:], "true"] if words[0] == "submit" else words


def by_id() -> list[str]:
    return [
        path
        for path, command in asking().items()
        if {"job_id", "job_ids"} & {parameter.name for parameter in command.params}
        if path != "job rm"
    ]


@pytest.mark.parametrize("path", by_id())
def test_a_job_that_is_not_there_is_3(jobyard: CommandLine, path: str) -> None:
    jobyard.ok("migrate")

    done = jobyard(*path.split(), "99")

    assert (done.returncode, done.stdout) == (3, "")
    assert "no job has the id 99" in done.stderr


def test_what_was_understood_and_failed_is_1(jobyard: CommandLine) -> None:
    jobyard.ok("submit", "--", "true")
    jobyard.ok("job", "stop", "1")
    (jobyard.folder / "bad.yaml").write_text("name: B!\ncommand: [x]\n")

    for command in (
        ("job", "wait", "1"),
        ("run", "bad.yaml"),
        ("validate", "bad.yaml"),
        ("create", "-f", "bad.yaml"),
        ("submit", "--name", "B!", "--", "true"),
    ):
        assert jobyard(*command).returncode == 1, command


@pytest.mark.parametrize(
    "line",
    [
        "nope", "job nope", "submit", "create", "apply", "run", "job inspect x", "job inspect 0",
        "job list --limit 0", "job list --status foo", "job list --label =", "job wait 1 --for x",
        "job retry 1 --indexes some", "completion tcsh", "create -f missing.yaml",
        "job prune --older-than soon", "job prune --older-than 7", "submit --env x -- y",
        "submit --label =x -- true", "worker --label x",
        "job prune --status running",
        "job list --created-after yesterday", "run --set x a.json",
        "run missing.yaml", "validate missing.yaml",
        "apply -f missing.yaml", "create -f empty", "provider register a missing.toml",
        "dataset register a missing.json",
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_2(jobyard: CommandLine, line: str) -> None:
    jobyard.ok("migrate")
    (jobyard.folder / "a.json").write_text('{"name": "a", "command": ["true"]}')
    (jobyard.folder / "empty").mkdir()

    done = jobyard(*line.split())

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr


def test_a_job_in_the_way_is_4(jobyard: CommandLine) -> None:
    jobyard.ok("submit", "--name", "a", "--idempotency-key", "k", "--", "true")
    jobyard.ok("submit", "--", "true")
    jobyard.ok("job", "stop", "2")
    other = json.dumps({"name": "a", "command": ["false"]})

    assert jobyard("job", "rm", "1").returncode == 4
    assert jobyard("job", "retry", "1").returncode == 4
    assert jobyard("job", "suspend", "2").returncode == 4
    assert jobyard("job", "resume", "2").returncode == 4
    assert jobyard("apply", "-f", "-", stdin=other).returncode == 4
    assert jobyard("submit", "--idempotency-key", "k", "--", "false").returncode == 4


@pytest.mark.parametrize(
    ("args", "env"),
    [
        (("job", "list", "--url", "x"), {}),
        (("job", "list"), {"JOBYARD_SLOTS": "many"}),
    ],
)
def test_a_setting_that_cannot_be_used_is_78(
    jobyard: CommandLine, args: tuple[str, ...], env: dict[str, str]
) -> None:
    assert jobyard(*args, **env).returncode == 78


@pytest.mark.parametrize(
    ("args", "until"),
    [(("job", "wait", "1", "2"), "job 2 is STOPPED"), (("submit", "--wait", "--", "true"), "hint")],
)
def test_an_interrupt_is_130(jobyard: CommandLine, args: tuple[str, ...], until: str) -> None:
    for _ in range(2):
        jobyard.ok("submit", "--", "true")
    jobyard.ok("job", "stop", "2")

    waiting = jobyard.serve(*args, until=until)

    assert waiting.end(signal.SIGINT) == 130
