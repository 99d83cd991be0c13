"""Follow what was chosen: of a job's output, or of what becomes of all jobs."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobyard.api.backwards import SKEW, FromEnd, last_read
from jobyard.api.feed import Closed
from jobyard.api.hub import CHUNKS, LogOrigin, Told, job_status
from jobyard.api.lines import Cutter
from jobyard.api.places import LARGEST, Position
from jobyard.store.base import BEGINNING, LogPlace
from jobyard.wire.jobs import event_object

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence

    from jobyard.api.chosen import Chosen
    from jobyard.api.hub import Hub, Printed
    from jobyard.core.records import Change
    from jobyard.core.states import JobStatus
    from jobyard.store.base import Chunk, LabelFilter, LogStore, Store

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """What there is to tell at once, perhaps nothing, and how far that leads."""

    told: Sequence[Told]
    position: Position | None
    """None while whoever comes back has to begin again."""
    ended: bool = False
    """Whether nothing more comes."""
    status: JobStatus | None = None
    """The job's status at the end; None when the job is gone."""


class LogFollower:
    """Follows what was chosen of one job's output."""

    def __init__(self, hub: Hub, store: Store, logs: LogStore, job_id: int, chosen: Chosen) -> None:
        """Follow ``job_id``; the reading is left to ``hub``."""
        self._hub = hub
        self._store = store
        self._logs = logs
        self._job_id = job_id
        self._chosen = chosen
        self._cutters: dict[int, Cutter] = {}

    async def batches(self, after: Position | None = None) -> AsyncGenerator[Batch]:
        """Give what was printed behind ``after`` and what is printed, to the job's end.

        Nothing, as an empty batch, comes now and then. If the hub is closed there is no end.
        """
        position = after or await self._begin()
        step = self._pieces if self._chosen.pattern is None else self._lines
        earlier = _Earlier(0)
        if after is None and self._chosen.tail is not None and self._chosen.pattern is not None:
            async for count in self._counted(position.place):
                earlier = _Earlier(count - self._chosen.tail)
                yield Batch((), None)
        try:
            async with aclosing(self._hub.printed(self._job_id, position.since)) as found:
                async for items in found:
                    told, position = step(items, position) if items else ([], position)
                    told = earlier.left_out_of(told)
                    yield Batch(told, None if earlier.expected > 0 else position)
        except Closed:
            return
        rest = earlier.left_out_of(self._rest(position))
        status = await job_status(self._store, self._job_id)
        yield Batch(rest, position, ended=True, status=status)

    async def _counted(self, start: LogPlace) -> AsyncIterator[int]:
        """Count the lines that match so far; the last answer counts all of them.

        Only reading tells which lines match, and to keep them would take any amount of memory.
        """
        last = await self._logs.follow_back(self._job_id, limit=1)
        until = last[0].end if last else BEGINNING
        origin = LogOrigin(self._store, self._logs, self._job_id)
        counting = LogFollower(self._hub, self._store, self._logs, self._job_id, self._chosen)
        count, read, position = 0, start, Position(start, start)
        while read < until and (items := await origin.read(read)):
            told, position = counting._lines(items, position)
            count += sum(one.line.head for one in told)
            read = items[-1].chunk.end
            yield count

    def _pieces(self, items: list[Printed], position: Position) -> tuple[list[Told], Position]:
        """Tell at once whatever there is, in strict order of the bytes."""
        told: list[Told] = []
        start = position.place
        for item in items:
            if not self._chosen.wants(item.source):
                continue
            chunk = item.chunk
            if (chunk.order, chunk.attempt_id) == start[:2] and start.offset > chunk.offset:
                cutter = Cutter(item.source, stream=self._chosen.stream, whole=False)
                lines = cutter.cut(chunk, start.offset)
                cut = [Told(line, Position(line.end, line.end)) for line in lines]
            else:
                cut = self._hub.told(item, self._chosen.stream)
            told += [one for one in cut if self._chosen.keeps(one.line)]
        end = max(start, items[-1].chunk.end)
        return told, Position(end, end)

    def _lines(self, items: list[Printed], position: Position) -> tuple[list[Told], Position]:
        """Tell whole lines that match; what was told before is cut again, but not told."""
        told: list[Told] = []
        place, since = position
        for chunk, source in items:
            if not self._chosen.wants(source):
                continue
            cutter = self._cutters.get(source.attempt_id)
            if cutter is None:
                cutter = Cutter(source, stream=self._chosen.stream, whole=True)
                self._cutters[source.attempt_id] = cutter
            before = (chunk.order, chunk.attempt_id) == since[:2]
            told += [
                Told(line, self._at(line.end))
                for line in cutter.cut(chunk, since.offset if before else 0)
                if self._chosen.keeps(line) and line.end > place
            ]
            if cutter.open_since is None:
                del self._cutters[source.attempt_id]
        return told, self._at(max(place, items[-1].chunk.end))

    def _at(self, place: LogPlace) -> Position:
        begins = (cutter.open_since for cutter in self._cutters.values())
        return Position(place, min([place, *(begin for begin in begins if begin is not None)]))

    def _rest(self, position: Position) -> list[Told]:
        """Tell the lines that never ended, attempt after attempt."""
        return [
            Told(line, Position(line.end, position.since))
            for attempt_id in sorted(self._cutters)
            for line in self._cutters[attempt_id].rest(LARGEST, 0)
            if self._chosen.keeps(line) and line.end > position.place
        ]

    async def _begin(self) -> Position:
        """Find the place from which on something is wanted."""
        chosen = self._chosen
        place = BEGINNING
        if chosen.tail is not None and chosen.pattern is None:
            place = await self._tail(chosen.tail)
        elif chosen.since is not None:
            place = await self._since(chosen.since)
        return Position(place, place)

    async def _since(self, since: int) -> LogPlace:
        async for chunk in self._backwards():
            # Chunks come from several clocks.
            if last_read(chunk) < since - SKEW:
                return chunk.end
        return BEGINNING

    async def _tail(self, wanted: int) -> LogPlace:
        """Find the place behind which there are so many lines of what is wanted."""
        origin = LogOrigin(self._store, self._logs, self._job_id)
        from_end = FromEnd(self._chosen.stream, wanted)
        async for chunk in self._backwards():
            if wanted == 0:
                return chunk.end
            if self._chosen.wants(await origin.source(chunk.attempt_id)):
                offset = from_end.look(chunk)
                if offset is not None:
                    return chunk.end._replace(offset=offset)
        return BEGINNING

    async def _backwards(self) -> AsyncIterator[Chunk]:
        before: LogPlace | None = None
        while page := await self._logs.follow_back(self._job_id, before=before, limit=CHUNKS):
            for chunk in page:
                yield chunk
            before = page[-1].end._replace(offset=page[-1].offset)


@dataclass(slots=True)
class _Earlier:
    """The lines that match and come before the last ones, of which only the last are wanted."""

    expected: int
    """How many of them are still to come; none or less if all came."""
    passing: bool = False
    """Whether the line is one of them that went on when it was last seen."""

    def left_out_of(self, told: list[Told]) -> list[Told]:
        """Pass over them, all pieces of each."""
        if self.expected <= 0 and not self.passing:
            return told
        kept = []
        for one in told:
            if one.line.head:
                self.passing = self.expected > 0
                self.expected -= self.passing
            if not self.passing:
                kept.append(one)
        return kept


@dataclass(frozen=True, slots=True)
class ChosenChanges:
    """Which status changes are wanted: all that is given has to fit."""

    statuses: Collection[JobStatus] | None = None
    namespace: str | None = None
    name: str | None = None
    job_id: int | None = None
    labels: Sequence[LabelFilter] = ()

    def wants(self, change: Change) -> bool:
        """Tell whether a change is wanted; those of deleted jobs never are."""
        labels = change.labels
        return (
            labels is not None
            and self.job_id in (None, change.line.job_id)
            and self.namespace in (None, change.namespace)
            and self.name in (None, change.name)
            and (self.statuses is None or change.line.status in self.statuses)
            and all((labels.get(one.key) == one.value) is one.equal for one in self.labels)
        )


def change_object(change: Change) -> Object:
    """Write a status change of any job: its line of the ledger, and what the job is called."""
    return {
        **event_object(change.line),
        "name": change.name,
        "namespace": change.namespace,
        "labels": dict(change.labels or {}),
    }
