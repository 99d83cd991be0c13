"""Count what happens, in the transaction in which it happens; the last thing that it writes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from jobyard.core.states import JobStatus
from jobyard.store.query import Query, Transaction

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobyard.core.state import JobState

JOBS = "jobs"
"""Jobs by status."""
KEPT = "kept"
"""Finished jobs that no time to live takes away, by status: those that retention looks at."""
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


def count_jobs(kind: str = JOBS) -> Transaction[dict[JobStatus, int]]:
    """Read how many jobs of a kind of counter there are in each status."""
    sums = yield from read([kind])
    return {status: sums.get((kind, str(status)), 0) for status in JobStatus}


def is_kept(job: JobState) -> bool:
    """Tell whether a job is over and no time to live takes it away."""
    return job.finished_at is not None and job.expires_at is None
