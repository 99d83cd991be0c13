# made by scripts/generate.py
"""What programs print and what becomes of jobs, for programs without an event loop."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Unpack

import httpx

from jobyard import clock
from jobyard.client import calls, following
from jobyard.client.calls import Stretch, understood, unreachable
from jobyard.client.following import ChosenChanges, ChosenLines, Following, Frame, JsonLines
from jobyard.client.link import Link
from jobyard.wire.logs import Joiner, bytes_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from jobyard.client.calls import Call, Object


class Output(Link):
    """The part of the client that reads output and streams."""

    def logs(
        self, job_id: int, *, timestamps: bool = False, **chosen: Unpack[ChosenLines]
    ) -> Generator[bytes]:
        """Read what a job's programs printed, piece by piece, attempt after attempt.

        With ``timestamps`` each line begins with the time it was read.
        """
        call = calls.read(f"/jobs/{job_id}/logs", **_flag(timestamps=timestamps), **chosen)
        with self._opened(call) as response:
            yield from response.iter_bytes()

    def log_lines(self, job_id: int, **chosen: Unpack[ChosenLines]) -> Generator[Object]:
        """Read the same line by line, as objects: ``line``, ``stream``, ``at``, whose it is."""
        call = calls.read(f"/jobs/{job_id}/logs", format="jsonl", **chosen)
        lines = JsonLines()
        with self._opened(call) as response:
            for piece in response.iter_bytes():
                yield from lines.take(piece)

    def log_stretch(
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
        with self._opened(call) as response:
            data = response.read()
            return Stretch(data, int(response.headers[calls.NEXT_OFFSET]))

    def follow_lines(self, job_id: int, **chosen: Unpack[ChosenLines]) -> Generator[Object]:
        """Read what a job's programs print until the job is over, as pieces of lines.

        A connection that breaks off is made again, and nothing is lost or told twice. A piece
        whose ``partial`` is true goes on in the next one of its attempt and stream.

        Raises:
            ServerUnreachable: the server stays away.
        """
        with closing(self._frames(following.lines_of(job_id, chosen))) as frames:
            for frame in frames:
                if frame.kind != "end":
                    yield frame.data

    def follow_logs(
        self, job_id: int, *, timestamps: bool = False, **chosen: Unpack[ChosenLines]
    ) -> Generator[bytes]:
        """Read what a job's programs print until the job is over, byte for byte as it comes.

        With ``timestamps`` or ``grep`` it comes line by line. See ``follow_lines``.
        """
        by_line = timestamps or chosen.get("grep") is not None
        joiner = Joiner(timestamps=timestamps) if by_line else None
        with closing(self.follow_lines(job_id, **chosen)) as lines:
            for line in lines:
                piece = bytes_of(line) if joiner is None else joiner.add(line)
                if piece:
                    yield piece
        if joiner is not None and (left := joiner.rest()):
            yield left

    def watch(self, after: str | None = None, **chosen: Unpack[ChosenChanges]) -> Generator[Object]:
        """Read the status changes of all jobs, without end.

        They come from now on, or behind the ``position`` of an earlier one. A connection that
        breaks off is made again, and nothing is lost or told twice.

        Raises:
            ServerUnreachable: the server stays away.
        """
        with closing(self._frames(following.changes(after, chosen))) as frames:
            for frame in frames:
                yield following.changed(frame)

    def _frames(self, stream: Following) -> Generator[Frame]:
        while not stream.ended:
            call = stream.call()
            try:
                with self._http.stream(
                    call.method, call.path, params=call.params, headers=call.headers
                ) as response:
                    if response.is_success:
                        for piece in response.iter_bytes():
                            yield from stream.take(piece)
                    else:
                        response.read()
                        stream.refused(response)
            except httpx.TransportError as error:
                stream.broke(self.url, error)
            if not stream.ended:
                clock.pause(stream.pause())

    @contextmanager
    def _opened(self, call: Call) -> Iterator[httpx.Response]:
        try:
            with self._http.stream(call.method, call.path, params=call.params) as response:
                if not response.is_success:
                    response.read()
                    understood(response)
                yield response
        except httpx.TransportError as error:
            raise unreachable(self.url, error) from error


def _flag(*, timestamps: bool) -> dict[str, Any]:
    return {"timestamps": "true"} if timestamps else {}
