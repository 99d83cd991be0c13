"""An extraction's program and its worker: the words of `wire.extract`, said off the event loop."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from jobyard.core.compaction import ChainPart
from jobyard.core.derived import Source
from jobyard.core.segments import Segment
from jobyard.wire.extract import CostWords, FileWords, MergerWords, SegmentWords

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.chain.source import Traffic
    from jobyard.channel import Channel
    from jobyard.core.ranges import Span
    from jobyard.core.shares import Share
    from jobyard.data.parquet import Published
    from jobyard.wire.extract import Orders


@dataclass(frozen=True, slots=True)
class Place:
    """Where a table's files go."""

    table: str
    path: str


@dataclass(frozen=True, slots=True)
class Lack:
    """What a table lacks; see `jobyard.core.extraction.Lacking`, whose JSON this is."""

    spans: list[Span]
    repairs: list[Span]
    known: list[tuple[int, str]]


class Link:
    """Speaks for one attempt. What reading costs is told with what it led to."""

    def __init__(self, channel: Channel) -> None:
        """Speak over ``channel``."""
        self._channel = channel
        self._told = (0, 0, 0)
        self.traffic: Traffic | None = None
        self.head: int | None = None
        self.published = 0
        """Blocks published by this attempt, those of each table counted."""

    async def orders(self) -> Orders:
        """Ask what to extract."""
        orders: Orders = await asyncio.to_thread(self._channel.orders)
        return orders

    async def fix_stop(self, stop: int) -> int:
        """Say where the job ends; the first one who says it is right."""
        return await asyncio.to_thread(self._channel.fix_stop, stop)

    async def tables(self) -> list[Place]:
        """Become the one writer of the job's tables."""
        answer = await self._ask("tables", {})
        return [Place(**each) for each in answer["tables"]]

    async def lacking(self, start: int, stop: int, mine: Share) -> dict[str, Lack]:
        """Ask what each table lacks of some blocks: the lowest of one writer's share."""
        answer = await self._ask("lacking", {"start": start, "stop": stop, **asdict(mine)})
        return {
            table: Lack(
                *([(a, b) for a, b in each[name]] for name in ("spans", "repairs", "known"))
            )
            for table, each in answer["tables"].items()
        }

    async def files(self, table: str) -> tuple[dict[str, tuple[int, int]], set[str]]:
        """List the files of a table by name, with their blocks; name those retired."""
        answer = await self._ask("files", {"table": table})
        known = {name: (start, stop) for name, _, start, stop in answer["files"]}
        return known, set(answer["retired"])

    async def sources(self, tables: Sequence[tuple[str, str]]) -> list[Source]:
        """Ask how far tables are that others are made of, by alias and name."""
        answer = await self._ask("sources", {"tables": list(tables)})
        return [
            Source(**{key: one[key] for key in one if key not in {"alias", "table"}})
            for one in answer["sources"]
        ]

    async def links(
        self, table: tuple[str, str], revision: int, below: int
    ) -> list[Segment] | None:
        """Ask for files of a table's chain, the last one below a block first."""
        words = {"alias": table[0], "table": table[1], "revision": revision, "below": below}
        found = (await self._ask("links", words))["segments"]
        if found is None:
            return None
        return [
            Segment(name, "", start, stop, own, before, size=size)
            for name, start, stop, own, before, size in found
        ]

    async def publish(self, done: Published) -> list[str]:
        """Make a file part of its table; returns the names of those that are not any more.

        Its own name among them says that it is not needed.
        """
        words = SegmentWords(**_words(done), cost=self._cost())
        gone = await asyncio.to_thread(self._channel.publish, words)
        self.published += done.segment.stop - done.segment.start
        return gone

    async def chain(self, table: str, start: int) -> ChainPart:
        """Read a page of a table's chain, from a block on."""
        answer = await self._ask("chain", {"table": table, "start": start})
        segments = [Segment(**each) for each in answer["segments"]]
        return ChainPart(segments, answer["head"], answer["now"], answer["more"])

    async def compact(self, done: Published, parents: Sequence[str]) -> list[str] | None:
        """Put a file in the place of others; returns their names, None if that may not be."""
        words = MergerWords(**_words(done), parents=list(parents))
        gone: list[str] | None = (await self._ask("compact", words))["gone"]
        return gone

    async def tell_cost(self) -> None:
        """Tell what reading has cost since it was last told."""
        await self._ask("cost", self._cost())

    async def fail(self, error: dict[str, Any]) -> None:
        """Keep why this program fails."""
        await self._ask("failure", error)

    async def result(self, value: Any) -> None:
        """Keep what this attempt did."""
        await asyncio.to_thread(self._channel.result, value)

    async def _ask(self, noun: str, value: Any) -> Any:
        return await asyncio.to_thread(self._channel.ask, noun, value)

    def _cost(self) -> CostWords:
        traffic = self.traffic
        now = (
            (traffic.requests, traffic.retries, traffic.bytes_received)
            if traffic is not None
            else self._told
        )
        requests, retries, received = (new - old for new, old in zip(now, self._told, strict=True))
        self._told = now
        return CostWords(requests=requests, retries=retries, bytes_fetched=received, head=self.head)


def _words(done: Published) -> FileWords:
    segment = done.segment
    return FileWords(
        table=done.table,
        name=segment.name,
        network=segment.network,
        start=segment.start,
        stop=segment.stop,
        hash=segment.hash,
        prev_hash=segment.prev_hash,
        size=segment.size,
        rows=done.rows,
    )
