"""The part of the desk that shows what programs print and what becomes of jobs, also live."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jobyard.api.chosen import choose
from jobyard.api.desks.counter import Counter
from jobyard.api.desks.filters import label_filters
from jobyard.api.feed import Closed
from jobyard.api.follow import ChosenChanges, LogFollower, change_object
from jobyard.api.hub import Hub, shown
from jobyard.api.output import Cursor, Reader, check, check_index, is_live, the_attempt
from jobyard.api.places import Position, ledger_id, ledger_place
from jobyard.api.stretches import Stretch, stretch
from jobyard.errors import InvalidQueryParam
from jobyard.store.base import BEGINNING
from jobyard.wire.logs import Joiner, bytes_of
from jobyard.wire.words import statuses

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from jobyard.api.follow import Batch
    from jobyard.core.records import Change, LedgerPlace

Object = dict[str, Any]

MOST_LINES = 10_000
"""Lines of a page."""


@dataclass(frozen=True, slots=True)
class Page:
    """Lines, and where the next page begins; None when nothing was printed so far."""

    lines: list[Object]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Changes:
    """Status changes that are told at once, perhaps none, and how far that leads."""

    events: list[tuple[str, Object]]
    position: str


class OutputDesk(Counter):
    """Takes requests for output and for streams.

    ``chosen`` is, everywhere: ``attempt`` (a number), ``attempt_id``, ``index``, ``stream``
    (``stdout`` or ``stderr``), ``since`` (a time, or a duration such as ``10m``), ``tail`` (lines),
    ``grep`` (a regular expression of RE2) and ``timestamps``.
    """

    @cached_property
    def hub(self) -> Hub:
        """All that is followed at this desk."""
        return Hub(self.store, self._logs)

    async def _reader(self, job_id: int, chosen: dict[str, Any]) -> Reader:
        wanted = choose(**chosen)
        check_index(await self.store.job(job_id), wanted.index)
        await check(self.store, job_id, wanted)
        return Reader(self.store, self._logs, job_id, wanted)

    async def open_logs(self, job_id: int, **chosen: Any) -> AsyncIterator[bytes]:
        """Give what a job's attempts printed, one after the other, byte for byte.

        Raises:
            JobNotFound: there is no such job.
            AttemptNotFound: one attempt was asked for, and there is none such.
            InvalidQueryParam: what was chosen is not legal.
        """
        return (await self._reader(job_id, chosen)).pieces()

    async def open_lines(self, job_id: int, **chosen: Any) -> AsyncIterator[Object]:
        """Give the same line by line, as objects; raises as ``open_logs`` does."""
        reader = await self._reader(job_id, chosen)
        return (shown(line) async for line in reader.lines())

    async def log_page(
        self, job_id: int, *, cursor: str | None = None, limit: int = 1000, **chosen: Any
    ) -> Page:
        """Give a page of lines behind a cursor; raises as ``open_logs`` does.

        It does not go beyond an attempt that still runs, nor does it give that one's last line
        before it ends, so the same cursor goes on later without a gap.
        """
        if not 1 <= limit <= MOST_LINES:
            raise InvalidQueryParam(
                f"limit is {limit}", hint=f"it goes from 1 to {MOST_LINES}", parameter="limit"
            )
        if cursor and chosen.get("tail") is not None:
            raise InvalidQueryParam("tail and cursor say both where to begin", parameter="tail")
        reader = await self._reader(job_id, chosen)
        lines, reached = await reader.page(Cursor.parse(cursor) if cursor else None, limit)
        return Page([shown(line) for line in lines], None if reached is None else str(reached))

    async def log_stretch(
        self, job_id: int, attempt_id: int, *, offset: int, limit: int, stream: str | None = None
    ) -> Stretch:
        """Give a stretch of what one attempt printed; offset and limit count its bytes.

        Raises:
            JobNotFound: there is no such job.
            AttemptNotFound: the job has no such attempt.
        """
        wanted = choose(stream=stream)
        await self.store.job(job_id)
        await the_attempt(self.store, job_id, attempt_id)
        return await stretch(self._logs, attempt_id, offset, limit, wanted.stream)

    async def log_size(self, job_id: int, attempt_id: int) -> tuple[int, bool]:
        """Tell how many bytes an attempt printed so far, and whether there may be more.

        Raises:
            JobNotFound: there is no such job.
            AttemptNotFound: the job has no such attempt.
        """
        await self.store.job(job_id)
        attempt = await the_attempt(self.store, job_id, attempt_id)
        last = await self._logs.read_back(attempt_id, limit=1)
        return (last[0].end.offset if last else 0), is_live(attempt)

    async def open_follow(
        self, job_id: int, *, last_event_id: str | None = None, **chosen: Any
    ) -> AsyncGenerator[Batch]:
        """Give what a job prints until it is over; raises as ``open_logs`` does.

        An attempt number that there is not yet is waited for.
        """
        wanted = choose(**chosen)
        position = Position.parse(last_event_id) if last_event_id else None
        check_index(await self.store.job(job_id), wanted.index)
        if wanted.attempt_id is not None:
            await check(self.store, job_id, wanted)
        if position is not None:
            # Whoever is ahead of the end would take the reader of all followers along.
            last = await self._logs.follow_back(job_id, limit=1)
            position = position.upto(last[0].end if last else BEGINNING)
        return LogFollower(self.hub, self.store, self._logs, job_id, wanted).batches(position)

    async def open_changes(
        self,
        *,
        last_event_id: str | None = None,
        status: str | None = None,
        labels: Sequence[str] = (),
        **chosen: Any,
    ) -> AsyncGenerator[Changes]:
        """Give the status changes of all jobs from now on, or behind an event.

        ``chosen`` are ``namespace``, ``name`` and ``job_id``.

        Raises:
            InvalidQueryParam: what was chosen is not legal.
        """
        wanted = ChosenChanges(
            None if status is None else statuses(status),
            labels=list(label_filters(labels, InvalidQueryParam)),
            **chosen,
        )
        place = await self.store.last_place()
        if last_event_id:
            # Nobody may be ahead of the end: see ``open_follow``.
            place = min(ledger_place(last_event_id), place)
        return self._changes(place, wanted)

    async def _changes(self, place: LedgerPlace, wanted: ChosenChanges) -> AsyncGenerator[Changes]:
        try:
            async with aclosing(self.hub.changes(place)) as found:
                async for changes in found:
                    if changes:
                        place = changes[-1].place
                    told = [_told(change) for change in changes if wanted.wants(change)]
                    yield Changes(told, ledger_id(place))
        except Closed:
            return

    async def logs(self, job_id: int, **chosen: Any) -> AsyncGenerator[bytes]:
        """Read what a job's programs printed; see ``open_logs``."""
        async for piece in await self.open_logs(job_id, **chosen):
            yield piece

    async def log_lines(self, job_id: int, **chosen: Any) -> AsyncGenerator[Object]:
        """Read what a job's programs printed, line by line; see ``open_lines``."""
        async for line in await self.open_lines(job_id, **chosen):
            yield line

    async def follow_lines(self, job_id: int, **chosen: Any) -> AsyncGenerator[Object]:
        """Read what a job's programs print until it is over, as pieces of lines."""
        async with aclosing(await self.open_follow(job_id, **chosen)) as batches:
            async for batch in batches:
                for told in batch.told:
                    yield told.object

    async def follow_logs(
        self, job_id: int, *, timestamps: bool = False, **chosen: Any
    ) -> AsyncGenerator[bytes]:
        """Read what a job's programs print until it is over, byte for byte as it comes.

        With ``timestamps`` or ``grep`` it comes line by line.
        """
        by_line = timestamps or chosen.get("grep") is not None
        joiner = Joiner(timestamps=timestamps) if by_line else None
        async with aclosing(self.follow_lines(job_id, **chosen)) as lines:
            async for line in lines:
                piece = joiner.add(line) if joiner is not None else bytes_of(line)
                if piece:
                    yield piece
        if joiner is not None and (left := joiner.rest()):
            yield left

    async def watch(self, after: str | None = None, **chosen: Any) -> AsyncGenerator[Object]:
        """Read the status changes of all jobs, from now on or behind an event's ``position``."""
        async with aclosing(await self.open_changes(last_event_id=after, **chosen)) as found:
            async for changes in found:
                for position, event in changes.events:
                    yield {**event, "position": position}


def _told(change: Change) -> tuple[str, Object]:
    return ledger_id(change.place), change_object(change)
