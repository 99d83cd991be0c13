"""What derived tables are made of: other tables, as they are now, and the files of their chains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobyard.core.derived import Source
from jobyard.store.query import Query, Transaction
from jobyard.store.rows import job_of
from jobyard.store.transactions.find import LARGEST_ID
from jobyard.store.transactions.segments import segment_of

if TYPE_CHECKING:
    from jobyard.core.segments import Segment
    from jobyard.store.tables import TableName


def source(table: TableName) -> Transaction[Source]:
    """Tell how far a table is, and whether somebody may go on with it."""
    dataset, manifest_hash, _ = table
    active = False
    # A new job is made only when the one before is over.
    for (job_id,) in (yield Query("ids_by_revision", (LARGEST_ID, 1, dataset, manifest_hash))):
        for row in (yield Query("jobs_by_id", ([job_id],))):
            active = not job_of(row).state.terminal
    for revision, path, network, *chain in (yield Query("source_table", table)):
        start, stop, end, files, changed_at = chain
        return Source(revision, path, network, start, stop, end, files, changed_at, active)
    return Source(None, None, None, None, None, None, 0, 0, active)


def source_segments(
    table: TableName, revision: int, below: int, limit: int
) -> Transaction[list[Segment] | None]:
    """List some segments of a table's chain; None when it has another revision by now."""
    found = yield Query("source_table", table)
    if not found or found[0][0] != revision:
        return None
    rows = yield Query("source_segments", (revision, below, limit))
    return [segment_of(row) for row in rows]
