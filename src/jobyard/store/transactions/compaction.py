"""Small files of a table into one: the chain loses them and gains it, and else stays as it is.

Never by way of `publish`: what a newer file replaces there may be anything above the fork, while
here nothing but the number and the size of files may change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobyard.core.compaction import MOST_PARENTS, ChainPart, is_cold
from jobyard.core.segments import Segment
from jobyard.errors import LeaseLost, Unusable
from jobyard.store.query import Query, Row, Transaction
from jobyard.store.transactions.chains import Chain
from jobyard.store.transactions.deciding import read_now
from jobyard.store.transactions.retiring import retire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.core.compaction import Merger
    from jobyard.core.layout import FileLayout

COMPACTED = "compacted"
"""Why a file goes whose rows are in a larger one."""


def chain_part(job_id: int, table: str, start: int) -> Transaction[ChainPart]:
    """Read a page of the canonical chain of a job's table, from a block on.

    Raises:
        Unusable: the job does not write this table.
    """
    for name, revision, _, _, _, stop, *_ in (yield Query("extraction_tables", (job_id,))):
        if name == table:
            rows = yield Query("chain_part", (revision, start, stop or 0, MOST_PARENTS + 1))
            segments = [_segment(row) for row in rows[:MOST_PARENTS]]
            head, now = (yield from _head(job_id, stop)), (yield from read_now())
            return ChainPart(segments, head, now, len(rows) > MOST_PARENTS)
    raise _no_table(job_id, table)


def compact(
    session: str,
    attempt_id: int,
    job_id: int,
    merger: Merger,
    layout: FileLayout,
    delay_us: int,
) -> Transaction[list[str] | None]:
    """Put one file in the place of others; tell their names, which are retired.

    None when they are not what the file was made of any more: not all of the chain, not next to
    each other, not cold, or with other links or rows. Then nothing has changed.

    Raises:
        LeaseLost: the worker does not speak for this attempt.
        Unusable: the job does not write this table.
    """
    if not (yield Query("spoken_for", (session, [attempt_id]))):
        raise LeaseLost(f"attempt {attempt_id} is no longer this worker's")
    rows = yield Query("revision_of_job", (job_id, merger.table))
    if not rows:
        raise _no_table(job_id, merger.table)
    chain = Chain(*rows[0])
    new = merger.segment
    parents = yield Query("chain_part", (chain.revision, new.start, new.stop, MOST_PARENTS + 1))
    now = yield from read_now()
    head = yield from _head(job_id, chain.stop)
    segments = [_segment(row) for row in parents]
    cold = all(
        is_cold(layout, created_at=one.created_at, stop=one.stop, now=now, head=head)
        for one in segments
    )
    if not cold or not _fits(merger, segments, sum(row[9] for row in parents)):
        return None
    # As old as the newest of them: it says nothing newer of the chain than they did.
    created_at = max(one.created_at for one in segments)
    row = (
        chain.revision, new.name, new.network, new.start, new.stop, new.hash, new.prev_hash,
        new.size, merger.rows, created_at,
    )  # fmt: skip
    [[number]] = yield Query("insert_segment", row)
    gone = yield from retire(chain.revision, [each[0] for each in parents], COMPACTED, delay_us)
    yield Query("chain_segments", ([number], True))
    files = chain.files - len(parents) + 1
    size = chain.size - sum(one.size for one in segments) + new.size
    whole = (chain.start, chain.stop, chain.hash, files, size, chain.rows)
    yield Query("update_chain", (chain.revision, *whole, now))
    return gone


def _no_table(job_id: int, table: str) -> Unusable:
    return Unusable(f"job {job_id} writes no table `{table}`")


def _head(job_id: int, stop: int | None) -> Transaction[int]:
    """Tell the newest block that is known, if only because the chain ends below ``stop``."""
    [(_, head, *_)] = yield Query("extraction", (job_id,))
    return max(head or 0, (stop or 1) - 1)


def _segment(row: Row) -> Segment:
    _, name, network, start, stop, block_hash, prev_hash, size, created_at, _ = row
    return Segment(name, network, start, stop, block_hash, prev_hash, created_at, size)


def _fits(merger: Merger, parents: Sequence[Segment], rows: int) -> bool:
    if len(parents) <= 1 or [one.name for one in parents] != list(merger.parents):
        return False
    new, first, last = merger.segment, parents[0], parents[-1]
    return (
        (new.start, new.prev_hash, new.network) == (first.start, first.prev_hash, first.network)
        and (new.stop, new.hash) == (last.stop, last.hash)
        and merger.rows == rows
    )
