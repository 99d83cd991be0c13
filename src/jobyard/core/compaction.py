"""Which small files of a table become one: neighbours of its chain that nothing can reach any more.

A file is hot while a reorganisation may still take its place: it is young, or ends near the head.
Joining hot files elsewhere swallowed a replaced block and moved progress back, so nothing at and
above the first hot file is touched. A group is worth its copying only if it becomes at least twice
as large as the largest of its files: so each row is copied a logarithmic number of times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobyard.core.layout import FileLayout
    from jobyard.core.segments import Segment

MOST_PARENTS = 1000
"""Files that one is made of at most: what a page of the chain has."""
SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Merger:
    """A file that is to take the place of others; ``parents`` are their names in order."""

    table: str
    segment: Segment
    rows: int
    parents: Sequence[str]


@dataclass(frozen=True, slots=True)
class ChainPart:
    """Some segments of a chain in their order; ``head`` and ``now`` tell whether they are cold.

    ``more`` says that the chain goes on behind them.
    """

    segments: Sequence[Segment]
    head: int
    now: int
    more: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What may be joined of a part of a chain.

    ``resume`` is the block from which on something may change: all below it was decided.
    """

    groups: Sequence[Sequence[Segment]]
    resume: int


def is_cold(layout: FileLayout, *, created_at: int, stop: int, now: int, head: int) -> bool:
    """Tell whether nothing can reach a file any more. ``head`` is the newest block, inclusive."""
    old = now - created_at >= int(layout.compact_after * SECOND)
    return old and head + 1 - stop >= layout.compact_distance


def plan(
    chain: Sequence[Segment],
    layout: FileLayout,
    *,
    now: int,
    head: int,
    is_mine: Callable[[Segment], bool],
) -> Plan:
    """Find groups in a part of the canonical chain, in its order.

    ``now`` is in microseconds, by the clock that the segments' ``created_at`` are of.
    """
    groups: list[Sequence[Segment]] = []
    run: list[Segment] = []
    after = chain[-1].stop if chain else 0
    for segment in chain:
        at = segment.created_at
        if not is_cold(layout, created_at=at, stop=segment.stop, now=now, head=head):
            after = segment.start
            break
        mine = is_mine(segment)
        if run and not (mine and segment.follows(run[-1])):
            groups += _groups(run, layout)
            run = []
        if mine:
            run.append(segment)
    groups += _groups(run, layout)
    # A window that ends with the run may yet get more files, also where it is a group now.
    still = (place for place in range(len(run)) if _fill(run, place, layout) == len(run))
    open_from = next(still, None)
    return Plan(groups, after if open_from is None else run[open_from].start)


def _groups(run: Sequence[Segment], layout: FileLayout) -> list[Sequence[Segment]]:
    """Find groups in neighbours."""
    found: list[Sequence[Segment]] = []
    at = 0
    while at < len(run):
        stop = _fill(run, at, layout)
        group = run[at:stop]
        sizes = [segment.size for segment in group]
        if len(group) >= layout.compact_files and sum(sizes) >= 2 * max(sizes):
            found.append(group)
            at = stop
        else:
            at += 1
    return found


def _fill(run: Sequence[Segment], at: int, layout: FileLayout) -> int:
    """Tell behind which file a group that begins at ``at`` is as large as it may be."""
    size, stop = 0, at
    while (
        stop < len(run)
        and stop - at < MOST_PARENTS
        and size + run[stop].size <= layout.file_bytes
        and run[stop].stop - run[at].start <= layout.file_blocks
    ):
        size += run[stop].size
        stop += 1
    return max(stop, at + 1)
