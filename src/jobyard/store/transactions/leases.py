"""Workers and their leases: register, renew, drain, leave, expire."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jobyard.core.states import AttemptReason, AttemptStatus
from jobyard.errors import LeaseLost, WorkerIdTaken, WorkerNotFound
from jobyard.store.query import Query, Transaction
from jobyard.store.rows import worker_of
from jobyard.store.transactions.counting import ENDED, LEASES_LOST, RUNNING, Tally
from jobyard.store.transactions.deciding import read_now
from jobyard.store.transactions.measuring import tally_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.core.records import WorkerRecord
    from jobyard.store.base import Registration
    from jobyard.store.measures import Gathered

SECOND = 1_000_000
_LOST = (ENDED, f"{AttemptStatus.LOST} {AttemptReason.WORKER_LOST}")


def register(worker: Registration) -> Transaction[None]:
    """Introduce a worker; its lease runs from now.

    Raises:
        WorkerIdTaken: a live worker has this id.
    """
    now = yield from read_now()
    lease = int(worker.lease * SECOND)
    for session, lease_until in (yield Query("sessions_of_worker", (worker.worker_id,))):
        if lease_until > now:
            raise WorkerIdTaken(worker.worker_id)
        yield from _take_all_from([session], now, leases=1)
    yield Query(
        "insert_worker",
        (
            worker.worker_id, worker.session, worker.host, worker.pid, worker.version,
            json.dumps(dict(worker.executors)), float(worker.cpu), worker.memory,
            json.dumps(dict(worker.labels)), lease, now, now + lease,
        ),
    )  # fmt: skip


def renew(session: str, gathered: Gathered | None) -> Transaction[WorkerRecord | None]:
    """Renew a worker's lease on all it runs; None when it has none any more."""
    now = yield from read_now()
    rows = yield Query("renew_lease", (session, now))
    if gathered is not None:
        is_new = bool((yield Query("take_portion", (session, gathered.serial))))
        # Whose lease is lost tells what it has once, on the way out.
        if is_new or not rows:
            yield from tally_of(gathered).write()
    return worker_of(rows[0]) if rows else None


def leave(session: str) -> Transaction[bool]:
    """Say good-bye; whatever the worker still holds becomes LOST at once."""
    now = yield from read_now()
    return (yield from _take_all_from([session], now, leases=0))


def expire(unbroken: float) -> Transaction[list[str]]:
    """Take their attempts from workers whose lease ran out; return their sessions."""
    now = yield from read_now()
    rows = yield Query("expired_sessions", (now, int(unbroken * SECOND)))
    sessions = [row[0] for row in rows]
    yield from _take_all_from(sessions, now, leases=len(sessions))
    return sessions


def _take_all_from(sessions: Sequence[str], now: int, *, leases: int) -> Transaction[bool]:
    """Mark what sessions hold as LOST; their jobs are decided on by whoever looks next.

    ``leases`` of them ran out, rather than being given back.
    """
    lost = 0
    for session in sessions:
        yield Query("release_jobs", (session,))
        yield Query("delete_worker", (session,))
        lost += len((yield Query("lose_attempts", (session, now))))
    tally = Tally({(LEASES_LOST, ""): leases, (RUNNING, ""): -lost, _LOST: lost})
    yield from tally.write()
    return bool(lost)


def drain(worker_id: str, *, draining: bool) -> Transaction[WorkerRecord]:
    """Have a worker claim nothing new, or claim again.

    Raises:
        WorkerNotFound: no live worker has this id.
    """
    now = yield from read_now()
    yield Query("drain_worker", (worker_id, draining))
    for row in (yield Query("list_workers", (now,))):
        if row[0] == worker_id:
            return worker_of(row)
    raise WorkerNotFound(worker_id)


def checkpoint(session: str, attempt_id: int, value: str) -> Transaction[None]:
    """Keep a program's checkpoint with its job's index.

    Raises:
        LeaseLost: the worker does not speak for this attempt.
    """
    now = yield from read_now()
    if not (yield Query("spoken_for", (session, [attempt_id]))):
        raise LeaseLost(f"attempt {attempt_id} is no longer this worker's")
    yield Query("save_checkpoint", (attempt_id, value, now))
