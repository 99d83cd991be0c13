"""Delete what has outlived its use: the jobs at once, what is left of them in bounded slices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobyard.core.states import TERMINAL, JobStatus
from jobyard.errors import JobConflict
from jobyard.store.query import Query, Rows, Transaction
from jobyard.store.transactions import counting
from jobyard.store.transactions.counting import Tally
from jobyard.store.transactions.deciding import read_now
from jobyard.store.transactions.find import FOR_EVER
from jobyard.store.transactions.labels import delete_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.store.base import Retention

SECOND = 1_000_000
_TERMINAL = {str(status) for status in TERMINAL}


def delete(job_id: int) -> Transaction[bool]:
    """Delete a job that is over; tell whether there was one.

    Raises:
        JobConflict: the job is not over.
    """
    rows = yield Query("lock_job", (job_id,))
    if not rows:
        return False
    if rows[0][1] not in _TERMINAL:
        raise JobConflict(job_id, rows[0][1])
    return bool((yield from remove([job_id])))


def delete_expired(limit: int) -> Transaction[int]:
    """Delete jobs whose time to live has passed."""
    now = yield from read_now()
    rows = yield Query("expired_jobs", (now, limit))
    return (yield from remove([row[0] for row in rows]))


def retain(limits: Retention, most: int) -> Transaction[int]:
    """Delete up to ``most`` of the jobs that exceed the limits; tell how many."""
    if limits.age is None and limits.count is None:
        return 0
    now = yield from read_now()
    before = None if limits.age is None else max(0, now - int(limits.age * SECOND))
    kept: dict[JobStatus, int] = {}
    if limits.count is not None:
        kept = yield from counting.count_jobs(counting.KEPT)
    job_ids: list[int] = []
    for status in TERMINAL:
        chosen: set[int] = set()
        surplus = kept.get(status, 0) - (limits.count or 0)
        for end_before, count in ((before, most), (FOR_EVER, surplus)):
            room = min(most - len(job_ids), count)
            if end_before is not None and room > 0:
                first = Query("ids_to_retire", (end_before, room, str(status)))
                chosen.update(row[0] for row in (yield first))
        job_ids += sorted(chosen)
    return (yield from remove(job_ids[:most]))


def remove(job_ids: Sequence[int]) -> Transaction[int]:
    """Delete those of these jobs that are over and that nobody else is deleting.

    Their attempts, ledgers and output are noted as left.
    """
    held: Rows = []
    if job_ids:
        held = yield Query("hold_finished", (list(job_ids),))
    if not held:
        return 0
    gone = [row[0] for row in held]
    yield from delete_labels(gone)
    for name in (
        "delete_jobs", "delete_specs", "delete_checkpoints", "delete_dependencies",
        "delete_extractions", "delete_extraction_tables",
    ):  # fmt: skip
        yield Query(name, (gone,))
    yield Query("note_deletions", (gone,))
    tally = Tally()
    for _, status, kept in held:
        tally.move(JobStatus(status), None)
        tally[counting.KEPT, status] -= int(kept)
    yield from tally.write()
    return len(gone)


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
