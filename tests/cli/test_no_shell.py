"""Nothing of a document ever reaches a shell, or the name of a file."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from tests.cli.conftest import environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import CommandLine

NASTY = [
    "$(touch struck)",
    "`touch struck`",
    "; touch struck;",
    "| touch struck",
    "&& touch struck",
    "\ntouch struck\n",
    "' touch struck '",
    '" touch struck "',
    "${IFS}touch${IFS}struck",
    "$HOME ~ * ? [a-z] {a,b} \\ %s %n",
    "../../struck",
    "/tmp/../struck",
    "-rf",
    "--",
    "é\t\x1b[2J",
]
ALL_OF_IT = "".join(NASTY)


@pytest.fixture
def shells(tmp_path: Path) -> Path:
    """A folder for PATH whose shells only tell that somebody called them."""
    folder = tmp_path / "shells"
    folder.mkdir()
    for name in ("sh", "bash", "dash", "env"):
        shim = folder / name
        shim.write_text(f"#!/bin/sh\necho {name} >>{tmp_path}/called\n")
        shim.chmod(0o755)
    return folder


def test_texts_of_a_job_reach_its_program_as_they_are_and_nobody_else(
    jobyard: CommandLine, shells: Path, tmp_path: Path
) -> None:
    folder = tmp_path / ALL_OF_IT.replace("/", "")
    folder.mkdir()
    job = {
        "name": "a",
        "command": ["printf", "%s\\0", *NASTY],
        "args": [ALL_OF_IT, "$(VALUE)", "$(NOT_THERE)"],
        "env": {"VALUE": "v", "NASTY $(touch struck)": ALL_OF_IT},
        "annotations": {"note": ALL_OF_IT},
        "image": "`touch${IFS}struck`",
        "working_dir": str(folder),
        "volumes": [{"name": "v", "mount_path": ALL_OF_IT, "empty_dir": {}}],
        "secrets": [{"secret_name": "s", "mount_path": ALL_OF_IT}],
        "idempotency_key": ALL_OF_IT.replace("\n", "").replace("\t", "").replace("\x1b", ""),
        "unused": {ALL_OF_IT: ALL_OF_IT},
        "ttl": 3600,
    }
    path = f"{shells}:{environment()['PATH']}"

    ran = jobyard("run", "-", "--executor", "process", stdin=json.dumps(job), PATH=path)

    assert ran.returncode == 0, ran.stderr
    printed = jobyard.ok("job", "logs", "1")
    assert printed == "".join(f"{text}\0" for text in [*NASTY, ALL_OF_IT, "v", "$(NOT_THERE)"])
    assert not (tmp_path / "called").exists()
    assert [path for path in tmp_path.rglob("*") if path.name == "struck"] == []
    names = {path.name for path in (tmp_path / ".jobyard").rglob("*")}
    assert [name for name in names if not re.fullmatch(r"[\w.-]+", name, re.ASCII)] == []
    shown = json.loads(jobyard.ok("job", "inspect", "1"))["spec"]
    assert shown["args"] == job["args"]
    assert shown["unused"] == job["unused"]
