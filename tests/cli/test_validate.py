"""`jobyard validate`: everything wrong with a file at once, whatever it is written in."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from jobyard.spec.document import read

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

APPLICATION = """\
jobs:
- name: Batch_1
  comand: [run]
  command: run all
  parallelism: -1
  completions: many
  completion_mode: indexed
  restart_policy: Always
  ttl: 1 hour
  env: {A: 5}
  priority: 3000000000
  backoff: {base: 10s, cap: -1}
  scheduled_at: 2020-01-01T00:00:00Z
"""
MANIFEST = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: Pi_1
  labels: {app: "a b"}
spec:
  paralellism: 2
  completions: -4
  completionMode: indexed
  backoffLimit: many
  managedBy: me
  podReplacementPolicy: Never
  template:
    spec:
      restartPolicy: Always
      terminationGracePeriodSeconds: 1.5
      containers:
      - name: pi
        image: perl
        command: perl -v
        resources: {limits: {memory: 1Gb}}
"""
MISTAKES = {
    "application": (
        APPLICATION,
        {
            "name": "Batch_1", "comand": "a list of 1", "command": "run all", "parallelism": "-1",
            "completions": "many", "completion_mode": "indexed", "restart_policy": "Always",
            "ttl": "1 hour", "A": "5", "priority": "3000000000", "cap": "-1",
            "scheduled_at": "2020-01-01T00:00:00+00:00",
        },
    ),
    "kubernetes": (
        MANIFEST,
        {
            "name": "Pi_1", "app": "a b", "paralellism": "2", "completions": "-4",
            "completionMode": "indexed", "backoffLimit": "many", "managedBy": "me",
            "podReplacementPolicy": "Never", "restartPolicy": "Always",
            "terminationGracePeriodSeconds": "1.5", "command": "perl -v", "memory": "1Gb",
        },
    ),
}  # fmt: skip
TOLD = re.compile(r"  line (\d+): [\w.\[\]]*?(\w+): .* \(found: (.*); legal: (.+)\)")


@pytest.mark.parametrize("syntax", ["yaml", "json"])
@pytest.mark.parametrize("shape", MISTAKES)
def test_twelve_mistakes_are_told_with_line_value_and_what_is_legal(
    jobyard: CommandLine, shape: str, syntax: str
) -> None:
    text, mistakes = MISTAKES[shape]
    if syntax == "json":
        text = json.dumps(read(text)[0].value, indent=1)
    (jobyard.folder / "wrong").write_text(text)

    done = jobyard("validate", "wrong", "--executor", "process")

    assert done.returncode == 1
    head, *lines = done.stderr.splitlines()
    assert head == "error: 12 problems in wrong"
    told: list[Any] = [TOLD.fullmatch(line) for line in lines]
    assert None not in told, lines
    assert {match[2]: match[3] for match in told} == mistakes
    for match in told:
        assert re.search(rf"\b{match[2]}\b", text.splitlines()[int(match[1]) - 1])


def test_the_same_is_told_to_machines(jobyard: CommandLine) -> None:
    done = jobyard("validate", "-", "--json", stdin=APPLICATION)

    (file,) = json.loads(done.stdout)["files"]
    assert (done.returncode, done.stderr, file["valid"]) == (1, "", False)
    assert len(file["problems"]) == 12
    assert {"path": "jobs[0].parallelism", "line": 5, "value": -1}.items() <= (
        file["problems"][3].items()
    )


def test_a_hundred_thousand_mistakes_are_counted(jobyard: CommandLine) -> None:
    jobs = json.dumps({"name": "a", "command": ["x"], "args": [0] * 99_990})

    done = jobyard("validate", "-", stdin=jobs)

    lines = done.stderr.splitlines()
    assert (done.returncode, len(lines)) == (1, 102)
    assert lines[0] == "error: 99,990 problems in standard input"
    assert lines[-1] == "  … and 99,890 more"


def test_a_file_over_the_limit_is_not_read(jobyard: CommandLine) -> None:
    with (jobyard.folder / "huge.yaml").open("wb") as file:
        # A gigabyte with a hole in it: nothing of it is on the disk, nor ever in memory.
        file.truncate(10**9)

    done = jobyard("validate", "huge.yaml")
    ran = jobyard("run", "huge.yaml")
    small = jobyard("validate", "-", stdin="name: a\n", JOBYARD_DOCUMENT_LIMIT="7")

    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "error: the document has more than 67,108,864 bytes"
    assert ran.stderr == done.stderr
    assert small.stderr.startswith("error: the document has more than 7 bytes\nhint: ")


def test_a_server_has_the_same_limits(jobyard: CommandLine) -> None:
    (jobyard.folder / ".jobyard").mkdir(mode=0o700)
    settings = jobyard.folder / ".jobyard" / "settings.toml"
    settings.write_text("document_limit = 200\nerrors_shown = 1\n")
    settings.chmod(0o600)
    line = jobyard.serve("solo", "--port", "0", until="listening on").lines[-1]
    url = f"{line.split()[-1]}/jobs"

    large = httpx.post(url, content=b"#" * 201)
    wrong = httpx.post(url, content=b"name: A\nx: 1\ncommand: 5\n")

    assert (large.status_code, large.json()["error_code"]) == (413, "TOO_LARGE")
    assert wrong.status_code == 400
    assert wrong.json()["detail"] == "3 problems"
    (told,) = wrong.json()["errors"]
    assert (told["path"], told["line"], told["value"]) == ("name", 1, "A")


def test_what_is_told_cannot_play_with_the_terminal(jobyard: CommandLine) -> None:
    text = json.dumps({"name": "a\x1b[2J", "command": ["x"], "b\x1b]0;c\x07": "\x9b31m"})

    done = jobyard("validate", "-", stdin=text)

    assert done.returncode == 1
    assert all(line.isprintable() for line in done.stderr.splitlines())
    assert r"a\x1b[2J" in done.stderr


def test_limits_and_the_number_of_mistakes_shown_are_settings(jobyard: CommandLine) -> None:
    (jobyard.folder / ".jobyard").mkdir()
    settings = jobyard.folder / ".jobyard" / "settings.toml"
    settings.write_text("errors_shown = 2\nnode_limit = 30\n")
    settings.chmod(0o600)

    few = jobyard("validate", "-", stdin="{name: a, b: 1, c: 2, d: 3}")
    many = jobyard("validate", "-", stdin=json.dumps([0] * 30))

    assert few.stderr.splitlines()[-1] == "  … and 2 more"
    assert "more than 30 values" in many.stderr
