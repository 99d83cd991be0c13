"""The only place that puts concrete parts together: stores, executors, controller, worker."""

from __future__ import annotations

import os
import stat
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from jobyard import config, log, loop
from jobyard.core.places import is_address
from jobyard.engine.collector import Collector
from jobyard.engine.controller import Controller
from jobyard.engine.supply import Suppliers
from jobyard.engine.worker import Listener, Worker, WorkerSettings
from jobyard.errors import WORKER_ID_RULE, InvalidSetting
from jobyard.spec.naming import is_worker_pattern
from jobyard.store.base import Retention

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence

    from jobyard.config import Settings
    from jobyard.executor.base import Executor
    from jobyard.store.base import LogStore, Store


run_async = loop.run_async
"""Runs an async main function: what commands need beside the parts that they run."""

EXECUTORS = ("process", "fake")
"""The executors that there are so far."""

DATA = "data"
"""The folder of the state folder where tables lie, if no other is named."""
FAKE_SLOTS = 1000
"""Imagined programs at a time: they cost nothing."""


@dataclass(frozen=True, slots=True)
class Yard:
    """An open store and its logs, with what is needed to make engines on them."""

    settings: Settings
    store: Store
    logs: LogStore

    def controller(self, *, cleans: bool = True) -> Controller:
        """Make a controller; one that does not clean leaves finished jobs where they are."""
        limits = Retention(self.settings.retention_age, self.settings.retention_count)
        collector = Collector(self.store, remove_files)
        return Controller(self.store, cleans=cleans, retention=limits, collector=collector)

    def worker(
        self,
        worker_settings: WorkerSettings,
        *,
        working_dir: str | None = None,
        listener: Listener | None = None,
    ) -> Worker:
        """Make a worker with every executor that it has slots for."""
        # Its scratch folders lie there, wherever the jobs are kept.
        prepare_state_dir(self.settings.state_dir)
        executors = {
            name: make_executor(name, self.settings, working_dir) for name in worker_settings.slots
        }
        data = data_dir(self.settings)
        supply = Suppliers(
            self.store, self.settings.providers_dir, config.environment(), data
        ).supply
        return Worker(
            self.store,
            self.logs,
            executors,
            worker_settings,
            partial(new_store, self.settings),
            listener,
            supply,
            data,
        )


def data_dir(settings: Settings) -> str:
    """Tell where the tables of datasets lie: a path from the root on, or an address."""
    place = settings.data_dir or str(settings.state_dir / DATA)
    return place if is_address(place) else str(Path(place).absolute())


def remove_files(path: str, names: Sequence[str]) -> Mapping[str, str]:
    """Remove retired files of a table; tell of each that is still there why it is."""
    # Room `data` needs libraries that a yard without tables does not have.
    from jobyard.data.upkeep import remove

    return remove(path, names)


def worker_settings(
    settings: Settings,
    *,
    worker_id: str | None = None,
    cpu: float | None = None,
    memory: int | None = None,
    labels: Mapping[str, str] | None = None,
    own_only: bool = False,
    executors: Collection[str] = EXECUTORS,
) -> WorkerSettings:
    """Tell a worker of this process what it may take on; all of the machine if nobody says.

    Raises:
        InvalidSetting: no worker can have this id.
    """
    if worker_id is not None and (worker_id.endswith("*") or not is_worker_pattern(worker_id)):
        raise InvalidSetting(f"`{worker_id}` cannot be the id of a worker", hint=WORKER_ID_RULE)
    slots = {"process": settings.slots, "fake": FAKE_SLOTS}
    return WorkerSettings(
        slots={name: slots[name] for name in EXECUTORS if name in executors},
        worker_id=worker_id,
        cpu=float(config.cores()) if cpu is None else cpu,
        memory=config.total_memory() if memory is None else memory,
        labels=labels or {},
        lease=settings.lease,
        grace=settings.grace,
        outage_grace=settings.outage_grace,
        attempt_log_limit=settings.attempt_log_limit,
        job_log_limit=settings.job_log_limit,
        collect_after=settings.collect_after,
        own_only=own_only,
    )


def make_executor(name: str, settings: Settings, working_dir: str | None = None) -> Executor:
    """Make one of ``EXECUTORS``; each is imported only when it is wanted."""
    if name == "fake":
        from jobyard.executor.fake import FakeExecutor

        return FakeExecutor()
    from jobyard.executor.process import ProcessExecutor

    return ProcessExecutor(
        settings.state_dir / "scratch",
        environ=config.environment(),
        working_dir=working_dir,
    )


def _backend(settings: Settings) -> tuple[Store, LogStore]:
    if settings.database:
        from jobyard.store.postgres import open_postgres

        return open_postgres(settings.database)
    from jobyard.store.sqlite import open_sqlite

    prepare_state_dir(settings.state_dir)
    return open_sqlite(settings.state_dir)


async def schema_versions(settings: Settings) -> tuple[int, int]:
    """Tell the schema version that the database has (0 for none) and the newest one known.

    Raises:
        StoreUnavailable: the database cannot be reached or read.
    """
    from jobyard.store.query import load_migrations

    if settings.database:
        from jobyard.store.postgres.migrate import PACKAGE, schema_version

        found = await schema_version(settings.database)
    else:
        from jobyard.store.sqlite.driver import PACKAGE
        from jobyard.store.sqlite.driver import schema_version as version_of_file

        found = version_of_file(settings.state_dir / "jobs.db")
    return found, load_migrations(PACKAGE)[-1].version


def new_store(settings: Settings) -> Store:
    """Make another, unopened connection to the same store."""
    return _backend(settings)[0]


def prepare_state_dir(folder: Path) -> None:
    """Make the state folder, for its owner's eyes only; close one that was left open.

    A folder that holds anything but our database is somebody's for more than this: it is warned of
    and left as it is. The files in it are their owner's alone in any case.

    Raises:
        InvalidSetting: there is none and it cannot be made.
    """
    try:
        for missing in (parent for parent in reversed(folder.parents) if not parent.exists()):
            missing.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.stat()
        if not status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            return
        ours = status.st_uid == os.geteuid()
        if ours and ((folder / "jobs.db").exists() or not any(folder.iterdir())):
            folder.chmod(0o700)
        elif status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            log.warning("others can write the state folder", folder=str(folder))
    except OSError as error:
        raise InvalidSetting(
            f"the state folder {folder} cannot be made: {error.strerror}",
            hint="--state-dir or JOBYARD_STATE_DIR names another one",
        ) from error


@asynccontextmanager
async def open_yard(settings: Settings) -> AsyncIterator[Yard]:
    """Open the store and its logs, and close them again.

    Raises:
        StoreUnavailable: the database cannot be reached or written.
        SchemaMismatch: the database is newer than this program.
    """
    store, logs = _backend(settings)
    await store.open()
    try:
        await logs.open()
        try:
            yield Yard(settings, store, logs)
        finally:
            await logs.close()
    finally:
        await store.close()
