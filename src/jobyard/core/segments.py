"""Segments (one file each) to the canonical chain of a table: what is complete, what is missing.

Two segments are linked by hash, not by number: a gap between them may be skipped slots. The
canonical chain begins with the segment that starts lowest (the newest of several) and goes on with
the one that starts lowest among those linked to its end, the newest first again.

The walk is the greedy pass over segments sorted by start, written as links: a segment can only
follow one that ends below its start, so whatever follows stands later in that order.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobyard.core.ranges import merge, subtract

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jobyard.core.ranges import Span

Key = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of a table: blocks ``[start, stop)``, which form one valid chain.

    ``hash`` is that of the last block, ``prev_hash`` that of the block before the first;
    ``created_at`` is in microseconds, ``size`` in bytes.
    """

    name: str
    network: str
    start: int
    stop: int
    hash: str
    prev_hash: str
    created_at: int = 0
    size: int = 0

    @property
    def key(self) -> Key:
        """Where it stands in the order: lowest start first, then the newest, then by name."""
        return (self.start, -self.created_at, self.name)

    def follows(self, other: Segment) -> bool:
        """Tell whether the chain may go on from the other to this one."""
        return (
            self.prev_hash == other.hash
            and self.start >= other.stop
            and self.network == other.network
        )


def canonical(segments: Iterable[Segment]) -> list[Segment]:
    """Compute the canonical chain of all segments of a table."""
    chain: list[Segment] = []
    for segment in sorted(segments, key=lambda segment: segment.key):
        if not chain or segment.follows(chain[-1]):
            chain.append(segment)
    return chain


def fork(segments: Iterable[Segment], chain: Sequence[Segment]) -> list[Segment]:
    """Find the segments of another branch that reach above the chain and begin within it.

    They are linked among themselves; where they leave the chain is still to be fetched. Empty when
    there is none.
    """
    if not chain:
        return []
    kept = {segment.name for segment in chain}
    ends = {(segment.stop, segment.hash) for segment in chain}
    others = [segment for segment in segments if segment.name not in kept]
    above = [segment for segment in others if segment.stop > chain[-1].stop]
    by_end: dict[str, list[Segment]] = {}
    for segment in others:
        by_end.setdefault(segment.hash, []).append(segment)
    seen: set[str] = set()
    # The newest branch is what the node says now, so it comes before a higher but older one.
    for top in sorted(above, key=lambda segment: (-segment.created_at, -segment.stop)):
        branch = [top]
        # What a branch before this one came through leads where that one led: nowhere.
        while branch[-1].name not in seen:
            seen.add(branch[-1].name)
            before = [
                segment
                for segment in by_end.get(branch[-1].prev_hash, ())
                if branch[-1].follows(segment) and (segment.stop, segment.hash) not in ends
            ]
            if not before:
                if branch[-1].start <= chain[-1].stop:
                    return branch[::-1]
                break
            branch.append(max(before, key=lambda segment: segment.created_at))
    return []


def missing(segments: Sequence[Segment], wanted: Span) -> list[Span]:
    """Find which blocks are to be fetched so that the chain covers ``wanted``.

    What no segment covers, and where another branch has come up the part of the last canonical
    segment that must be replaced: one segment back at a time, until the hashes join.
    """
    spans = subtract([wanted], ((segment.start, segment.stop) for segment in segments))
    chain = canonical(segments)
    branch = fork(segments, chain)
    if branch:
        stop = branch[0].start
        before = [segment.start for segment in chain if segment.start < stop]
        spans += [(before[-1], stop)] if before else []
    return merge(_within(spans, wanted))


def _within(spans: Iterable[Span], wanted: Span) -> list[Span]:
    return [(max(start, wanted[0]), min(stop, wanted[1])) for start, stop in spans]


def rewrite_from(chain: Sequence[Segment], number: int) -> int:
    """Tell where to begin anew when block ``number`` was replaced: with the segment that holds it.

    A segment that begins inside an older one can never take its place.
    """
    for segment in reversed(chain):
        if segment.start <= number:
            return segment.start if number < segment.stop else number
    return number


class Chain:
    """The canonical chain of a table, kept up to date segment by segment.

    Adding one at the end costs the same however long the chain is; a reorganisation costs what it
    replaces. Always equal to `canonical` of the same segments.
    """

    def __init__(self, segments: Iterable[Segment] = ()) -> None:
        """Begin with some segments, in any order."""
        self.size = 0
        self._chain: list[Segment] = []
        self._by_name: dict[str, Segment] = {}
        self._by_prev: dict[str, list[Segment]] = {}
        self._places: dict[str, list[int]] = {}
        self._firsts: list[Key] = []
        for segment in segments:
            self._keep(segment)
        heapq.heapify(self._firsts)
        self._walk()

    @property
    def segments(self) -> Sequence[Segment]:
        """The chain, from its first segment to its last."""
        return self._chain

    @property
    def span(self) -> Span | None:
        """From the first block to behind the last; None while there is nothing."""
        return (self._chain[0].start, self._chain[-1].stop) if self._chain else None

    def add(self, segment: Segment) -> None:
        """Take in a new segment."""
        if segment.name in self._by_name:
            return
        self._keep(segment, heap=True)
        if not self._chain or segment.key < self._chain[0].key:
            self._cut(0)
        else:
            for place in self._places.get(segment.prev_hash, ()):
                if segment.follows(self._chain[place]) and (
                    place + 1 == len(self._chain) or segment.key < self._chain[place + 1].key
                ):
                    self._cut(place + 1)
                    break
            else:
                return
        self._walk()

    def remove(self, name: str) -> None:
        """Forget a segment whose file is gone."""
        segment = self._by_name.pop(name, None)
        if segment is None:
            return
        siblings = self._by_prev[segment.prev_hash]
        siblings.remove(segment)
        if not siblings:
            del self._by_prev[segment.prev_hash]
        for place in self._places.get(segment.hash, ()):
            if self._chain[place] is segment:
                self._cut(place)
                self._walk()
                break

    def _keep(self, segment: Segment, *, heap: bool = False) -> None:
        self._by_name[segment.name] = segment
        self._by_prev.setdefault(segment.prev_hash, []).append(segment)
        if heap:
            heapq.heappush(self._firsts, segment.key)
        else:
            self._firsts.append(segment.key)

    def _cut(self, length: int) -> None:
        """Shorten the chain."""
        while len(self._chain) > length:
            segment = self._chain.pop()
            self.size -= segment.size
            places = self._places[segment.hash]
            places.pop()
            if not places:
                del self._places[segment.hash]

    def _walk(self) -> None:
        """Go on from the end as far as links lead."""
        segment = self._next(self._chain[-1]) if self._chain else self._first()
        while segment is not None:
            self._places.setdefault(segment.hash, []).append(len(self._chain))
            self._chain.append(segment)
            self.size += segment.size
            segment = self._next(segment)

    def _first(self) -> Segment | None:
        while self._firsts:
            segment = self._by_name.get(self._firsts[0][-1])
            if segment is not None and segment.key == self._firsts[0]:
                return segment
            heapq.heappop(self._firsts)
        return None

    def _next(self, last: Segment) -> Segment | None:
        linked = [s for s in self._by_prev.get(last.hash, ()) if s.follows(last)]
        return min(linked, key=lambda segment: segment.key, default=None)
