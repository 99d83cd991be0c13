"""What a store promises to whoever asks why a job is as it is, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobyard.core.job import Backoff, Dependency, DependencyCondition
from jobyard.core.records import DependencyRecord, Held, Wish
from jobyard.core.states import JobStatus
from jobyard.errors import JobNotFound
from jobyard.testing.stage import make_spec

if TYPE_CHECKING:
    from jobyard.core.records import Story
    from jobyard.testing.stage import Stage

AT_ONCE = {"backoff": Backoff(base=0), "backoff_limit": 50}


def story(stage: Stage, job_id: int) -> Story:
    return stage.do(stage.store.story(job_id))


def test_a_job_that_is_not_there_has_no_story(stage: Stage) -> None:
    with pytest.raises(JobNotFound):
        story(stage, 7)


def test_workers_say_what_they_hold_by_executor(stage: Stage) -> None:
    stage.submit(make_spec(cpu=2, memory=1000, policy={"parallelism": 3, "completions": 3}))
    stage.submit(make_spec(executor="none", cpu=0.5))
    first, second = stage.worker("a"), stage.worker("b", executors={"fake": 1, "none": 1})
    first.claim(2)
    second.claim(1)
    second.claim(1, "none")

    held = {worker.id: worker.held for worker in stage.do(stage.store.workers())}

    assert held == {
        "a": {"fake": Held(2, 4.0, 2000)},
        "b": {"fake": Held(1, 2.0, 1000), "none": Held(1, 0.5, 0)},
    }


def test_what_has_ended_is_held_no_more(stage: Stage) -> None:
    stage.submit_one(make_spec(cpu=2))
    worker = stage.worker()
    claim = worker.claim_one()
    worker.start(claim)
    worker.end(claim)

    assert stage.do(stage.store.workers())[0].held == {}
    assert stage.do(stage.store.attempts_of_worker("w")) == []


def test_a_worker_lists_what_it_holds_page_by_page(stage: Stage) -> None:
    stage.submit_one(make_spec(policy={"parallelism": 3, "completions": 3}))
    stage.submit_one(make_spec())
    mine = sorted(claim.attempt_id for claim in stage.worker("a").claim(3))
    stage.worker("b").claim(1)

    def held(after: int, limit: int) -> list[int]:
        page = stage.store.attempts_of_worker("a", after=after, limit=limit)
        return [attempt.id for attempt in stage.do(page)]

    assert held(0, 2) + held(mine[1], 2) == mine
    assert stage.do(stage.store.attempts_of_worker("nobody")) == []


def test_a_job_asks_of_a_worker_what_its_spec_says(stage: Stage) -> None:
    asking = make_spec(cpu=2, memory=10, worker_id="gpu-*", worker_selector={"zone": "eu"})
    first, second = stage.submit(asking, make_spec("other"))
    third = stage.submit_one(make_spec(), owner="mine")

    crew = stage.do(stage.store.crew([first.id, third]))

    assert crew.wishes == {
        first.id: Wish("fake", 2.0, 10, "gpu-*", {"zone": "eu"}),
        third: Wish("fake", 0.0, 0, "mine", {}),
    }
    assert story(stage, second.id).crew.wishes == {second.id: Wish("fake")}


def test_a_worker_whose_lease_ran_out_is_not_in_the_crew(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec())
    stage.worker("gone", lease=1)
    stage.clock.advance(2)
    stage.worker("there")

    assert [worker.id for worker in stage.do(stage.store.crew([job_id])).workers] == ["there"]


def test_a_story_counts_the_attempts_that_nobody_claimed(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(policy={"parallelism": 5, "completions": 5}))
    stage.submit_one(make_spec(executor="none"))
    worker = stage.worker()
    worker.start(*worker.claim(2))

    assert story(stage, job_id).waiting == 3


def test_a_story_tells_its_edges_and_what_became_of_them(stage: Stage) -> None:
    done = make_spec("a", policy={"completions": 0})
    edges = (Dependency("a"), Dependency("b", DependencyCondition.FINISHED))
    a, b, c = stage.submit(done, make_spec("b"), make_spec("c", depends_on=edges))

    assert story(stage, a.id).dependencies == []
    assert story(stage, c.id).dependencies == [
        DependencyRecord(a.id, "completed", JobStatus.COMPLETED, satisfied=True),
        DependencyRecord(b.id, "finished", JobStatus.SCHEDULED, satisfied=None),
    ]


def test_a_story_tells_the_last_failures_newest_first(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(policy=AT_ONCE))
    other = stage.submit_one(make_spec(policy=AT_ONCE, priority=-1))
    worker = stage.worker()
    for code in range(1, 8):
        claim = worker.claim_one()
        worker.start(claim)
        worker.fail(claim, exit_code=code)
        stage.decide_due()

    told = story(stage, job_id).failures

    assert [failure.exit_code for failure in told] == [7, 6, 5, 4, 3]
    assert {failure.job_id for failure in told} == {job_id}
    assert story(stage, other).failures == []


def test_an_attempt_that_succeeded_is_no_failure(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec())
    worker = stage.worker()
    claim = worker.claim_one()
    worker.start(claim)
    worker.end(claim)

    assert story(stage, job_id).failures == []
