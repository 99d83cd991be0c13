"""Sets of indexes as Kubernetes writes them: ``"0,2,4-7"``. Size follows gaps, not members."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class IndexTextError(ValueError):
    """Index text that does not follow the grammar; the message says which part and why."""


class IndexSet:
    """An immutable set of numbers ≥ 0, kept as sorted half-open ranges that never touch."""

    __slots__ = ("_count", "ranges")

    def __init__(self, ranges: tuple[tuple[int, int], ...] = ()) -> None:
        """Take ranges that are already sorted, non-empty and apart."""
        self.ranges = ranges
        self._count = sum(stop - start for start, stop in ranges)

    @classmethod
    def of(cls, indexes: Iterable[int]) -> IndexSet:
        """Build a set from members in any order, repeats allowed."""
        return cls(tuple(_ranges_of(sorted(indexes))))

    @classmethod
    def parse(cls, text: str, limit: int | None = None) -> IndexSet:
        """Read index text; members at or above ``limit`` are dropped.

        Raises:
            IndexTextError: a part is not a number or a range, or the text does not increase.
        """
        whole = _parse(text)
        return whole if limit is None else whole.below(limit)

    def __str__(self) -> str:
        """Write index text: three or more in a row become ``a-b``, two stay ``a,b``."""
        parts: list[str] = []
        for start, stop in self.ranges:
            if stop - start > 2:  # noqa: PLR2004 - the grammar's own number
                parts.append(f"{start}-{stop - 1}")
            else:
                parts.extend(map(str, range(start, stop)))
        return ",".join(parts)

    def __repr__(self) -> str:
        """Read as the set would be written."""
        return f"IndexSet({str(self)!r})"

    def __len__(self) -> int:
        """Count the members."""
        return self._count

    def __iter__(self) -> Iterator[int]:
        """Go through the members in increasing order."""
        for start, stop in self.ranges:
            yield from range(start, stop)

    def __contains__(self, index: object) -> bool:
        """Tell whether ``index`` is a member, by binary search."""
        if not isinstance(index, int):
            return False
        low, high = 0, len(self.ranges)
        while low < high:
            middle = (low + high) // 2
            start, stop = self.ranges[middle]
            if index < start:
                high = middle
            elif index >= stop:
                low = middle + 1
            else:
                return True
        return False

    def __eq__(self, other: object) -> bool:
        """Compare by members."""
        return isinstance(other, IndexSet) and self.ranges == other.ranges

    def __hash__(self) -> int:
        """Hash by members."""
        return hash(self.ranges)

    def __or__(self, other: IndexSet) -> IndexSet:
        """Unite two sets, in the sum of their ranges."""
        if not other.ranges:
            return self
        if not self.ranges:
            return other
        return IndexSet(tuple(_united(self.ranges, other.ranges)))

    def __sub__(self, other: IndexSet) -> IndexSet:
        """Leave out the members of ``other``, in the sum of their ranges."""
        if not other.ranges or not self.ranges:
            return self
        return IndexSet(tuple(_without(self.ranges, other.ranges)))

    def __and__(self, other: IndexSet) -> IndexSet:
        """Keep the members that both sets have."""
        return self - (self - other)

    @classmethod
    def upto(cls, limit: int) -> IndexSet:
        """Hold every number from 0 to ``limit`` - 1."""
        return cls(((0, limit),)) if limit > 0 else EMPTY

    def first(self, count: int) -> list[int]:
        """Name the ``count`` lowest members."""
        return list(islice(self, count))

    def below(self, limit: int) -> IndexSet:
        """Keep the members smaller than ``limit``."""
        if not self.ranges or self.ranges[-1][1] <= limit:
            return self
        return IndexSet(
            tuple((start, min(stop, limit)) for start, stop in self.ranges if start < limit)
        )

    def missing(self, stop: int, count: int) -> list[int]:
        """Name the ``count`` lowest numbers below ``stop`` that are not members."""
        found: list[int] = []
        at = 0
        for start, end in (*self.ranges, (stop, stop)):
            upto = min(start, stop)
            if at < upto:
                found.extend(range(at, min(upto, at + count - len(found))))
                if len(found) >= count:
                    return found
            at = max(at, end)
        return found


EMPTY = IndexSet()


@lru_cache(maxsize=256)
def _parse(text: str) -> IndexSet:
    if not text:
        return EMPTY
    ranges: list[tuple[int, int]] = []
    previous = -1
    for part in text.split(","):
        start, stop = _parse_part(part)
        if start <= previous:
            msg = f"index text must increase, but {start} follows {previous}"
            raise IndexTextError(msg)
        if ranges and ranges[-1][1] == start:
            ranges[-1] = (ranges[-1][0], stop)
        else:
            ranges.append((start, stop))
        previous = stop - 1
    return IndexSet(tuple(ranges))


def _parse_part(part: str) -> tuple[int, int]:
    ends = part.split("-")
    if len(ends) > 2:  # noqa: PLR2004 - a range has two ends
        msg = f"`{part}` has more than two parts"
        raise IndexTextError(msg)
    for end in ends:
        if not (end.isascii() and end.isdigit()):
            msg = f"`{part}` is not a number or a range of numbers"
            raise IndexTextError(msg)
        if int(end) >= 2**31:
            msg = f"`{end}` is too large"
            raise IndexTextError(msg)
    start, last = int(ends[0]), int(ends[-1])
    if len(ends) > 1 and last <= start:
        msg = f"index text must increase, but {last} follows {start}"
        raise IndexTextError(msg)
    return start, last + 1


def _ranges_of(indexes: list[int]) -> Iterator[tuple[int, int]]:
    start = stop = -1
    for index in indexes:
        if index > stop or start < 0:
            if start >= 0:
                yield start, stop
            start, stop = index, index + 1
        elif index == stop:
            stop += 1
    if start >= 0:
        yield start, stop


def _united(
    left: tuple[tuple[int, int], ...], right: tuple[tuple[int, int], ...]
) -> Iterator[tuple[int, int]]:
    merged = sorted(left + right)
    start, stop = merged[0]
    for next_start, next_stop in merged[1:]:
        if next_start > stop:
            yield start, stop
            start, stop = next_start, next_stop
        elif next_stop > stop:
            stop = next_stop
    yield start, stop


def _without(
    left: tuple[tuple[int, int], ...], right: tuple[tuple[int, int], ...]
) -> Iterator[tuple[int, int]]:
    at = 0
    for start, stop in left:
        while at < len(right) and right[at][1] <= start:
            at += 1
        begin, cut = start, at
        while cut < len(right) and right[cut][0] < stop:
            if right[cut][0] > begin:
                yield begin, right[cut][0]
            begin = max(begin, right[cut][1])
            cut += 1
        if begin < stop:
            yield begin, stop
