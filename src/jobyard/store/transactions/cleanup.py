"""Delete what has outlived its use, in bounded slices."""

from __future__ import annotations

from jobyard.store.query import Query, Transaction
from jobyard.store.transactions.deciding import read_now


def delete_expired(limit: int) -> Transaction[list[int]]:
    """Delete jobs whose time to live has passed; the time is read anew under the lock."""
    now = yield from read_now()
    job_ids = [row[0] for row in (yield Query("expired_jobs", (now, limit)))]
    if job_ids:
        for name in ("delete_attempts", "delete_events", "delete_checkpoints", "delete_specs"):
            yield Query(name, (job_ids,))
        yield Query("delete_dependencies", (job_ids,))
        yield Query("delete_jobs", (job_ids,))
    return job_ids
