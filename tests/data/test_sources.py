"""What a program knows of the tables that it reads, and how little it asks for to know it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from jobyard.core.derived import Source
from jobyard.core.segments import Segment
from jobyard.data.sources import Sources
from jobyard.errors import SourceReorganised

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobyard.data.link import Link

NAME = ("eth", "blocks")
PAGE = 10


def chain(*stops: int, branch: str = "", start: int = 0) -> list[Segment]:
    made = []
    before = f"{start}"
    for stop in stops:
        own = f"{stop}{branch}"
        made.append(Segment(f"{start}-{own}", "", start, stop, own, before, size=stop - start))
        start, before = stop, own
    return made


class Store:
    """Answers for the worker, a few segments at a time, and counts them."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self.segments = list(segments)
        self.changed = 0
        self.told = 0
        self.meanwhile: Callable[[], None] = lambda: None

    def change(self, segments: Sequence[Segment]) -> None:
        self.segments = list(segments)
        self.changed += 1

    async def sources(self, names: Sequence[tuple[str, str]]) -> list[Source]:
        assert list(names) == [NAME]
        first, last = self.segments[0], self.segments[-1]
        count = len(self.segments)
        return [
            Source(
                1, "/x", "net", first.start, last.stop, last.hash, count, self.changed,
                active=True,
            )
        ]  # fmt: skip

    async def links(self, name: tuple[str, str], revision: int, below: int) -> list[Segment] | None:
        assert (name, revision) == (NAME, 1)
        self.meanwhile()
        found = [one for one in reversed(self.segments) if one.start < below][:PAGE]
        self.told += len(found)
        return found


def known(sources: Sources) -> Sequence[Segment]:
    asyncio.run(sources.refresh())
    return sources.at(NAME).chain


def test_only_what_is_new_is_asked_for() -> None:
    long = chain(*range(1, 101))
    store = Store(long)
    sources = Sources(cast("Link", store), [NAME])
    assert known(sources) == long
    assert store.told == 100

    known(sources)
    assert store.told == 100
    store.change(chain(*range(1, 104)))
    assert known(sources) == store.segments
    assert store.told == 110


def test_a_reorganised_chain_is_taken_over_from_the_fork() -> None:
    store = Store(chain(*range(1, 51)))
    sources = Sources(cast("Link", store), [NAME])
    known(sources)
    fork = [replace(one, name=f"{one.name}'") for one in chain(*range(41, 61), start=40)]
    store.change([*store.segments[:40], *fork])

    assert known(sources) == store.segments


def test_files_that_were_joined_below_are_noticed() -> None:
    store = Store(chain(*range(1, 51)))
    sources = Sources(cast("Link", store), [NAME])
    known(sources)
    joined = Segment("joined", "", 0, 30, "30", "0", size=30)
    store.change([joined, *store.segments[30:]])

    assert known(sources) == store.segments
    assert [one.name for one in sources.at(NAME).files(10, 32)] == ["joined", "30-31", "31-32"]


def test_a_chain_that_changes_while_it_is_read_is_read_again() -> None:
    store = Store(chain(*range(1, 51)))
    sources = Sources(cast("Link", store), [NAME])
    later = [chain(*range(1, 61)), chain(*range(1, 71), branch="b")]

    def once() -> None:
        if later and store.told > PAGE:
            store.change(later.pop())

    store.meanwhile = once
    assert known(sources) == store.segments
    assert not later

    store.meanwhile = lambda: store.change(store.segments[:-1])
    store.change(chain(*range(1, 100)))
    with pytest.raises(SourceReorganised):
        known(sources)
