"""What a worker measures of its attempts, gathered in memory until its heartbeat takes it along."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from jobyard.store.measures import Gathered, Latency

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobyard.engine.attempt import AttemptRun
    from jobyard.store.base import Claim, EndReport

FULL = 100_000
"""Attempts after which what was gathered is closed, however long ago the last heartbeat was."""


class Gauge:
    """Gathers in the main loop; what is closed is the heartbeat's to tell."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._open = Gathered()
        self.closed: deque[Gathered] = deque()
        """Closed portions, oldest first. A deque may be used by two threads."""

    def claimed(self, claims: Iterable[Claim]) -> None:
        """Take how long claims had waited."""
        self._open.times[Latency.CLAIM].extend([claim.waited for claim in claims])

    def ended(self, report: EndReport, attempt: AttemptRun) -> None:
        """Take how an attempt ended, once the store has accepted it."""
        self._open.ended.append((report.status, report.reason))
        started_at = attempt.started_at
        if started_at is not None:
            times = self._open.times
            times[Latency.START].append(started_at - attempt.claimed_at)
            times[Latency.RUN].append(attempt.ended_at - started_at)

    def conversed(self, seconds: float) -> None:
        """Take how long a conversation with the store took."""
        self._open.times[Latency.STORE].append(seconds)
        if len(self._open.ended) >= FULL:
            self.close()

    def close(self) -> None:
        """Close what was gathered so far."""
        if self._open:
            self.closed.append(self._open)
            self._open = Gathered()
