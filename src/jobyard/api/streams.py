"""The routes of what programs print and of what becomes of jobs, read at once or followed."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from jobyard import clock
from jobyard.api.chosen import LONGEST_PATTERN, MOST_TAIL
from jobyard.api.desk import Desk
from jobyard.api.desks.output import MOST_LINES, Changes
from jobyard.api.feed import BEAT
from jobyard.api.follow import Batch
from jobyard.api.hub import event
from jobyard.api.output import MOST_STRETCH
from jobyard.api.parameters import LARGEST_ID, Index, JobId
from jobyard.api.problems import problem
from jobyard.api.shapes import answers
from jobyard.errors import InvalidQueryParam, RangeNotSatisfiable
from jobyard.wire.logs import Joiner, joined

NEXT_OFFSET = "Jobyard-Next-Offset"
"""The header that says where the next stretch of an attempt's output begins."""
NEXT_CURSOR = "Jobyard-Next-Cursor"
"""The header that says where the next page of lines begins."""
TEXT = "text/plain; charset=utf-8"
JSON_LINES = "application/jsonl"
EVENT_STREAM = "text/event-stream"
COME_BACK = 1000
"""Milliseconds after which a browser whose stream broke off comes back."""
GATHER = 64 * 1024
"""Bytes of JSON lines that are sent at once."""

Attempt = Annotated[
    int | None, Query(ge=1, le=2**31 - 1, description="Only attempts of this number.")
]
AttemptId = Annotated[
    int | None, Query(ge=1, le=LARGEST_ID, description="Only the attempt of this id.")
]
StreamName = Annotated[Literal["stdout", "stderr"] | None, Query(description="Only this stream.")]
Since = Annotated[
    str | None,
    Query(description="Only what was read since a time (RFC 3339), or a duration ago (`10m`)."),
]
Tail = Annotated[
    int | None, Query(ge=0, le=MOST_TAIL, description="Only so many lines from the end.")
]
Pattern = Annotated[
    str | None,
    Query(
        max_length=LONGEST_PATTERN,
        description="Only lines in which this regular expression (RE2) is found.",
    ),
]
LastEventHeader = Annotated[
    str | None, Header(description="The id of the last event that came: go on behind it.")
]
LastEvent = Annotated[
    str | None,
    Query(
        alias="last_event_id",
        max_length=200,
        description="The same, for those who cannot set headers.",
    ),
]


def routes(desk: Desk) -> APIRouter:
    """Make the routes that lead to ``desk``; to be asked before those of a job by its id."""
    router = APIRouter(tags=["output"])
    _add_logs(router, desk)
    _add_followed_logs(router, desk)
    _add_changes(router, desk)
    return router


def _add_logs(router: APIRouter, desk: Desk) -> None:
    @router.get(
        "/jobs/{job_id}/logs", response_class=StreamingResponse, responses=_bytes_or_problems()
    )
    async def read_logs(
        request: Request,
        job_id: JobId,
        attempt: Attempt = None,
        attempt_id: AttemptId = None,
        index: Index = None,
        stream: StreamName = None,
        since: Since = None,
        tail: Tail = None,
        grep: Pattern = None,
        timestamps: Annotated[
            bool, Query(description="Begin each line of text with the time it was read.")
        ] = False,
        format: Annotated[  # noqa: A002 - the word of the API
            Literal["text", "jsonl"], Query(description="Text as it is, or a JSON object a line.")
        ] = "text",
        cursor: Annotated[
            str | None,
            Query(
                max_length=80,
                description="Answer with a page of lines: the `Jobyard-Next-Cursor` of the page "
                "before, attempt_id:offset, or nothing for the first page.",
            ),
        ] = None,
        limit: Annotated[
            int | None,
            Query(
                ge=1,
                le=MOST_STRETCH,
                description=f"Lines of a page, {MOST_LINES} at most; bytes with `offset`.",
            ),
        ] = None,
        offset: Annotated[
            int | None,
            Query(ge=0, le=LARGEST_ID, description="Bytes of the attempt to pass over."),
        ] = None,
    ) -> Response:
        """Read what a job's programs printed, attempt after attempt.

        Text comes byte for byte. With `cursor`, or `limit` and `format=jsonl`, it is a page of
        lines, and `Jobyard-Next-Cursor` says where the next one begins. With `attempt_id` and
        `offset` or `limit` it is a stretch of bytes, and `Jobyard-Next-Offset` says where the
        next one begins; `Range` works for the bytes of one attempt, too.
        """
        chosen: dict[str, Any] = {
            "attempt": attempt, "attempt_id": attempt_id, "index": index, "stream": stream,
            "since": since, "tail": tail, "grep": grep, "timestamps": timestamps,
        }  # fmt: skip
        if cursor is not None or (format == "jsonl" and limit is not None):
            return await _page(desk, job_id, format, cursor, limit, chosen)
        if format == "jsonl":
            lines = await desk.open_lines(job_id, **chosen)
            return StreamingResponse(_gathered(lines), media_type=JSON_LINES)
        if offset is not None or limit is not None:
            return await _stretch(desk, job_id, attempt_id, offset or 0, limit, stream)
        plain = {name for name, value in chosen.items() if value not in (None, False)}
        if attempt_id is not None and plain == {"attempt_id"}:
            return await _ranged(desk, request, job_id, attempt_id)
        return StreamingResponse(await desk.open_logs(job_id, **chosen), media_type=TEXT)


async def _page(
    desk: Desk,
    job_id: int,
    form: str,
    cursor: str | None,
    limit: int | None,
    chosen: dict[str, Any],
) -> Response:
    page = await desk.log_page(job_id, cursor=cursor, limit=limit or 1000, **chosen)
    headers = {} if page.cursor is None else {NEXT_CURSOR: page.cursor}
    if form == "jsonl":
        body = b"".join(map(_json_line, page.lines))
        return Response(body, headers=headers, media_type=JSON_LINES)
    joiner = Joiner(timestamps=chosen["timestamps"])
    body = b"".join(joined(page.lines, joiner))
    return Response(body, headers=headers, media_type=TEXT)


async def _stretch(
    desk: Desk,
    job_id: int,
    attempt_id: int | None,
    offset: int,
    limit: int | None,
    stream: str | None,
) -> Response:
    if attempt_id is None:
        raise InvalidQueryParam(
            "offset and limit count bytes of one attempt",
            hint="name it with attempt_id; with format=jsonl or cursor limit counts lines",
        )
    part = await desk.log_stretch(
        job_id, attempt_id, offset=offset, limit=limit or MOST_STRETCH, stream=stream
    )
    return Response(part.data, headers={NEXT_OFFSET: str(part.next_offset)}, media_type=TEXT)


async def _ranged(desk: Desk, request: Request, job_id: int, attempt_id: int) -> Response:
    """Answer with an attempt's bytes, or with the one range of them that was asked for."""
    headers = {"Accept-Ranges": "bytes"}
    asked = re.fullmatch(r"bytes=(\d{0,19})-(\d{0,19})", request.headers.get("range", ""))
    if asked is None or not any(asked.groups()):
        pieces = await desk.open_logs(job_id, attempt_id=attempt_id)
        return StreamingResponse(pieces, headers=headers, media_type=TEXT)
    size, live = await desk.log_size(job_id, attempt_id)
    if asked[1]:
        first, last = int(asked[1]), int(asked[2] or size)
    else:
        first, last = max(size - int(asked[2]), 0), size
    stop = min(last + 1, size)
    if first >= size or last < first:
        error = RangeNotSatisfiable(
            f"attempt {attempt_id} printed {size} bytes so far" if live
            else f"attempt {attempt_id} printed {size} bytes"
        )  # fmt: skip
        return problem(error, request.url.path, {"Content-Range": f"bytes */{size}", **headers})
    headers["Content-Range"] = f"bytes {first}-{stop - 1}/{'*' if live else size}"
    headers["Content-Length"] = str(stop - first)
    pieces = _bytes(desk, job_id, attempt_id, first, stop)
    return StreamingResponse(pieces, 206, headers, TEXT)


async def _bytes(
    desk: Desk, job_id: int, attempt_id: int, offset: int, stop: int
) -> AsyncIterator[bytes]:
    while offset < stop:
        limit = min(stop - offset, MOST_STRETCH)
        part = await desk.log_stretch(job_id, attempt_id, offset=offset, limit=limit)
        if not part.data:
            # Deleted meanwhile: the connection is cut, for the promised length is not there.
            return
        offset = part.next_offset
        yield part.data


async def _gathered(lines: AsyncIterator[dict[str, Any]]) -> AsyncIterator[bytes]:
    pending = bytearray()
    async for line in lines:
        pending += _json_line(line)
        if len(pending) >= GATHER:
            yield bytes(pending)
            pending.clear()
    if pending:
        yield bytes(pending)


def _json_line(line: dict[str, Any]) -> bytes:
    return json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _add_followed_logs(router: APIRouter, desk: Desk) -> None:
    @router.get(
        "/jobs/{job_id}/logs/stream",
        response_class=StreamingResponse,
        responses=_events_or_problems("Each event's data is a `LogLine`; the last event is `end`."),
    )
    async def follow_logs(
        job_id: JobId,
        attempt: Attempt = None,
        attempt_id: AttemptId = None,
        index: Index = None,
        stream: StreamName = None,
        since: Since = None,
        tail: Tail = None,
        grep: Pattern = None,
        last_event_id: LastEventHeader = None,
        last_event: LastEvent = None,
    ) -> Response:
        """Follow what a job's programs print, as server-sent events, until the job is over.

        Whoever comes back with the id of the last event goes on without a gap or a repeat. A
        stream that ends without the event `end` broke off: come back.
        """
        batches = await desk.open_follow(
            job_id,
            last_event_id=last_event_id or last_event,
            attempt=attempt,
            attempt_id=attempt_id,
            index=index,
            stream=stream,
            since=since,
            tail=tail,
            grep=grep,
        )
        return EventStream(_spoken(_lines_told(job_id, batches)))


async def _lines_told(
    job_id: int, batches: AsyncGenerator[Batch]
) -> AsyncGenerator[tuple[bytes, str]]:
    async with aclosing(batches):
        async for batch in batches:
            body, position = b"".join(told.sse for told in batch.told), str(batch.position)
            if batch.ended:
                body += event({"job_id": job_id, "job_status": batch.status}, position, "end")
            yield body, position


def _add_changes(router: APIRouter, desk: Desk) -> None:
    @router.get(
        "/jobs/stream",
        response_class=StreamingResponse,
        responses=_events_or_problems("Each event's data is an `Event`, with the job's name."),
    )
    async def follow_jobs(
        status: Annotated[
            str | None, Query(description="Only changes to one of these statuses.")
        ] = None,
        namespace: Annotated[str | None, Query(description="Only jobs of this namespace.")] = None,
        name: Annotated[str | None, Query(description="Only jobs called so.")] = None,
        job_id: Annotated[
            int | None, Query(ge=1, le=LARGEST_ID, description="Only this job.")
        ] = None,
        label: Annotated[
            list[str], Query(description="Only jobs with this label, `k=v` or `k!=v`.")
        ] = [],  # noqa: B006 - FastAPI copies it
        last_event_id: LastEventHeader = None,
        last_event: LastEvent = None,
    ) -> Response:
        """Follow the status changes of all jobs, as server-sent events, from now on.

        Whoever comes back with the id of the last event goes on without a gap or a repeat.
        """
        changes = await desk.open_changes(
            last_event_id=last_event_id or last_event,
            status=status,
            labels=label,
            namespace=namespace,
            name=name,
            job_id=job_id,
        )
        return EventStream(_spoken(_changes_told(changes)))


async def _changes_told(found: AsyncGenerator[Changes]) -> AsyncGenerator[tuple[bytes, str]]:
    async with aclosing(found):
        async for changes in found:
            told = (event(value, position) for position, value in changes.events)
            yield b"".join(told), changes.position


async def _spoken(parts: AsyncGenerator[tuple[bytes, str]]) -> AsyncGenerator[bytes]:
    """Say something now and then while there is nothing to tell: how far the reader is."""
    spoke = clock.monotonic()
    yield f"retry: {COME_BACK}\n\n".encode()
    async with aclosing(parts):
        async for body, position in parts:
            if body:
                yield body
            elif clock.monotonic() - spoke >= BEAT / 2:
                yield f": still here\nid: {position}\n\n".encode()
            else:
                continue
            spoke = clock.monotonic()


class EventStream(StreamingResponse):
    """Server-sent events; whoever made them is told when nobody reads on."""

    def __init__(self, events: AsyncGenerator[bytes]) -> None:
        """Send ``events`` as they come."""
        super().__init__(events, media_type=EVENT_STREAM, headers={"X-Accel-Buffering": "no"})
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send, and close what was not read to its end."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._events.aclose()


def _bytes_or_problems() -> dict[int | str, Any]:
    described = answers({}, 400, 404, 416)
    lines = {"schema": {"$ref": "#/components/schemas/LogLine"}}
    text = {"schema": {"type": "string", "format": "binary"}}
    described[200] = {
        "description": "The bytes, or the lines.",
        "headers": {
            NEXT_OFFSET: {"schema": {"type": "integer"}},
            NEXT_CURSOR: {"schema": {"type": "string"}},
        },
        "content": {"text/plain": text, JSON_LINES: lines},
    }
    described[206] = {"description": "The range of bytes.", "content": {"text/plain": text}}
    return described


def _events_or_problems(about: str) -> dict[int | str, Any]:
    described = answers({}, 400, 404)
    described[200] = {
        "description": about,
        "content": {EVENT_STREAM: {"schema": {"type": "string"}}},
    }
    return described
