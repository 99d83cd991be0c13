"""Find the jobs that a query means, at a cost that follows what is found, not what there is.

Each filter has an index of ids, newest first. A query with one filter reads its page from there.
One with several takes a batch from each index, goes on with the one that leads furthest back,
because it has the fewest, and looks up the other filters job by job.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from jobyard.core.states import TERMINAL
from jobyard.store.query import Query, Transaction
from jobyard.store.rows import job_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobyard.core.records import Job
    from jobyard.core.states import JobStatus
    from jobyard.store.base import JobQuery

LARGEST_ID = 2**63 - 1
FOR_EVER = 2**63 - 1
"""Microseconds after every end of a job."""
PROBE = 200
"""Ids by which the first look tells a rare filter from a common one."""
BATCH = 2000
"""Ids of a look that goes on; a transaction of so many lookups is still short."""
DISORDER = 500
"""Ids by which jobs that are submitted at the same time may be out of the order of their times."""
_LAST_LETTER = "\U0010ffff"


class End(NamedTuple):
    """A position among the jobs that ended, the first that ended first."""

    at: int = -1
    job_id: int = -1


class Stream(NamedTuple):
    """An index of ids, newest first, and what to ask it for."""

    query: str
    args: tuple[Any, ...]

    def below(self, job_id: int, limit: int) -> Query:
        """Ask for the newest ids below one."""
        return Query(self.query, (job_id, limit, *self.args))


ALL = Stream("ids_of_jobs", ())


def page(query: JobQuery, below: int, size: int) -> Transaction[tuple[list[Job], int | None]]:
    """Read some matching jobs, newest first; tell where to go on, None at the end."""
    job_ids, position = yield from find(query, below, size)
    job_ids = job_ids[: query.limit]
    if not job_ids:
        return [], position
    if len(job_ids) == query.limit:
        position = job_ids[-1]
    rows = yield Query("jobs_by_id", (job_ids,))
    return [job_of(row) for row in reversed(rows)], position


def find(query: JobQuery, below: int, size: int) -> Transaction[tuple[list[int], int | None]]:
    """Look at ``size`` ids or so; tell the matching ones, newest first, and where to go on."""
    if query.ids is not None:
        job_ids = [job_id for job_id in query.ids if job_id < below]
        return (yield from matching(query, job_ids)), None
    streams = list(streams_of(query))
    filters = len(streams) + _without_stream(query)
    if filters <= 1 and len(streams) == filters:
        stream = streams[0] if streams else ALL
        job_ids = [row[0] for row in (yield stream.below(below, size))]
        return job_ids, (job_ids[-1] if len(job_ids) == size else None)
    size = max(size, PROBE)
    few = yield from _few(query, size)
    if few is not None:
        return (yield from matching(query, [job_id for job_id in few if job_id < below])), None
    job_ids = yield from _sparsest(streams or [ALL], below, size)
    more = len(job_ids) == size and job_ids[-1] > (yield from _oldest(query))
    return (yield from matching(query, job_ids)), job_ids[-1] if more else None


def find_over(query: JobQuery, after: End, size: int) -> Transaction[tuple[list[int], End | None]]:
    """Look at ``size`` jobs or so that are over; tell the matching ones, and where to go on."""
    query = replace(query, statuses=over(query.statuses))
    if query.ids is not None:
        return (yield from matching(query, query.ids)), None
    for stream in streams_of(replace(query, statuses=None)):
        job_ids = [row[0] for row in (yield stream.below(LARGEST_ID, size))]
        if len(job_ids) < size:
            return (yield from matching(query, job_ids)), None
    rows = yield _ends(query, after, size)
    job_ids = [row[0] for row in rows]
    position = End(rows[-1][1], rows[-1][0]) if len(rows) == size else None
    filters = len(list(streams_of(query))) + _without_stream(query)
    if filters > 1 + (query.finished_before is not None):
        job_ids = yield from matching(query, job_ids)
    return job_ids, position


def asked(query: JobQuery, status: JobStatus) -> bool:
    """Tell whether a query means jobs in this status."""
    return query.statuses is None or status in query.statuses


def over(statuses: Sequence[JobStatus] | None) -> list[JobStatus]:
    """Leave out of the statuses asked for those in which a job is not over."""
    return [status for status in TERMINAL if statuses is None or status in statuses]


def streams_of(query: JobQuery) -> Iterator[Stream]:
    """Name the indexes that a query could be answered from."""
    if query.statuses is not None:
        yield Stream("ids_by_status", ([str(status) for status in query.statuses],))
    for name in ("name", "namespace", "trigger"):
        if (value := getattr(query, name)) is not None:
            yield Stream(f"ids_by_{name}", (value,))
    yield from _of_dataset(query)
    if query.workflow_id is not None:
        yield Stream("ids_by_workflow", (query.workflow_id,))
    for label in query.labels:
        if label.equal:
            yield Stream("ids_by_label", (label.text,))
    worker, beginning = _worker(query)
    if worker is not None:
        yield Stream("ids_by_worker", (worker,))
    if beginning is not None:
        yield Stream("ids_by_workers", (beginning, beginning + _LAST_LETTER))


def _of_dataset(query: JobQuery) -> Iterator[Stream]:
    if query.manifest_hash is not None:
        yield Stream("ids_by_revision", (query.dataset, query.manifest_hash))
    elif query.dataset is not None:
        yield Stream("ids_by_dataset", (query.dataset,))


def _worker(query: JobQuery) -> tuple[str | None, str | None]:
    """Tell a worker's id from the beginning of some."""
    asked = query.worker_id
    if asked is not None and asked.endswith("*"):
        return None, asked[:-1]
    return asked, None


def _without_stream(query: JobQuery) -> int:
    """Count the filters that no index answers newest first."""
    times = (query.created_after is not None) + (query.finished_before is not None)
    return times + sum(not label.equal for label in query.labels)


def matching(query: JobQuery, job_ids: Sequence[int]) -> Transaction[list[int]]:
    """Choose those of these jobs that pass all filters, newest first."""
    if not job_ids:
        return []
    statuses = None if query.statuses is None else [str(status) for status in query.statuses]
    labels = [(label.text, label.equal) for label in query.labels]
    rows = yield Query(
        "matching",
        (
            list(job_ids), statuses, query.name, query.namespace, query.trigger, *_worker(query),
            query.workflow_id, query.dataset, query.created_after, query.finished_before,
            json.dumps(labels) if labels else None, query.manifest_hash,
        ),
    )  # fmt: skip
    return [row[0] for row in rows]


def _ends(query: JobQuery, after: End, size: int) -> Query:
    before = FOR_EVER if query.finished_before is None else query.finished_before
    statuses = [str(status) for status in over(query.statuses)]
    return Query("ids_by_end", (before, size, statuses, *after))


def _few(query: JobQuery, size: int) -> Transaction[list[int] | None]:
    """Find all that ended before the time asked for, if these are few."""
    if query.finished_before is not None:
        rows = yield _ends(query, End(), size)
        if len(rows) < size:
            return [row[0] for row in rows]
    return None


def _oldest(query: JobQuery) -> Transaction[int]:
    """Tell below which id no job can have been created after the time asked for."""
    if query.created_after is None:
        return 0
    [(oldest,)] = yield Query("created_after", (query.created_after,))
    if oldest is None:
        newest = yield ALL.below(LARGEST_ID, 1)
        oldest = newest[0][0] if newest else 0
    return int(oldest) - DISORDER


def _sparsest(streams: Sequence[Stream], below: int, size: int) -> Transaction[list[int]]:
    """Read a batch from the index with the fewest ids: a short one, or the one furthest back."""
    best: list[int] = []
    for stream in streams:
        job_ids = [row[0] for row in (yield stream.below(below, size))]
        if len(job_ids) < size:
            return job_ids
        if not best or job_ids[-1] < best[-1]:
            best = job_ids
    return best
