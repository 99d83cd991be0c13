"""The desk of a job's life: stop, cancel, suspend, resume."""

from __future__ import annotations

from jobyard.api.desks.counter import Counter, Object
from jobyard.core.state import Request


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
