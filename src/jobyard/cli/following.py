"""Read what a job's programs print while they print it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobyard import clock
from jobyard.cli.desk import TERMINAL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from jobyard.cli.desk import Desk

ENDED = ("SUCCEEDED", "FAILED", "STOPPED", "LOST")
LOOK = 0.25
"""Seconds between looks."""
STRETCH = 1024 * 1024


class Follower:
    """Knows how far it has read each attempt; an attempt that ended is read to its end once."""

    def __init__(self, desk: Desk, job_id: int, **chosen: Any) -> None:
        """Follow a job; ``chosen`` are ``attempt`` (a number), ``index`` and ``stream``."""
        self._desk = desk
        self._job_id = job_id
        self._number: int | None = chosen.get("attempt")
        self._index: int | None = chosen.get("index")
        self._stream: str | None = chosen.get("stream")
        self._offsets: dict[int, int] = {}
        self._listed = 0

    async def pieces(self) -> AsyncIterator[bytes]:
        """Give what is printed until the job is over and all of it was read."""
        while True:
            # The order matters: what a job printed before it was over is there afterwards.
            job = await self._desk.job(self._job_id)
            async for _, piece in self.news():
                yield piece
            if job["status"] in TERMINAL:
                return
            await clock.sleep(LOOK)

    async def news(self) -> AsyncIterator[tuple[dict[str, Any], bytes]]:
        """Give what was printed since the last time, each piece with its attempt."""
        after: int | None = min(self._offsets, default=self._listed + 1) - 1
        while after is not None:
            page = await self._desk.attempts_page(self._job_id, after=after, index=self._index)
            for attempt in page["attempts"]:
                async for piece in self._of(attempt):
                    yield attempt, piece
            after = page.get("next_cursor")

    async def _of(self, attempt: dict[str, Any]) -> AsyncIterator[bytes]:
        key = attempt["id"]
        if key > self._listed:
            self._listed = key
            if self._number in (None, attempt["number"]):
                self._offsets[key] = 0
        if key not in self._offsets:
            return
        while True:
            offset = self._offsets[key]
            part = await self._desk.log_stretch(
                self._job_id, key, offset=offset, limit=STRETCH, stream=self._stream
            )
            if part.data:
                yield part.data
            self._offsets[key] = part.next_offset
            if part.next_offset - offset < STRETCH:
                break
        if attempt["status"] in ENDED:
            del self._offsets[key]
