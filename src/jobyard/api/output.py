"""What attempts printed, read piece by piece, so that memory does not grow with the output."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from jobyard.api.backwards import CHUNKS, SKEW, FromEnd, backwards, last_read
from jobyard.api.lines import Cutter, Source
from jobyard.api.stretches import MOST_STRETCH
from jobyard.clock import rfc3339
from jobyard.core.states import LIVE_ATTEMPT
from jobyard.errors import AttemptNotFound, InvalidQueryParam

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from jobyard.api.chosen import Chosen
    from jobyard.api.lines import Line
    from jobyard.core.records import Attempt, Job
    from jobyard.store.base import LogStore, Store

PAGE = 500
"""Attempts read at once."""


class Cursor(NamedTuple):
    """Where a page of lines begins: the next line ends behind ``offset`` in this attempt.

    Reading has to begin at ``since``, where the oldest line begins that has no end yet.
    """

    attempt_id: int
    offset: int
    since: int

    def __str__(self) -> str:
        """Write it for a query."""
        plain = f"{self.attempt_id}:{self.offset}"
        return plain if self.since == self.offset else f"{plain}:{self.offset - self.since}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read it again.

        Raises:
            InvalidQueryParam: it is none.
        """
        parts = text.split(":")
        if not 2 <= len(parts) <= 3 or not all(p.isascii() and p.isdigit() for p in parts):  # noqa: PLR2004 - see __str__
            raise _no_cursor(text)
        attempt_id, offset, *back = map(int, parts)
        since = offset - (back[0] if back else 0)
        if max(attempt_id, offset) >= 2**63 or since < 0:
            raise _no_cursor(text)
        return cls(attempt_id, offset, since)


def _no_cursor(text: str) -> InvalidQueryParam:
    return InvalidQueryParam(
        f"cursor is `{text[:80]}`",
        hint="it is the Jobyard-Next-Cursor of a page before, or attempt_id:offset",
        parameter="cursor",
    )


@dataclass(frozen=True, slots=True)
class Section:
    """A part of an attempt's output: from ``start`` on, without the first ``skip`` lines."""

    attempt: Attempt
    start: int = 0
    stop: int | None = None
    skip: int = 0
    behind: int = 0
    """Lines that end up to here were told before."""

    @property
    def source(self) -> Source:
        """The attempt as its lines name it."""
        return Source(self.attempt.id, self.attempt.index, self.attempt.number)


async def attempts_of(
    store: Store, job_id: int, index: int | None, after: int = 0
) -> AsyncIterator[Attempt]:
    """Walk through a job's attempts, oldest first, page by page."""
    while page := await store.attempts(job_id, after=after, limit=PAGE, index=index):
        for attempt in page:
            yield attempt
        if len(page) < PAGE:
            return
        after = page[-1].id


def check_index(job: Job, index: int | None) -> None:
    """Make sure that a job has an index that was asked for; its attempts may still be to come.

    Raises:
        AttemptNotFound: it has not.
    """
    policy = job.state.policy
    if index is None:
        return
    if not policy.indexed or policy.completions is None:
        raise AttemptNotFound(detail=f"job {job.id} has no index {index}: it is not Indexed")
    if policy.indexes is not None and index not in policy.indexes:
        raise AttemptNotFound(detail=f"job {job.id} has no index {index}, but {policy.indexes}")
    if index >= policy.completions:
        last = policy.completions - 1
        raise AttemptNotFound(detail=f"job {job.id} has no index {index}: the last is {last}")


async def check(store: Store, job_id: int, chosen: Chosen) -> None:
    """Make sure that an attempt that was asked for by name is there.

    Raises:
        AttemptNotFound: it is not.
    """
    if chosen.attempt_id is not None:
        await the_attempt(store, job_id, chosen.attempt_id, chosen.index)
    if chosen.attempt is not None:
        async for attempt in attempts_of(store, job_id, chosen.index):
            if attempt.number == chosen.attempt:
                return
        raise AttemptNotFound(detail=f"job {job_id} has no attempt number {chosen.attempt}")


async def the_attempt(
    store: Store, job_id: int, attempt_id: int, index: int | None = None
) -> Attempt:
    """Find the attempt with an id.

    Raises:
        AttemptNotFound: the job has none such.
    """
    found = await store.attempts(job_id, after=attempt_id - 1, limit=1, index=index)
    if not found or found[0].id != attempt_id:
        raise AttemptNotFound(attempt_id, f"job {job_id} has no attempt with id {attempt_id}")
    return found[0]


class Reader:
    """Reads what was chosen of a job's output, attempt after attempt."""

    def __init__(self, store: Store, logs: LogStore, job_id: int, chosen: Chosen) -> None:
        """Read from ``logs``; which attempts there are is known to ``store``."""
        self._store = store
        self._logs = logs
        self._job_id = job_id
        self._chosen = chosen

    async def lines(self, cursor: Cursor | None = None) -> AsyncIterator[Line]:
        """Give the lines, and of the unfinished last one of each attempt what there is."""
        async for section in self._sections(cursor):
            async for line in self._of(section, whole=True):
                yield line

    async def pieces(self) -> AsyncIterator[bytes]:
        """Give the text: byte for byte, or where lines are looked at, line by line."""
        if self._chosen.one_by_one:
            async for piece in self._text():
                yield piece
            return
        async for section in self._sections(None):
            # Lines that are to be passed over are counted as whole ones.
            async for line in self._of(section, whole=section.skip > 0):
                yield line.raw

    async def _text(self) -> AsyncIterator[bytes]:
        ended = True
        async for line in self.lines():
            head = b""
            if line.head:
                head = (b"" if ended else b"\n") + stamp(line, on=self._chosen.timestamps)
            yield head + line.raw
            ended = not line.partial
        if not ended:
            yield b"\n"

    async def page(self, cursor: Cursor | None, limit: int) -> tuple[list[Line], Cursor | None]:
        """Give up to ``limit`` lines behind a cursor, and the cursor behind them.

        A page does not go beyond an attempt that still runs: what it prints comes first.
        """
        found: list[Line] = []
        size = 0
        async for section in self._sections(cursor):
            cutter = self._cutter(section, whole=True)
            live = is_live(section.attempt)
            async for line in self._cut(section, cutter, rest=not live):
                found.append(line)
                size += len(line.data)
                if len(found) == limit or size >= MOST_STRETCH:
                    return found, _behind(line, cutter)
            end = await self._end(section)
            since = cutter.open_since if live else None
            cursor = Cursor(section.attempt.id, end, end if since is None else since.offset)
            if live:
                break
        return found, cursor

    async def _end(self, section: Section) -> int:
        last = await self._logs.read_back(section.attempt.id, limit=1)
        return last[0].end.offset if last else section.start

    def _cutter(self, section: Section, *, whole: bool) -> Cutter:
        return Cutter(section.source, stream=self._chosen.stream, whole=whole)

    async def _of(self, section: Section, *, whole: bool) -> AsyncIterator[Line]:
        async for line in self._cut(section, self._cutter(section, whole=whole), rest=True):
            yield line

    async def _cut(self, section: Section, cutter: Cutter, *, rest: bool) -> AsyncIterator[Line]:
        """Give the lines of a section that are wanted."""
        skip = section.skip
        async for cut in self._raw(section, cutter, rest=rest):
            for line in cut:
                if not self._chosen.keeps(line):
                    continue
                if skip >= 0 and line.head:
                    skip -= 1
                if skip < 0 and line.end.offset > section.behind:
                    yield line

    async def _raw(
        self, section: Section, cutter: Cutter, *, rest: bool
    ) -> AsyncIterator[Iterator[Line]]:
        offset = section.start
        while chunks := await self._logs.read(section.attempt.id, offset=offset, limit=CHUNKS):
            for chunk in chunks:
                if section.stop is not None and chunk.offset >= section.stop:
                    break
                yield cutter.cut(chunk, offset)
                offset = max(offset, chunk.end.offset)
            else:
                continue
            break
        if rest:
            yield cutter.rest(0, offset)

    async def _sections(self, cursor: Cursor | None) -> AsyncIterator[Section]:
        if self._chosen.tail is not None:
            for section in await self._tail(self._chosen.tail):
                yield section
            return
        async for attempt in self._attempts(0 if cursor is None else cursor.attempt_id - 1):
            if cursor is not None and attempt.id == cursor.attempt_id:
                yield Section(attempt, cursor.since, behind=cursor.offset)
            else:
                yield Section(attempt, await self._begin(attempt))

    async def _attempts(self, after: int) -> AsyncIterator[Attempt]:
        chosen = self._chosen
        if chosen.attempt_id is not None:
            if chosen.attempt_id > after:
                attempt = await the_attempt(self._store, self._job_id, chosen.attempt_id)
                if self._wanted(attempt):
                    yield attempt
            return
        async for attempt in attempts_of(self._store, self._job_id, chosen.index, after):
            if self._wanted(attempt):
                yield attempt

    def _wanted(self, attempt: Attempt) -> bool:
        since, ended = self._chosen.since, attempt.finished_at
        if since is not None and ended is not None and ended < since - SKEW:
            return False
        return self._chosen.wants(Source(attempt.id, attempt.index, attempt.number))

    async def _begin(self, attempt: Attempt) -> int:
        """Find a place in an attempt before which all output is older than what is wanted."""
        since = self._chosen.since
        if since is None or (attempt.started_at or 0) > since + SKEW:
            return 0
        async for chunk in backwards(self._logs, attempt.id):
            if last_read(chunk) < since:
                return chunk.end.offset
        return 0

    async def _tail(self, wanted: int) -> list[Section]:
        """Find the last lines, from the last attempt backwards."""
        sections: deque[Section] = deque()
        before: int | None = None
        while wanted > 0:
            page = await self._store.latest_attempts(
                self._job_id, before=before, limit=PAGE, index=self._chosen.index
            )
            for attempt in page:
                if wanted > 0 and self._wanted(attempt):
                    section, count = await self._tail_of(attempt, wanted)
                    sections.appendleft(section)
                    wanted -= count
            if len(page) < PAGE:
                break
            before = page[-1].id
        return list(sections)

    async def _tail_of(self, attempt: Attempt, wanted: int) -> tuple[Section, int]:
        begin = await self._begin(attempt)
        if self._chosen.pattern is None and self._chosen.since is None:
            from_end = FromEnd(self._chosen.stream, wanted)
            async for chunk in backwards(self._logs, attempt.id):
                start = from_end.look(chunk)
                if start is not None:
                    return Section(attempt, start), from_end.count
            return Section(attempt), from_end.count
        # Only reading tells which lines match: once to count them, once to give the last ones.
        stop = await self._end(Section(attempt))
        section = Section(attempt, begin, stop)
        count = 0
        async for line in self._of(section, whole=True):
            count += line.head
        return Section(attempt, begin, stop, skip=max(count - wanted, 0)), min(count, wanted)


def is_live(attempt: Attempt) -> bool:
    """Tell whether an attempt may print more."""
    return attempt.status in LIVE_ATTEMPT


def stamp(line: Line, *, on: bool) -> bytes:
    """Write when a line was read, to stand before it."""
    return f"{rfc3339(line.at)} ".encode() if on else b""


def _behind(line: Line, cutter: Cutter) -> Cursor:
    end, since = line.end, cutter.open_since
    back = end.offset if since is None else min(since.offset, end.offset)
    return Cursor(end.attempt_id, end.offset, back)
