"""What deletion promises: only what is over, hidden at once, removed in slices."""

from __future__ import annotations

from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pytest

from jobyard.core.job import Dependency, DependencyCondition
from jobyard.core.states import ACTIVE, TERMINAL, JobStatus
from jobyard.errors import JobConflict, JobNotFound
from jobyard.store import sql_store
from jobyard.store.base import Chunk, JobQuery, LabelFilter, Retention
from jobyard.store.transactions import cleanup, find
from jobyard.testing.stage import SECOND, make_spec

if TYPE_CHECKING:
    from jobyard.testing.stage import Stage

DONE = {"completions": 0}


def finished(stage: Stage, name: str = "job", *, exit_code: int = 0, **fields: Any) -> int:
    """Run a job of one attempt to its end."""
    job_id = stage.submit_one(make_spec(name, policy={"backoff_limit": 0}, **fields))
    worker = stage.worker(f"w{job_id}")
    claim = worker.claim_one()
    if exit_code:
        worker.fail(claim)
    else:
        worker.end(claim)
    return job_id


def ids(stage: Stage) -> list[int]:
    return [job.id for job in stage.do(stage.store.jobs(JobQuery(limit=1000)))]


def left_of(stage: Stage, job_id: int) -> dict[str, int]:
    """Count the rows that are left of a job."""
    tables = {"jobs": "id", "job_specs": "job_id", "attempts": "job_id", "job_events": "job_id"}
    tables |= dict.fromkeys(["checkpoints", "dependencies", "deletions", "job_labels"], "job_id")
    counts = {
        table: stage.sql(f"SELECT count(*) FROM {table} WHERE {key} = {job_id}", count=True)[0]
        for table, key in tables.items()
    }
    return {table: count for table, count in counts.items() if count}


def sweep(stage: Stage) -> None:
    while stage.do(stage.store.sweep()):
        pass


def test_a_deleted_job_is_gone_at_once(stage: Stage) -> None:
    job_id = finished(stage, labels={"a": "b"})

    assert stage.do(stage.store.delete(job_id)) is True

    with pytest.raises(JobNotFound):
        stage.job(job_id)
    assert ids(stage) == []
    assert left_of(stage, job_id) == {"attempts": 1, "job_events": 5, "deletions": 1}


def test_a_job_that_is_not_there_is_not_deleted(stage: Stage) -> None:
    job_id = finished(stage)
    stage.do(stage.store.delete(job_id))

    assert stage.do(stage.store.delete(job_id)) is False
    assert stage.do(stage.store.delete(2**40)) is False


@pytest.mark.parametrize("status", ACTIVE)
def test_a_job_that_is_not_over_is_not_deleted(stage: Stage, status: JobStatus) -> None:
    job_id = stage.submit_one(make_spec())
    stage.sql(f"UPDATE jobs SET status = '{status}'")

    with pytest.raises(JobConflict, match=str(status)):
        stage.do(stage.store.delete(job_id))

    assert ids(stage) == [job_id]


def test_the_sweep_leaves_nothing_of_a_job_and_all_of_the_others(stage: Stage) -> None:
    job_id, other = finished(stage), finished(stage)
    chunks = [
        Chunk(job, stage.attempts(job)[0].id, 0, 1, ((1, 3, 0),), b"abc") for job in (job_id, other)
    ]
    stage.do(stage.logs.append(chunks))
    before = left_of(stage, other)

    stage.do(stage.store.delete(job_id))
    sweep(stage)

    assert left_of(stage, job_id) == {}
    assert left_of(stage, other) == before
    assert stage.do(stage.logs.read(chunks[0].attempt_id)) == []
    assert stage.do(stage.logs.read(chunks[1].attempt_id)) == [chunks[1]]


def test_the_sweep_goes_in_bounded_slices(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_store, "SLICE", 2)
    monkeypatch.setattr(sql_store, "SLICES", 1)
    job_id = finished(stage)
    stage.do(stage.store.delete(job_id))

    assert stage.do(stage.store.sweep()) is True
    assert left_of(stage, job_id) == {"job_events": 3, "deletions": 1}
    sweep(stage)
    assert left_of(stage, job_id) == {}


def test_a_dependency_keeps_its_result_when_the_job_it_led_to_is_deleted(stage: Stage) -> None:
    first, second = stage.submit(
        make_spec("first"),
        make_spec("second", depends_on=(Dependency("first", DependencyCondition.COMPLETED),)),
    )
    worker = stage.worker()
    worker.end(worker.claim_one())

    stage.do(stage.store.delete(first.id))
    stage.decide_due()

    assert stage.status(second.id) == "SCHEDULED"


def test_only_what_is_over_is_pruned(stage: Stage) -> None:
    active = stage.submit_one(make_spec(executor="none"))
    over = [finished(stage), finished(stage, exit_code=1)]
    everything = JobQuery(statuses=[*ACTIVE, *TERMINAL])

    assert stage.do(stage.store.prune(JobQuery(statuses=ACTIVE))) == 0
    assert stage.do(stage.store.prune(JobQuery(ids=[active]))) == 0
    assert ids(stage) == [*reversed(over), active]
    assert stage.do(stage.store.prune(everything)) == 2
    assert ids(stage) == [active]
    assert stage.do(stage.store.prune(JobQuery())) == 0


@pytest.mark.parametrize(
    ("query", "pruned"),
    [
        ({"statuses": [JobStatus.FAILED]}, [1]),
        ({"statuses": [JobStatus.FAILED, JobStatus.COMPLETED]}, [0, 1, 2, 3]),
        ({"name": "a"}, [0, 1]),
        ({"namespace": "other"}, [2]),
        ({"labels": [LabelFilter("k", "v")]}, [3]),
        ({"labels": [LabelFilter("k", "v", equal=False)]}, [0, 1, 2]),
        ({"name": "a", "statuses": [JobStatus.COMPLETED]}, [0]),
        ({"trigger": "run"}, []),
        ({"trigger": "api", "namespace": "default"}, [0, 1, 3]),
        ({"finished_before": 2}, [0, 1]),
        ({"finished_before": 2, "name": "a", "statuses": [JobStatus.FAILED]}, [1]),
        ({"finished_before": 9, "labels": [LabelFilter("k", "v", equal=False)]}, [0, 1, 2]),
        ({"created_after": 0}, [1, 2, 3]),
    ],
)
@pytest.mark.parametrize("probe", [1, 200])
def test_what_matches_is_pruned(
    stage: Stage,
    query: dict[str, Any],
    pruned: list[int],
    probe: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jobyard.store.transactions.find.PROBE", probe)
    start = stage.clock.now
    jobs = []
    fields: list[dict[str, Any]] = [{}, {"exit_code": 1}, {"namespace": "other"}, {}]
    for n, more in enumerate(fields):
        labels = {"k": "v"} if n == 3 else {}
        jobs.append(finished(stage, "aabb"[n], labels=labels, **more))
        stage.clock.advance(1)
    stage.submit_one(make_spec("a", labels={"k": "v"}))
    query = {
        name: start + value * SECOND if name in ("finished_before", "created_after") else value
        for name, value in query.items()
    }
    over = JobQuery(**{"statuses": TERMINAL, **query})

    assert stage.do(stage.store.count(over)) == len(pruned)
    total = 0
    while count := stage.do(stage.store.prune(JobQuery(**query), limit=1)):
        total += count
    assert total == len(pruned)
    assert {jobs.index(job_id) for job_id in set(jobs) - set(ids(stage))} == set(pruned)


def test_a_prune_does_not_begin_anew_with_every_slice(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobyard.store.transactions.find.PROBE", 2)
    kept = [stage.submit_one(make_spec(labels={"a": "b", "c": "d"}, policy=DONE)) for _ in range(8)]
    for _ in range(8):
        stage.submit_one(make_spec(labels={"a": "b"}, policy=DONE))
    query = JobQuery(labels=[LabelFilter("a", "b"), LabelFilter("c", "d", equal=False)])
    looks: list[find.End] = []
    look = find.find_over

    def looking(query: JobQuery, after: find.End, size: int) -> Any:
        looks.append(after)
        return look(query, after, size)

    monkeypatch.setattr(find, "find_over", looking)

    slices = []
    while gone := stage.do(stage.store.prune(query, limit=2)):
        slices.append(gone)

    assert slices == [2, 2, 2, 2]
    assert ids(stage) == kept[::-1]
    # Once over those that stay for the first slice, once more to be sure that none was left.
    assert [place for place, _ in groupby(looks)].count(find.End()) == 2


def test_what_is_chosen_to_go_stays_unless_it_is_over(stage: Stage) -> None:
    """Whoever chooses does so before: what counts is what is there when the rows are held."""
    active, over = stage.submit_one(make_spec(executor="none")), finished(stage)

    driver = stage.store._driver
    assert stage.do(driver.write(partial(cleanup.remove, [active, over, 2**40]))) == 1
    assert ids(stage) == [active]


def test_pruning_at_the_same_time_deletes_each_job_once(stage: Stage) -> None:
    for _ in range(10):
        stage.submit_one(make_spec(policy=DONE))

    counts = stage.together(*(stage.store.prune(JobQuery(), limit=4) for _ in range(4)))

    left = len(ids(stage))
    assert sum(counts) == 10 - left
    assert stage.do(stage.store.count(JobQuery())) == left


def test_what_ended_too_long_ago_is_not_retained(stage: Stage) -> None:
    active = stage.submit_one(make_spec(executor="none"))
    old = finished(stage)
    stage.clock.advance(10)
    young = finished(stage, exit_code=1)
    stage.clock.advance(5)

    assert stage.do(stage.store.retain(Retention(age=15))) == 0
    stage.clock.advance(0.5)
    assert stage.do(stage.store.retain(Retention(age=15))) == 1
    assert ids(stage) == [young, active]
    assert old not in ids(stage)


def test_the_latest_of_each_status_are_retained(stage: Stage) -> None:
    completed = [finished(stage) for _ in range(3)]
    failed = [finished(stage, exit_code=1) for _ in range(2)]
    active = [stage.submit_one(make_spec(executor="none")) for _ in range(3)]

    assert stage.do(stage.store.retain(Retention(count=3))) == 0
    assert stage.do(stage.store.retain(Retention(count=1))) == 3
    assert ids(stage) == [*reversed(active), failed[1], completed[2]]
    assert stage.do(stage.store.retain(Retention(count=0))) == 2
    assert ids(stage) == active[::-1]


def test_both_limits_hold_at_once(stage: Stage) -> None:
    first = finished(stage)
    stage.clock.advance(10)
    rest = [finished(stage) for _ in range(3)]

    assert stage.do(stage.store.retain(Retention(age=5, count=2))) == 2
    assert ids(stage) == rest[:0:-1]
    assert first not in ids(stage)


def test_retention_goes_in_bounded_slices(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_store, "RETAIN", 2)
    stage.submit(*[make_spec(policy=DONE)] * 5)
    stage.clock.advance(10)

    deleted = [stage.do(stage.store.retain(Retention(age=5, count=1))) for _ in range(4)]

    assert deleted == [2, 2, 1, 0]


def test_what_has_a_time_to_live_is_not_a_matter_of_retention(stage: Stage) -> None:
    timed = {**DONE, "ttl": 10**6}
    with_ttl = [stage.submit_one(make_spec(policy=timed)) for _ in range(3)]
    stage.clock.advance(1)
    without = [stage.submit_one(make_spec(policy=DONE)) for _ in range(3)]
    stage.clock.advance(10)

    assert stage.do(stage.store.retain(Retention(count=3))) == 0
    assert stage.do(stage.store.retain(Retention(count=2))) == 1
    assert ids(stage) == [*without[:0:-1], *with_ttl[::-1]]
    stage.do(stage.store.delete(with_ttl[0]))
    stage.do(stage.store.delete(without[1]))
    assert stage.do(stage.store.retain(Retention(count=1))) == 0
    assert stage.do(stage.store.retain(Retention(age=5))) == 1
    assert ids(stage) == with_ttl[:0:-1]


def test_without_limits_everything_is_retained(stage: Stage) -> None:
    job_id = finished(stage)
    stage.clock.advance(10**9)

    assert stage.do(stage.store.retain(Retention())) == 0
    assert ids(stage) == [job_id]
