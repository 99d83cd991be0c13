"""What a store promises to those who run a finished job again, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from jobyard.clock import from_us
from jobyard.core.job import (
    Backoff,
    Dependency,
    ExitCodes,
    FailureAction,
    FailureRule,
    Operator,
)
from jobyard.core.state import Request
from jobyard.core.states import AttemptStatus
from jobyard.errors import JobNotFound, NothingToRetry, StateConflict
from jobyard.spec.again import Which
from jobyard.spec.encode import decode
from jobyard.testing.stage import make_spec

if TYPE_CHECKING:
    from jobyard.core.records import Job
    from jobyard.testing.stage import Stage, StageWorker

PER_INDEX = {
    "completions": 5,
    "parallelism": 5,
    "backoff_limit": 100,
    "backoff_limit_per_index": 0,
    "backoff": Backoff(base=0.0),
}
every = pytest.mark.parametrize("which", list(Which))


def retry(stage: Stage, job_id: int, which: str = "all", trigger: str = "api") -> Job:
    return stage.do(stage.store.retry(job_id, which, trigger=trigger))


def failed_of(worker: StageWorker, *indexes: int) -> None:
    """Let everything that waits run; these indexes fail, the others succeed."""
    claims = worker.claim(100)
    worker.start(*claims)
    for claim in claims:
        stage = worker.stage
        stage.do(stage.store.checkpoint(worker.session, claim.attempt_id, f"at {claim.index}"))
        (worker.fail if claim.index in indexes else worker.end)(claim)


def finished(stage: Stage, worker_id: str = "w") -> int:
    """Make a job of five indexes of which 1 and 3 failed."""
    job_id = stage.submit_one(make_spec(indexed=True, policy=dict(PER_INDEX)))
    failed_of(stage.worker(worker_id), 1, 3)
    assert stage.status(job_id) == "FAILED"
    return job_id


def test_a_retry_is_a_new_job_like_the_old_one(stage: Stage) -> None:
    first = stage.submit_one(make_spec(policy={"completions": 0}))
    spec = make_spec(
        labels={"a": "b"},
        priority=3,
        namespace="other",
        policy={"suspend": True, "ttl": 50.0},
        scheduled_at=from_us(stage.clock()) + timedelta(hours=1),
        idempotency_key="once",
        depends_on=(Dependency(first),),
    )
    old = stage.submit_one(spec)
    stage.do(stage.store.ask(old, Request.CANCEL))

    job = retry(stage, old, trigger="cli")

    assert (job.retried_from, job.trigger, job.state.status) == (old, "cli", "SCHEDULED")
    assert job == stage.job(job.id)
    assert decode(job.spec) == replace(
        spec,
        policy=replace(spec.policy, suspend=False),
        scheduled_at=None,
        idempotency_key=None,
        depends_on=(),
    )
    assert stage.worker().claim_one().job_id == job.id
    assert stage.status(old) == "CANCELED"


def test_a_retry_of_the_failed_indexes_runs_them_under_their_own_numbers(stage: Stage) -> None:
    old = finished(stage)
    job = retry(stage, old, Which.FAILED)
    worker = stage.worker("again")
    claims = worker.claim(100)
    worker.end(*claims)

    assert sorted(claim.index or 0 for claim in claims) == [1, 3]
    done = stage.job(job.id)
    assert (done.state.status, done.state.succeeded) == ("COMPLETED", 2)
    assert str(done.state.completed) == "1,3"
    assert (done.spec["indexes"], done.spec["completions"]) == ("1,3", 5)


def test_what_remains_of_a_stopped_job_is_all_that_did_not_complete(stage: Stage) -> None:
    policy = {"completions": 5, "parallelism": 2}
    old = stage.submit_one(make_spec(indexed=True, policy=policy))
    worker = stage.worker()
    first, second = worker.claim(2)
    worker.end(first)
    stage.do(stage.store.ask(old, Request.STOP))
    worker.end(second, status=AttemptStatus.STOPPED)

    job = retry(stage, old, Which.REMAINING)

    assert str(job.state.policy.indexes) == "1-4"
    assert [claim.index for claim in worker.claim(9)] == [1, 2]


def test_what_failed_without_a_limit_per_index_is_what_had_a_failed_attempt(
    stage: Stage,
) -> None:
    policy = {"completions": 4, "parallelism": 4, "backoff_limit": 0}
    stage.submit_one(make_spec("other", indexed=True, policy=policy))
    failed_of(stage.worker("other"), 0, 1, 2, 3)
    old = stage.submit_one(make_spec(indexed=True, policy=policy))
    worker = stage.worker()
    zero, one, two, three = worker.claim(4)
    worker.start(zero, one, two, three)
    worker.end(zero)
    worker.fail(two)
    worker.end(one, three, status=AttemptStatus.STOPPED)

    assert stage.status(old) == "FAILED"
    assert str(retry(stage, old, Which.FAILED).state.policy.indexes) == "2"
    assert str(retry(stage, old, Which.REMAINING).state.policy.indexes) == "1-3"


def test_an_index_that_was_lost_and_never_completed_counts_as_failed(stage: Stage) -> None:
    old = stage.submit_one(make_spec(indexed=True, policy={"completions": 2, "parallelism": 2}))
    worker = stage.worker()
    claims = worker.claim(2)
    worker.start(*claims)
    stage.lose(worker)
    stage.do(stage.store.ask(old, Request.CANCEL))
    stage.decide_due()

    assert str(retry(stage, old, Which.FAILED).state.policy.indexes) == "0,1"


def test_a_retry_of_a_retry_looks_at_its_own_indexes_only(stage: Stage) -> None:
    second = retry(stage, finished(stage), Which.FAILED).id
    failed_of(stage.worker("w2"), 3)

    third = retry(stage, second, Which.REMAINING)

    assert str(third.state.policy.indexes) == "3"
    assert third.retried_from == second


def test_what_is_left_of_a_fixed_number_is_the_number_that_is_missing(stage: Stage) -> None:
    old = stage.submit_one(make_spec(policy={"completions": 5, "parallelism": 3}))
    worker = stage.worker()
    claims = worker.claim(3)
    worker.end(*claims[:2])
    stage.do(stage.store.ask(old, Request.STOP))
    held = stage.do(stage.store.held(worker.session)).claims
    worker.end(*held, status=AttemptStatus.STOPPED)

    for which in (Which.FAILED, Which.REMAINING):
        policy = retry(stage, old, which).state.policy
        assert (policy.completions, policy.parallelism, policy.indexes) == (3, 3, None)


@pytest.mark.parametrize("which", [Which.FAILED, Which.REMAINING])
def test_a_complete_job_has_nothing_to_retry_but_all(stage: Stage, which: Which) -> None:
    jobs = stage.submit(
        make_spec(policy={"completions": 0}),
        make_spec(indexed=True, policy={"completions": 0}),
    )
    for job in jobs:
        with pytest.raises(NothingToRetry):
            retry(stage, job.id, which)
        assert retry(stage, job.id).retried_from == job.id


def test_nobody_knows_what_is_left_of_a_work_queue(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(policy={"completions": None}))
    stage.do(stage.store.ask(job_id, Request.STOP))
    with pytest.raises(NothingToRetry, match="work queue"):
        retry(stage, job_id, Which.REMAINING)

    assert retry(stage, job_id).state.policy.completions is None


@every
def test_an_active_job_is_not_retried(stage: Stage, which: Which) -> None:
    job_id = stage.submit_one(make_spec())
    with pytest.raises(StateConflict) as raised:
        retry(stage, job_id, which)

    assert raised.value.fields["actual"] == "SCHEDULED"
    assert len(stage.sql("SELECT id FROM jobs", count=True)) == 1


@every
def test_a_job_that_is_not_there_is_not_retried(stage: Stage, which: Which) -> None:
    with pytest.raises(JobNotFound):
        retry(stage, 7, which)


def test_what_goes_on_starts_from_its_checkpoint_and_all_from_nothing(stage: Stage) -> None:
    old = finished(stage)
    other = finished(stage, "w2")
    failed, everything = retry(stage, old, Which.FAILED).id, retry(stage, old).id

    def checkpoints(job_id: int) -> list[str | None]:
        return [stage.do(stage.store.last_checkpoint(job_id, index)) for index in range(5)]

    assert checkpoints(failed) == [None, "at 1", None, "at 3", None]
    assert checkpoints(everything) == [None] * 5
    assert checkpoints(other) == [f"at {index}" for index in range(5)]


def test_a_job_without_indexes_goes_on_from_its_one_checkpoint(stage: Stage) -> None:
    old = stage.submit_one(make_spec(policy={"backoff_limit": 0}))
    worker = stage.worker()
    claim = worker.claim_one()
    stage.do(stage.store.checkpoint(worker.session, claim.attempt_id, "half"))
    worker.fail(claim)

    job = retry(stage, old, Which.FAILED)

    assert stage.do(stage.store.last_checkpoint(job.id, None)) == "half"


def test_a_failure_rule_that_ended_the_job_tells_which_index_failed(stage: Stage) -> None:
    rule = FailureRule(FailureAction.FAIL_JOB, ExitCodes(Operator.IN, (1,)))
    policy = {"completions": 3, "parallelism": 1, "failure_rules": (rule,)}
    old = stage.submit_one(make_spec(indexed=True, policy=policy))
    worker = stage.worker()
    worker.end(worker.claim_one())
    worker.fail(worker.claim_one())

    assert str(retry(stage, old, Which.FAILED).state.policy.indexes) == "1"


def test_a_million_indexes_remain_in_one_row(stage: Stage) -> None:
    policy = {"completions": 1_000_000, "parallelism": 16}
    old = stage.submit_one(make_spec(indexed=True, policy=policy))
    worker = stage.worker()
    worker.end(*worker.claim(10))
    stage.do(stage.store.ask(old, Request.CANCEL))

    job = retry(stage, old, Which.REMAINING)

    assert str(job.state.policy.indexes) == "10-999999"
    assert [claim.index for claim in worker.claim(3)] == [10, 11, 12]
