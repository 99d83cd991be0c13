"""Accept jobs: one row beside the spec each, decided upon once, in one durable transaction."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobyard.clock import to_us
from jobyard.core.decide import decide
from jobyard.core.records import Job
from jobyard.core.state import JobState, LedgerLine
from jobyard.core.states import TERMINAL, Event, JobStatus
from jobyard.errors import (
    ActiveJobConflict,
    IdempotencyConflict,
    InvalidDocument,
    InvalidRequest,
    JobNotFound,
    JobyardError,
    Problem,
)
from jobyard.spec.encode import canonical, canonical_hash, encode, policy_json
from jobyard.store.query import Query, Transaction
from jobyard.store.rows import job_of, placement, state_row
from jobyard.store.transactions.counting import Tally
from jobyard.store.transactions.deciding import (
    Entry,
    count_written,
    look_at_window,
    read_now,
    waiting_rows,
    write_events,
)
from jobyard.store.transactions.find import LARGEST_ID
from jobyard.store.transactions.labels import insert_labels

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from jobyard.core.extract import Extract
    from jobyard.core.job import JobSpec
    from jobyard.store.base import Submission

KEY_LIFETIME = 24 * 3600 * 1_000_000
"""Microseconds for which an idempotency key is remembered, whatever becomes of its job."""

FIRST_ATTEMPTS = 16
"""Attempts made in the submission itself: a wide job costs no more to accept than a narrow one."""

KEYS_TO_FORGET = 100
"""How many outlived keys a submission with keys removes; more than it adds, in the long run."""

_TERMINAL = {str(status) for status in TERMINAL}


@dataclass(slots=True)
class _New:
    """One job to be: what was asked for, and its row as it becomes."""

    submission: Submission
    spec: JobSpec
    written: dict[str, Any]
    entry: Entry


@dataclass(slots=True)
class _Keys:
    """What idempotency keys stand for: (hash, job) of earlier submissions, and of this one."""

    hashes: dict[str, str] = field(default_factory=dict)
    known: dict[str, int] = field(default_factory=dict)


def submit(submissions: Sequence[Submission]) -> Transaction[tuple[list[list[Job]], bool]]:
    """Accept jobs, all or none; tell also whether there is something to claim now.

    Raises:
        IdempotencyConflict: a key already made a job from another spec.
        InvalidRequest: a key stands for two different specs here.
    """
    now = yield from read_now()
    keys = yield from _keys_of(submissions, now)
    fresh = _fresh(submissions, keys)
    for _, spec in fresh:
        if spec.extract is not None:
            yield from refuse_second(spec.extract, [edge.job for edge in spec.depends_on])
    made = yield from _make(fresh, now)
    yield from _insert(made, keys, now)
    edges = _edges(submissions, made, keys)
    resolved = bool(edges) and (yield from _tie(edges, made))
    entries = [new.entry for new in made]
    tally = Tally()
    count_written(entries, tally)
    yield from write_events(entries, tally)
    answers = yield from _answers(submissions, made, keys, now)
    return answers, resolved or any(new.entry.create for new in made)


def refuse_second(extract: Extract, behind: Collection[str | int] = ()) -> Transaction[None]:
    """Make sure that a revision of a dataset has one job at a time, whoever else asks for one.

    Those that it waits for, ``behind``, are over when it begins.

    Raises:
        ActiveJobConflict: it has one.
    """
    active = yield from active_job(extract)
    if active is not None and active[0] not in behind:
        raise ActiveJobConflict(extract.dataset, *active, [])


def active_job(extract: Extract) -> Transaction[tuple[int, str] | None]:
    """Find the job of a dataset's revision that is not over, and its status; hold both.

    A new one is made only when none is there, so only the newest can be.
    """
    names = (extract.dataset, extract.manifest_hash)
    yield Query("lock_names", ([f"extract {'@'.join(names)}"],))
    for (job_id,) in (yield Query("ids_by_revision", (LARGEST_ID, 1, *names))):
        for row in (yield Query("lock_job", (job_id,))):
            if row[1] not in _TERMINAL:
                return job_id, row[1]
    return None


def _keys_of(submissions: Sequence[Submission], now: int) -> Transaction[_Keys]:
    keys = _Keys()
    for submission in submissions:
        for spec in submission.specs:
            key = spec.idempotency_key
            if key is None:
                continue
            request_hash = canonical_hash(spec)
            if keys.hashes.setdefault(key, request_hash) != request_hash:
                raise InvalidRequest(f"the idempotency key `{key}` stands for two different specs")
    if not keys.hashes:
        return keys
    wanted = sorted(keys.hashes)
    yield Query("forget_keys", (now - KEY_LIFETIME, wanted, KEYS_TO_FORGET + len(wanted)))
    for key, request_hash, job_id in (yield Query("find_keys", (wanted,))):
        if keys.hashes[key] != request_hash:
            raise IdempotencyConflict(key, job_id)
        keys.known[key] = job_id
    return keys


def _fresh(submissions: Sequence[Submission], keys: _Keys) -> list[tuple[Submission, JobSpec]]:
    """Choose the specs that make a job: one for each key that has not made one before."""
    fresh: list[tuple[Submission, JobSpec]] = []
    seen = set(keys.known)
    for submission in submissions:
        for spec in submission.specs:
            if spec.idempotency_key not in seen:
                fresh.append((submission, spec))
            if spec.idempotency_key is not None:
                seen.add(spec.idempotency_key)
    return fresh


def _make(fresh: Sequence[tuple[Submission, JobSpec]], now: int) -> Transaction[list[_New]]:
    if not fresh:
        return []
    runs = yield Query("take_ids", (len(fresh),))
    job_ids = [first + at for first, length in runs for at in range(length)]
    return [
        _New(submission, spec, encode(spec), _entry(submission, spec, job_id, now))
        for (submission, spec), job_id in zip(fresh, job_ids, strict=True)
    ]


def _entry(submission: Submission, spec: JobSpec, job_id: int, now: int) -> Entry:
    job = JobState(
        job_id,
        spec.policy,
        waiting_on=len({edge.job for edge in spec.depends_on}),
        scheduled_at=None if spec.scheduled_at is None else to_us(spec.scheduled_at),
        created_at=now,
    )
    entry = Entry(job, placement(spec, submission.owner))
    entry.events.append(LedgerLine(Event.CREATED, JobStatus.PENDING, now))
    entry.take(decide(job, (), now, most=FIRST_ATTEMPTS))
    look_at_window(entry, now)
    return entry


def _insert(made: Sequence[_New], keys: _Keys, now: int) -> Transaction[None]:
    if not made:
        return
    entries = [new.entry for new in made]
    yield Query("insert_jobs", (), [state_row(e.job, e.wake_at, now) for e in entries])
    yield Query("insert_specs", (), [_spec_row(new) for new in made])
    for new in made:
        if (extract := new.spec.extract) is not None:
            names = (extract.dataset, extract.manifest_hash)
            yield Query("name_dataset", (new.entry.job.id, *names))
    yield from insert_labels((new.entry.job.id, new.spec) for new in made)
    named = [
        (new.spec.idempotency_key, keys.hashes[new.spec.idempotency_key], new.entry.job.id, now)
        for new in made
        if new.spec.idempotency_key is not None
    ]
    if named:
        yield Query("insert_keys", (), named)
    attempts = [row for entry in entries for row in waiting_rows(entry, now)]
    if attempts:
        yield Query("insert_attempts", (), attempts)


def _spec_row(new: _New) -> tuple[Any, ...]:
    spec, where = new.spec, new.entry.placement
    return (
        new.entry.job.id, spec.namespace, spec.name, json.dumps(dict(spec.labels)),
        where.executor, where.priority, where.cpu, where.memory, where.worker_pin,
        where.worker_selector, new.submission.trigger, new.submission.retried_from,
        policy_json(spec.policy), canonical(new.written),
    )  # fmt: skip


def _edges(
    submissions: Sequence[Submission], made: Sequence[_New], keys: _Keys
) -> list[tuple[int, int, str]]:
    """Turn names in ``depends_on`` into ids; names mean jobs of the same submission."""
    edges: list[tuple[int, int, str]] = []
    for submission in submissions:
        mine = [new for new in made if new.submission is submission]
        if not any(new.spec.depends_on for new in mine):
            continue
        numbers = dict(submission.beside)
        numbers.update({(new.spec.namespace, new.spec.name): new.entry.job.id for new in mine})
        for spec in submission.specs:
            if spec.idempotency_key in keys.known:
                numbers[spec.namespace, spec.name] = keys.known[spec.idempotency_key]
        for new in mine:
            edges += _edges_of(new, numbers)
    return edges


def _edges_of(new: _New, numbers: Mapping[tuple[str, str], int]) -> Iterator[tuple[int, int, str]]:
    seen: set[int] = set()
    for job, edge in {edge.job: edge for edge in new.spec.depends_on}.items():
        on_job = job if isinstance(job, int) else numbers.get((new.spec.namespace, job))
        if on_job is None:
            raise InvalidRequest(f"`{new.spec.name}` depends on `{job}`, which is not here")
        if on_job in seen:
            raise InvalidRequest(f"`{new.spec.name}` depends on job {on_job} twice")
        seen.add(on_job)
        yield new.entry.job.id, on_job, str(edge.condition)


def _tie(edges: list[tuple[int, int, str]], made: Sequence[_New]) -> Transaction[bool]:
    """Write edges; those to jobs that are over get their result at once, which may be news."""
    over = [(new.entry.job.id, str(new.entry.job.status)) for new in made if new.entry.job.terminal]
    fresh = {new.entry.job.id for new in made}
    for job_id in sorted({on_job for _, on_job, _ in edges} - fresh):
        # Whoever ends this job waits for us, and then finds the edge.
        rows = yield Query("lock_job", (job_id,))
        if not rows:
            raise _no_such_job(job_id, made)
        if rows[0][1] in _TERMINAL:
            over.append((job_id, rows[0][1]))
    yield Query("insert_dependencies", (), edges)
    return bool(over and (yield Query("resolve_dependencies", (), over)))


def _no_such_job(job_id: int, made: Sequence[_New]) -> JobyardError:
    """Say who depends on a job that is not there, in words of the document it came in."""
    for new in made:
        for at, edge in enumerate(new.spec.depends_on):
            if edge.job == job_id:
                message = f"`{new.spec.name}` depends on job {job_id}, and no job has this id"
                path, legal = f"depends_on[{at}]", "the id of a job that is there, or a name"
                return InvalidDocument([Problem(path, message, "NotFound", None, job_id, legal)])
    return _gone(job_id)


def _answers(
    submissions: Sequence[Submission], made: Sequence[_New], keys: _Keys, now: int
) -> Transaction[list[list[Job]]]:
    old: dict[int, Job] = {}
    if keys.known:
        rows = yield Query("jobs_by_id", (sorted(keys.known.values()),))
        old = {row[0]: job_of(row) for row in rows}
    news = iter(made)
    by_key: dict[str, Job] = {}
    answers: list[list[Job]] = []
    for submission in submissions:
        answers.append([])
        for spec in submission.specs:
            key = spec.idempotency_key
            if key in keys.known:
                if keys.known[key] not in old:
                    raise _gone(keys.known[key])
                job = old[keys.known[key]]
            elif key in by_key:
                job = by_key[key]
            else:
                job = _record(next(news), now)
                if key is not None:
                    by_key[key] = job
            answers[-1].append(job)
    return answers


def _gone(job_id: int) -> JobNotFound:
    return JobNotFound(job_id, f"the job that this idempotency key made, {job_id}, was deleted")


def _record(new: _New, now: int) -> Job:
    spec, submission = new.spec, new.submission
    return Job(
        new.entry.job,
        spec.name,
        spec.namespace,
        dict(spec.labels),
        spec.executor,
        spec.priority,
        submission.trigger,
        None,
        submission.retried_from,
        now,
        new.written,
        dataset=None if spec.extract is None else spec.extract.dataset,
        manifest_hash=None if spec.extract is None else spec.extract.manifest_hash,
    )
