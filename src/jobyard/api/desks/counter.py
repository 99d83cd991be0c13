"""What every part of the desk stands on: the store, who asks, and how a job is shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobyard import clock, config
from jobyard.core.waiting import FOR_A_WORKER, unplaced, waiting_reason
from jobyard.errors import InvalidQueryParam
from jobyard.spec.document import DEFAULT_LIMITS, Limits
from jobyard.wire.jobs import job_object

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from jobyard.core.records import Job
    from jobyard.store.base import LogStore, Store

Object = dict[str, Any]

MOST_ROWS = 1000
"""Attempts or events on a page."""


class Counter:
    """Serves one store, whichever way requests came."""

    def __init__(
        self,
        store: Store,
        logs: LogStore,
        *,
        executors: Collection[str],
        limits: Limits = DEFAULT_LIMITS,
        trigger: str = "api",
        providers_dir: Path | None = None,
        data_dir: str = "data",
        collect_after: float | None = None,
    ) -> None:
        """Serve ``store``.

        ``executors`` may be asked for, ``limits`` bound documents, ``trigger`` says who asks,
        ``providers_dir`` has files of providers, ``data_dir`` the tables of datasets, whose retired
        files stay for ``collect_after`` seconds.
        """
        self.store = store
        self._logs = logs
        self._executors = executors
        self.limits = limits
        self._trigger = trigger
        self._providers_dir = providers_dir
        self._data_dir = data_dir
        usual = config.default("collect_after")
        self._collect_after: float = usual if collect_after is None else collect_after

    async def _told(self, jobs: Sequence[Job]) -> list[Object]:
        """Write jobs; those that wait for a worker say what is missing.

        The workers are read at most once, and only if one of ``jobs`` waits for one.
        """
        now = clock.now_us()
        waiting = [job.id for job in jobs if waiting_reason(job.state, now) == FOR_A_WORKER]
        reasons = unplaced(await self.store.crew(waiting)) if waiting else {}
        return [job_object(job, now, reasons) for job in jobs]

    async def _shown(self, job: Job) -> Object:
        return (await self._told([job]))[0]


def bounded(limit: int, most: int) -> None:
    """Check how many entries a page is to have.

    Raises:
        InvalidQueryParam: too few or too many.
    """
    if not 1 <= limit <= most:
        raise InvalidQueryParam(
            f"limit is {limit}", hint=f"it goes from 1 to {most}", parameter="limit"
        )
