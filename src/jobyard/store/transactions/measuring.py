"""Add what workers measured to the sums, and read them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from jobyard.core.states import AttemptStatus, JobStatus
from jobyard.store.measures import Latency, Measures, buckets, histogram
from jobyard.store.query import Query, Transaction
from jobyard.store.transactions import counting
from jobyard.store.transactions.counting import Tally
from jobyard.store.transactions.deciding import read_now

if TYPE_CHECKING:
    from jobyard.store.measures import Gathered, Histogram

SECOND = 1_000_000
SUM = "sum"
"""The label of a histogram's sum, in microseconds, beside its buckets."""


def tally_of(gathered: Gathered) -> Tally:
    """Turn what a worker measured into changes of counters."""
    tally = Tally()
    for (status, reason), attempts in Counter(gathered.ended).items():
        tally[counting.ENDED, f"{status} {reason}" if reason else str(status)] += attempts
    for latency, times in gathered.times.items():
        for bucket, count in buckets(times).items():
            tally[str(latency), str(bucket)] += count
        tally[str(latency), SUM] += int(sum(times) * SECOND)
    return tally


def measure() -> Transaction[Measures]:
    """Read the sums of the yard."""
    now = yield from read_now()
    sums = yield from counting.read(
        [counting.JOBS, counting.WAITING, counting.RUNNING, counting.ENDED, counting.LEASES_LOST,
         *map(str, Latency)]
    )  # fmt: skip
    by_kind: dict[str, dict[str, int]] = {}
    for (kind, label), n in sums.items():
        by_kind.setdefault(kind, {})[label] = n
    waiting = by_kind.get(counting.WAITING, {})
    [(turn,)] = yield Query("first_turn", (list(waiting),))
    jobs = by_kind.get(counting.JOBS, {})
    return Measures(
        {status: jobs.get(str(status), 0) for status in JobStatus},
        waiting,
        None if turn is None else max(0, now - turn) / SECOND,
        sums.get((counting.RUNNING, ""), 0),
        {_ended(label): n for label, n in by_kind.get(counting.ENDED, {}).items()},
        sums.get((counting.LEASES_LOST, ""), 0),
        {latency: _histogram(by_kind.get(str(latency), {})) for latency in Latency},
    )


def _ended(label: str) -> tuple[AttemptStatus, str | None]:
    status, _, reason = label.partition(" ")
    return AttemptStatus(status), reason or None


def _histogram(sums: dict[str, int]) -> Histogram:
    counts = {int(label): n for label, n in sums.items() if label != SUM}
    return histogram(counts, sums.get(SUM, 0))
