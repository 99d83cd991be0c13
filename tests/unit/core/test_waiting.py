from __future__ import annotations

from typing import Any

import pytest
from tests.unit.core.yard import START, Yard, a_job

from jobyard.core.backoff import SECOND
from jobyard.core.job import Policy
from jobyard.core.state import Request
from jobyard.core.states import JobStatus
from jobyard.core.waiting import waiting_reason

LATER: dict[str, Any] = {"scheduled_at": START + 90 * SECOND}


@pytest.mark.parametrize(
    ("yard", "reason"),
    [
        (a_job(), "waits for its first decision"),
        (a_job(Policy(suspend=True)).decide(), "suspended"),
        (a_job(Policy(), "R").change(suspend=True), "suspended"),
        (a_job(Policy(), **LATER).decide(), "not due before 2027-01-15T08:01:30Z"),
        (a_job(Policy(), waiting_on=1, **LATER).decide(), "waits for 1 job"),
        (a_job(Policy(), waiting_on=3).decide(), "waits for 3 jobs"),
        (a_job(Policy()).decide(), "waits for a worker"),
        (a_job(Policy(), "Q", status=JobStatus.QUEUED).decide(), "a worker is starting it"),
        (a_job(Policy(parallelism=0), "T"), "paused: its parallelism is 0"),
        (a_job(Policy(), "f").decide(), "retries at 2027-01-15T08:00:10Z (back-off)"),
        (
            a_job(Policy(), "R").change(suspend=True).change(suspend=False),
            "waits for 1 attempt to end",
        ),
        (
            a_job(Policy(parallelism=2), "T T", status=JobStatus.RUNNING),
            "waits for 2 attempts to end",
        ),
        (a_job(Policy(), status=JobStatus.RUNNING), "waits for a worker"),
        (a_job(Policy(parallelism=2, completions=2), "f R").decide(), None),
        (a_job(Policy(), "R").decide(), None),
        (a_job(Policy(), "s").decide(), None),
        (a_job(Policy(), "s T").decide(), None),
        (a_job(Policy(), "R").ask(Request.STOP), None),
    ],
)
def test_a_job_says_what_it_waits_for(yard: Yard, reason: str | None) -> None:
    assert waiting_reason(yard.job, yard.now) == reason
