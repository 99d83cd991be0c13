"""The canonical chain of a table, kept up to date with every file that comes and goes.

It is that of `core.segments`: it begins with the segment that starts lowest and goes on by hash,
the newest of several first. Each transaction here holds the revision's row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobyard.errors import RevisionNotFound
from jobyard.store.query import Query, Row, Transaction
from jobyard.store.transactions.deciding import read_now
from jobyard.store.transactions.retiring import SUPERSEDED, retire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.core.extraction import Publication
    from jobyard.core.segments import Segment

STRIDE = 1000
"""Segments that one query finds ahead: a hole in a long table may be closed by any file."""


@dataclass(slots=True)
class Chain:
    """A revision and its chain, as it was read and then changed."""

    revision: int
    start: int | None
    stop: int | None
    hash: str | None
    files: int
    size: int
    rows: int

    def cut(self, rows: Sequence[Row], stop: int | None, block_hash: str | None) -> None:
        """Take the segments in ``rows`` off the end; what is left ends at stop, with this hash."""
        self.files -= len(rows)
        self.size -= sum(row[3] for row in rows)
        self.rows -= sum(row[4] for row in rows)
        self.stop, self.hash = stop, block_hash
        if stop is None:
            self.start = self.hash = None

    def append(self, row: Row) -> None:
        """Go on with a segment."""
        _, self.stop, self.hash, size, rows = row
        self.files += 1
        self.size += size
        self.rows += rows


def add(chain: Chain, publication: Publication, now: int, delay_us: int) -> Transaction[list[str]]:
    """Take a segment in; tell the names of those that it takes the place of, which are retired.

    Its own name among them says that it is not needed, and has not become part of the table.
    """
    segment = publication.segment
    if (yield Query("is_retired", (chain.revision, segment.name))):
        return []
    same = (segment.name, segment.prev_hash, segment.start, segment.stop, segment.hash)
    twins = yield Query("same_segment", (chain.revision, *same))
    if any(name == segment.name for name, *_ in twins):
        return []
    if any(chained for *_, chained in twins):
        return [segment.name]
    # One beside the chain may have lost its place to a newer one: now it is the newest.
    beside = [number for _, number, _ in twins]
    gone = yield from retire(chain.revision, beside, SUPERSEDED, delay_us)
    return [*gone, *(yield from _take_in(chain, publication, now, delay_us))]


def _take_in(
    chain: Chain, publication: Publication, now: int, delay_us: int
) -> Transaction[list[str]]:
    segment = publication.segment
    cut: list[Row] = []
    replaces = False
    if chain.start is None or segment.start <= chain.start:
        # It begins the chain; what was there may follow, unless it begins with the same block.
        replaces = segment.start == chain.start
        cut = yield Query("chain_from", (chain.revision, 0))
        if replaces and _is_older(segment, cut[0]):
            return [segment.name]
        chain.cut(cut, None, None)
    elif before := (yield from _place(chain, segment)):
        replaces = True
        cut = yield Query("chain_from", (chain.revision, before))
        if cut and (cut[0][2] < segment.start or _is_older(segment, cut[0])):
            return [segment.name]
        chain.cut(cut, before, segment.prev_hash)
    else:
        yield from insert(chain, publication, now)
        return []
    if cut:
        yield Query("chain_segments", ([row[0] for row in cut], False))
    number = yield from insert(chain, publication, now)
    if chain.start is None:
        chain.start = segment.start
    chain.append((number, segment.stop, segment.hash, segment.size, publication.rows))
    chained = [number, *(yield from _walk(chain, segment.network))]
    yield from _write(chain, chained, now)
    inside = yield Query("segments_inside", (chain.revision, segment.start, segment.stop))
    gone = {row[0] for row in cut if replaces} - set(chained)
    gone.update(row[0] for row in inside)
    return (yield from retire(chain.revision, sorted(gone), SUPERSEDED, delay_us))


def _is_older(segment: Segment, row: Row) -> bool:
    """Tell whether a file that was found is older than one that begins with the same block.

    One that is published has no time yet: it is the newest.
    """
    return segment.start == int(row[2]) and 0 < segment.created_at < int(row[5])


def _place(chain: Chain, segment: Segment) -> Transaction[int | None]:
    """Tell where the part of the chain ends that a segment follows; None if it follows none."""
    following = (chain.revision, segment.prev_hash, segment.start, segment.network)
    rows = yield Query("chain_before", following)
    return rows[0][0] if rows else None


def insert(chain: Chain, publication: Publication, now: int) -> Transaction[int]:
    """Put a segment beside the chain; tell its id."""
    segment = publication.segment
    row = (
        chain.revision, segment.name, segment.network, segment.start, segment.stop, segment.hash,
        segment.prev_hash, segment.size, publication.rows, segment.created_at or now,
    )  # fmt: skip
    number: int = (yield Query("insert_segment", row))[0][0]
    return number


def _walk(chain: Chain, network: str) -> Transaction[list[int]]:
    """Go on from the chain's end as far as links lead; tell which segments these are."""
    chained: list[int] = []
    while True:
        linked = (chain.revision, chain.hash, chain.stop, network, STRIDE)
        rows = yield Query("chain_ahead", linked)
        for row in rows:
            chained.append(row[0])
            chain.append(row)
        if len(rows) < STRIDE:
            return chained


def _write(chain: Chain, chained: Sequence[int], now: int) -> Transaction[None]:
    yield Query("chain_segments", (list(chained), True))
    whole = (chain.start, chain.stop, chain.hash, chain.files, chain.size, chain.rows)
    yield Query("update_chain", (chain.revision, *whole, now))


def withdraw(
    revision_id: int, segment_ids: Sequence[int], reason: str, delay_us: int
) -> Transaction[list[str]]:
    """Retire segments, also of the chain, which then goes on without them; returns their names.

    The cost grows with the segments of the chain behind the first one that leaves it.

    Raises:
        RevisionNotFound: there is no such revision.
    """
    held = yield Query("chain_of_revision", (revision_id,))
    if not held:
        raise RevisionNotFound(revision_id)
    chain = Chain(*held[0])
    first = yield Query("first_in_chain", (list(segment_ids),))
    if not first:
        return (yield from retire(revision_id, segment_ids, reason, delay_us))
    cut = yield Query("chain_from", (revision_id, first[0][0]))
    yield Query("chain_segments", ([row[0] for row in cut], False))
    names = yield from retire(revision_id, segment_ids, reason, delay_us)
    yield from _go_on(chain, cut)
    return names


def _go_on(chain: Chain, cut: Sequence[Row]) -> Transaction[None]:
    """Have the chain go on from where it was cut, with what is left."""
    now = yield from read_now()
    chained: list[int] = []
    end = yield Query("chain_end", (chain.revision, 1))
    if end:
        _, network, _, stop, block_hash, *_ = end[0]
        chain.cut(cut, stop, block_hash)
        chained = yield from _walk(chain, network)
    else:
        chain.cut(cut, None, None)
        for *row, start, network in (yield Query("lowest_segment", (chain.revision,))):
            chain.start = start
            chain.append(row)
            chained = [row[0], *(yield from _walk(chain, network))]
    yield from _write(chain, chained, now)
