"""A worker's news and its next attempts, in one transaction: the hot path."""

from __future__ import annotations

import json
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from jobyard.core import decide as core
from jobyard.core.state import Creation, Ended
from jobyard.core.states import StopReason
from jobyard.errors import LeaseLost
from jobyard.store.base import Claim, Settled, StopOrder
from jobyard.store.query import Query, Rows, Transaction
from jobyard.store.transactions.counting import RUNNING, WAITING
from jobyard.store.transactions.deciding import (
    Book,
    Entry,
    attempt_rows,
    decide_on,
    fits,
    is_running,
    lock,
    read_now,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Container

    from jobyard.store.base import EndReport, Reports, Want


@dataclass(frozen=True, slots=True)
class Speaker:
    """The worker whose session speaks."""

    session: str
    worker_id: str
    labels: dict[str, str]
    draining: bool


def settle(
    session: str,
    reports: Reports,
    want: Want | None,
    known: Container[int],
    *,
    look_for_stops: bool,
) -> Transaction[Settled]:
    """Write down a worker's news, decide on its jobs, claim what fits."""
    now = yield from read_now()
    speaker = yield from _speaker(session)
    settled = Settled()
    book = Book()
    yield from lock(book, _jobs_with_news(reports))
    yield from _starts(book, speaker, reports, settled, now)
    yield from _small_news(book, speaker, reports, now)
    yield from _ends(book, speaker, reports, settled, now)
    yield from _crashes(book, speaker, reports, settled, now)
    for entry in book:
        yield from decide_on(entry, now)
    if want is not None and not speaker.draining:
        yield from _claim(book, speaker, want, settled, now)
    written = yield from write(book, now)
    settled.hinted = written.hint
    settled.wake_at = written.wake_at
    if look_for_stops or reports:
        for attempt_id, reason, grace in (yield Query("stops_of_session", (session,))):
            settled.stops.append(StopOrder(attempt_id, reason, grace))
    yield from _specs(settled, known)
    return settled


def _speaker(session: str) -> Transaction[Speaker]:
    rows = yield Query("worker_of_session", (session,))
    if not rows:
        raise LeaseLost("this worker's lease ran out and its attempts were given to others")
    worker_id, labels, draining = rows[0]
    return Speaker(session, worker_id, json.loads(labels), bool(draining))


def _jobs_with_news(reports: Reports) -> set[int]:
    """Name the jobs whose row the news changes; a start that is not a job's first does not."""
    return {
        *(report.job_id for report in reports.ended),
        *(report.job_id for report in reports.started if report.first),
        *(report.job_id for report in reports.crashed),
        *(job_id for _, job_id in reports.stopping),
    }


def _at(now: int, age: float) -> int:
    return now - int(age * 1_000_000)


def _starts(
    book: Book, speaker: Speaker, reports: Reports, settled: Settled, now: int
) -> Transaction[None]:
    if not reports.started:
        return
    rows = sorted((r.attempt_id, _at(now, r.age), r.handle) for r in reports.started)
    accepted = {row[0]: row[1] for row in (yield Query("start_attempts", (speaker.session,), rows))}
    for report in reports.started:
        if report.attempt_id not in accepted:
            settled.rejected.append(report.attempt_id)
        elif accepted[report.attempt_id] is not None:
            # It is being stopped: its start is no news to the job, which may have been
            # suspended and resumed since.
            continue
        elif report.first and report.job_id in book:
            entry = book[report.job_id]
            entry.note(core.started(entry.job, _at(now, report.age)))
        elif report.first:
            settled.deferred_starts.append(report.attempt_id)


def _ends(
    book: Book, speaker: Speaker, reports: Reports, settled: Settled, now: int
) -> Transaction[None]:
    if not reports.ended:
        return
    rows = [_end_row(report, report.job_id in book, now) for report in reports.ended]
    rows.sort(key=itemgetter(0))
    accepted = {row[0]: row[1] for row in (yield Query("end_attempts", (speaker.session,), rows))}
    book.tally[RUNNING, ""] -= len(accepted)
    deferred = set()
    for report in reports.ended:
        if report.attempt_id not in accepted:
            settled.rejected.append(report.attempt_id)
        elif report.job_id in book:
            asked = accepted[report.attempt_id]
            book[report.job_id].ended.append(_ended(report, asked, now))
        else:
            deferred.add(report.job_id)
    settled.deferred = sorted(deferred)


def _end_row(report: EndReport, counted: bool, now: int) -> tuple[Any, ...]:
    started_at = None if report.started_age is None else _at(now, report.started_age)
    return (
        report.attempt_id, str(report.status), report.reason, report.exit_code, report.signal,
        report.restarts, report.advice, report.cpu_seconds, report.peak_memory_bytes,
        report.result, started_at, _at(now, report.age), counted,
    )  # fmt: skip


def _ended(report: EndReport, asked: str | None, now: int) -> Ended:
    return Ended(
        report.attempt_id,
        report.index,
        report.number,
        report.status,
        _at(now, report.age),
        None if report.started_age is None else _at(now, report.started_age),
        report.reason,
        report.exit_code,
        report.signal,
        report.restarts,
        StopReason(asked) if asked else None,
        report.advice,
    )


def _crashes(
    book: Book, speaker: Speaker, reports: Reports, settled: Settled, now: int
) -> Transaction[None]:
    """Grant restarts in place within the limit; the first beyond it fails the job."""
    if not reports.crashed:
        return
    asking = [report.attempt_id for report in reports.crashed]
    rows = yield Query("spoken_for", (speaker.session, asking))
    accepted = {attempt_id: asked for attempt_id, asked, _ in rows}
    restarts = {attempt_id: count for attempt_id, _, count in rows}
    fresh: list[int] = []
    for report in reports.crashed:
        attempt_id = report.attempt_id
        if attempt_id not in accepted:
            settled.rejected.append(attempt_id)
        elif restarts[attempt_id] > report.restarts:
            settled.granted.append(attempt_id)
        elif report.job_id not in book:
            # Somebody else holds the job: the worker asks again.
            continue
        elif accepted[attempt_id] is None and core.may_restart(book[report.job_id].job):
            book[report.job_id].job.restarts += 1
            book[report.job_id].changed = True
            fresh.append(attempt_id)
        else:
            settled.refused.append(attempt_id)
            if accepted[attempt_id] is None:
                entry = book[report.job_id]
                entry.note(core.refuse_restart(entry.job, now))
    if fresh:
        yield Query("grant_restarts", (fresh,))
        settled.granted += fresh


def _small_news(book: Book, speaker: Speaker, reports: Reports, now: int) -> Transaction[None]:
    for _, job_id in reports.stopping:
        if job_id in book:
            entry = book[job_id]
            entry.note(core.stop_seen(entry.job, now))
    if reports.stopping:
        yield Query(
            "note_stops", (speaker.session, [attempt_id for attempt_id, _ in reports.stopping])
        )
    if reports.progress:
        rows = sorted((r.attempt_id, r.done, r.total) for r in reports.progress)
        yield Query("note_progress", (speaker.session,), rows)


@dataclass(slots=True)
class _Basket:
    """A worker's free capacity while it is being filled."""

    slots: dict[str, int]
    cpu: float
    memory: int
    left: int

    def take(self, executor: str, cpu: float, memory: int) -> bool:
        """Put one attempt in, if it fits."""
        if not self.left or self.slots.get(executor, 0) <= 0:
            return False
        if cpu > self.cpu or memory > self.memory:
            return False
        self.slots[executor] -= 1
        self.cpu -= cpu
        self.memory -= memory
        self.left -= 1
        return True


def _claim(
    book: Book, speaker: Speaker, want: Want, settled: Settled, now: int
) -> Transaction[None]:
    """Take waiting attempts and those just decided on: priority first, then by turn."""
    basket = _Basket(dict(want.slots), want.cpu, want.memory, want.total)
    if not basket.left:
        return
    fresh = sorted(
        (entry for entry in book if entry.create and _may_take(entry, speaker)),
        key=lambda entry: -entry.placement.priority,
    )
    waiting = yield from _waiting(speaker, basket, own_only=want.own_only)
    taken: dict[int, int] = {}
    jobs: set[int] = set()
    at = 0
    direct: list[tuple[Entry, list[Creation]]] = []
    for entry in [*fresh, None]:
        while at < len(waiting) and (entry is None or waiting[at][5] >= entry.placement.priority):
            row = waiting[at]
            at += 1
            if basket.take(row[4], row[6], row[7]):
                taken[row[0]] = row[8]
                jobs.add(row[1])
        if entry is not None:
            direct.append((entry, _take_fresh(entry, basket)))
    yield from _take_waiting(book, speaker, taken, jobs, settled, now)
    yield from _insert_direct(speaker, direct, settled, now)
    book.tally[RUNNING, ""] += sum(len(creations) for _, creations in direct)


def _waiting(speaker: Speaker, basket: _Basket, *, own_only: bool) -> Transaction[Rows]:
    """Find what waits and fits, each executor on its own, so that none hides another's."""
    rows: Rows = []
    who = (speaker.worker_id, json.dumps(speaker.labels))
    for executor, slots in basket.slots.items():
        limit = min(slots, basket.left)
        if limit > 0:
            rows += yield Query(
                "waiting_attempts",
                (executor, *who, basket.cpu, basket.memory, limit, own_only),
            )
    rows.sort(key=lambda row: (-row[5], row[8], row[0]))
    return rows


def _may_take(entry: Entry, speaker: Speaker) -> bool:
    return fits(entry.placement, speaker.worker_id, speaker.labels)


def _take_fresh(entry: Entry, basket: _Basket) -> list[Creation]:
    where = entry.placement
    count = 0
    for _ in entry.create:
        if not basket.take(where.executor, where.cpu, where.memory):
            break
        count += 1
    mine, entry.create = entry.create[:count], entry.create[count:]
    return mine


def _take_waiting(
    book: Book,
    speaker: Speaker,
    taken: dict[int, int],
    jobs: set[int],
    settled: Settled,
    now: int,
) -> Transaction[None]:
    if not taken:
        return
    rows = yield Query("claim_attempts", (list(taken), speaker.session, speaker.worker_id, now))
    order = {attempt_id: position for position, attempt_id in enumerate(taken)}
    rows = sorted(rows, key=lambda row: order[row[0]])
    book.tally[RUNNING, ""] += len(rows)
    for row in rows:
        book.tally[WAITING, row[4]] -= 1
    unplaced = {row[0]: row[1] for row in (yield Query("unplaced_among", (sorted(jobs),)))}
    # Never wait for a job's row while holding attempts: a job that somebody holds learns of
    # its claim when its first program starts.
    yield from lock(book, [job_id for job_id, claimed in unplaced.items() if not claimed])
    for job_id in jobs:
        if job_id in book:
            entry = book[job_id]
            entry.note(core.claimed(entry.job, speaker.worker_id, now))
    for attempt_id, job_id, index, number, executor in rows:
        known = book[job_id].job if job_id in book else None
        first = job_id in unplaced if known is None else not is_running(known)
        waited = max(0, now - taken[attempt_id]) / 1_000_000
        settled.claims.append(Claim(attempt_id, job_id, index, number, executor, first, waited))


def _insert_direct(
    speaker: Speaker,
    direct: list[tuple[Entry, list[Creation]]],
    settled: Settled,
    now: int,
) -> Transaction[None]:
    """Create attempts as already claimed; they never wait in the queue."""
    rows: list[tuple[Any, ...]] = []
    running: dict[int, bool] = {}
    for entry, creations in direct:
        if not creations:
            continue
        entry.note(core.claimed(entry.job, speaker.worker_id, now))
        running[entry.job.id] = is_running(entry.job)
        before = entry.job.active - len(entry.create) - len(creations)
        rows += attempt_rows(entry, creations, before, now)
    if not rows:
        return
    made = yield Query("insert_claimed_attempts", (speaker.session, speaker.worker_id, now), rows)
    for attempt_id, job_id, index, number, executor in made:
        settled.claims.append(
            Claim(attempt_id, job_id, index, number, executor, not running[job_id])
        )


def held(session: str, known: Container[int]) -> Transaction[Settled]:
    """Tell what a session holds, all as if just claimed, once its open transactions have ended.

    Raises:
        LeaseLost: the session holds nothing any more.
    """
    speaker = yield from _speaker(session)
    # A settle that is still under way shares its worker's row; this waits for it.
    yield Query("sessions_of_worker", (speaker.worker_id,))
    settled = Settled()
    for row in (yield Query("held_attempts", (session,))):
        attempt_id, job_id, index, number, executor = row
        settled.claims.append(Claim(attempt_id, job_id, index, number, executor, first=True))
    yield from _specs(settled, known)
    return settled


def _specs(settled: Settled, known: Container[int]) -> Transaction[None]:
    unknown = sorted({c.job_id for c in settled.claims if c.job_id not in known})
    if unknown:
        for job_id, name, namespace, spec in (yield Query("specs_of", (unknown,))):
            settled.specs[job_id] = (name, namespace, spec)
