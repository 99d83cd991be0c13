"""Whoever follows a job and comes back at any point is told everything, and nothing twice."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard.api import feed, hub
from jobyard.api.chosen import choose
from jobyard.api.follow import LogFollower
from jobyard.api.hub import Hub
from jobyard.api.places import Position
from jobyard.store.base import BEGINNING, Chunk
from jobyard.testing.stage import make_spec, sqlite_stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobyard.testing.stage import Stage

Entry = tuple[str, Any, bytes]
TEXT = st.text("ab\n", min_size=1, max_size=9).map(str.encode) | st.binary(min_size=1, max_size=6)
RUNS = st.lists(st.tuples(st.sampled_from([1, 2]), TEXT), min_size=1, max_size=3)
STEPS = st.lists(st.tuples(st.sampled_from([0, 1, 2]), RUNS), max_size=7)
FILTERS = st.sampled_from(
    [
        {},
        {"stream": "stderr"},
        {"index": 1},
        {"grep": "a"},
        {"grep": "^b*$"},
        {"grep": "a", "stream": "stdout", "index": 0},
        {"grep": "a", "tail": 2},
    ]
)


class Room:
    """A job that is over, of which every example writes the output anew."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        policy = {"completions": 3, "parallelism": 3}
        self.job_id = stage.submit_one(make_spec(indexed=True, policy=policy))
        worker = stage.worker()
        claims = worker.claim(3)
        worker.end(*claims)
        self.attempts = [claim.attempt_id for claim in claims]
        assert stage.status(self.job_id) == "COMPLETED"

    def print(self, steps: list[tuple[int, list[tuple[int, bytes]]]]) -> None:
        self.stage.do(self.stage.logs.delete([self.job_id]))
        offsets = dict.fromkeys(self.attempts, 0)
        for index, runs in steps:
            attempt = self.attempts[index]
            data = b"".join(text for _, text in runs)
            marks = tuple((stream, len(text), 0) for stream, text in runs)
            chunk = Chunk(self.job_id, attempt, offsets[attempt], 5, marks, data)
            self.stage.do(self.stage.logs.append([chunk]))
            offsets[attempt] += len(data)

    def follow(self, after: str | None = None, **chosen: Any) -> list[Entry]:
        async def work() -> list[Entry]:
            stage = self.stage
            hub = Hub(stage.store, stage.logs)
            follower = LogFollower(hub, stage.store, stage.logs, self.job_id, choose(**chosen))
            found: list[Entry] = []
            position = Position.parse(after) if after else None
            async with aclosing(follower.batches(position)) as batches:
                async for batch in batches:
                    for told in batch.told:
                        source = told.line.source.attempt_id, told.line.stream
                        found.append((str(told.position), source, told.line.raw))
                    if batch.ended:
                        assert batch.status == "COMPLETED"
                        return found
            pytest.fail("the stream broke off")

        return self.stage.do(work())


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with sqlite_stage(tmp_path_factory.mktemp("following")) as stage:
        yield Room(stage)


@given(steps=STEPS, chosen=FILTERS)
def test_coming_back_at_any_point_loses_and_repeats_nothing(
    room: Room, steps: list[tuple[int, list[tuple[int, bytes]]]], chosen: dict[str, Any]
) -> None:
    room.print(steps)
    straight = room.follow(**chosen)

    for at, (position, _, _) in enumerate(straight):
        rest = room.follow(position, **chosen)
        assert [entry[1:] for entry in rest] == [entry[1:] for entry in straight[at + 1 :]]


@given(steps=STEPS)
def test_everything_that_was_printed_is_told_in_order(
    room: Room, steps: list[tuple[int, list[tuple[int, bytes]]]]
) -> None:
    room.print(steps)
    told = room.follow()

    assert b"".join(raw for _, _, raw in told) == b"".join(
        text for _, runs in steps for _, text in runs
    )
    for index, attempt in enumerate(room.attempts):
        for stream in (1, 2):
            printed = b"".join(
                text for at, runs in steps if at == index for of, text in runs if of == stream
            )
            assert b"".join(raw for _, s, raw in told if s == (attempt, stream)) == printed


@given(steps=STEPS, tail=st.integers(0, 6))
def test_a_tail_is_the_end_of_it_all(
    room: Room, steps: list[tuple[int, list[tuple[int, bytes]]]], tail: int
) -> None:
    room.print(steps)
    everything = b"".join(text for _, runs in steps for _, text in runs)
    lines = everything.removesuffix(b"\n").split(b"\n") if everything else []
    ended = everything.endswith(b"\n")
    wanted = b"\n".join(lines[-tail:]) + (b"\n" if ended else b"") if tail and lines else b""

    assert b"".join(raw for _, _, raw in room.follow(tail=tail)) == wanted


@given(steps=STEPS, tail=st.integers(0, 4))
def test_a_tail_of_lines_that_match_is_the_end_of_those(
    room: Room, steps: list[tuple[int, list[tuple[int, bytes]]]], tail: int
) -> None:
    room.print(steps)
    told = [entry[1:] for entry in room.follow(grep="a", tail=tail)]
    everything = [entry[1:] for entry in room.follow(grep="a")]
    # A line that never ended comes at the end, whatever was asked for.
    assert everything[len(everything) - len(told) :] == told
    assert len(told) >= min(tail, len(everything))


def test_the_last_lines_that_match_are_told_as_they_are_read_and_none_is_held(room: Room) -> None:
    room.print([(0, [(1, b"a%d\n" % number)]) for number in range(9)])

    async def work() -> list[tuple[list[bytes], bool]]:
        stage, chosen = room.stage, choose(grep="a", tail=6)
        follower = LogFollower(
            Hub(stage.store, stage.logs), stage.store, stage.logs, room.job_id, chosen
        )
        async with aclosing(follower.batches()) as batches:
            return [
                ([told.line.data for told in batch.told], batch.position is not None)
                async for batch in batches
                if not batch.ended
            ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub, "CHUNKS", 1)
        patch.setattr(feed, "AT_ONCE", 1)
        told = room.stage.do(work())

    # Until the first of them comes there is no place to come back to: the tail begins again.
    assert [lines for lines, known in told if not known and lines] == []
    assert [lines for lines, known in told if known and lines] == [
        [b"a%d" % number] for number in range(3, 9)
    ]
    assert sum(not known for _, known in told) >= 9 + 2


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=12), st.integers(1, 4))
def test_followers_at_different_places_are_told_the_same(
    room: Room, sizes: list[int], places: int
) -> None:
    """Memory that reaches back a little only makes some of them read from the store."""
    room.print([(at % 3, [(1, b"x" * size)]) for at, size in enumerate(sizes)])
    chunks = room.stage.do(room.stage.logs.follow(room.job_id, BEGINNING))
    starts = [BEGINNING, *(chunk.end for chunk in chunks[:places])]

    async def one(hub: Hub, at: int) -> int:
        got = 0
        async with aclosing(hub.printed(room.job_id, starts[at])) as found:
            async for items in found:
                got += sum(len(item.chunk.data) for item in items)
        return got

    async def work() -> list[int]:
        hub = Hub(room.stage.store, room.stage.logs)
        return list(await asyncio.gather(*(one(hub, at) for at in range(len(starts)))))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feed, "REMEMBERED", 4000)
        got = room.stage.do(work())
    total = sum(sizes)
    assert got == [total - sum(sizes[:at]) for at in range(len(starts))]
