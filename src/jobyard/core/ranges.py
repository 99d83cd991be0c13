"""Ranges of block numbers: what is covered, what is missing, how work is split. Half-open inside.

People write ranges inclusively; `spec` converts them once. A span ``(start, stop)`` is not empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Span = tuple[int, int]

LEAST_PARTITION = 2000
"""Blocks below which a further partition costs more than it helps."""


def merge(spans: Iterable[Span]) -> list[Span]:
    """Sort spans, join those that overlap or touch, leave out empty ones."""
    merged: list[Span] = []
    for start, stop in sorted(spans):
        if start >= stop:
            continue
        if merged and start <= merged[-1][1]:
            if stop > merged[-1][1]:
                merged[-1] = (merged[-1][0], stop)
        else:
            merged.append((start, stop))
    return merged


def subtract(wanted: Iterable[Span], had: Iterable[Span]) -> list[Span]:
    """Find what of the wanted spans is not covered by the others, merged."""
    covers = merge(had)
    missing: list[Span] = []
    place = 0
    for wanted_start, stop in merge(wanted):
        start = wanted_start
        while place < len(covers) and covers[place][1] <= start:
            place += 1
        at = place
        while start < stop and at < len(covers) and covers[at][0] < stop:
            if covers[at][0] > start:
                missing.append((start, covers[at][0]))
            start = max(start, covers[at][1])
            at += 1
        if start < stop:
            missing.append((start, stop))
    return missing


def uncovered(wanted: Span, covers: Iterable[Span]) -> Iterator[Span]:
    """Find what of a span none of the covers has, in order; they come by their starts."""
    start, stop = wanted
    for cover_start, cover_stop in covers:
        if cover_start >= stop:
            break
        if cover_start > start:
            yield start, cover_start
        start = max(start, cover_stop)
    if start < stop:
        yield start, stop


def intersect(spans: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """Find what both cover, merged."""
    ours = merge(spans)
    return subtract(ours, subtract(ours, others))


def total(spans: Iterable[Span]) -> int:
    """Count the numbers in spans that do not overlap."""
    return sum(stop - start for start, stop in spans)


def split(
    spans: Iterable[Span], most: int, *, least: int = LEAST_PARTITION, bucket: int = 1
) -> list[list[Span]]:
    """Share spans out over at most ``most`` partitions of nearly equal size, in order.

    No partition is smaller than ``least`` unless all of it together is. A cut falls on a multiple
    of ``bucket`` or between two spans: what a source keeps in one archive stays in one partition.
    """
    rest = merge(spans)
    count = total(rest)
    if not count:
        return []
    number = max(1, min(most, count // least))
    partitions: list[list[Span]] = []
    taken = 0
    for place in range(1, number + 1):
        partition, rest = _take(rest, count * place // number - taken, bucket)
        if partition:
            taken += total(partition)
            partitions.append(partition)
    if rest:
        partitions[-1].extend(rest)
    return partitions


def _take(spans: Sequence[Span], size: int, bucket: int) -> tuple[list[Span], list[Span]]:
    """Cut off the first ``size`` numbers, or a few more so that the cut falls on a bucket."""
    taken: list[Span] = []
    for place, (start, stop) in enumerate(spans):
        if size <= 0 and start % bucket == 0:
            return taken, list(spans[place:])
        cut = min(stop, -(-(start + max(size, 0)) // bucket) * bucket)
        if cut > start:
            taken.append((start, cut))
        size -= cut - start
        if cut < stop:
            return taken, [(cut, stop), *spans[place + 1 :]]
    return taken, []
