"""The routes that are followed: what programs print, and what becomes of jobs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from jobyard import clock
from jobyard.api.desk import Desk
from jobyard.api.desks.output import Changes
from jobyard.api.feed import BEAT
from jobyard.api.follow import Batch
from jobyard.api.hub import event
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
from jobyard.api.shapes import answers

EVENT_STREAM = "text/event-stream"
COME_BACK = 1000
"""Milliseconds after which a browser whose stream broke off comes back."""
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
    _add_followed_logs(router, desk)
    _add_changes(router, desk)
    return router


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
            body = b"".join(told.sse for told in batch.told)
            position = "" if batch.position is None else str(batch.position)
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
                place = f"id: {position}\n" if position else ""
                yield f": still here\n{place}\n".encode()
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


def _events_or_problems(about: str) -> dict[int | str, Any]:
    described = answers({}, 400, 404)
    described[200] = {
        "description": about,
        "content": {EVENT_STREAM: {"schema": {"type": "string"}}},
    }
    return described
