"""From what programs print to chunks in the log store: buffered, capped, never in the way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jobyard import clock, log
from jobyard.errors import StoreUnavailable
from jobyard.executor.base import STDERR
from jobyard.store.base import Chunk

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobyard.executor.base import Running
    from jobyard.store.base import LogStore

FLUSH_AFTER = 0.1
"""Seconds that output may wait in memory."""
FLUSH_SIZE = 1 << 20
"""Pending bytes of all programs that are written at once."""
PAUSE_SIZE = 32 << 20
"""Pending bytes at which programs are no longer read until some are written."""
CHUNK_SIZE = 1 << 20
"""Bytes of one chunk at most, so that a reader needs little memory."""
GIVE_UP = 30.0
"""Seconds after which output that cannot be written is dropped: a log never holds up a job."""


class Tape:
    """The output of one attempt on its way to the store."""

    __slots__ = (
        "at",
        "attempt_id",
        "cut",
        "job_id",
        "kept",
        "limit",
        "pieces",
        "recorder",
        "running",
        "runs",
        "size",
        "when_written",
    )  # fmt: skip

    def __init__(self, recorder: Recorder, job_id: int, attempt_id: int, limit: int) -> None:
        """Begin an attempt's output, of ``limit`` bytes at most."""
        self.recorder = recorder
        self.job_id = job_id
        self.attempt_id = attempt_id
        self.limit = limit
        self.kept = 0
        self.size = 0
        self.cut = False
        self.at = 0
        self.pieces: list[bytes] = []
        self.runs: list[tuple[int, int, int]] = []
        self.running: Running | None = None
        self.when_written: Callable[[], None] | None = None

    def add(self, stream: int, data: bytes) -> None:
        """Take bytes of a stream; what exceeds the limit gives way to one visible mark."""
        if self.cut:
            return
        room = self.limit - self.kept - self.size
        if self.recorder.job_is_full(self.job_id):
            room = 0
        if len(data) > room:
            self._keep(stream, data[:room])
            self.truncate(f"output beyond {self.kept + self.size} bytes is not kept")
        else:
            self._keep(stream, data)

    def truncate(self, why: str) -> None:
        """End the log here, visibly."""
        self.cut = True
        self._keep(STDERR, f"\n[jobyard: {why}]\n".encode())

    def _keep(self, stream: int, data: bytes) -> None:
        if not data:
            return
        now = clock.now_us()
        if not self.pieces:
            self.at = now
            self.recorder.mark(self)
        self.pieces.append(data)
        self.runs.append((stream, len(data), now - self.at))
        self.size += len(data)
        self.recorder.pending(len(data))

    def take(self) -> Chunk | None:
        """Take out what is to be written next."""
        if not self.pieces:
            return None
        count, length = 0, 0
        while count < len(self.pieces) and (not count or length < CHUNK_SIZE):
            length += len(self.pieces[count])
            count += 1
        data = b"".join(self.pieces[:count])
        chunk = Chunk(
            self.job_id, self.attempt_id, self.kept, self.at, tuple(self.runs[:count]), data
        )
        del self.pieces[:count], self.runs[:count]
        self.kept += length
        self.size -= length
        return chunk

    def finish(self, when_written: Callable[[], None]) -> None:
        """Have ``when_written`` called once everything is kept; at once if nothing is pending."""
        if self.pieces or self in self.recorder.writing:
            self.when_written = when_written
            self.recorder.hurry()
        else:
            when_written()


class Recorder:
    """Writes the tapes of all attempts, many in one transaction, one transaction at a time."""

    def __init__(self, logs: LogStore, *, attempt_limit: int, job_limit: int) -> None:
        """Write to ``logs``; the limits are bytes of one attempt and of one job."""
        self._logs = logs
        self._attempt_limit = attempt_limit
        self._job_limit = job_limit
        self._kept_of_job: dict[int, int] = {}
        self._dirty: dict[Tape, None] = {}
        self._pending = 0
        self._paused = False
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self.writing: set[Tape] = set()

    def tape(self, job_id: int, attempt_id: int) -> Tape:
        """Begin the output of an attempt."""
        return Tape(self, job_id, attempt_id, self._attempt_limit)

    def forget(self, job_id: int) -> None:
        """Drop what is remembered of a job that this worker no longer runs."""
        self._kept_of_job.pop(job_id, None)

    def job_is_full(self, job_id: int) -> bool:
        """Tell whether a job's output reached its limit, as far as this worker saw."""
        return self._kept_of_job.get(job_id, 0) >= self._job_limit

    def mark(self, tape: Tape) -> None:
        """Note that a tape has something to write."""
        self._dirty[tape] = None
        if self._timer is None and self._task is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_AFTER, self.hurry)

    def pending(self, length: int) -> None:
        """Note that more bytes wait."""
        self._pending += length
        if self._pending >= FLUSH_SIZE:
            self.hurry()
        if self._pending >= PAUSE_SIZE and not self._paused:
            self._paused = True
            for tape in self._dirty:
                if tape.running is not None:
                    tape.running.pause_output()

    def hurry(self) -> None:
        """Write now, or as soon as the write under way ends."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is None and self._dirty:
            self._task = asyncio.get_running_loop().create_task(self._write(), name="output")

    async def _write(self) -> None:
        try:
            while self._dirty:
                tapes = list(self._dirty)
                self._dirty.clear()
                await self._write_once(tapes)
        finally:
            self._task = None

    async def _write_once(self, tapes: list[Tape]) -> None:
        chunks = [chunk for tape in tapes if (chunk := tape.take()) is not None]
        self.writing = set(tapes)
        kept = await self._append(chunks)
        self.writing = set()
        for chunk in chunks:
            self._pending -= len(chunk.data)
            kept_before = self._kept_of_job.get(chunk.job_id, 0)
            self._kept_of_job[chunk.job_id] = kept_before + len(chunk.data)
        for tape in tapes:
            if not kept and not tape.cut:
                tape.truncate("output could not be written and is lost")
            if tape.pieces:
                self._dirty[tape] = None
            elif tape.when_written is not None:
                done, tape.when_written = tape.when_written, None
                done()
        if self._paused and self._pending < PAUSE_SIZE // 2:
            self._resume(tapes)

    def _resume(self, tapes: list[Tape]) -> None:
        self._paused = False
        for tape in {*tapes, *self._dirty}:
            if tape.running is not None:
                tape.running.resume_output()

    async def _append(self, chunks: list[Chunk]) -> bool:
        """Write chunks, again and again while the store is away; False when they are given up."""
        give_up = clock.monotonic() + GIVE_UP
        delay = 0.05
        while True:
            try:
                await self._logs.append(chunks)
            except StoreUnavailable as error:
                if clock.monotonic() > give_up:
                    log.error("output dropped", chunks=len(chunks), cause=str(error))
                    return False
                await clock.sleep(delay)
                delay = min(delay * 2, 2.0)
            else:
                return True

    async def close(self) -> None:
        """Write everything that waits."""
        self.hurry()
        while self._task is not None:
            await self._task
