"""What happens to a job because time passes, and what stopping means at every moment, on both."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from jobyard.clock import from_us
from jobyard.core.job import CompletionMode, Dependency, SuccessRule
from jobyard.core.state import Request
from jobyard.core.states import TERMINAL, AttemptStatus, JobStatus
from jobyard.store.base import Reports
from jobyard.testing.stage import SECOND, make_spec

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobyard.testing.stage import Stage


def test_a_scheduled_job_starts_at_its_time_and_not_before(stage: Stage) -> None:
    at = from_us(stage.clock()) + timedelta(days=365)
    job_id = stage.submit_one(make_spec(scheduled_at=at))
    worker = stage.worker()
    stage.clock.advance(365 * 86400 - 0.001)
    stage.decide_due()
    assert (stage.status(job_id), worker.claim()) == ("PENDING", [])
    stage.clock.advance(0.001)
    stage.decide_due()

    assert stage.status(job_id) == "SCHEDULED"
    assert stage.job(job_id).state.admitted_at == stage.clock()


def test_a_job_scheduled_for_now_is_due_at_once(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(scheduled_at=from_us(stage.clock())))

    assert stage.status(job_id) == "SCHEDULED"


def test_a_job_that_nobody_takes_fails_in_time(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(policy={"pending_timeout": 30.0}))
    stage.clock.advance(29.9)
    stage.decide_due()
    assert stage.status(job_id) == "SCHEDULED"
    stage.clock.advance(0.1)
    stage.decide_due()

    job = stage.job(job_id).state
    assert (job.status, job.reason) == ("FAILED", "PendingTimeout")
    assert stage.worker().claim() == []


def test_what_runs_on_after_success_is_ended_after_the_completed_timeout(stage: Stage) -> None:
    policy = {
        "completions": 2,
        "parallelism": 2,
        "completion_mode": CompletionMode.INDEXED,
        "completed_timeout": 20.0,
        "success_rules": (SuccessRule(count=1),),
    }
    job_id = stage.submit_one(make_spec(policy=policy))
    worker = stage.worker()
    first, second = worker.claim(2)
    worker.start(first, second)
    worker.end(first)
    assert (stage.status(job_id), worker.settle().stops) == ("RUNNING", [])
    stage.clock.advance(20)
    stage.decide_due()
    [stop] = worker.settle().stops
    assert (stop.attempt_id, stop.reason) == (second.attempt_id, "SuccessPolicy")
    worker.end(second, status=AttemptStatus.STOPPED)

    assert stage.status(job_id) == "COMPLETED"


def _of_policy(**policy: object) -> Callable[[Stage], int]:
    return lambda stage: stage.submit_one(make_spec(policy=policy))


def _scheduled_later(stage: Stage) -> int:
    return stage.submit_one(make_spec(scheduled_at=from_us(stage.clock() + 60 * SECOND)))


def _waiting_for_another(stage: Stage) -> int:
    first = stage.submit_one(make_spec("first", executor="nobody has it"))
    return stage.submit_one(make_spec("second", depends_on=(Dependency(first),)))


def _queued(stage: Stage) -> int:
    job_id = stage.submit_one(make_spec())
    stage.worker().claim_one()
    return job_id


def _running(stage: Stage) -> int:
    job_id = stage.submit_one(make_spec())
    worker = stage.worker()
    worker.start(worker.claim_one())
    return job_id


def _stop_requested(stage: Stage) -> int:
    job_id = _running(stage)
    stage.do(stage.store.ask(job_id, Request.STOP))
    return job_id


def _stopping(stage: Stage) -> int:
    job_id = stage.submit_one(make_spec())
    worker = stage.worker()
    claim = worker.claim_one()
    stage.do(stage.store.ask(job_id, Request.CANCEL))
    worker.settle(Reports(stopping=[(claim.attempt_id, job_id)]))
    return job_id


def _failed(stage: Stage) -> int:
    job_id = stage.submit_one(make_spec(policy={"backoff_limit": 0}))
    worker = stage.worker()
    worker.fail(worker.claim_one())
    return job_id


def _asked(request: Request) -> Callable[[Stage], int]:
    def make(stage: Stage) -> int:
        job_id = stage.submit_one(make_spec())
        stage.do(stage.store.ask(job_id, request))
        return job_id

    return make


MOMENTS: list[tuple[JobStatus, Callable[[Stage], int]]] = [
    (JobStatus.PENDING, _of_policy(suspend=True)),
    (JobStatus.PENDING, _scheduled_later),
    (JobStatus.PENDING, _waiting_for_another),
    (JobStatus.SCHEDULED, _of_policy()),
    (JobStatus.QUEUED, _queued),
    (JobStatus.RUNNING, _running),
    (JobStatus.STOP_REQUESTED, _stop_requested),
    (JobStatus.STOPPING, _stopping),
    (JobStatus.COMPLETED, _of_policy(completions=0)),
    (JobStatus.FAILED, _failed),
    (JobStatus.STOPPED, _asked(Request.STOP)),
    (JobStatus.CANCELED, _asked(Request.CANCEL)),
]


def test_every_status_is_a_moment_here() -> None:
    assert {status for status, _ in MOMENTS} == set(JobStatus)


@pytest.mark.parametrize("request_", list(Request))
@pytest.mark.parametrize(("status", "make"), MOMENTS)
def test_stopping_is_possible_at_any_moment_and_twice_is_once(
    stage: Stage, status: JobStatus, make: Callable[[Stage], int], request_: Request
) -> None:
    job_id = make(stage)
    before = stage.job(job_id)
    assert before.state.status is status
    first = stage.do(stage.store.ask(job_id, request_))
    story = stage.story(job_id)
    stage.clock.advance(1)
    second = stage.do(stage.store.ask(job_id, request_))

    assert (second.state.status, second.state.request) == (first.state.status, first.state.request)
    assert stage.story(job_id) == story
    if status in TERMINAL:
        assert first == second == before
    else:
        assert first.state.request is not None
