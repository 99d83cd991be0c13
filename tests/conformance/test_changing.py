"""What a store promises to those who change a job's spec, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jobyard import clock
from jobyard.core.job import JobSpec, Resources
from jobyard.core.state import Request
from jobyard.core.states import AttemptStatus
from jobyard.errors import InvalidDocument, JobNotFound, StateConflict
from jobyard.spec.encode import decode
from jobyard.spec.update import patch
from jobyard.store.base import JobQuery, LabelFilter
from jobyard.testing.stage import make_spec, statuses

if TYPE_CHECKING:
    from jobyard.core.records import Job
    from jobyard.testing.stage import Stage


def altered(changes: dict[str, Any]) -> Any:
    def alter(spec: JobSpec, claimed: bool) -> JobSpec:
        return patch(spec, changes, started=claimed, now=clock.now())

    return alter


def change(stage: Stage, job_id: int, **changes: Any) -> Job:
    return stage.do(stage.store.change(job_id, altered(changes)))


def test_a_change_is_read_back_and_told_in_the_ledger(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(labels={"old": "x"}))
    other = stage.submit_one(make_spec(labels={"old": "x"}))
    job = change(stage, job_id, labels={"a": "b"}, ttl=60, backoff_limit=2, priority=4)

    assert job == stage.job(job_id)
    assert (job.labels, job.priority) == ({"old": "x", "a": "b"}, 4)
    assert (job.state.policy.ttl, job.state.policy.backoff_limit) == (60.0, 2)
    assert decode(job.spec).policy == job.state.policy
    assert decode(job.spec).labels == job.labels
    [line] = [line for line in stage.do(stage.store.events(job_id)) if line.event == "changed"]
    assert (line.message, line.status) == ("backoff_limit, labels, priority, ttl", "SCHEDULED")
    assert (stage.job(other).labels, stage.job(other).priority) == ({"old": "x"}, 0)
    assert "changed" not in stage.story(other)


def test_what_changes_nothing_writes_nothing(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec())
    before, story = stage.job(job_id), stage.story(job_id)

    assert change(stage, job_id, parallelism=1, suspend=False).spec == before.spec
    assert stage.story(job_id) == story


def test_a_refused_change_changes_nothing(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec())
    before = stage.job(job_id)
    with pytest.raises(InvalidDocument):
        change(stage, job_id, ttl=5, command=["false"])

    assert stage.job(job_id) == before
    with pytest.raises(JobNotFound):
        change(stage, 99, ttl=5)


def test_suspending_by_a_change_is_suspending(stage: Stage) -> None:
    policy = {"completions": 2, "parallelism": 2}
    verb, patched = (job.id for job in stage.submit(*[make_spec(policy=policy)] * 2))
    worker = stage.worker()
    claims = worker.claim(4)
    worker.start(*claims)
    for suspend in (True, False):
        stage.do(stage.store.suspend(verb, suspend=suspend))
        change(stage, patched, suspend=suspend)
        if suspend:
            worker.end(*claims, status=AttemptStatus.STOPPED)
            stage.decide_due()

    assert stage.story(verb) == stage.story(patched)
    assert stage.job(verb).spec == stage.job(patched).spec
    assert statuses(stage.attempts(verb)) == statuses(stage.attempts(patched))


def test_a_suspend_is_seen_in_the_spec(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec())
    suspended = stage.do(stage.store.suspend(job_id, suspend=True))
    resumed = stage.do(stage.store.suspend(job_id, suspend=False))

    assert suspended.spec["suspend"] is True
    assert "suspend" not in resumed.spec


@pytest.mark.parametrize("request_", list(Request))
def test_a_stopping_job_is_not_suspended_by_a_change_but_may_change_else(
    stage: Stage, request_: Request
) -> None:
    job_id = stage.submit_one(make_spec())
    stage.worker().claim_one()
    stage.do(stage.store.ask(job_id, request_))
    with pytest.raises(StateConflict) as raised:
        change(stage, job_id, suspend=True, ttl=7)

    assert raised.value.fields["actual"] == "STOP_REQUESTED"
    assert stage.job(job_id).state.policy.ttl is None
    assert change(stage, job_id, ttl=7).state.policy.ttl == 7.0


def test_a_finished_job_may_still_be_labelled_and_kept_longer(stage: Stage) -> None:
    job_id, other = (
        job.id for job in stage.submit(*[make_spec(policy={"completions": 0, "ttl": 10.0})] * 2)
    )
    ended_at = stage.job(job_id).state.finished_at
    assert ended_at is not None
    stage.clock.advance(5)
    job = change(stage, job_id, ttl=60, labels={"keep": "me"})
    assert job.state.expires_at == ended_at + 60_000_000
    assert (job.updated_at, job.labels) == (stage.clock(), {"keep": "me"})
    assert stage.story(job_id)[-1] == "changed"
    stage.clock.advance(6)
    assert stage.do(stage.store.delete_expired()) == 1
    with pytest.raises(JobNotFound):
        stage.job(other)
    change(stage, job_id, ttl=None)
    stage.clock.advance(10**6)

    assert stage.do(stage.store.delete_expired()) == 0
    assert stage.status(job_id) == "COMPLETED"


def test_nothing_else_of_a_finished_job_changes(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(policy={"completions": 0}))
    before = stage.job(job_id)
    for changes in ({"parallelism": 2}, {"suspend": True}, {"ttl": 5, "priority": 1}):
        with pytest.raises(StateConflict):
            change(stage, job_id, **changes)

    assert stage.job(job_id) == before


def test_a_raised_priority_overtakes_what_waited_before(stage: Stage) -> None:
    first, second, third = (job.id for job in stage.submit(*[make_spec()] * 3))
    change(stage, second, priority=1)
    worker = stage.worker()

    assert [claim.job_id for claim in worker.claim(3)] == [second, first, third]
    worker.fail(*stage.do(stage.store.held(worker.session)).claims)
    assert stage.sql(f"SELECT priority FROM attempts WHERE job_id = {second}", count=True) == [1]


def test_a_retry_after_a_change_waits_with_the_new_priority(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec())
    worker = stage.worker()
    claim = worker.claim_one()
    change(stage, job_id, priority=5)
    worker.fail(claim)
    stage.clock.advance(60)
    stage.decide_due()

    priorities = stage.sql(
        f"SELECT priority FROM attempts WHERE job_id = {job_id} ORDER BY id", count=True
    )
    assert priorities == [0, 5]


def test_a_suspended_job_that_nobody_claimed_moves_and_shrinks(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(cpu=900.0, worker_id="gone", policy={"suspend": True}))
    change(
        stage,
        job_id,
        worker_id="w",
        worker_selector={"zone": "b"},
        resources={"requests": {"cpu": 1, "memory": 5}},
    )
    change(stage, job_id, suspend=False)

    assert stage.worker("other", labels={"zone": "b"}).claim() == []
    assert stage.worker("w", labels={"zone": "b"}).claim_one().job_id == job_id
    assert decode(stage.job(job_id).spec).program.resources == Resources(1.0, 5)


def test_who_submitted_a_job_for_itself_keeps_it_whatever_changes(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(), owner="mine")
    change(stage, job_id, labels={"a": "b"})

    assert stage.worker("other").claim() == []
    assert stage.worker("mine").claim_one().job_id == job_id


def test_what_a_worker_had_cannot_move(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec())
    claim = (worker := stage.worker()).claim_one()
    stage.do(stage.store.suspend(job_id, suspend=True))
    worker.end(claim, status=AttemptStatus.STOPPED, started_age=None)

    with pytest.raises(InvalidDocument) as caught:
        change(stage, job_id, worker_id="other")
    assert [problem.path for problem in caught.value.problems] == ["worker_id"]


def test_a_running_indexed_job_grows_and_shrinks(stage: Stage) -> None:
    policy = {"completions": 2, "parallelism": 2}
    job_id = stage.submit_one(make_spec(indexed=True, policy=policy))
    worker = stage.worker()
    zero, one = worker.claim(9)
    worker.start(zero, one)
    worker.end(zero)
    change(stage, job_id, completions=4, parallelism=4)
    two, three = worker.claim(9)
    assert (two.index, three.index) == (2, 3)
    worker.start(two, three)
    worker.end(three)
    change(stage, job_id, completions=2, parallelism=2)
    assert [stop.attempt_id for stop in worker.settle().stops] == [two.attempt_id]
    worker.end(two, status=AttemptStatus.STOPPED)
    worker.end(one)

    state = stage.job(job_id).state
    assert (state.status, str(state.completed), state.succeeded) == ("COMPLETED", "0,1", 2)
    assert stage.story(job_id).count("changed") == 2


def test_two_changes_at_the_same_moment_are_both_there(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec())
    writes = [stage.store.change(job_id, altered({"labels": {f"l{n}": "x"}})) for n in range(8)]
    results = stage.together(*writes)

    assert not [result for result in results if isinstance(result, BaseException)]
    assert stage.job(job_id).labels == {f"l{n}": "x" for n in range(8)}


def test_lists_find_a_job_by_the_labels_that_it_has_now(stage: Stage) -> None:
    running, done = (
        job.id
        for job in stage.submit(
            make_spec(labels={"a": "b"}), make_spec(labels={"a": "b"}, policy={"completions": 0})
        )
    )
    for job_id in (running, done):
        change(stage, job_id, labels={"a": None, "c": "d"})

    def found(key: str, value: str) -> list[int]:
        query = JobQuery(labels=[LabelFilter(key, value)])
        return [job.id for job in stage.do(stage.store.jobs(query))]

    assert (found("a", "b"), found("c", "d")) == ([], [done, running])
