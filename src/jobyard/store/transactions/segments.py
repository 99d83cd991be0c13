"""What an extraction says of its tables: that it writes them, what they lack, what is published."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from jobyard.core.extraction import Extraction, Gaps, Lacking, Opened, Publication, TableProgress
from jobyard.core.ranges import uncovered
from jobyard.core.segments import Segment, canonical, fork
from jobyard.errors import ActiveWriter, LeaseLost, Unusable
from jobyard.store.query import Query, Row, Transaction
from jobyard.store.transactions.chains import Chain, add
from jobyard.store.transactions.deciding import read_now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.core.extract import Extract
    from jobyard.core.extraction import Cost, Wish
    from jobyard.core.ranges import Span
    from jobyard.core.shares import Share

MOST_SPANS = 1000
"""Spans of a table that its writer is told at once: one takes seconds to extract, so asking again
for the next costs nothing."""
KNOWN = 64
"""Ends of segments that are told to who follows a chain: how far back it can see a fork."""


def open_tables(
    session: str, attempt_id: int, job_id: int, extract: Extract, wishes: Sequence[Wish]
) -> Transaction[list[Opened]]:
    """Make a job the one writer of the active revisions of its tables, made now if need be.

    Raises:
        LeaseLost: the worker does not speak for this attempt.
        ActiveWriter: another job that is not over writes one of the tables.
    """
    yield from _fence(session, attempt_id)
    now = yield from read_now()
    yield Query("insert_extraction", (job_id,))
    opened = []
    for wish in sorted(wishes, key=lambda wish: wish.table):
        of = (extract.dataset, extract.manifest_hash, wish.table)
        rows = yield Query("active_revision", of)
        if rows:
            revision, path, writer, over = rows[0]
            others = writer not in (None, job_id)
            if others and over is None and (yield Query("jobs_by_id", ([writer],))):
                raise ActiveWriter(wish.table, writer)
            if writer != job_id:
                yield Query("take_revision", (revision, job_id, now))
        else:
            path = wish.path
            made = (path, *of, extract.network, job_id, now)
            revision = (yield Query("insert_revision", made))[0][0]
        yield Query("insert_extraction_table", (job_id, wish.table, revision))
        opened.append(Opened(wish.table, path))
    return opened


def note_failure(session: str, attempt_id: int, job_id: int, failure: str) -> Transaction[None]:
    """Keep what a program says of why it fails.

    Raises:
        LeaseLost: the worker does not speak for this attempt.
    """
    yield from _fence(session, attempt_id)
    yield Query("insert_extraction", (job_id,))
    yield Query("note_failure", (job_id, failure))


def count_cost(session: str, attempt_id: int, job_id: int, cost: Cost) -> Transaction[None]:
    """Add what reading has cost.

    Raises:
        LeaseLost: the worker does not speak for this attempt.
    """
    yield from _fence(session, attempt_id)
    yield from _count(job_id, cost, 0)


def _count(job_id: int, cost: Cost, blocks: int) -> Transaction[None]:
    spent = (cost.requests, cost.retries, cost.bytes_fetched)
    yield Query("count_traffic", (job_id, cost.head, blocks, *spent))


def _fence(session: str, attempt_id: int) -> Transaction[None]:
    if not (yield Query("spoken_for", (session, [attempt_id]))):
        raise LeaseLost(f"attempt {attempt_id} is no longer this worker's")


def read(job_id: int) -> Transaction[Extraction | None]:
    """Read what an extraction has done; None when the job is none, or has done nothing yet."""
    rows = yield Query("extraction", (job_id,))
    if not rows:
        return None
    tables = yield Query("extraction_tables", (job_id,))
    stop, head, blocks, requests, retries, received, failure = rows[0]
    return Extraction(
        stop, head, blocks, requests, retries, received, failure,
        {row[0]: _table(row) for row in tables},
    )  # fmt: skip


def _table(row: Row) -> TableProgress:
    name, _, path, _, start, stop, _, files, size, count = row
    return TableProgress(name, path, start, stop, files, size, count)


def lacking(
    job_id: int, wanted: Span, mine: Share | None = None
) -> Transaction[dict[str, Lacking]]:
    """Find what each table of a job lacks of the blocks that are wanted.

    Of a share the lowest spans of each table, the same blocks of all: as much as one look is worth.
    """
    found: dict[str, Lacking] = {}
    horizon = wanted[1]
    for row in (yield Query("extraction_tables", (job_id,))):
        name, revision, _, _, start, stop, *_ = row
        newest = yield Query("chain_end", (revision, KNOWN))
        known = [segment_of(each) for each in reversed(newest)]
        beside = yield Query("covered_beside", (revision, stop or 0))
        # All of the chain counts as covered: a gap in it is one of the chain's own numbers.
        chain = [(start, stop)] if known else []
        spans = uncovered(wanted, itertools.chain(chain, ((each[0], each[1]) for each in beside)))
        if mine is not None:
            spans = itertools.islice(filter(mine.touches, spans), MOST_SPANS)
        lacks = list(spans)
        if mine is not None and len(lacks) == MOST_SPANS:
            horizon = min(horizon, lacks[-1][1])
        repairs = []
        if known and beside and beside[0][0] <= stop:
            repairs = yield from _repairs(revision, known[-1])
        found[name] = Lacking(lacks, repairs, [(each.stop - 1, each.hash) for each in known])
    return {name: replace(one, spans=_below(one.spans, horizon)) for name, one in found.items()}


def _repairs(revision: int, last: Segment) -> Transaction[list[Span]]:
    """Find where another branch has come up to the chain's last segment."""
    beside = [segment_of(each) for each in (yield Query("segments_beside", (revision,)))]
    branch = fork(beside, [last])
    return [(last.start, branch[0].stop)] if branch else []


def _below(spans: Sequence[Span], horizon: int) -> list[Span]:
    return [(start, min(stop, horizon)) for start, stop in spans if start < horizon]


def gaps(job_id: int, wanted: Span, most: int) -> Transaction[dict[str, Gaps]]:
    """Find the first gaps of each table of a job, as far as they begin among the wanted blocks."""
    start, end = wanted
    found: dict[str, Gaps] = {}
    for row in (yield Query("extraction_tables", (job_id,))):
        name, revision, path, _, first, stop, *_ = row
        spans: list[Span] = []
        if first is not None and start < first:
            spans.append((start, min(first, end)))
        above = max(start, stop or start)
        rows = yield Query("gaps_beside", (revision, above, end, most))
        count = len(spans) + (rows[0][2] if rows else 0)
        spans += [(before, min(behind, end)) for before, behind, _ in rows]
        beyond = None
        if stop is not None and stop < start:
            beyond = yield from _beyond(revision, TableProgress(name, path, start, start, 0, 0, 0))
        found[name] = Gaps(spans[:most], count, beyond)
    return found


def _beyond(revision: int, none: TableProgress) -> Transaction[TableProgress | None]:
    """Follow the links of what lies beside the chain, from a block above its end on."""
    start = none.start or 0
    rows = yield Query("segments_beside", (revision,))
    linked = canonical(one for one in map(segment_of, rows) if one.stop > start)
    if not linked or linked[0].start > start:
        return None
    size = sum(one.size for one in linked)
    return replace(none, start=linked[0].start, stop=linked[-1].stop, files=len(linked), size=size)


def segment_of(row: Row) -> Segment:
    """Read a row of a segment."""
    name, network, start, stop, block_hash, prev_hash, size, created_at = row
    return Segment(name, network, start, stop, block_hash, prev_hash, created_at, size)


def files(job_id: int, table: str) -> Transaction[list[tuple[str, int, int, int]]]:
    """List the files of a job's table: name, size, first block and the one behind the last."""
    for row in (yield Query("extraction_tables", (job_id,))):
        if row[0] == table:
            rows = yield Query("files_of_revision", (row[1],))
            return [(name, size, start, stop) for name, size, start, stop in rows]
    return []


def retired(job_id: int, table: str) -> Transaction[list[str]]:
    """Name the files of a job's table that are not part of it any more and not collected yet."""
    for row in (yield Query("extraction_tables", (job_id,))):
        if row[0] == table:
            return [name for (name,) in (yield Query("retired_names", (row[1],)))]
    return []


def publish(
    session: str, attempt_id: int, job_id: int, publication: Publication, delay_us: int
) -> Transaction[list[str]]:
    """Make a file part of its table; tell the names of those that are not part of it any more.

    The same blocks once more count once: the newer file's own name then says so. The others are
    retired, to be collected after the delay.

    Raises:
        LeaseLost: the worker does not speak for this attempt.
        Unusable: the job does not write this table.
    """
    yield from _fence(session, attempt_id)
    rows = yield Query("revision_of_job", (job_id, publication.table))
    if not rows:
        raise Unusable(f"job {job_id} writes no table `{publication.table}`")
    chain = Chain(*rows[0])
    gone = yield from add(chain, publication, (yield from read_now()), delay_us)
    segment = publication.segment
    blocks = 0 if segment.name in gone else segment.stop - segment.start
    yield from _count(job_id, publication.cost, blocks)
    return gone


def active_path(extract: Extract, table: str) -> Transaction[str | None]:
    """Tell where the active revision of a table lies; None when it has none."""
    of = (extract.dataset, extract.manifest_hash, table)
    for _, path, *_ in (yield Query("active_revision", of)):
        return str(path)
    return None


def restore(
    extract: Extract, table: str, path: str, found: Sequence[tuple[Segment, int]], delay_us: int
) -> Transaction[list[str] | None]:
    """Make what lies in a folder the active revision of a table that has none; None if it has.

    Tells the names of the files that others take the place of.
    """
    of = (extract.dataset, extract.manifest_hash, table)
    if (yield Query("active_revision", of)):
        return None
    now = yield from read_now()
    made = (path, *of, extract.network, None, now)
    revision = (yield Query("insert_revision", made))[0][0]
    chain = Chain(revision, None, None, None, 0, 0, 0)
    gone = []
    # In the order in which they came, so that of two of the same blocks the newer one stays.
    for segment, rows in sorted(found, key=lambda one: (one[0].created_at, one[0].key)):
        gone += yield from add(chain, Publication(table, segment, rows), now, delay_us)
    return gone
