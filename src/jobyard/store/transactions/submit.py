"""Accept jobs: one row beside the spec each, decided upon once, in one durable transaction."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jobyard.core.decide import decide
from jobyard.core.state import JobState, LedgerLine
from jobyard.core.states import Event, JobStatus
from jobyard.errors import IdempotencyConflict
from jobyard.spec.encode import canonical_hash, encode_json, policy_json
from jobyard.store.query import Query, Transaction
from jobyard.store.rows import Placement, job_of, state_row
from jobyard.store.transactions.deciding import (
    Entry,
    attempt_rows,
    read_now,
    write_events,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.core.job import JobSpec
    from jobyard.core.records import Job
    from jobyard.store.base import Submission

KEY_LIFETIME = 24 * 3600 * 1_000_000
"""Microseconds for which an idempotency key is remembered, whatever becomes of its job."""


def submit(submission: Submission) -> Transaction[tuple[list[Job], bool]]:
    """Accept jobs, all or none; tell also whether there is something to claim now."""
    now = yield from read_now()
    keyed = yield from _known_keys(submission.specs, now)
    fresh = [spec for spec in submission.specs if spec.idempotency_key not in keyed]
    entries = yield from _insert(submission, fresh, now)
    made = [entry.job.id for entry in entries]
    by_spec = dict(zip(map(id, fresh), made, strict=True))
    wanted = [
        keyed[spec.idempotency_key] if spec.idempotency_key in keyed else by_spec[id(spec)]
        for spec in submission.specs
    ]
    rows = yield Query("jobs_by_id", (sorted(set(wanted)),))
    jobs = {row[0]: job_of(row) for row in rows}
    return [jobs[job_id] for job_id in wanted], any(entry.create for entry in entries)


def _known_keys(specs: Sequence[JobSpec], now: int) -> Transaction[dict[str | None, int]]:
    """Find the jobs that these keys made before.

    Raises:
        IdempotencyConflict: a key made a job from another spec.
    """
    hashes = {
        spec.idempotency_key: canonical_hash(spec)
        for spec in specs
        if spec.idempotency_key is not None
    }
    known: dict[str | None, int] = {}
    if not hashes:
        return known
    yield Query("forget_keys", (now - KEY_LIFETIME,))
    for key, request_hash, job_id in (yield Query("find_keys", (sorted(hashes),))):
        if hashes[key] != request_hash:
            raise IdempotencyConflict(key, job_id)
        known[key] = job_id
    return known


def _insert(submission: Submission, specs: Sequence[JobSpec], now: int) -> Transaction[list[Entry]]:
    if not specs:
        return []
    runs = yield Query("take_ids", (len(specs),))
    job_ids = [first + at for first, length in runs for at in range(length)]
    numbers = {(s.namespace, s.name): n for s, n in zip(specs, job_ids, strict=True)}
    entries = [
        _entry(submission, spec, job_id, now) for spec, job_id in zip(specs, job_ids, strict=True)
    ]
    yield Query("insert_jobs", (), [state_row(entry.job, entry.wake_at, now) for entry in entries])
    yield Query(
        "insert_specs",
        (),
        [_spec_row(submission, spec, entry) for spec, entry in zip(specs, entries, strict=True)],
    )
    edges = [
        (numbers[spec.namespace, spec.name], numbers[spec.namespace, edge.job], str(edge.condition))
        for spec in specs
        for edge in spec.depends_on
    ]
    if edges:
        yield Query("insert_dependencies", (), edges)
    keys = [
        (spec.idempotency_key, canonical_hash(spec), job_id, now)
        for spec, job_id in zip(specs, job_ids, strict=True)
        if spec.idempotency_key is not None
    ]
    if keys:
        yield Query("insert_keys", (), keys)
    attempts = [row for entry in entries for row in attempt_rows(entry)]
    if attempts:
        yield Query("insert_attempts", (), attempts)
    yield from write_events(entries)
    return entries


def _entry(submission: Submission, spec: JobSpec, job_id: int, now: int) -> Entry:
    scheduled_at = None
    if spec.scheduled_at is not None:
        scheduled_at = int(spec.scheduled_at.timestamp() * 1_000_000)
    job = JobState(
        job_id,
        spec.policy,
        waiting_on=len(spec.depends_on),
        scheduled_at=scheduled_at,
        created_at=now,
    )
    resources = spec.program.resources
    entry = Entry(
        job,
        Placement(
            spec.executor,
            spec.priority,
            resources.request_cpu,
            resources.request_memory,
            submission.owner or spec.worker_id,
            json.dumps(dict(spec.worker_selector)) if spec.worker_selector else None,
        ),
    )
    entry.events.append(LedgerLine(Event.CREATED, JobStatus.PENDING, now))
    entry.take(decide(job, (), now))
    return entry


def _spec_row(submission: Submission, spec: JobSpec, entry: Entry) -> tuple[Any, ...]:
    where = entry.placement
    return (
        entry.job.id, spec.namespace, spec.name, json.dumps(dict(spec.labels)), where.executor,
        where.priority, where.cpu, where.memory, where.worker_pin, where.worker_selector,
        submission.trigger, submission.retried_from, policy_json(spec.policy), encode_json(spec),
    )  # fmt: skip
