"""The desk: what people may ask of jobs and workers, answered in the shapes of ``wire``.

The HTTP routes answer from here, and so do commands that work on a state folder without a
server; it needs no web framework. Its parts by noun are in ``desks``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobyard.api.desks.jobs import JobDesk
from jobyard.api.desks.life import LifeDesk
from jobyard.api.desks.story import StoryDesk
from jobyard.api.desks.workers import WorkerDesk
from jobyard.api.output import as_found, attempts_of, chosen, stream_of, stretch, whole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from jobyard.api.output import Stretch


class Desk(JobDesk, LifeDesk, StoryDesk, WorkerDesk):
    """Takes requests for one store, whichever way they came."""

    async def open_logs(
        self,
        job_id: int,
        *,
        attempt: int | None = None,
        attempt_id: int | None = None,
        index: int | None = None,
        stream: str | None = None,
    ) -> AsyncIterator[bytes]:
        """Give what a job's attempts printed, one after the other, byte for byte.

        ``attempt`` is a number, ``stream`` is ``stdout`` or ``stderr``; left out means all.

        Raises:
            JobNotFound: there is no such job.
            AttemptNotFound: one attempt was asked for, and there is none such.
        """
        await self.store.job(job_id)
        wanted = stream_of(stream)
        if attempt_id is not None or attempt is not None:
            picked = await chosen(self.store, job_id, attempt, attempt_id, index)
            return whole(self._logs, as_found(picked), wanted)
        return whole(self._logs, attempts_of(self.store, job_id, index), wanted)

    async def log_stretch(
        self, job_id: int, attempt_id: int, *, offset: int, limit: int, stream: str | None = None
    ) -> Stretch:
        """Give a stretch of what one attempt printed; offset and limit count its bytes.

        Raises:
            JobNotFound: there is no such job.
            AttemptNotFound: the job has no such attempt.
        """
        await self.store.job(job_id)
        await chosen(self.store, job_id, None, attempt_id, None)
        return await stretch(self._logs, attempt_id, offset, limit, stream_of(stream))
