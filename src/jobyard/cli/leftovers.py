"""What earlier extractions into a folder have left: jobs whose process is gone, and their files."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from jobyard.cli.printer import say
from jobyard.core.places import below, is_address
from jobyard.core.state import Request
from jobyard.core.states import TERMINAL, JobStatus
from jobyard.errors import Conflict, DataFileDamaged
from jobyard.store.base import JobQuery

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobyard.core.extract import Extract
    from jobyard.core.records import Job, WorkerRecord
    from jobyard.core.segments import Segment
    from jobyard.store.base import Store


async def make_way(store: Store, wanted: Extract) -> None:
    """End the jobs of extractions into the same folder whose process was killed.

    Raises:
        Conflict: one of them is still at work.
    """
    active = [status for status in JobStatus if status not in TERMINAL]
    for job in await store.jobs(JobQuery(statuses=active, dataset=wanted.dataset)):
        workers = {worker.id: worker for worker in await store.workers()}
        worker = workers.get(job.state.worker_id or "")
        if worker is not None and _is_alive(worker):
            raise Conflict(
                f"job {job.id} extracts into {wanted.folder} already",
                hint=f"wait for it, or stop it: jobyard job stop {job.id}",
            )
        if worker is not None:
            # It cannot come back, and its programs ended with it: no need to wait for its lease.
            await store.leave(worker.session)
        await _end(store, job)


def _is_alive(worker: WorkerRecord) -> bool:
    if worker.host != socket.gethostname():
        return True
    try:
        os.kill(worker.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


async def _end(store: Store, job: Job) -> None:
    await store.ask(job.id, Request.CANCEL)
    await store.decide([job.id])


async def take_over(store: Store, wanted: Extract, collect_after: float) -> None:
    """Make files that lie in the folder, of tables that the store knows nothing of, part of them.

    So a folder goes on where it was, whatever became of the state folder that knew it.
    """
    if wanted.folder is None:
        return
    for table in wanted.tables:
        if await store.active_path(wanted, table) is not None:
            continue
        path, found = await asyncio.to_thread(_newest, below(wanted.folder, table), table)
        if not found:
            continue
        delay_us = int(collect_after * 1_000_000)
        gone = await store.restore(wanted, table, path, found, delay_us)
        if gone is not None:
            await asyncio.to_thread(_retire, path, gone)
            say(f"going on with {len(found) - len(gone)} files of `{table}` in {path}")


def _newest(place: str, table: str) -> tuple[str, list[tuple[Segment, int]]]:
    """Find the newest revision of a table that has files."""
    if not is_address(place) and not Path(place).exists():
        # What reads files is not even imported: an extraction into a new folder starts sooner.
        return "", []
    from jobyard.data.folder import DataFolder

    table_folder = DataFolder.at(place)
    revisions = [one.path for one in table_folder.folders() if one.path != table_folder.path]
    for path in sorted(revisions, reverse=True):
        folder = below(place, path.removeprefix(f"{table_folder.path}/"))
        if found := _read(folder, table):
            return folder, found
    return "", []


def _retire(path: str, names: Iterable[str]) -> None:
    from jobyard.data.folder import DataFolder

    for name in names:
        DataFolder.at(path).retire(name)


def _read(path: str, table: str) -> list[tuple[Segment, int]]:
    """Read what files say of themselves; put those aside that are damaged."""
    from jobyard.data.folder import DataFolder
    from jobyard.data.reading import DataFile

    folder = DataFolder.at(path)
    found = []
    for info in folder.files():
        try:
            file = DataFile.read(folder, info.name, info.size)
            rows = file.check()
        except DataFileDamaged as error:
            say(f"put aside: {error}")
            folder.put_aside(info.name)
            continue
        if file.about.table == table:
            found.append((file.about.segment, rows))
    return found
