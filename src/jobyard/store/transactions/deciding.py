"""Lock jobs, decide on them, and write everything the decisions say."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobyard import ids
from jobyard.core import decide as core
from jobyard.core.states import AttemptStatus, JobStatus
from jobyard.core.target import WINDOW
from jobyard.errors import Internal
from jobyard.store.query import Query, Rows, Transaction
from jobyard.store.rows import STATE_WIDTH, Placement, ended_of, placement_of, state_of, state_row
from jobyard.store.transactions.counting import KEPT, WAITING, Tally, is_kept

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from jobyard.core.state import Creation, Decision, Ended, JobState, LedgerLine, Stop

SCHEDULED = str(AttemptStatus.SCHEDULED)
MOST_ROUNDS = 20
"""Decisions on one job in a row; each but the last stops attempts, three are the most seen."""
TURN = 1_000_000
"""Microseconds between the turns of two attempts that one job makes at the same time."""

SOON = 1_200_000
"""Microseconds: the longest that a controller rests between two looks."""
WINDOW_REFILL = 250_000
"""Microseconds until a window of waiting attempts that had to be filled is looked at again."""
WINDOW_REST = 1_000_000
"""Microseconds until one from which nobody had claimed is looked at again."""


@dataclass(slots=True)
class Entry:
    """One locked job in a transaction: its row as it becomes, and what is to be written of it."""

    job: JobState
    placement: Placement
    waiting: int = 0
    ended: list[Ended] = field(default_factory=list)
    events: list[LedgerLine] = field(default_factory=list)
    create: list[Creation] = field(default_factory=list)
    wake_at: int | None = None
    woken_at: int | None = None
    """When it was to be looked at again before this transaction."""
    stop: Stop | None = None
    asked: bool = False
    """Whether a worker has attempts to end."""
    changed: bool = False
    was: JobStatus | None = None
    """Its status as it is stored; None for a job that is not stored yet."""
    was_kept: bool = False
    """Whether it was over, as it is stored, with no time to live."""
    withdrawn: int = 0
    """Waiting attempts that were deleted."""

    def note(self, decision: Decision) -> None:
        """Write down news that calls for no new decision; when to look again stays."""
        self.job = decision.job
        self.events += decision.events
        self.changed = True

    def take(self, decision: Decision) -> None:
        """Make a decision the job's new state; later decisions come on top."""
        self.note(decision)
        self.create += decision.create
        self.wake_at = decision.wake_at
        self.stop = decision.stop


class Book:
    """The jobs that this transaction holds, by id."""

    def __init__(self) -> None:
        """Start with no job."""
        self.entries: dict[int, Entry] = {}
        self.tally = Tally()

    def __contains__(self, job_id: int) -> bool:
        """Tell whether the transaction holds this job."""
        return job_id in self.entries

    def __getitem__(self, job_id: int) -> Entry:
        """Get a held job."""
        return self.entries[job_id]

    def __iter__(self) -> Iterator[Entry]:
        """Go through the held jobs, ids ascending."""
        return iter(self.entries.values())

    def add(self, rows: Rows, placements: Rows) -> None:
        """Take rows of `lock_jobs` and of `placements`."""
        placed = {row[0]: row for row in placements}
        for row in rows:
            place = placed[row[0]]
            state = state_of(row, place[1])
            self.entries[row[0]] = Entry(
                state,
                placement_of(place[2:]),
                wake_at=row[STATE_WIDTH],
                woken_at=row[STATE_WIDTH],
                was=state.status,
                was_kept=is_kept(state),
            )


def read_now() -> Transaction[int]:
    """Read the clock that decides."""
    rows = yield Query("now")
    return int(rows[0][0])


def lock(book: Book, job_ids: Iterable[int]) -> Transaction[None]:
    """Lock jobs that nobody else holds, ids ascending; the others are simply not in the book."""
    wanted = sorted({job_id for job_id in job_ids if job_id not in book})
    if wanted:
        yield from _take(book, (yield Query("lock_jobs", (wanted,))))


def lock_waiting(book: Book, job_id: int) -> Transaction[None]:
    """Lock one job, waiting for whoever holds it."""
    yield from _take(book, (yield Query("lock_job", (job_id,))))


def _take(book: Book, rows: Rows) -> Transaction[None]:
    if not rows:
        return
    held = [row[0] for row in rows]
    book.add(rows, (yield Query("placements", (held,))))
    wide = [job_id for job_id in held if book[job_id].job.policy.parallelism > WINDOW]
    if wide:
        for job_id, waiting in (yield Query("count_waiting", (wide,))):
            book[job_id].waiting = waiting


def gather_news(book: Book) -> Transaction[None]:
    """Add to the held jobs what ended or was resolved without anybody deciding on it."""
    held = [entry.job.id for entry in book if not entry.job.terminal]
    if not held:
        return
    for row in (yield Query("count_ended", (held,))):
        book[row[0]].ended.append(ended_of(row[1:]))
    edges = yield Query("apply_dependencies", (held,))
    for job_id, on_job, satisfied in edges:
        job = book[job_id].job
        job.waiting_on -= 1
        if not satisfied and job.dependency_failed is None:
            job.dependency_failed = on_job


def decide_all(book: Book, now: int) -> Transaction[None]:
    """Decide on every held job, end what the decisions stop, and decide again on those."""
    for entry in book:
        yield from decide_on(entry, now)


def decide_on(entry: Entry, now: int) -> Transaction[None]:
    """Decide on one held job until the decision stops nothing more."""
    jitter = entry.job.policy.backoff.jitter
    if entry.ended and entry.job.status is JobStatus.QUEUED:
        for _, waiting in (yield Query("count_waiting", ([entry.job.id],))):
            entry.waiting = waiting
    for _ in range(MOST_ROUNDS):
        drawn = ids.fraction() if jitter and entry.ended else 0.0
        ended, entry.ended = entry.ended, []
        entry.take(core.decide(entry.job, ended, now, drawn=drawn, waiting=entry.waiting))
        if entry.stop is None:
            break
        touched = yield from _stop(entry, entry.stop)
        if touched and touched == entry.stop.count:
            continue
        # Some of what was to be stopped may have ended meanwhile, with nobody to count it.
        for row in (yield Query("count_ended", ([entry.job.id],))):
            entry.ended.append(ended_of(row[1:]))
        if not touched and not entry.ended:
            entry.wake_at = now
            break
    else:
        raise Internal(f"the decisions on job {entry.job.id} stop attempts without end")
    look_at_window(entry, now)


def look_at_window(entry: Entry, now: int) -> None:
    """See to it that the window of a wide job is filled again when workers have claimed from it."""
    if entry.job.policy.parallelism <= WINDOW or entry.job.terminal:
        return
    refill = now + (WINDOW_REFILL if entry.create else WINDOW_REST)
    entry.wake_at = refill if entry.wake_at is None else min(entry.wake_at, refill)


def _stop(entry: Entry, stop: Stop) -> Transaction[int]:
    """End attempts and tell how many that were."""
    job_id = entry.job.id
    count = -1 if stop.count is None else stop.count
    beyond = -1 if stop.beyond is None else stop.beyond
    withdrawn = yield Query("withdraw_attempts", (job_id, count, beyond))
    left = -1 if stop.count is None else stop.count - len(withdrawn)
    asked: Rows = []
    if left and not stop.unclaimed:
        asked = yield Query(
            "ask_attempts", (job_id, left, beyond, str(stop.reason), float(stop.grace))
        )
    entry.asked = entry.asked or bool(asked)
    entry.waiting -= len(withdrawn)
    entry.withdrawn += len(withdrawn)
    entry.job = core.stopped(
        entry.job,
        [row[0] for row in withdrawn],
        [row[0] for row in asked],
        sum(row[1] for row in asked),
    )
    return len(withdrawn) + len(asked)


@dataclass(slots=True)
class Written:
    """What a transaction's writing means for others."""

    claimable: bool = False
    stops: bool = False
    dependents: bool = False
    soon: bool = False
    """Whether a job is due before controllers look again by themselves."""
    wake_at: int | None = None

    @property
    def hint(self) -> bool:
        """Whether somebody else has something to do now."""
        return self.claimable or self.stops or self.dependents or self.soon


def write(book: Book, now: int) -> Transaction[Written]:
    """Write the rows, attempts and ledger lines of the held jobs that changed."""
    changed = [entry for entry in book if entry.changed]
    written = Written(stops=any(entry.asked for entry in changed))
    if not changed:
        yield from book.tally.write()
        return written
    yield Query("update_jobs", (), [state_row(entry.job, entry.wake_at, now) for entry in changed])
    written.soon = any(
        entry.wake_at is not None and entry.wake_at != entry.woken_at and entry.wake_at < now + SOON
        for entry in changed
    )
    wakes = [entry.wake_at for entry in changed if entry.wake_at is not None]
    written.wake_at = min(wakes, default=None)
    attempts = [row for entry in changed for row in waiting_rows(entry, now)]
    if attempts:
        yield Query("insert_attempts", (), attempts)
        written.claimable = True
    ended = [(entry.job.id, str(entry.job.status)) for entry in changed if entry.job.terminal]
    if ended:
        resolved = yield Query("resolve_dependencies", (), ended)
        written.dependents = bool(resolved)
    count_written(changed, book.tally)
    yield from write_events(changed, book.tally)
    return written


def count_written(entries: Iterable[Entry], tally: Tally) -> None:
    """Count the statuses and the waiting attempts of jobs as they were written."""
    moves: Counter[tuple[JobStatus | None, JobStatus]] = Counter()
    for entry in entries:
        if entry.was is not entry.job.status:
            moves[entry.was, entry.job.status] += 1
        if is_kept(entry.job) is not entry.was_kept:
            tally[KEPT, str(entry.job.status)] += -1 if entry.was_kept else 1
        if waiting := len(entry.create) - entry.withdrawn:
            tally[WAITING, entry.placement.executor] += waiting
    for (was, now), jobs in moves.items():
        tally.move(was, now, jobs)


def waiting_rows(entry: Entry, now: int) -> list[tuple[Any, ...]]:
    """Write the attempts to create that no worker took on at once."""
    return attempt_rows(entry, entry.create, entry.job.active - len(entry.create), now)


def attempt_rows(
    entry: Entry, creations: Sequence[Creation], before: int, now: int
) -> list[tuple[Any, ...]]:
    """Write attempts to create, each with its turn; their job has ``before`` others.

    The turn of an attempt is now plus a second for each attempt that its job has already. So jobs
    that wait at the same time take turns, a small one overtakes the backlog of a large one, and
    whatever waits long enough is overtaken by nothing of its priority.
    """
    job, where = entry.job, entry.placement
    return [
        (
            job.id,
            creation.index,
            creation.number,
            where.executor,
            where.priority,
            now + place * TURN,
        )
        for place, creation in enumerate(creations, before)
    ]


def write_events(entries: Sequence[Entry], tally: Tally) -> Transaction[None]:
    """Write ledger lines, each with its own time, and what was counted."""
    lines = [
        (
            entry.job.id, str(line.event), str(line.status), line.at, line.reason, line.message,
            entry.job.worker_id,
        )
        for entry in entries
        for line in entry.events
    ]  # fmt: skip
    if lines:
        yield Query("insert_events", (), lines, tally.query())
    else:
        yield from tally.write()


def fits(placement: Placement, worker_id: str, labels: dict[str, str]) -> bool:
    """Tell whether a worker may run a job's attempts at all: its pin and its selector."""
    pin = placement.worker_pin
    if pin is not None:
        matches = worker_id.startswith(pin[:-1]) if pin.endswith("*") else worker_id == pin
        if not matches:
            return False
    if placement.worker_selector is None:
        return True
    selector: dict[str, str] = json.loads(placement.worker_selector)
    return all(labels.get(key) == value for key, value in selector.items())


def is_running(job: JobState) -> bool:
    """Tell whether a start would be no news to the job."""
    return job.status not in (JobStatus.SCHEDULED, JobStatus.QUEUED)
