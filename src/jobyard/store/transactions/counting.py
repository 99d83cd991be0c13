"""Count what happens, in the transaction in which it happens; the last thing that it writes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from jobyard.core.states import TERMINAL, JobStatus
from jobyard.store.query import Query, Transaction

if TYPE_CHECKING:
    from collections.abc import Iterable

JOBS = "jobs"
"""Jobs by status."""
WAITING = "waiting"
"""Attempts that wait for a worker, by executor."""
RUNNING = "running"
"""Attempts that a worker holds."""
ENDED = "ended"
"""Attempts that ended, by status and reason with a space between."""
LEASES_LOST = "leases_lost"


class Tally(Counter[tuple[str, str]]):
    """Changes of counters by kind and label."""

    def move(self, was: JobStatus | None, now: JobStatus | None, jobs: int = 1) -> None:
        """Count jobs in another status; None is where a job is that is not there."""
        if was is not None:
            self[JOBS, str(was)] -= jobs
        if now is not None:
            self[JOBS, str(now)] += jobs

    def query(self) -> Query | None:
        """Ask to add what was counted, None if that is nothing.

        It comes last: nothing is locked after it, so nobody waits in a ring.
        """
        rows = sorted((kind, label, n) for (kind, label), n in self.items() if n)
        return Query("add_counts", (), rows) if rows else None

    def write(self) -> Transaction[None]:
        """Add what was counted."""
        query = self.query()
        if query is not None:
            yield query


def read(kinds: Iterable[str]) -> Transaction[dict[tuple[str, str], int]]:
    """Read the sums of counters."""
    rows = yield Query("read_counts", (list(kinds),))
    return {(kind, label): int(n) for kind, label, n in rows}


def count_jobs() -> Transaction[dict[JobStatus, int]]:
    """Read how many jobs there are in each status."""
    sums = yield from read([JOBS])
    return {status: sums.get((JOBS, str(status)), 0) for status in JobStatus}


def surplus(counts: dict[JobStatus, int], most: int) -> dict[JobStatus, int]:
    """Tell how many finished jobs are more than ``most``, by status."""
    return {status: max(0, counts[status] - most) for status in TERMINAL}
