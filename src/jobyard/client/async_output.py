"""What programs print and what becomes of jobs, for programs that run an event loop."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Unpack

import httpx

from jobyard import clock
from jobyard.client import calls, following
from jobyard.client.async_link import AsyncLink
from jobyard.client.calls import Stretch, understood, unreachable
from jobyard.client.following import ChosenChanges, ChosenLines, Following, Frame, JsonLines
from jobyard.wire.logs import Joiner, bytes_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from jobyard.client.calls import Call, Object


class AsyncOutput(AsyncLink):
    """The part of the client that reads output and streams."""

    async def logs(
        self, job_id: int, *, timestamps: bool = False, **chosen: Unpack[ChosenLines]
    ) -> AsyncGenerator[bytes]:
        """Read what a job's programs printed, piece by piece, attempt after attempt.

        With ``timestamps`` each line begins with the time it was read.
        """
        call = calls.read(f"/jobs/{job_id}/logs", **_flag(timestamps=timestamps), **chosen)
        async with self._opened(call) as response:
            async for piece in response.aiter_bytes():
                yield piece

    async def log_lines(self, job_id: int, **chosen: Unpack[ChosenLines]) -> AsyncGenerator[Object]:
        """Read the same line by line, as objects: ``line``, ``stream``, ``at``, whose it is."""
        call = calls.read(f"/jobs/{job_id}/logs", format="jsonl", **chosen)
        lines = JsonLines()
        async with self._opened(call) as response:
            async for piece in response.aiter_bytes():
                for line in lines.take(piece):
                    yield line

    async def log_stretch(
        self, job_id: int, attempt_id: int, *, offset: int, limit: int, stream: str | None = None
    ) -> Stretch:
        """Read a stretch of one attempt's output; offset and limit count the attempt's bytes."""
        call = calls.read(
            f"/jobs/{job_id}/logs",
            attempt_id=attempt_id,
            offset=offset,
            limit=limit,
            stream=stream,
        )
        async with self._opened(call) as response:
            data = await response.aread()
            return Stretch(data, int(response.headers[calls.NEXT_OFFSET]))

    async def follow_lines(
        self, job_id: int, **chosen: Unpack[ChosenLines]
    ) -> AsyncGenerator[Object]:
        """Read what a job's programs print until the job is over, as pieces of lines.

        A connection that breaks off is made again, and nothing is lost or told twice. A piece
        whose ``partial`` is true goes on in the next one of its attempt and stream.

        Raises:
            ServerUnreachable: the server stays away.
        """
        async with aclosing(self._frames(following.lines_of(job_id, chosen))) as frames:
            async for frame in frames:
                if frame.kind != "end":
                    yield frame.data

    async def follow_logs(
        self, job_id: int, *, timestamps: bool = False, **chosen: Unpack[ChosenLines]
    ) -> AsyncGenerator[bytes]:
        """Read what a job's programs print until the job is over, byte for byte as it comes.

        With ``timestamps`` or ``grep`` it comes line by line. See ``follow_lines``.
        """
        by_line = timestamps or chosen.get("grep") is not None
        joiner = Joiner(timestamps=timestamps) if by_line else None
        async with aclosing(self.follow_lines(job_id, **chosen)) as lines:
            async for line in lines:
                piece = bytes_of(line) if joiner is None else joiner.add(line)
                if piece:
                    yield piece
        if joiner is not None and (left := joiner.rest()):
            yield left

    async def watch(
        self, after: str | None = None, **chosen: Unpack[ChosenChanges]
    ) -> AsyncGenerator[Object]:
        """Read the status changes of all jobs, without end.

        They come from now on, or behind the ``position`` of an earlier one. A connection that
        breaks off is made again, and nothing is lost or told twice.

        Raises:
            ServerUnreachable: the server stays away.
        """
        async with aclosing(self._frames(following.changes(after, chosen))) as frames:
            async for frame in frames:
                yield following.changed(frame)

    async def _frames(self, stream: Following) -> AsyncGenerator[Frame]:
        while not stream.ended:
            call = stream.call()
            try:
                async with self._http.stream(
                    call.method, call.path, params=call.params, headers=call.headers
                ) as response:
                    if response.is_success:
                        async for piece in response.aiter_bytes():
                            for frame in stream.take(piece):
                                yield frame
                    else:
                        await response.aread()
                        stream.refused(response)
            except httpx.TransportError as error:
                stream.broke(self.url, error)
            if not stream.ended:
                await clock.sleep(stream.pause())

    @asynccontextmanager
    async def _opened(self, call: Call) -> AsyncIterator[httpx.Response]:
        try:
            async with self._http.stream(call.method, call.path, params=call.params) as response:
                if not response.is_success:
                    await response.aread()
                    understood(response)
                yield response
        except httpx.TransportError as error:
            raise unreachable(self.url, error) from error


def _flag(*, timestamps: bool) -> dict[str, Any]:
    return {"timestamps": "true"} if timestamps else {}
