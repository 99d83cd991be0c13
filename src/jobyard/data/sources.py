"""The tables that others are made of: their files, as the store has them, kept up to date.

What was asked for once is asked for again only from the end of the chain down to a file that is
known: following a table of many files costs as much as what is new of it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from jobyard.data.folder import DataFolder
from jobyard.errors import SourceReorganised

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jobyard.core.derived import Source
    from jobyard.core.segments import Segment
    from jobyard.data.link import Link

Named = tuple[str, str]
"""What SQL calls a dataset, and one of its tables."""
TRIES = 5
"""Looks at a table that changes all the time."""
_ABOVE = 1 << 63


@dataclass(slots=True, eq=False)
class SourceTable:
    """A table and the files of its chain ``[start, stop)``, by block."""

    name: Named
    told: Source
    folder: DataFolder
    chain: Sequence[Segment]
    edges: Mapping[int, str] = field(init=False)
    """Hashes by the number above: of the block before each file, and of the last one of each."""
    _starts: Sequence[int] = field(init=False)

    def __post_init__(self) -> None:
        """Note where files begin and end."""
        first = self.chain[0]
        self._starts = [one.start for one in self.chain]
        self.edges = {first.start: first.prev_hash, **{one.stop: one.hash for one in self.chain}}

    @property
    def start(self) -> int:
        """The first block."""
        return self.chain[0].start

    @property
    def stop(self) -> int:
        """The block behind the last one."""
        return self.chain[-1].stop

    def files(self, start: int, stop: int) -> Sequence[Segment]:
        """Find the files that have blocks of ``[start, stop)``."""
        first = max(0, bisect_right(self._starts, start) - 1)
        found = self.chain[first : bisect_left(self._starts, stop)]
        return [one for one in found if one.stop > start]

    def bytes_per_block(self, number: int) -> float:
        """Tell how large blocks are in the file that has this one."""
        one = self.chain[max(0, bisect_right(self._starts, number) - 1)]
        return one.size / (one.stop - one.start)


class Sources:
    """Tables by name, as they were when the store was last asked."""

    def __init__(self, link: Link, names: Iterable[Named]) -> None:
        """Ask over ``link``."""
        self._link = link
        self._names = list(dict.fromkeys(names))
        self._known: dict[Named, SourceTable] = {}
        self.told: dict[Named, Source] = {}

    async def refresh(self) -> None:
        """Ask what is new.

        Raises:
            SourceReorganised: a table changes so fast that nothing certain is known of it.
            ChannelError: the worker does not answer.
        """
        for _ in range(TRIES):
            told = await self._link.sources(self._names)
            self.told = dict(zip(self._names, told, strict=True))
            whole = [await self._update(name, one) for name, one in self.told.items()]
            if all(whole):
                return
        raise SourceReorganised("the tables that are read change all the time", hint="try again")

    def forget(self) -> None:
        """Ask for everything again: a file was not where it should be."""
        self._known.clear()

    def get(self, name: Named) -> SourceTable | None:
        """Find a table; None while it has no block."""
        return self._known.get(name)

    def at(self, name: Named) -> SourceTable:
        """Find a table that has blocks.

        Raises:
            KeyError: it has none.
        """
        return self._known[name]

    async def _update(self, name: Named, told: Source) -> bool:
        known = self._known.pop(name, None)
        if told.revision is None or told.path is None or not told.files:
            return True
        if known is not None and _same(known.told, told):
            known.told = told
            self._known[name] = known
            return True
        had = known.chain if known is not None and known.told.revision == told.revision else ()
        chain = await self._chain(name, told, had)
        if chain is None and had:
            chain = await self._chain(name, told, ())
        if chain is None:
            return False
        self._known[name] = SourceTable(name, told, DataFolder.at(told.path), chain)
        return True

    async def _chain(
        self, name: Named, told: Source, had: Sequence[Segment]
    ) -> Sequence[Segment] | None:
        """Read a chain from its end down to a file that is known; None if it changed meanwhile."""
        places = {one.name: place for place, one in enumerate(had)}
        new: list[Segment] = []
        below = _ABOVE - 1
        while len(new) < told.files:
            page = await self._link.links(name, told.revision or 0, below)
            if not page:
                return None
            for one in page:
                place = places.get(one.name)
                if place is not None and had[place] == one:
                    return _whole([*had[: place + 1], *reversed(new)], told)
                new.append(one)
            below = page[-1].start
        return _whole(new[::-1], told)


def _same(before: Source, now: Source) -> bool:
    return (before.revision, before.hash, before.files, before.changed_at) == (
        now.revision, now.hash, now.files, now.changed_at,
    )  # fmt: skip


def _whole(chain: Sequence[Segment], told: Source) -> Sequence[Segment] | None:
    """Check that a chain that was read in pieces is the one that was told of."""
    linked = all(
        one.hash == two.prev_hash and one.stop <= two.start for one, two in pairwise(chain)
    )
    whole = len(chain) == told.files and (chain[0].start, chain[-1].stop) == (told.start, told.stop)
    return chain if linked and whole and chain[-1].hash == told.hash else None
