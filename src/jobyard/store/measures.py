"""What is measured of a yard: sums that cost the same to read whatever its size and its history."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jobyard.core.states import AttemptStatus, JobStatus

BOUNDS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    300.0, 1800.0, 3600.0, 6 * 3600.0, 24 * 3600.0,
)  # fmt: skip
"""Seconds up to which, inclusive, a bucket of a histogram reaches; the last one has no bound."""


class Latency(StrEnum):
    """Times of which a histogram is kept."""

    CLAIM = "claim"
    """From the turn of an attempt to its claim."""
    START = "start"
    """From the claim to the start of the program."""
    RUN = "run"
    """From the start of the program to the end of the attempt, restarts in place included."""
    STORE = "store"
    """A worker's conversation with the store."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many times were seen in each bucket of ``BOUNDS`` and beyond, and their sum."""

    counts: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)
    total: float = 0.0
    """Seconds."""

    @property
    def count(self) -> int:
        """How many times were seen."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Measures:
    """The sums of a yard at one moment."""

    jobs: Mapping[JobStatus, int]
    """Every status is there."""
    waiting: Mapping[str, int]
    """Attempts that wait for a worker, by executor, of those that ever had one."""
    oldest_waiting: float | None
    """Seconds since the turn of the waiting attempt whose turn came first; None if none waits.

    An attempt's turn comes a second later for each other one that its job has at a time.
    """
    running: int
    """Attempts that workers hold."""
    ended: Mapping[tuple[AttemptStatus, str | None], int]
    """Attempts that ended, ever, by status and reason; deletion takes nothing away."""
    leases_lost: int
    """Leases that ran out, ever."""
    latencies: Mapping[Latency, Histogram]


@dataclass(slots=True)
class Gathered:
    """What one worker measured since it last told the store.

    Times are gathered as they are: sorting them into buckets can wait for the heartbeat.
    """

    serial: int
    """From 1 on, so that a portion whose telling was answered to nobody counts once."""
    ended: list[tuple[AttemptStatus, str | None]] = field(default_factory=list)
    times: dict[Latency, list[float]] = field(
        default_factory=lambda: {latency: [] for latency in Latency}
    )

    def __bool__(self) -> bool:
        """Tell whether there is anything."""
        return bool(self.ended or any(self.times.values()))


_BUCKET_OF = partial(bisect_left, BOUNDS)


def buckets(times: Iterable[float]) -> Mapping[int, int]:
    """Sort seconds into buckets; those that stay empty are left out."""
    return Counter(map(_BUCKET_OF, times))


def histogram(counts: Mapping[int, int], microseconds: int) -> Histogram:
    """Make a histogram of stored buckets and the sum that is stored beside them."""
    every: Sequence[int] = range(len(BOUNDS) + 1)
    return Histogram(tuple(counts.get(bucket, 0) for bucket in every), microseconds / 1_000_000)
