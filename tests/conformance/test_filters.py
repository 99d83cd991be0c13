"""What a list finds for each filter, alone and with others, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jobyard.core.states import ACTIVE, JobStatus
from jobyard.store.base import JobQuery, LabelFilter
from jobyard.store.transactions import find
from jobyard.testing.stage import SECOND, make_spec

if TYPE_CHECKING:
    from jobyard.testing.stage import Stage

DONE = {"completions": 0}
APP, SUB = "app.kubernetes.io/name", 'q"u\\o.te'


def listed(stage: Stage, **query: Any) -> list[int]:
    return [job.id for job in stage.do(stage.store.jobs(JobQuery(**query)))]


def label(key: str, value: str, *, equal: bool = True) -> LabelFilter:
    return LabelFilter(key, value, equal)


@pytest.fixture
def jobs(stage: Stage) -> list[int]:
    """Six jobs that differ in everything that a list can ask for."""
    made = []
    for n, labels in enumerate(
        [{}, {APP: "web"}, {APP: "web", SUB: "x"}, {APP: "db", SUB: "x"}, {APP: "webb"}, {}]
    ):
        spec = make_spec(
            f"n{n % 2}",
            namespace=f"s{n // 2}",
            labels=labels,
            executor="fake" if n in (0, 5) else "none",
            policy=DONE if n in (1, 3) else {},
        )
        stage.clock.advance(1)
        made.append(stage.submit_one(spec, trigger="run" if n == 2 else "api"))
    stage.sql(
        f"UPDATE job_specs SET workflow_id = 7, dataset = 'eth/main' WHERE job_id = {made[3]}"
    )
    stage.sql(
        f"UPDATE job_specs SET workflow_id = 8, dataset = 'eth/test' WHERE job_id = {made[4]}"
    )
    for worker in ("abc-1", "abd"):
        stage.worker(worker).claim_one()
    return made


FILTERS: dict[str, tuple[dict[str, Any], list[int]]] = {
    "a label": ({"labels": [label(APP, "web")]}, [2, 1]),
    "a label with odd letters": ({"labels": [label(SUB, "x")]}, [3, 2]),
    "two labels": ({"labels": [label(APP, "web"), label(SUB, "x")]}, [2]),
    "not a label": ({"labels": [label(APP, "web", equal=False)]}, [5, 4, 3, 0]),
    "a label and not another": (
        {"labels": [label(SUB, "x"), label(APP, "web", equal=False)]},
        [3],
    ),
    "a label that nothing has": ({"labels": [label(APP, "x")]}, []),
    "a trigger": ({"trigger": "run"}, [2]),
    "another trigger": ({"trigger": "api"}, [5, 4, 3, 1, 0]),
    "a worker": ({"worker_id": "abc-1"}, [0]),
    "the beginning of a worker": ({"worker_id": "ab*"}, [5, 0]),
    "the beginning of one worker": ({"worker_id": "abc*"}, [0]),
    "any worker": ({"worker_id": "*"}, [5, 0]),
    "a beginning is not a whole": ({"worker_id": "abc"}, []),
    "a workflow": ({"workflow_id": 7}, [3]),
    "a dataset": ({"dataset": "eth/main"}, [3]),
    "no such dataset": ({"dataset": "eth"}, []),
    "a status and a name": ({"statuses": ACTIVE, "name": "n1"}, [5]),
    "a status and a label": ({"statuses": ACTIVE, "labels": [label(APP, "web")]}, [2]),
    "a name and a namespace": ({"name": "n1", "namespace": "s1"}, [3]),
    "a trigger and a namespace": ({"trigger": "api", "namespace": "s1"}, [3]),
    "a worker and a name": ({"worker_id": "ab*", "name": "n0"}, [0]),
    "a worker and a namespace": ({"worker_id": "abd", "namespace": "s0"}, []),
    "a workflow and a name": ({"workflow_id": 7, "name": "n0"}, []),
    "a dataset and a trigger": ({"dataset": "eth/main", "trigger": "run"}, []),
    "a workflow and a dataset": ({"workflow_id": 7, "dataset": "eth/test"}, []),
}


def wanted(jobs: list[int], positions: list[int]) -> list[int]:
    return [jobs[position] for position in positions]


@pytest.mark.parametrize("name", FILTERS)
def test_a_list_finds_what_passes_each_filter(stage: Stage, jobs: list[int], name: str) -> None:
    query, positions = FILTERS[name]

    assert listed(stage, **query) == wanted(jobs, positions)
    assert stage.do(stage.store.count(JobQuery(**query))) == len(positions)


@pytest.mark.parametrize("name", FILTERS)
def test_pages_with_a_filter_go_on_where_the_last_ended(
    stage: Stage, jobs: list[int], name: str
) -> None:
    query, positions = FILTERS[name]
    pages: list[int] = []
    while page := listed(stage, **query, limit=1, after=pages[-1] if pages else None):
        pages += page

    assert pages == wanted(jobs, positions)


@pytest.mark.parametrize("name", FILTERS)
def test_ids_are_a_filter_like_the_others(stage: Stage, jobs: list[int], name: str) -> None:
    query, positions = FILTERS[name]
    some = {2, 3, 5}

    found = listed(stage, **query, ids=wanted(jobs, sorted(some)))

    assert found == wanted(jobs, [position for position in positions if position in some])
    assert listed(stage, **query, ids=[]) == []


def test_ids_go_on_and_are_limited_like_any_list(stage: Stage, jobs: list[int]) -> None:
    assert listed(stage, ids=jobs[1:4], limit=2) == [jobs[3], jobs[2]]
    assert listed(stage, ids=jobs[1:4], after=jobs[2]) == [jobs[1]]


def test_jobs_are_found_by_when_they_were_created(stage: Stage, jobs: list[int]) -> None:
    third = stage.job(jobs[2]).state.created_at

    assert listed(stage, created_after=third) == wanted(jobs, [5, 4, 3])
    assert listed(stage, created_after=third - 1, name="n0") == wanted(jobs, [4, 2])
    assert listed(stage, created_after=third, after=jobs[5], limit=1) == [jobs[4]]
    assert listed(stage, created_after=stage.clock.now) == []


def test_jobs_are_found_by_when_they_ended(stage: Stage, jobs: list[int]) -> None:
    at = stage.job(jobs[3]).state.finished_at
    assert at is not None

    assert listed(stage, finished_before=at) == [jobs[1]]
    assert listed(stage, finished_before=at + 1) == [jobs[3], jobs[1]]
    assert listed(stage, finished_before=at + SECOND, namespace="s1") == [jobs[3]]
    assert listed(stage, finished_before=at + SECOND, statuses=[JobStatus.FAILED]) == []


def test_times_are_asked_of_ids_too(stage: Stage, jobs: list[int]) -> None:
    made, over = (stage.job(jobs[position]).state for position in (2, 3))
    assert over.finished_at is not None

    assert listed(stage, ids=jobs, created_after=made.created_at) == wanted(jobs, [5, 4, 3])
    assert listed(stage, ids=jobs, finished_before=over.finished_at) == [jobs[1]]


@pytest.mark.parametrize("probe", [1, 2, 3])
@pytest.mark.parametrize("name", FILTERS)
def test_common_filters_together_find_the_same_in_many_looks(
    stage: Stage, jobs: list[int], name: str, probe: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No filter is rare when a look takes in fewer ids than pass it."""
    monkeypatch.setattr(find, "PROBE", probe)
    monkeypatch.setattr(find, "BATCH", probe)
    query, positions = FILTERS[name]
    old = {"created_after": 1, **query}

    assert listed(stage, **old) == wanted(jobs, positions)
    assert listed(stage, **old, limit=1) == wanted(jobs, positions)[:1]
    assert stage.do(stage.store.count(JobQuery(**old))) == len(positions)


def test_a_change_of_labels_is_found(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(labels={"a": "1", "b": "2"}))
    other = stage.submit_one(make_spec(labels={"a": "1"}))

    relabelled = make_spec(labels={"a": "3", "c": "4"})
    stage.do(stage.store.change(job_id, lambda *_: relabelled))

    assert stage.job(job_id).labels == {"a": "3", "c": "4"}
    assert listed(stage, labels=[label("a", "3"), label("c", "4")]) == [job_id]
    assert listed(stage, labels=[label("a", "1")]) == [other]
    assert listed(stage, labels=[label("b", "2")]) == []


def test_jobs_by_status_are_counted_without_a_list(stage: Stage, jobs: list[int]) -> None:
    count = stage.store.count
    assert stage.do(count(JobQuery())) == len(jobs)
    assert stage.do(count(JobQuery(limit=1))) == len(jobs)
    assert stage.do(count(JobQuery(statuses=[JobStatus.COMPLETED]))) == 2
    assert stage.do(count(JobQuery(after=jobs[1]))) == 1


def test_a_list_may_name_workers_without_end(stage: Stage) -> None:
    """More workers than a page has jobs: the page is of those with the newest."""
    jobs = stage.submit(*[make_spec(f"j{n}") for n in range(6)])
    for n in range(6):
        stage.worker(f"w{n}").claim_one()

    ids = [job.id for job in jobs]
    by_worker = {stage.job(job_id).state.worker_id: job_id for job_id in ids}
    assert len(by_worker) == 6
    assert listed(stage, worker_id="w*", limit=2) == sorted(ids)[:-3:-1]
