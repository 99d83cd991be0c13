"""What a worker measures of its attempts, gathered in memory until its heartbeat takes it along."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from jobyard.store.measures import Gathered, Latency

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jobyard.engine.attempt import AttemptRun
    from jobyard.store.base import Claim

FULL = 100_000
"""Attempts after which what was gathered is closed, however long ago the last heartbeat was."""


class Gauge:
    """Gathers in the main loop; what is closed is the heartbeat's to tell."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._open = Gathered(1)
        self.closed: deque[Gathered] = deque()
        """Closed portions, oldest first. A deque may be used by two threads."""

    def claimed(self, claims: Iterable[Claim]) -> None:
        """Take how long claims had waited."""
        self._open.times[Latency.CLAIM].extend([claim.waited for claim in claims])

    def ended(self, attempts: Sequence[AttemptRun]) -> None:
        """Take how attempts ended, once the store has accepted it."""
        times = self._open.times
        self._open.ended += [(run.status, run.reason) for run in attempts if run.status is not None]
        started = [(run, at) for run in attempts if (at := run.started_at) is not None]
        times[Latency.START] += [at - run.claimed_at for run, at in started]
        times[Latency.RUN] += [run.ended_at - at for run, at in started]

    def conversed(self, seconds: float) -> None:
        """Take how long a conversation with the store took."""
        self._open.times[Latency.STORE].append(seconds)
        if len(self._open.ended) >= FULL:
            self.close()

    def close(self) -> None:
        """Close what was gathered so far."""
        if self._open:
            self.closed.append(self._open)
            self._open = Gathered(self._open.serial + 1)
