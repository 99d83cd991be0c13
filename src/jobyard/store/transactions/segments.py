"""Segments and the canonical chain of a table, kept up to date with every file that is published.

The chain is that of `core.segments`: it begins with the segment that starts lowest and goes on by
hash, the newest of several first. What a newer segment takes the place of is forgotten, and its
file may go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobyard.core.extraction import Extraction, Gaps, Lacking, Opened, Publication, TableProgress
from jobyard.core.ranges import subtract
from jobyard.core.segments import Segment, fork
from jobyard.errors import ActiveWriter, LeaseLost, Unusable
from jobyard.store.query import Query, Row, Transaction
from jobyard.store.transactions.deciding import read_now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.core.extract import Extract
    from jobyard.core.extraction import Cost, Wish
    from jobyard.core.ranges import Span

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


def lacking(job_id: int, wanted: Span) -> Transaction[dict[str, Lacking]]:
    """Find what each table of a job lacks of the blocks that are wanted."""
    found: dict[str, Lacking] = {}
    for row in (yield Query("extraction_tables", (job_id,))):
        name, revision, _, _, start, *_ = row
        beside = [_segment(each) for each in (yield Query("segments_beside", (revision,)))]
        newest = yield Query("chain_end", (revision, KNOWN))
        known = [_segment(each) for each in reversed(newest)]
        # All of the chain counts as covered: a gap in it is one of the chain's own numbers.
        chain = [(start, known[-1].stop)] if known else []
        spans = subtract([wanted], [*chain, *((one.start, one.stop) for one in beside)])
        branch = fork(beside, known[-1:])
        repairs = [(known[-1].start, branch[0].stop)] if branch else []
        ends = [(each.stop - 1, each.hash) for each in known]
        found[name] = Lacking(spans, repairs, ends)
    return found


def gaps(job_id: int, wanted: Span, most: int) -> Transaction[dict[str, Gaps]]:
    """Find the first gaps of each table of a job, as far as they begin among the wanted blocks."""
    start, end = wanted
    found: dict[str, Gaps] = {}
    for row in (yield Query("extraction_tables", (job_id,))):
        name, revision, _, _, first, stop, *_ = row
        spans: list[Span] = []
        if first is not None and start < first:
            spans.append((start, min(first, end)))
        above = max(start, stop or start)
        rows = yield Query("gaps_beside", (revision, above, end, most))
        count = len(spans) + (rows[0][2] if rows else 0)
        spans += [(before, min(behind, end)) for before, behind, _ in rows]
        found[name] = Gaps(spans[:most], count)
    return found


def _segment(row: Row) -> Segment:
    name, network, start, stop, block_hash, prev_hash, size, created_at = row
    return Segment(name, network, start, stop, block_hash, prev_hash, created_at, size)


def files(job_id: int, table: str) -> Transaction[list[tuple[str, int, int, int]]]:
    """List the files of a job's table: name, size, first block and the one behind the last."""
    for row in (yield Query("extraction_tables", (job_id,))):
        if row[0] == table:
            rows = yield Query("files_of_revision", (row[1],))
            return [(name, size, start, stop) for name, size, start, stop in rows]
    return []


def publish(
    session: str, attempt_id: int, job_id: int, publication: Publication
) -> Transaction[list[str]]:
    """Make a file part of its table; return the names of those that are not part of it any more.

    The same blocks once more count once: the newer file is one of those that may go.

    Raises:
        LeaseLost: the worker does not speak for this attempt.
        Unusable: the job does not write this table.
    """
    yield from _fence(session, attempt_id)
    rows = yield Query("revision_of_job", (job_id, publication.table))
    if not rows:
        raise Unusable(f"job {job_id} writes no table `{publication.table}`")
    chain = _Chain(*rows[0])
    gone = yield from _add(chain, publication, (yield from read_now()))
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
    extract: Extract, table: str, path: str, found: Sequence[tuple[Segment, int]]
) -> Transaction[bool]:
    """Make what lies in a folder the active revision of a table that has none."""
    of = (extract.dataset, extract.manifest_hash, table)
    if (yield Query("active_revision", of)):
        return False
    now = yield from read_now()
    made = (path, *of, extract.network, None, now)
    revision = (yield Query("insert_revision", made))[0][0]
    chain = _Chain(revision, None, None, None, 0, 0, 0)
    for segment, rows in sorted(found, key=lambda one: one[0].key):
        yield from _add(chain, Publication(table, segment, rows), now)
    return True


@dataclass(slots=True)
class _Chain:
    """A revision and its chain, as it was read and then changed."""

    revision: int
    start: int | None
    stop: int | None
    hash: str | None
    files: int
    size: int
    rows: int

    def cut(self, rows: Sequence[Row], segment: Segment, stop: int | None) -> None:
        """Take the segments in ``rows`` off the end; ``segment`` will follow what ends at stop."""
        self.files -= len(rows)
        self.size -= sum(row[3] for row in rows)
        self.rows -= sum(row[4] for row in rows)
        self.stop, self.hash = stop, segment.prev_hash
        if stop is None:
            self.start = self.hash = None

    def append(self, start: int, row: Row) -> None:
        """Go on with a segment."""
        _, self.stop, self.hash, size, rows = row
        self.start = start if self.start is None else self.start
        self.files += 1
        self.size += size
        self.rows += rows


def _add(chain: _Chain, publication: Publication, now: int) -> Transaction[list[str]]:
    segment = publication.segment
    same = (segment.name, segment.prev_hash, segment.start, segment.stop, segment.hash)
    for (name,) in (yield Query("same_segment", (chain.revision, *same))):
        return [] if name == segment.name else [segment.name]
    cut: list[Row] = []
    replaces = False
    if chain.start is None or segment.start <= chain.start:
        # It begins the chain; what was there may follow, unless it begins with the same block.
        replaces = segment.start == chain.start
        cut = yield Query("chain_from", (chain.revision, 0))
        chain.cut(cut, segment, None)
    elif before := (yield from _before(chain, segment)):
        replaces = True
        cut = yield Query("chain_from", (chain.revision, before))
        if cut and cut[0][2] < segment.start:
            return [segment.name]
        chain.cut(cut, segment, before)
    else:
        yield from _insert(chain, publication, now)
        return []
    return (yield from _walk(chain, publication, cut, now, replaces=replaces))


def _before(chain: _Chain, segment: Segment) -> Transaction[int | None]:
    """Tell where the part of the chain ends that a segment follows; None if it follows none."""
    following = (chain.revision, segment.prev_hash, segment.start, segment.network)
    rows = yield Query("chain_before", following)
    return rows[0][0] if rows else None


def _insert(chain: _Chain, publication: Publication, now: int) -> Transaction[int]:
    segment = publication.segment
    row = (
        chain.revision, segment.name, segment.network, segment.start, segment.stop, segment.hash,
        segment.prev_hash, segment.size, publication.rows, now,
    )  # fmt: skip
    number: int = (yield Query("insert_segment", row))[0][0]
    return number


def _walk(
    chain: _Chain, publication: Publication, cut: Sequence[Row], now: int, *, replaces: bool
) -> Transaction[list[str]]:
    """Go on with the segment, and then as far as links lead; tell what it takes the place of."""
    segment = publication.segment
    if cut:
        yield Query("chain_segments", ([row[0] for row in cut], False))
    number = yield from _insert(chain, publication, now)
    row: Row = (number, segment.stop, segment.hash, segment.size, publication.rows)
    chained = []
    while row:
        chained.append(row[0])
        chain.append(segment.start, row)
        linked = (chain.revision, chain.hash, chain.stop, segment.network)
        row = next(iter((yield Query("next_in_chain", linked))), ())
    yield Query("chain_segments", (chained, True))
    yield Query(
        "update_chain",
        (
            chain.revision, chain.start, chain.stop, chain.hash, chain.files, chain.size,
            chain.rows, now,
        ),
    )  # fmt: skip
    inside = yield Query("segments_inside", (chain.revision, segment.start, segment.stop))
    gone = [row for row in cut if replaces and row[0] not in chained]
    gone += [row for row in inside if row[0] not in {other[0] for other in gone}]
    if gone:
        yield Query("delete_segments", ([row[0] for row in gone],))
    return [row[1] for row in gone]
