"""How far a job is, as JSON."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from jobyard.clock import rfc3339
from jobyard.core.states import JobStatus
from jobyard.wire.extraction import extraction_members
from jobyard.wire.jobs import error_detail

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobyard.core.extraction import Extraction, Gaps
    from jobyard.core.records import Job
    from jobyard.core.state import JobState

SECOND = 1_000_000
FARTHEST = 100 * 365 * 86_400 * SECOND
"""Beyond a hundred years a guess is none, and a date may have no name."""


def progress_object(
    job: Job,
    now: int,
    extraction: Extraction | None = None,
    gaps: Mapping[str, Gaps] = MappingProxyType({}),
) -> dict[str, Any]:
    """Write a job's progress at ``now`` (microseconds).

    ``tables`` is filled by jobs that extract, and empty otherwise; ``extraction`` tells how far
    they are, ``gaps`` what is missing in them. ``rate`` counts completions a second since the
    first start, null while there are none; ``eta`` is when the rest would be done at that rate,
    null when that cannot be known or the job is over.
    """
    state = job.state
    rate = _rate(state, now)
    written: dict[str, Any] = {
        "job_id": state.id,
        "job_status": state.status,
        "tables": {},
        **(extraction_members(job, extraction, gaps, now) if extraction is not None else {}),
        "completions": {
            "total": state.policy.total,
            "succeeded": state.succeeded,
            "active": state.active,
            "failed": state.failed,
            "rate": None if rate is None else float(f"{rate:.6g}"),
            "eta": rfc3339(_eta(state, rate, now)),
        },
    }
    if state.status is JobStatus.FAILED:
        failure = None if extraction is None else extraction.failure
        told = json.loads(failure) if failure is not None else {}
        written["detail"] = {**error_detail(state.reason, state.message), **told}
    return written


def _rate(state: JobState, now: int) -> float | None:
    if state.started_at is None or not state.succeeded:
        return None
    took = (state.finished_at or now) - state.started_at
    return state.succeeded * SECOND / took if took > 0 else None


def _eta(state: JobState, rate: float | None, now: int) -> int | None:
    total = state.policy.total
    if rate is None or total is None or state.outcome is not None or state.terminal:
        return None
    left = max(0, total - state.succeeded - len(state.failed_indexes)) * SECOND / rate
    return now + int(left) if left < FARTHEST else None
