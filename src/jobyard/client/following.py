"""Server-sent events across connections: what both clients know of a stream they follow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from jobyard import clock
from jobyard.client.absence import GIVE_UP, LONGEST_PAUSE, MEANWHILE_AWAY, SHORTEST_PAUSE
from jobyard.client.calls import Call, understood, unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import httpx

    from jobyard.client.calls import Object


class ChosenLines(TypedDict, total=False):
    """What of a job's output is wanted; left out means all.

    ``attempt`` is a number, ``stream`` is ``stdout`` or ``stderr``, ``since`` a time in RFC 3339 or
    a duration such as ``10m``, ``tail`` a number of lines, ``grep`` a regular expression of RE2.
    """

    attempt: int | None
    attempt_id: int | None
    index: int | None
    stream: str | None
    since: str | None
    tail: int | None
    grep: str | None


class ChosenChanges(TypedDict, total=False):
    """Which status changes are wanted; left out means all. ``labels`` are ``k=v`` or ``k!=v``."""

    status: str | None
    namespace: str | None
    name: str | None
    job_id: int | None
    labels: Sequence[str]


class Frame(NamedTuple):
    """One event."""

    kind: str
    position: str
    data: Object


class Following:
    """A stream that is read to its end over as many connections as that takes."""

    def __init__(self, path: str, chosen: Mapping[str, Any], *, after: str | None = None) -> None:
        """Follow ``path`` from the event ``after`` on."""
        self._path = path
        self._params = {name: value for name, value in chosen.items() if value is not None}
        self._position = after
        self._pending = b""
        self._fields: dict[str, str] = {}
        self._pause = SHORTEST_PAUSE
        self._answered_at: float | None = None
        self.ended = False

    def call(self) -> Call:
        """Ask for what comes behind the last event."""
        self._pending, self._fields = b"", {}
        headers = {"Accept": "text/event-stream"}
        if self._position is not None:
            headers["Last-Event-ID"] = self._position
        return Call("GET", self._path, self._params, headers=headers)

    def take(self, data: bytes) -> Iterator[Frame]:
        """Read events from bytes as they arrive, up to the end event."""
        self._answered_at = clock.monotonic()
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            name, _, value = line.decode().partition(":")
            if line:
                self._fields[name] = value.removeprefix(" ")
            elif (frame := self._frame()) is not None:
                self._pause = SHORTEST_PAUSE
                yield frame

    def _frame(self) -> Frame | None:
        fields, self._fields = self._fields, {}
        if "id" in fields:
            self._position = fields["id"]
        self.ended = self.ended or fields.get("event") == "end"
        if "data" not in fields:
            return None
        kind = fields.get("event", "message")
        return Frame(kind, fields.get("id", ""), json.loads(fields["data"]))

    def refused(self, response: httpx.Response) -> None:
        """Take an answer, whose body is read, that is no stream.

        Raises:
            JobyardError: coming back would not help.
        """
        if self._answered_at is None or response.status_code not in MEANWHILE_AWAY:
            understood(response)
        self._check(str(response.url), RuntimeError(f"status {response.status_code}"))

    def broke(self, url: str, error: httpx.TransportError) -> None:
        """Take a broken connection.

        Raises:
            ServerUnreachable: nobody ever answered, or not for long.
        """
        self._check(url, error)

    def _check(self, url: str, error: Exception) -> None:
        answered_at = self._answered_at
        if answered_at is None or clock.monotonic() - answered_at > GIVE_UP:
            raise unreachable(url, error) from error

    def pause(self) -> float:
        """Tell how many seconds to wait before coming back."""
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST_PAUSE)
        return pause


def lines_of(job_id: int, chosen: Mapping[str, Any]) -> Following:
    """Follow what a job prints."""
    return Following(f"/jobs/{job_id}/logs/stream", chosen)


def changes(after: str | None, chosen: Mapping[str, Any]) -> Following:
    """Follow what becomes of all jobs."""
    asked = {**chosen, "label": list(chosen.get("labels", ()))}
    asked.pop("labels", None)
    return Following("/jobs/stream", asked, after=after)


def changed(frame: Frame) -> Object:
    """Take a status change, with the place behind which to go on."""
    return {**frame.data, "position": frame.position}


class JsonLines:
    """JSON lines from bytes as they arrive."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._pending = b""

    def take(self, data: bytes) -> Iterator[Object]:
        """Read the lines that are complete."""
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            yield json.loads(line)
