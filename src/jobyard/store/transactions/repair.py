"""Blocks of a table that are to be extracted once more, and files that cannot be read any more.

Files are taken out of their tables, so that their blocks are missing; whoever extracts then finds
them missing as he finds any. A job that may have passed them already gets one behind it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jobyard.core.extract import Extract, is_relative
from jobyard.core.extraction import Quarantined, Rematerialized, TakenOut
from jobyard.core.job import Dependency, DependencyCondition
from jobyard.core.states import JobStatus
from jobyard.errors import ActiveJobConflict, Internal, NothingToRematerialize
from jobyard.store.base import Submission
from jobyard.store.query import Query, Transaction
from jobyard.store.rows import job_of
from jobyard.store.transactions.chains import withdraw
from jobyard.store.transactions.datasets import check_worker
from jobyard.store.transactions.submit import active_job, submit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.core.job import JobSpec
    from jobyard.core.ranges import Span

REMATERIALIZED, DAMAGED = "rematerialized", "damaged"
"""Why files leave their table here."""
_ENDING = (JobStatus.STOP_REQUESTED, JobStatus.STOPPING)
_WAITING = (JobStatus.PENDING, JobStatus.SCHEDULED)
KEPT_US = 100 * 365 * 86_400 * 1_000_000
"""A damaged file is somebody's to look at: it is not collected."""


def rematerialize(
    spec: JobSpec, wanted: Span, trigger: str, delay_us: int
) -> Transaction[tuple[Rematerialized, bool]]:
    """Take the files of some blocks out of their tables, and see to it that a job fetches them.

    ``spec`` is the deployment that would do it; its range is made the one that is missing then:
    that of the files, which may be larger. Tells also whether there is a job to claim.

    Raises:
        ActiveJobConflict: the revision has a job that is ending.
        NothingToRematerialize: no table has ever had such a block.
        WorkerNotAvailable: the worker that is to have the job is not alive.
    """
    extract = spec.extract
    if extract is None:
        raise Internal(f"`{spec.name}` extracts nothing")
    active = yield from active_job(extract)
    if active is not None and active[1] in _ENDING:
        raise ActiveJobConflict(extract.dataset, *active, [])
    if spec.worker_id is not None:
        yield from check_worker(spec.worker_id)
    start, stop = wanted
    top, taken = 0, []
    for table in sorted(extract.tables):
        of = (extract.dataset, extract.manifest_hash, table)
        for revision, path, *_ in (yield Query("active_revision", of)):
            rows = yield Query("segments_across", (revision, *wanted))
            start = min([start, *(row[1] for row in rows)])
            stop = max([stop, *(row[2] for row in rows)])
            top = max(top, (yield from _top(revision)))
            names = yield from withdraw(
                revision, [row[0] for row in rows], REMATERIALIZED, delay_us
            )
            taken.append(TakenOut(table, path, names))
    stop = min(stop, top)
    if start >= stop:
        raise NothingToRematerialize(extract.dataset, wanted[0], wanted[1] - 1)
    missing = replace(extract, start=start, end=str(stop - 1))
    if active is not None and (yield from _will_come_by(active[0], missing)):
        return Rematerialized(active[0], (start, stop), taken, is_new=False), False
    behind = (Dependency(active[0], DependencyCondition.FINISHED),) if active else ()
    wish = replace(spec, extract=missing, depends_on=behind)
    [[job]], claimable = yield from submit([Submission([wish], trigger)])
    return Rematerialized(job.id, (start, stop), taken, is_new=True), claimable


def _top(revision: int) -> Transaction[int]:
    """Tell the block behind the highest that a revision has, as it is before it loses any."""
    [(stop,)] = yield Query("top_of_revision", (revision,))
    return stop or 0


def _will_come_by(job_id: int, missing: Extract) -> Transaction[bool]:
    """Tell whether a job that is not over is sure to look at these blocks yet.

    One that follows the head looks again and again. One with an end may have looked for the last
    time, unless it has not begun.
    """
    [row] = yield Query("jobs_by_id", ([job_id],))
    job = job_of(row)
    ordered = job.spec["extract"]
    if ordered["start"] > missing.start:
        return False
    if ordered["end"] is None:
        return True
    if is_relative(ordered["end"]) or job.state.status not in _WAITING or job.state.succeeded:
        return False
    return int(ordered["end"]) >= int(missing.end or 0)


def quarantine(path: str, names: Sequence[str]) -> Transaction[list[Quarantined]]:
    """Take files that are damaged or gone out of the table that lies in a folder.

    Tells of those that were part of it which blocks they had.
    """
    found: list[Quarantined] = []
    for revision, *whose in (yield Query("revision_at", (path,))):
        yield Query("chain_of_revision", (revision,))
        rows = yield Query("segments_by_name", (revision, list(names)))
        yield from withdraw(revision, [row[0] for row in rows], DAMAGED, KEPT_US)
        found += [Quarantined(*whose, *row[1:]) for row in rows]
    return found
