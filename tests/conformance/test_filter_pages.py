"""That a page of any filter is the newest of what passes it, wherever the page begins.

Thirty jobs pass each other in everything that a filter has an index for: neighbours by name and by
id on both sides, on workers that took them over from others, some of them deleted. What a list
finds is compared with what the table says, for every place and several lengths of a page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jobyard.core.states import ACTIVE, TERMINAL, AttemptStatus, JobStatus
from jobyard.store.base import JobQuery, LabelFilter
from jobyard.store.transactions import find
from jobyard.testing.stage import make_spec

if TYPE_CHECKING:
    from jobyard.testing.stage import Stage, StageWorker

JOBS = 30
# Neither comes in the order of the ids, and one is the beginning of another.
WORKERS = "wb", "wb-1", "va", "wb-2", "x"
TRIGGERS = "cli", "run", "api"
NAMESPACES = "s", "s-1", "r"
NAMES = "b", "a", "b-1"
LABELS: tuple[dict[str, str], ...] = ({"k": "b"}, {"k": "a"}, {"k": "b1", "j": "b"}, {"l": "b"}, {})
DATASETS = "eth/main", "eth/m", "eth/main-1", "arb/main"
HASHES = "ab", "aa", "ac"
QUEUED, RUNNING, SCHEDULED = JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.SCHEDULED
FATES = SCHEDULED, QUEUED, RUNNING, JobStatus.COMPLETED, "taken over", "deleted", JobStatus.FAILED
# Also what no job has: below all, between two, beyond all, and the beginning of one.
ASKED: dict[str, list[dict[str, Any]]] = {
    "name": [{"name": word} for word in (*NAMES, "0", "aa", "c")],
    "namespace": [{"namespace": word} for word in (*NAMES, *NAMESPACES, "0", "t")],
    "trigger": [{"trigger": word} for word in (*TRIGGERS, "a", "b", "z")],
    "worker": [{"worker_id": word} for word in (*WORKERS, "a", "w", "y")],
    "workers": [{"worker_id": f"{word}*"} for word in ("", "a", "va", "w", "wa", "wb-", "x", "y")],
    "workflow": [{"workflow_id": number} for number in range(5)],
    "dataset": [{"dataset": word} for word in (*DATASETS, "a", "eth", "z")],
    "revision": [
        {"dataset": dataset, "manifest_hash": digest}
        for dataset in DATASETS[:3]
        for digest in (*HASHES, "a", "z")
    ],
    "label": [
        {"labels": [LabelFilter(*pair)]} for pair in ("kb", "ka", ("k", "b1"), "jb", "ja", "lb")
    ],
}
COMPANY: tuple[dict[str, Any], ...] = (
    {},
    {"statuses": ACTIVE},
    {"statuses": TERMINAL},
    {"statuses": [QUEUED]},
    {"ids": [*range(1, 12), *range(20, JOBS + 1)]},
)


def play(stage: Stage, worker: StageWorker, other: StageWorker, fate: str) -> None:
    """Have the newest job, the only one that waits, end up as told."""
    if fate == "taken over":
        claim = other.claim_one()
        other.start(claim)
        for suspend in (True, False):
            stage.do(stage.store.suspend(claim.job_id, suspend=suspend))
            other.end(claim, status=AttemptStatus.STOPPED)
    claim = worker.claim_one()
    if fate not in {QUEUED, "taken over"}:
        worker.start(claim)
    if fate in {JobStatus.COMPLETED, "deleted"}:
        worker.end(claim)
    if fate == JobStatus.FAILED:
        worker.fail(claim)
    if fate == "deleted":
        assert stage.do(stage.store.delete(claim.job_id))


@pytest.fixture
def crowd(stage: Stage) -> dict[int, dict[str, Any]]:
    """What the jobs are that can be found, newest first, by id."""
    crew = [stage.worker(worker_id) for worker_id in WORKERS]
    made: dict[int, dict[str, Any]] = {}
    for n in range(JOBS):
        fate = FATES[n % 7]
        row: dict[str, Any] = {
            "name": NAMES[(n + n // 3) % 3],
            "namespace": NAMESPACES[n // 3 % 3],
            "trigger": TRIGGERS[n % 3],
            "labels": LABELS[(n + n // 5) % 5],
        }
        spec = make_spec(
            row["name"],
            namespace=row["namespace"],
            labels=row["labels"],
            executor="none" if fate == SCHEDULED else "fake",
            policy={"backoff_limit": 0},
        )
        job_id = stage.submit_one(spec, trigger=row["trigger"])
        if fate != SCHEDULED:
            play(stage, crew[n % 5], crew[(n + 2) % 5], fate)
        row |= {
            "worker_id": None if fate == SCHEDULED else WORKERS[n % 5],
            "status": QUEUED if fate == "taken over" else fate,
            "workflow_id": (3, 1, 2)[n // 2 % 3],
            "dataset": DATASETS[n // 2 % 4],
            "manifest_hash": HASHES[n // 3 % 3],
        }
        if fate != "deleted":
            made[job_id] = row
    for job_id, row in made.items():
        columns = ("workflow_id", "dataset", "manifest_hash")
        values = ", ".join(f"{column} = '{row[column]}'" for column in columns)
        stage.sql(f"UPDATE job_specs SET {values} WHERE job_id = {job_id}")
    return dict(reversed(made.items()))


def passes(job_id: int, row: dict[str, Any], query: dict[str, Any]) -> bool:
    for name, value in query.items():
        if name == "labels":
            passed = all(row["labels"].get(label.key) == label.value for label in value)
        elif name == "statuses":
            passed = row["status"] in value
        elif name == "ids":
            passed = job_id in value
        elif name == "worker_id" and value.endswith("*"):
            passed = row["worker_id"] is not None and row["worker_id"].startswith(value[:-1])
        else:
            passed = row[name] == value
        if not passed:
            return False
    return True


@pytest.mark.parametrize("asked", ASKED)
def test_a_page_is_the_newest_that_pass_from_any_place(
    stage: Stage, crowd: dict[int, dict[str, Any]], asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find, "PROBE", 1)
    monkeypatch.setattr(find, "BATCH", 2)
    for query, step in [
        (filters | company, 5 if company else 1) for filters in ASKED[asked] for company in COMPANY
    ]:
        expected = [job_id for job_id, row in crowd.items() if passes(job_id, row, query)]
        for after in range(1, JOBS + 2, step):
            for limit in (1, 2, JOBS):
                found = stage.do(stage.store.jobs(JobQuery(**query, after=after, limit=limit)))
                below = [job_id for job_id in expected if job_id < after]
                assert [job.id for job in found] == below[:limit], (query, after, limit)
