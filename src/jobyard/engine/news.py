"""What a worker has to report, gathered between two conversations with the store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jobyard import clock
from jobyard.store.base import (
    CrashReport,
    EndReport,
    ProgressReport,
    Reports,
    StartReport,
)

if TYPE_CHECKING:
    from jobyard.engine.attempt import AttemptRun
    from jobyard.executor.base import Handle
    from jobyard.store.base import Settled


class News:
    """The worker's unsent reports. An attempt that started and ended since is one report."""

    def __init__(self) -> None:
        """Begin with none."""
        self._started: dict[int, tuple[AttemptRun, Handle]] = {}
        self._ended: dict[int, AttemptRun] = {}
        self._crashed: dict[int, AttemptRun] = {}
        self._stopping: dict[int, int] = {}
        self._progress: dict[int, tuple[int, int | None]] = {}

    def __bool__(self) -> bool:
        """Tell whether there is any that should not wait."""
        return bool(self._started or self._ended or self._crashed or self._stopping)

    def started(self, attempt: AttemptRun, handle: Handle) -> None:
        """Add that a program runs."""
        self._started[attempt.claim.attempt_id] = (attempt, handle)

    def ended(self, attempt: AttemptRun) -> None:
        """Add how an attempt ended."""
        attempt_id = attempt.claim.attempt_id
        self._ended[attempt_id] = attempt
        self._started.pop(attempt_id, None)
        self._crashed.pop(attempt_id, None)
        self._stopping.pop(attempt_id, None)

    def crashed(self, attempt: AttemptRun) -> None:
        """Add that an attempt asks for a restart in place."""
        self._crashed[attempt.claim.attempt_id] = attempt

    def stopping(self, attempt: AttemptRun) -> None:
        """Add that the worker knows of a stop."""
        if attempt.claim.attempt_id not in self._ended:
            self._stopping[attempt.claim.attempt_id] = attempt.claim.job_id

    def progressed(self, attempt: AttemptRun, done: int, total: int | None) -> None:
        """Add how far a program is; it travels with the next other news, or with a poll."""
        self._progress[attempt.claim.attempt_id] = (done, total)

    def forget(self, attempt_id: int) -> None:
        """Drop what was to be said about an attempt that is not this worker's any more."""
        for reports in (self._started, self._ended, self._crashed, self._stopping, self._progress):
            reports.pop(attempt_id, None)

    def take(self) -> Reports:
        """Write the reports, with ages as of now; they stay until ``sent``."""
        now = clock.monotonic()
        return Reports(
            [_end(attempt, now) for attempt in self._ended.values()],
            [_start(attempt, handle, now) for attempt, handle in self._started.values()],
            [
                CrashReport(number, a.claim.job_id, a.restarts)
                for number, a in self._crashed.items()
            ],
            list(self._stopping.items()),
            [ProgressReport(number, *how_far) for number, how_far in self._progress.items()],
        )

    def sent(self, reports: Reports, settled: Settled) -> None:
        """Drop what the store has taken, except what it wants to hear again."""
        for end in reports.ended:
            self._ended.pop(end.attempt_id, None)
        for start in reports.started:
            if start.attempt_id not in settled.deferred_starts:
                self._started.pop(start.attempt_id, None)
        for attempt_id in (*settled.granted, *settled.refused):
            self._crashed.pop(attempt_id, None)
        for attempt_id, _ in reports.stopping:
            self._stopping.pop(attempt_id, None)
        for progress in reports.progress:
            if self._progress.get(progress.attempt_id) == (progress.done, progress.total):
                del self._progress[progress.attempt_id]


def _start(attempt: AttemptRun, handle: Handle, now: float) -> StartReport:
    claim = attempt.claim
    age = now - (attempt.started_at or now)
    state = json.dumps(dict(handle.state))
    return StartReport(claim.attempt_id, claim.job_id, age, state, claim.first)


def _end(attempt: AttemptRun, now: float) -> EndReport:
    claim, how = attempt.claim, attempt.exit
    status = attempt.status
    assert status is not None  # noqa: S101 - only concluded attempts are reported
    return EndReport(
        claim.attempt_id,
        claim.job_id,
        claim.index,
        claim.number,
        status,
        now - attempt.ended_at,
        None if attempt.started_at is None else now - attempt.started_at,
        attempt.reason,
        None if how is None else how.exit_code,
        None if how is None else how.signal,
        attempt.restarts,
        None if how is None else attempt.advice_of(how),
        attempt.cpu_seconds,
        attempt.peak_memory or None,
        attempt.result,
    )
