"""The desk of a job's life: stop, cancel, suspend, resume, change, run again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobyard import clock
from jobyard.api.desks.counter import Counter, Object
from jobyard.core.state import Request
from jobyard.errors import InvalidQueryParam
from jobyard.spec.again import Which
from jobyard.spec.update import patch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobyard.core.job import JobSpec


class LifeDesk(Counter):
    """Has jobs do something else than they would by themselves."""

    async def stop(self, job_id: int) -> Object:
        """Have a job stop; a job that is over stays as it is."""
        return await self._shown(await self.store.ask(job_id, Request.STOP))

    async def cancel(self, job_id: int) -> Object:
        """Withdraw a job; a job that is over stays as it is."""
        return await self._shown(await self.store.ask(job_id, Request.CANCEL))

    async def suspend(self, job_id: int) -> Object:
        """Stop a job's attempts, uncounted, until it is resumed.

        Raises:
            StateConflict: it is being stopped, or over.
        """
        return await self._shown(await self.store.suspend(job_id, suspend=True))

    async def resume(self, job_id: int) -> Object:
        """Let a suspended job go on.

        Raises:
            StateConflict: it is being stopped, or over.
        """
        return await self._shown(await self.store.suspend(job_id, suspend=False))

    async def patch(self, job_id: int, changes: Mapping[str, Any]) -> Object:
        """Merge fields of the application document into a job's spec, as far as they may change.

        Raises:
            JobNotFound: there is no such job.
            InvalidDocument: a field is unknown, may not change, or would make the spec invalid.
            StateConflict: the job is stopping or over, and the change needs it otherwise.
        """
        now = clock.now()

        def changed(spec: JobSpec, started: bool) -> JobSpec:
            return patch(spec, changes, started=started, now=now)

        return await self._shown(await self.store.change(job_id, changed))

    async def retry(self, job_id: int, indexes: str = "all") -> Object:
        """Make a new job that runs one that is over again, and return the new one.

        ``indexes`` says what of it: ``all``, ``failed`` or ``remaining``.

        Raises:
            JobNotFound: there is no such job.
            InvalidQueryParam: ``indexes`` is another word.
            StateConflict: the job is not over.
            NothingToRetry: nothing of it is left to run.
        """
        if indexes not in list(Which):
            legal = ", ".join(Which)
            raise InvalidQueryParam(
                f"indexes is `{indexes}`", hint=f"it is one of {legal}", parameter="indexes"
            )
        return await self._shown(await self.store.retry(job_id, indexes, trigger=self._trigger))
