"""The route of what a job's programs print: read at once, page by page, or as a range of bytes."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from jobyard.api.desk import Desk
from jobyard.api.desks.output import MOST_LINES
from jobyard.api.parameters import (
    LARGEST_ID,
    Attempt,
    AttemptId,
    Index,
    JobId,
    Pattern,
    Since,
    StreamName,
    Tail,
)
from jobyard.api.problems import problem
from jobyard.api.shapes import answers
from jobyard.api.stretches import MOST_STRETCH
from jobyard.errors import InvalidQueryParam, RangeNotSatisfiable
from jobyard.wire.logs import Joiner, joined

NEXT_OFFSET = "Jobyard-Next-Offset"
"""The header that says where the next stretch of an attempt's output begins."""
NEXT_CURSOR = "Jobyard-Next-Cursor"
"""The header that says where the next page of lines begins."""
TEXT = "text/plain; charset=utf-8"
JSON_LINES = "application/jsonl"
GATHER = 64 * 1024
"""Bytes of JSON lines that are sent at once."""


def routes(desk: Desk) -> APIRouter:
    """Make the route that leads to ``desk``."""
    router = APIRouter(tags=["output"])

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

    return router


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
