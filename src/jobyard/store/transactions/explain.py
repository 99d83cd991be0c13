"""Reading what it takes to say why a job is as it is: workers, edges, failures."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from jobyard.core.records import Crew, Held, Story, Wish
from jobyard.store.query import Query, Transaction
from jobyard.store.rows import attempt_of, dependency_of, worker_of
from jobyard.store.transactions.deciding import read_now
from jobyard.store.transactions.read import job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.core.records import Attempt, WorkerRecord

FAILURES = 5
"""Failures that are told: enough to see whether they are alike."""
LOOKED_THROUGH = 5_000
"""Newest attempts among which failures are looked for: many times those that wait (WINDOW)."""


def workers() -> Transaction[list[WorkerRecord]]:
    """List workers whose lease runs, with what each holds."""
    now = yield from read_now()
    held: defaultdict[str, dict[str, Held]] = defaultdict(dict)
    for worker_id, executor, *load in (yield Query("held_by_workers")):
        held[worker_id][executor] = Held(*load)
    found = [worker_of(row) for row in (yield Query("list_workers", (now,)))]
    return [replace(worker, held=held[worker.id]) for worker in found]


def crew(job_ids: Sequence[int]) -> Transaction[Crew]:
    """Read the workers, and what these jobs ask of one."""
    wishes = {}
    for job_id, _, executor, _, cpu, memory, pin, selector in (
        yield Query("placements", (list(job_ids),))
    ):
        labels = json.loads(selector) if selector else {}
        wishes[job_id] = Wish(executor, cpu, memory, pin, labels)
    return Crew((yield from workers()), wishes)


def story(job_id: int) -> Transaction[Story]:
    """Read all that says why a job is as it is.

    Raises:
        JobNotFound: there is none of this id.
    """
    found = yield from job(job_id)
    ((waiting,),) = yield Query("waiting_of_job", (job_id,))
    dependencies = [dependency_of(row) for row in (yield Query("dependencies_of", (job_id,)))]
    failures = yield Query("last_failures", (job_id, FAILURES, LOOKED_THROUGH))
    gathered = yield from crew([job_id])
    return Story(found, gathered, waiting, dependencies, [attempt_of(row) for row in failures])


def attempts_of_worker(worker_id: str, after: int, limit: int) -> Transaction[list[Attempt]]:
    """List what a worker holds, oldest first."""
    rows = yield Query("attempts_of_worker", (worker_id, after, limit))
    return [attempt_of(row) for row in rows]
