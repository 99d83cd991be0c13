"""The log: one line a fact, whatever the facts are made of."""

from __future__ import annotations

import json
import logging

import pytest

from jobyard import log

EVIL = "/jobs/1\n12:00:00 error forged\x1b[2J"


@pytest.fixture
def record() -> logging.LogRecord:
    record = logging.LogRecord("jobyard", logging.ERROR, "", 0, "request failed", (), None)
    record.facts = {"path": EVIL, "status": 500}
    return record


def test_facts_cannot_forge_a_line_or_play_with_a_terminal(record: logging.LogRecord) -> None:
    line = log._Readable().format(record)

    assert line.isprintable()
    assert line.endswith(r"request failed  path=/jobs/1\n12:00:00 error forged\x1b[2J status=500")


def test_machines_are_told_the_facts_as_they_are(record: logging.LogRecord) -> None:
    line = log._JsonLines().format(record)

    assert line.isprintable()
    assert json.loads(line)["path"] == EVIL
