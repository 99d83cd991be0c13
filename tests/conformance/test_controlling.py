"""What a store promises to those who stop, cancel, suspend, change and delete, on both."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from jobyard.core.job import Backoff, ReplacementPolicy
from jobyard.core.state import Request
from jobyard.core.states import ACTIVE, AttemptStatus
from jobyard.errors import JobNotFound, StateConflict
from jobyard.store.base import Reports, Submission
from jobyard.store.transactions.control import MAY_SUSPEND
from jobyard.testing.stage import SECOND, ended, make_spec, statuses, wanted

if TYPE_CHECKING:
    from jobyard.testing.stage import Stage

ENDS = {Request.STOP: "STOPPED", Request.CANCEL: "CANCELED"}
both = pytest.mark.parametrize("request_", list(ENDS))


def ask(stage: Stage, job_id: int, request: Request) -> str:
    return str(stage.do(stage.store.ask(job_id, request)).state.status)


def suspend(stage: Stage, job_id: int, on: bool = True) -> str:
    return str(stage.do(stage.store.suspend(job_id, suspend=on)).state.status)


@both
def test_a_job_that_nothing_runs_of_ends_at_once(stage: Stage, request_: Request) -> None:
    job_id = stage.submit_one(make_spec())
    other = stage.submit_one(make_spec())

    assert ask(stage, job_id, request_) == ENDS[request_]
    assert stage.attempts(job_id) == []
    assert stage.status(other) == "SCHEDULED"
    assert len(stage.attempts(other)) == 1


@both
def test_a_running_job_ends_when_its_programs_have(stage: Stage, request_: Request) -> None:
    job_id = stage.submit_one(make_spec(policy={"grace": 7.0}))
    worker = stage.worker()
    claim = worker.claim_one()
    worker.start(claim)
    assert ask(stage, job_id, request_) == "STOP_REQUESTED"
    [stop] = worker.settle().stops
    assert stop.attempt_id == claim.attempt_id
    assert stop.grace == (7.0 if request_ is Request.STOP else 0.5)
    assert stage.status(job_id) == "STOP_REQUESTED"
    worker.settle(Reports(stopping=[(claim.attempt_id, job_id)]))
    assert stage.status(job_id) == "STOPPING"
    assert worker.settle().stops == []
    worker.end(claim, status=AttemptStatus.STOPPED, signal=15)

    job, [attempt] = stage.job(job_id).state, stage.attempts(job_id)
    assert (job.status, job.failed) == (ENDS[request_], 0)
    assert (attempt.status, attempt.reason) == ("STOPPED", stop.reason)


@both
def test_asking_twice_changes_nothing(stage: Stage, request_: Request) -> None:
    job_id = stage.submit_one(make_spec())
    worker = stage.worker()
    claim = worker.claim_one()
    ask(stage, job_id, request_)
    before = stage.story(job_id)

    assert ask(stage, job_id, request_) == "STOP_REQUESTED"
    assert stage.story(job_id) == before
    worker.end(claim, status=AttemptStatus.STOPPED)
    ended_job = stage.job(job_id)
    stage.clock.advance(1)
    assert stage.do(stage.store.ask(job_id, request_)) == ended_job


@both
def test_the_first_request_fixes_the_end(stage: Stage, request_: Request) -> None:
    job_id = stage.submit_one(make_spec())
    worker = stage.worker()
    claim = worker.claim_one()
    ask(stage, job_id, request_)
    ask(stage, job_id, next(other for other in ENDS if other is not request_))
    worker.end(claim, status=AttemptStatus.STOPPED)

    assert stage.status(job_id) == ENDS[request_]


@both
def test_a_completion_that_comes_before_the_stop_stands(stage: Stage, request_: Request) -> None:
    job_id = stage.submit_one(make_spec())
    worker = stage.worker()
    worker.end(worker.claim_one())

    assert ask(stage, job_id, request_) == "COMPLETED"


@both
def test_a_completion_that_comes_after_the_stop_stands_too(stage: Stage, request_: Request) -> None:
    job_id = stage.submit_one(make_spec())
    worker = stage.worker()
    claim = worker.claim_one()
    ask(stage, job_id, request_)
    worker.end(claim)

    assert stage.status(job_id) == "COMPLETED"


@both
def test_a_stop_and_an_end_at_the_same_moment_agree_on_one(stage: Stage, request_: Request) -> None:
    for _ in range(8):
        job_id = stage.submit_one(make_spec())
        worker = stage.worker(f"w{job_id}")
        claim = worker.claim_one()
        results = stage.together(
            stage.store.ask(job_id, request_), worker.speak(Reports(ended=[ended(claim)]))
        )
        assert not [result for result in results if isinstance(result, BaseException)]
        stage.decide_due()

        assert stage.status(job_id) == "COMPLETED"
        assert stage.job(job_id).state.succeeded == 1


def test_a_stop_that_meets_a_claim_leaves_nothing_behind(stage: Stage) -> None:
    for _ in range(8):
        policy = {"completions": 6, "parallelism": 6}
        job_id = stage.submit_one(make_spec(indexed=True, policy=policy))
        worker = stage.worker(f"w{job_id}")
        settled, _ = stage.together(
            worker.speak(want=wanted(4)), stage.store.ask(job_id, Request.STOP)
        )
        stops = worker.settle().stops
        assert {stop.attempt_id for stop in stops} == {c.attempt_id for c in settled.claims}
        worker.end(*settled.claims, status=AttemptStatus.STOPPED)
        stage.decide_due()

        assert stage.status(job_id) == "STOPPED"
        assert set(statuses(stage.attempts(job_id))) <= {"STOPPED"}


def test_asking_something_of_one_job_decides_nothing_of_another(stage: Stage) -> None:
    one, other = (job.id for job in stage.submit(make_spec("a"), make_spec("b")))
    stage.worker().claim(2)
    stage.sql("UPDATE attempts SET status = 'SUCCEEDED', finished_at = 5, started_at = 5")
    suspend(stage, one)

    assert (stage.status(one), stage.status(other)) == ("COMPLETED", "QUEUED")


def test_a_job_that_is_not_there_cannot_be_asked_anything(stage: Stage) -> None:
    with pytest.raises(JobNotFound):
        ask(stage, 7, Request.STOP)
    with pytest.raises(JobNotFound):
        suspend(stage, 7)


def test_a_suspended_job_keeps_nothing_running_and_counts_none_of_it(stage: Stage) -> None:
    policy = {"completions": 3, "parallelism": 3}
    job_id = stage.submit_one(make_spec(indexed=True, policy=policy))
    worker = stage.worker()
    claims = worker.claim(2)
    assert suspend(stage, job_id) == "PENDING"
    assert statuses(stage.attempts(job_id)) == ["QUEUED", "QUEUED"]
    worker.end(*claims, status=AttemptStatus.STOPPED)
    stage.decide_due()
    job = stage.job(job_id).state
    assert (job.status, job.active, job.terminating, job.failed) == ("PENDING", 0, 0, 0)
    assert worker.claim(9) == []
    assert suspend(stage, job_id, on=False) == "SCHEDULED"

    assert sorted(claim.index or 0 for claim in worker.claim(9)) == [0, 1, 2]


def test_suspending_and_resuming_twice_change_nothing(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec())
    suspend(stage, job_id)
    story = stage.story(job_id)
    suspend(stage, job_id)
    assert stage.story(job_id) == story
    suspend(stage, job_id, on=False)
    story = stage.story(job_id)
    suspend(stage, job_id, on=False)

    assert stage.story(job_id) == story
    assert len(stage.attempts(job_id)) == 1


def test_suspending_one_job_leaves_another_alone(stage: Stage) -> None:
    one, other = (job.id for job in stage.submit(make_spec("a"), make_spec("b")))
    suspend(stage, one)
    stage.do(stage.store.decide([one, other]))

    assert (stage.status(one), stage.status(other)) == ("PENDING", "SCHEDULED")
    assert not stage.job(other).state.policy.suspend


@both
def test_a_stopping_job_cannot_be_suspended(stage: Stage, request_: Request) -> None:
    job_id = stage.submit_one(make_spec())
    worker = stage.worker()
    claim = worker.claim_one()
    ask(stage, job_id, request_)
    with pytest.raises(StateConflict) as raised:
        suspend(stage, job_id)
    assert raised.value.fields["actual"] == "STOP_REQUESTED"
    worker.settle(Reports(stopping=[(claim.attempt_id, job_id)]))

    with pytest.raises(StateConflict):
        suspend(stage, job_id, on=False)


def test_a_job_that_is_over_cannot_be_suspended(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(policy={"completions": 0}))

    with pytest.raises(StateConflict):
        suspend(stage, job_id)


def test_only_statuses_before_a_stop_may_be_suspended() -> None:
    assert set(ACTIVE) - set(MAY_SUSPEND) == {"STOP_REQUESTED", "STOPPING"}


def test_a_suspend_and_an_end_at_the_same_moment_count_it_once(stage: Stage) -> None:
    for _ in range(8):
        job_id = stage.submit_one(make_spec())
        worker = stage.worker(f"w{job_id}")
        claim = worker.claim_one()
        stage.together(
            worker.speak(Reports(ended=[ended(claim)])),
            stage.store.suspend(job_id, suspend=True),
        )
        stage.decide_due()

        assert stage.status(job_id) == "COMPLETED"
        assert stage.job(job_id).state.succeeded == 1


def replaced(stage: Stage, job_id: int, **changes: Any) -> None:
    spec = make_spec(indexed=True, policy={"completions": 6, "parallelism": 6, **changes})
    stage.do(stage.store.change(job_id, lambda *_: spec))


def test_scaling_down_ends_the_unclaimed_then_the_not_yet_running_then_the_youngest(
    stage: Stage,
) -> None:
    policy = {"completions": 6, "parallelism": 6}
    job_id = stage.submit_one(make_spec(indexed=True, policy=policy))
    worker = stage.worker()
    claims = worker.claim(5)
    worker.start(*claims[:2], claims[4])
    # Index 5 is unclaimed, 2 and 3 are claimed, 0, 1 and 4 run.
    replaced(stage, job_id, parallelism=5)
    assert [attempt.index for attempt in stage.attempts(job_id)] == [0, 1, 2, 3, 4]
    stops = []
    for parallelism in (4, 3, 2):
        replaced(stage, job_id, parallelism=parallelism)
        told = worker.settle().stops
        stops += [stop.attempt_id for stop in told if stop.attempt_id not in stops]

    assert [claims[3].attempt_id, claims[2].attempt_id, claims[4].attempt_id] == stops
    assert stage.job(job_id).state.active == 2


def test_scaling_down_one_job_leaves_another_alone(stage: Stage) -> None:
    policy = {"completions": 6, "parallelism": 6}
    one, other = (job.id for job in stage.submit(*[make_spec(indexed=True, policy=policy)] * 2))
    worker = stage.worker()
    worker.claim(8)
    replaced(stage, one, parallelism=1)

    assert stage.job(other).state.active == 6
    assert len(worker.settle().stops) == 3
    assert len(stage.attempts(other)) == 6


def test_lowering_completions_ends_the_indexes_beyond(stage: Stage) -> None:
    policy = {"completions": 6, "parallelism": 6}
    job_id = stage.submit_one(make_spec(indexed=True, policy=policy))
    worker = stage.worker()
    claims = worker.claim(5)
    replaced(stage, job_id, completions=3)

    assert [attempt.index for attempt in stage.attempts(job_id)] == [0, 1, 2, 3, 4]
    stopped = {stop.attempt_id for stop in worker.settle().stops}
    assert stopped == {claims[3].attempt_id, claims[4].attempt_id}
    assert stage.job(job_id).state.active == 3


def test_lowering_completions_keeps_what_waits_below(stage: Stage) -> None:
    policy = {"completions": 6, "parallelism": 6}
    job_id = stage.submit_one(make_spec(indexed=True, policy=policy))
    stage.worker().claim(2)
    before = stage.attempts(job_id)
    replaced(stage, job_id, completions=4)

    assert stage.attempts(job_id) == before[:4]


def test_scaling_down_passes_over_what_has_ended(stage: Stage) -> None:
    policy = {"completions": 6, "parallelism": 6, "backoff": Backoff(base=0.0)}
    job_id = stage.submit_one(make_spec(indexed=True, policy=policy))
    worker = stage.worker()
    worker.fail(*worker.claim(2))
    stage.decide_due()
    worker.claim(6)
    replaced(stage, job_id, parallelism=5)

    assert len(worker.settle().stops) == 1
    assert stage.job(job_id).state.active == 5


def test_scaling_down_finds_what_waits_behind_what_is_claimed(stage: Stage) -> None:
    policy = {"completions": 6, "parallelism": 6}
    job_id = stage.submit_one(make_spec(indexed=True, policy=policy))
    worker = stage.worker()
    youngest = stage.attempts(job_id)[-1].id
    stage.sql(
        f"UPDATE attempts SET status = 'QUEUED', session = '{worker.session}', queued_at = 1 "
        f"WHERE id = {youngest}"
    )
    replaced(stage, job_id, parallelism=5)

    assert worker.settle().stops == []
    assert [attempt.index for attempt in stage.attempts(job_id)] == [0, 1, 2, 3, 5]


def test_a_replaced_spec_is_what_is_read_and_run(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec("a", executor="none"))
    other = stage.submit_one(make_spec("b", executor="none"))
    lenient = make_spec("a", policy={"backoff_limit": 2})
    stage.do(stage.store.change(job_id, lambda *_: lenient))

    job = stage.job(job_id)
    assert job.spec != stage.job(other).spec
    assert job.state.policy.backoff_limit == 2
    assert stage.job(other).state.policy.backoff_limit == 6


def test_the_spec_of_a_job_that_is_over_stays_as_it_is(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(policy={"completions": 0}))
    before = stage.job(job_id)

    with pytest.raises(StateConflict):
        replaced(stage, job_id)

    assert stage.job(job_id) == before


def test_an_attempt_is_asked_to_stop_once(stage: Stage) -> None:
    policy = {"replacement_policy": ReplacementPolicy.FAILED}
    job_id = stage.submit_one(make_spec(policy=policy))
    worker = stage.worker()
    claim = worker.claim_one()
    suspend(stage, job_id)
    ask(stage, job_id, Request.STOP)

    assert [stop.reason for stop in worker.settle().stops] == ["Suspended"]
    worker.end(claim, status=AttemptStatus.STOPPED)
    assert stage.status(job_id) == "STOPPED"


def test_stops_are_told_to_the_worker_whose_attempt_it_is(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(policy={"completions": 2, "parallelism": 2}))
    first, second = stage.worker("a"), stage.worker("b")
    mine, yours = first.claim_one(), second.claim_one()
    ask(stage, job_id, Request.STOP)

    assert [stop.attempt_id for stop in first.settle().stops] == [mine.attempt_id]
    assert [stop.attempt_id for stop in second.settle().stops] == [yours.attempt_id]
    first.settle(Reports(stopping=[(yours.attempt_id, job_id)]))
    assert len(second.settle().stops) == 1


def test_a_stop_is_told_until_the_worker_knows_of_it(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(policy={"completions": 2, "parallelism": 2}))
    worker = stage.worker()
    first, second = worker.claim(2)
    ask(stage, job_id, Request.STOP)
    assert len(worker.settle().stops) == 2
    worker.settle(Reports(stopping=[(first.attempt_id, job_id)]))

    assert [stop.attempt_id for stop in worker.settle().stops] == [second.attempt_id]


def test_a_stop_that_came_too_late_is_not_told(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(policy={"completions": 2, "parallelism": 2}))
    worker = stage.worker()
    claim, _ = worker.claim(2)
    ask(stage, job_id, Request.STOP)
    settled = worker.end(claim)

    assert len(settled.stops) == 1
    assert settled.stops[0].attempt_id != claim.attempt_id


def test_a_job_and_all_that_is_its_goes_when_its_time_to_live_has_passed(stage: Stage) -> None:
    spec = make_spec(indexed=True, policy={"completions": 3, "parallelism": 3, "ttl": 10.0})
    after = make_spec("after", executor="none")
    job_id, kept = stage.submit_one(spec), stage.submit_one(after)
    worker = stage.worker()
    claims = worker.claim(3)
    stage.do(stage.store.checkpoint(worker.session, claims[0].attempt_id, "x"))
    worker.end(*claims)
    stage.clock.advance(9.9)
    assert stage.do(stage.store.delete_expired()) == 0
    assert stage.status(job_id) == "COMPLETED"
    stage.clock.advance(0.1)
    assert stage.do(stage.store.delete_expired()) == 1

    with pytest.raises(JobNotFound):
        stage.job(job_id)
    for table in ("jobs", "job_specs", "attempts", "job_events", "checkpoints", "deletions"):
        column = "id" if table == "jobs" else "job_id"
        left = set(stage.sql(f"SELECT {column} FROM {table}", count=True))
        assert left == (set() if table in {"checkpoints", "deletions"} else {kept}), table
    assert stage.do(stage.store.delete_expired()) == 0


def test_a_job_that_is_kept_keeps_what_is_its(stage: Stage) -> None:
    policy = {"completions": 2, "parallelism": 2}
    keep = stage.submit_one(make_spec(indexed=True, policy=policy))
    goes = stage.submit_one(make_spec(indexed=True, policy={**policy, "ttl": 1.0}))
    first, second = stage.submit(
        make_spec("first"), replace(make_spec("second"), depends_on=()), owner="nobody"
    )
    stage.sql(
        f"INSERT INTO dependencies VALUES ({second.id}, {first.id}, 'completed', NULL, "
        + ("0)" if stage.kind == "sqlite" else "false)")
    )
    worker = stage.worker()
    claims = worker.claim(4)
    for claim in claims:
        stage.do(stage.store.checkpoint(worker.session, claim.attempt_id, f"{claim.index}"))
    worker.end(*claims)
    story = stage.story(keep)
    stage.clock.advance(2)
    stage.do(stage.store.delete_expired())

    assert stage.job(keep).state.succeeded == 2
    assert len(stage.attempts(keep)) == 2
    assert stage.story(keep) == story
    assert stage.do(stage.store.last_checkpoint(keep, 1)) == "1"
    assert stage.do(stage.store.last_checkpoint(goes, 1)) is None
    assert stage.sql("SELECT job_id FROM dependencies", count=True) == [second.id]


def test_a_deleted_job_s_own_edges_go_with_it(stage: Stage) -> None:
    first = stage.submit_one(make_spec(policy={"completions": 0}))
    job_id = stage.submit_one(make_spec(policy={"completions": 0, "ttl": 1.0}))
    false, true = ("0", "1") if stage.kind == "sqlite" else ("false", "true")
    stage.sql(f"INSERT INTO dependencies VALUES ({job_id}, {first}, 'completed', {true}, {true})")
    stage.sql(f"INSERT INTO dependencies VALUES (999, {job_id}, 'completed', {false}, {true})")
    stage.clock.advance(2)
    stage.do(stage.store.delete_expired())

    assert stage.sql("SELECT job_id FROM dependencies", count=True) == [999]


def test_a_job_that_is_not_over_is_not_deleted_whatever_its_row_says(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec())
    stage.sql("UPDATE jobs SET expires_at = 1")

    assert stage.do(stage.store.delete_expired()) == 0
    assert stage.status(job_id) == "SCHEDULED"


def test_deletion_takes_no_more_jobs_than_it_is_allowed_the_oldest_end_first(stage: Stage) -> None:
    spec = make_spec(policy={"completions": 0, "ttl": 1.0})
    first = stage.submit_one(spec)
    stage.clock.advance(0.5)
    second = stage.submit_one(spec)
    stage.clock.advance(5)
    assert stage.do(stage.store.delete_expired(1)) == 1
    with pytest.raises(JobNotFound):
        stage.job(first)
    assert stage.status(second) == "COMPLETED"

    assert stage.do(stage.store.delete_expired(5)) == 1


def test_a_deletion_that_was_cut_short_is_finished_by_the_next(stage: Stage) -> None:
    gone, also_gone, keep = (job.id for job in stage.submit(*[make_spec()] * 3))
    for job_id in (gone, also_gone):
        stage.sql(f"DELETE FROM jobs WHERE id = {job_id}")
        stage.sql(f"INSERT INTO deletions VALUES ({job_id})")

    stage.do(stage.store.delete_expired(1))

    assert stage.sql("SELECT job_id FROM attempts", count=True) == [keep]
    assert set(stage.sql("SELECT job_id FROM job_events", count=True)) == {keep}
    assert stage.sql("SELECT job_id FROM deletions", count=True) == []


def test_what_many_submit_stop_and_decide_at_once_still_adds_up(stage: Stage) -> None:
    spec = make_spec(
        indexed=True, policy={"completions": 4, "parallelism": 4, "backoff": Backoff(base=0.0)}
    )
    jobs = stage.submit(*[spec] * 6)
    workers = [stage.worker(f"w{n}") for n in range(3)]
    stage.together(
        *(worker.speak(want=wanted(9)) for worker in workers),
        *(stage.store.ask(job.id, Request.STOP) for job in jobs[:3]),
        *(stage.store.suspend(job.id, suspend=True) for job in jobs[2:5]),
        *(stage.store.decide([job.id for job in jobs]) for _ in range(3)),
        stage.store.submit(Submission([spec])),
    )
    for worker in workers:
        held = stage.do(stage.store.held(worker.session)).claims
        if held:
            worker.end(*held, status=AttemptStatus.STOPPED)
    stage.decide_due()

    for job in jobs:
        state = stage.job(job.id).state
        live = [a for a in stage.attempts(job.id) if a.finished_at is None]
        assert state.active == len(live)
        assert state.terminating == 0
    assert {stage.status(job.id) for job in jobs[:2]} == {"STOPPED"}
    assert SECOND
