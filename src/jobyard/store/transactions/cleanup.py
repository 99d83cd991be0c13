"""Delete what has outlived its use: the jobs at once, what is left of them in bounded slices."""

from __future__ import annotations

from jobyard.store.query import Query, Transaction
from jobyard.store.transactions.deciding import read_now


def delete_expired(limit: int) -> Transaction[list[int]]:
    """Delete jobs whose time to live has passed; their attempts and ledgers are noted as left."""
    now = yield from read_now()
    job_ids = [row[0] for row in (yield Query("expired_jobs", (now, limit)))]
    if job_ids:
        for name in ("delete_jobs", "delete_specs", "delete_checkpoints", "delete_dependencies"):
            yield Query(name, (job_ids,))
        yield Query("note_deletions", (job_ids,))
    return job_ids


def sweep(jobs: int, rows: int) -> Transaction[tuple[list[int], bool]]:
    """Remove a slice of what deleted jobs left; tell whose that was, and whether all is gone."""
    job_ids = [row[0] for row in (yield Query("open_deletions", (jobs,)))]
    if not job_ids:
        return [], True
    attempts = yield Query("sweep_attempts", (job_ids, rows))
    events = yield Query("sweep_events", (job_ids, rows))
    return job_ids, len(attempts) < rows and len(events) < rows


def forget(job_ids: list[int]) -> Transaction[None]:
    """Strike deleted jobs off the list; nothing of them is left."""
    yield Query("forget_deletions", (job_ids,))
