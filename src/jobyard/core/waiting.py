"""Why a job does not run now, in a person's words: from the job itself, and from the workers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from jobyard.core.states import JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from jobyard.core.records import Crew, Wish, WorkerRecord
    from jobyard.core.state import JobState

FOR_A_WORKER = "waits for a worker"
"""The reason that the workers know more about: see ``why_unplaced``."""

_OF_ITS_ATTEMPTS = {
    JobStatus.SCHEDULED: FOR_A_WORKER,
    JobStatus.QUEUED: "a worker is starting it",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def waiting_reason(job: JobState, now: int) -> str | None:
    """Say what ``job`` waits for; None when it runs, is ending, or is over.

    Whether a worker would fit is not known here: whoever knows the workers says
    ``why_unplaced`` instead of ``FOR_A_WORKER``.
    """
    if job.outcome is not None or job.request is not None or job.terminal:
        return None
    if job.policy.suspend:
        return "suspended"
    if job.status is JobStatus.PENDING:
        return _before_it_is_due(job, now)
    if job.active:
        return _OF_ITS_ATTEMPTS.get(job.status)
    return _without_attempts(job, now)


def _without_attempts(job: JobState, now: int) -> str:
    if job.policy.parallelism == 0:
        return "paused: its parallelism is 0"
    if job.retry_at is not None and job.retry_at > now:
        return f"retries at {_told(job.retry_at)} (back-off)"
    if job.terminating:
        return f"waits for {_number(job.terminating, 'attempt')} to end"
    return FOR_A_WORKER


def _before_it_is_due(job: JobState, now: int) -> str:
    if job.waiting_on:
        return f"waits for {_number(job.waiting_on, 'job')}"
    if job.scheduled_at is not None and job.scheduled_at > now:
        return f"not due before {_told(job.scheduled_at)}"
    return "waits for its first decision"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _told(at: int) -> str:
    """Write a time as people read it: UTC, to the second."""
    moment = _EPOCH + timedelta(microseconds=at)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Fitness:
    """Whether a worker could run a job's attempts, and why it does not take one now.

    ``fits`` is about what it is, ``free`` about what it has left at this moment.
    """

    worker_id: str
    fits: bool
    free: bool
    why: str


def fitness(wish: Wish, worker: WorkerRecord) -> Fitness:
    """Tell what keeps ``worker`` from taking an attempt, if anything does."""
    for lack in _LACKS:
        if (told := lack(wish, worker)) is not None:
            return Fitness(worker.id, fits=False, free=False, why=told)
    short = _shortage(wish, worker)
    return Fitness(worker.id, fits=True, free=short is None, why=short or "can take it")


def why_unplaced(wish: Wish, workers: Sequence[WorkerRecord]) -> str | None:
    """Say why no worker takes an attempt; None when one can, and only has to look."""
    if not workers:
        return "no worker is there"
    left = list(workers)
    for lack, said in zip(_LACKS, _SAID, strict=True):
        having = [worker for worker in left if lack(wish, worker) is None]
        if not having:
            return said(wish, left, len(left) < len(workers))
        left = having
    shortages = [_shortage(wish, worker) for worker in left]
    if None in shortages:
        return None
    if len(left) == 1:
        return f"worker {left[0].id} fits, but {shortages[0]}"
    if all(_slots_left(wish, worker) <= 0 for worker in left):
        return f"all slots of {len(left)} fitting workers are taken"
    return f"none of {len(left)} fitting workers has {_asked(wish)} free"


def unplaced(crew: Crew) -> dict[int, str | None]:
    """Say ``why_unplaced`` of each job of a crew; what is asked for alike is looked at once."""
    known: dict[tuple[Any, ...], str | None] = {}
    found = {}
    for job_id, wish in crew.wishes.items():
        labels = frozenset(wish.labels.items())
        alike = (wish.executor, wish.cpu, wish.memory, wish.worker, labels)
        if alike not in known:
            known[alike] = why_unplaced(wish, crew.workers)
        found[job_id] = known[alike]
    return found


def _not_the_one(wish: Wish, worker: WorkerRecord) -> str | None:
    wanted = wish.worker
    if wanted is None or wanted == worker.id:
        return None
    if wanted.endswith("*"):
        if worker.id.startswith(wanted[:-1]):
            return None
        return f"its id does not begin with `{wanted[:-1]}`"
    return f"the job asks for worker `{wanted}`"


def _no_executor(wish: Wish, worker: WorkerRecord) -> str | None:
    if worker.executors.get(wish.executor, 0) > 0:
        return None
    return f"has no slots for the executor `{wish.executor}`"


def _no_label(wish: Wish, worker: WorkerRecord) -> str | None:
    missing = [
        f"{key}={value}" for key, value in wish.labels.items() if worker.labels.get(key) != value
    ]
    return f"has not {_labels(missing)}" if missing else None


def _too_few_cpus(wish: Wish, worker: WorkerRecord) -> str | None:
    if wish.cpu <= worker.cpu:
        return None
    return f"has {_cpus(worker.cpu)}, the job asks for {wish.cpu:g}"


def _too_little_memory(wish: Wish, worker: WorkerRecord) -> str | None:
    if wish.memory <= worker.memory:
        return None
    return f"has {_bytes(worker.memory)} of memory, the job asks for {_bytes(wish.memory)}"


def _draining(_wish: Wish, worker: WorkerRecord) -> str | None:
    return "is draining: it takes nothing new" if worker.draining else None


_LACKS: tuple[Callable[[Wish, WorkerRecord], str | None], ...] = (
    _not_the_one,
    _no_executor,
    _no_label,
    _too_few_cpus,
    _too_little_memory,
    _draining,
)
"""What can be wrong with a worker, the plainest first."""


def _said_of_ids(wish: Wish, _left: Sequence[WorkerRecord], _narrowed: bool) -> str:
    wanted = wish.worker or ""
    if wanted.endswith("*"):
        return f"no worker is there whose id begins with `{wanted[:-1]}`"
    return f"worker `{wanted}` is not there"


def _said_of_executors(wish: Wish, _left: Sequence[WorkerRecord], narrowed: bool) -> str:
    return f"{_none_of(narrowed)} has slots for the executor `{wish.executor}`"


def _said_of_labels(wish: Wish, left: Sequence[WorkerRecord], narrowed: bool) -> str:
    nobodys = [
        f"{key}={value}"
        for key, value in wish.labels.items()
        if all(worker.labels.get(key) != value for worker in left)
    ]
    together = nobodys or [f"{key}={value}" for key, value in wish.labels.items()]
    tail = "" if nobodys else " together"
    return f"{_none_of(narrowed)} has {_labels(together)}{tail}"


def _said_of_cpus(wish: Wish, left: Sequence[WorkerRecord], narrowed: bool) -> str:
    most = max(worker.cpu for worker in left)
    return f"asks for {_cpus(wish.cpu)}, the largest{_fitting(narrowed)} worker has {most:g}"


def _said_of_memory(wish: Wish, left: Sequence[WorkerRecord], narrowed: bool) -> str:
    most, asked = _bytes(max(worker.memory for worker in left)), _bytes(wish.memory)
    return f"asks for {asked} of memory, the largest{_fitting(narrowed)} worker has {most}"


def _said_of_draining(_wish: Wish, left: Sequence[WorkerRecord], _narrowed: bool) -> str:
    if len(left) == 1:
        return f"worker {left[0].id} is draining, and no other fits"
    return f"all {len(left)} fitting workers are draining"


_SAID: tuple[Callable[[Wish, Sequence[WorkerRecord], bool], str], ...] = (
    _said_of_ids,
    _said_of_executors,
    _said_of_labels,
    _said_of_cpus,
    _said_of_memory,
    _said_of_draining,
)
"""What is said when no worker is left after the lack of the same place in ``_LACKS``."""


def _shortage(wish: Wish, worker: WorkerRecord) -> str | None:
    """Say what a worker that fits has too little of at this moment."""
    slots = worker.executors[wish.executor]
    if _slots_left(wish, worker) <= 0:
        taken = "its one slot is" if slots == 1 else f"all its {slots} slots are"
        return f"{taken} taken"
    cpu = worker.cpu - sum(held.cpu for held in worker.held.values())
    if wish.cpu > cpu:
        return f"{max(cpu, 0):g} of its {_cpus(worker.cpu)} are free"
    memory = worker.memory - sum(held.memory for held in worker.held.values())
    if wish.memory > memory:
        return f"{_bytes(max(memory, 0))} of its {_bytes(worker.memory)} of memory are free"
    return None


def _slots_left(wish: Wish, worker: WorkerRecord) -> int:
    held = worker.held.get(wish.executor)
    return worker.executors[wish.executor] - (held.attempts if held else 0)


def _none_of(narrowed: bool) -> str:
    return f"no{_fitting(narrowed)} worker"


def _fitting(narrowed: bool) -> str:
    return " fitting" if narrowed else ""


def _asked(wish: Wish) -> str:
    asked = [f"{_cpus(wish.cpu)}"] if wish.cpu else []
    asked += [f"{_bytes(wish.memory)} of memory"] if wish.memory else []
    return " and ".join(["a slot", *asked])


def _labels(texts: Iterable[str]) -> str:
    listed = list(texts)
    return f"the {'label' if len(listed) == 1 else 'labels'} {', '.join(listed)}"


def _cpus(count: float) -> str:
    return f"{count:g} CPU" if count == 1 else f"{count:g} CPUs"


_UNITS = ((2**30, "Gi"), (2**20, "Mi"), (2**10, "Ki"))


def _bytes(count: int) -> str:
    """Write bytes as resources are written, ``1.5Gi``, to three digits."""
    for size, unit in _UNITS:
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return f"{count} bytes"
