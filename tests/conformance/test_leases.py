"""What a store promises about workers and their leases, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobyard import ids
from jobyard.core.job import Backoff
from jobyard.errors import LeaseLost, WorkerIdTaken, WorkerNotFound
from jobyard.store.base import Registration
from jobyard.testing.stage import LEASE, SECOND, make_spec, statuses, wanted

if TYPE_CHECKING:
    from jobyard.testing.stage import Stage


def test_a_worker_is_listed_as_it_registered(stage: Stage) -> None:
    stage.worker("w", labels={"zone": "a"}, executors={"fake": 3, "http": 2})

    [record] = stage.do(stage.store.workers())

    assert (record.id, record.host, record.pid, record.version) == ("w", "host", 1, "0")
    assert (record.executors, record.labels) == ({"fake": 3, "http": 2}, {"zone": "a"})
    assert (record.lease, record.draining, record.running) == (LEASE, False, 0)
    assert record.lease_until == stage.clock() + LEASE * SECOND


def test_a_worker_s_record_counts_what_it_holds(stage: Stage) -> None:
    stage.submit(*[make_spec()] * 4)
    first, second = stage.worker("a"), stage.worker("b")
    one, two, _ = first.claim(3)
    first.start(one)
    first.end(two)
    second.claim(1)

    assert [record.running for record in stage.do(stage.store.workers())] == [2, 1]


def test_the_id_of_a_live_worker_is_taken(stage: Stage) -> None:
    stage.worker("w")
    stage.worker("other")

    with pytest.raises(WorkerIdTaken):
        stage.worker("w")


def test_the_id_of_a_worker_whose_lease_ran_out_is_free_and_takes_what_it_held(
    stage: Stage,
) -> None:
    job_id = stage.submit_one(make_spec())
    old = stage.worker("w")
    old.claim_one()
    stage.clock.advance(LEASE + 1)
    new = stage.worker("w")

    assert statuses(stage.attempts(job_id)) == ["LOST"]
    with pytest.raises(LeaseLost):
        old.settle()
    assert new.settle().claims == []


def test_one_of_those_who_register_the_same_id_at_once_gets_it(stage: Stage) -> None:
    registrations = [
        Registration("w", ids.session(), "h", 1, "0", {"fake": 1}, 1.0, 1, {}, LEASE)
        for _ in range(4)
    ]

    results = stage.together(*(stage.store.register(one) for one in registrations))

    assert sum(result is None for result in results) == 1
    assert sum(isinstance(result, WorkerIdTaken) for result in results) == 3


def test_a_renewed_lease_runs_anew(stage: Stage) -> None:
    worker, other = stage.worker("w"), stage.worker("other")
    stage.clock.advance(LEASE - 1)

    record = stage.do(stage.store.renew(worker.session))

    assert record is not None
    assert record.lease_until == stage.clock() + LEASE * SECOND
    assert record.heartbeat_at == stage.clock()
    stage.clock.advance(LEASE - 1)
    assert [one.id for one in stage.do(stage.store.workers())] == ["w"]
    assert stage.do(stage.store.expire_leases(unbroken=LEASE)) == [other.session]


def test_a_worker_whose_lease_ran_out_is_not_listed(stage: Stage) -> None:
    stage.worker("w")
    stage.clock.advance(LEASE)
    assert len(stage.do(stage.store.workers())) == 1
    stage.clock.advance(0.1)

    assert stage.do(stage.store.workers()) == []


def test_a_lease_that_nobody_took_can_still_be_renewed(stage: Stage) -> None:
    worker = stage.worker()
    stage.clock.advance(LEASE * 3)

    assert stage.do(stage.store.renew(worker.session)) is not None
    assert stage.do(stage.store.expire_leases(unbroken=LEASE)) == []


def test_a_lease_that_was_taken_cannot_be_renewed(stage: Stage) -> None:
    worker = stage.worker()
    stage.lose(worker)

    assert stage.do(stage.store.renew(worker.session)) is None
    with pytest.raises(LeaseLost):
        worker.claim()


def test_taking_leases_leaves_the_living_alone(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(indexed=True, policy={"completions": 2, "parallelism": 2}))
    dead, alive = stage.worker("dead"), stage.worker("alive")
    dead.claim_one()
    alive.claim_one()
    stage.clock.advance(LEASE)
    stage.do(stage.store.renew(alive.session))
    stage.clock.advance(1)

    assert stage.do(stage.store.expire_leases(unbroken=LEASE)) == [dead.session]
    assert statuses(stage.attempts(job_id)) == ["LOST", "QUEUED"]


def test_a_lease_is_not_taken_at_its_very_end(stage: Stage) -> None:
    stage.worker()
    stage.clock.advance(LEASE)

    assert stage.do(stage.store.expire_leases(unbroken=LEASE)) == []


def test_nobody_takes_a_lease_who_has_not_watched_for_as_long(stage: Stage) -> None:
    worker = stage.worker()
    stage.clock.advance(LEASE * 2)
    assert stage.do(stage.store.expire_leases(unbroken=LEASE - 0.1)) == []

    assert stage.do(stage.store.expire_leases(unbroken=LEASE)) == [worker.session]


def test_a_job_whose_only_claim_is_lost_waits_for_a_worker_again(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(policy={"completions": 3, "parallelism": 3}))
    worker = stage.worker("a")
    worker.claim_one()
    assert stage.status(job_id) == "QUEUED"

    stage.lose(worker)
    stage.decide_due()

    assert stage.status(job_id) == "SCHEDULED"
    assert stage.story(job_id)[-1] == "handed_back"
    other, another = stage.worker("b"), stage.worker("c")
    other.claim_one()
    another.claim_one()
    stage.do(stage.store.leave(another.session))
    stage.decide_due()
    assert stage.status(job_id) == "QUEUED"


def test_a_lost_attempt_is_retried_at_once_and_does_not_count(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(policy={"backoff": Backoff(base=60.0)}))
    worker = stage.worker()
    claim = worker.claim_one()
    worker.start(claim)
    stage.lose(worker)
    [attempt] = stage.attempts(job_id)
    assert (attempt.status, attempt.reason) == ("LOST", "WorkerLost")
    assert attempt.finished_at == stage.clock()
    stage.decide_due()

    assert stage.job(job_id).state.failed == 0
    assert stage.worker("next").claim_one().number == 2


def test_a_job_names_the_worker_that_has_it_now_not_the_one_that_was_lost(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec())
    first = stage.worker("first")
    first.start(first.claim_one())
    stage.lose(first)
    stage.decide_due()
    assert stage.job(job_id).state.worker_id is None

    second = stage.worker("second")
    attempt = second.claim_one()
    assert stage.job(job_id).state.worker_id == "second"
    second.start(attempt)
    second.end(attempt)
    assert stage.job(job_id).state.worker_id == "second"


def test_a_job_that_waits_for_its_next_try_names_no_worker(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(policy={"backoff": Backoff(base=10.0)}))
    first, second = stage.worker("first"), stage.worker("second")
    first.fail(first.claim_one())
    assert stage.job(job_id).state.worker_id is None

    stage.clock.advance(11)
    stage.decide_due()
    second.claim_one()
    assert stage.job(job_id).state.worker_id == "second"


def test_a_program_that_loses_five_workers_in_a_row_fails(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec())
    for number in range(1, 6):
        assert stage.status(job_id) != "FAILED"
        worker = stage.worker(f"w{number}")
        worker.start(worker.claim_one())
        stage.lose(worker)
        stage.decide_due()

    job = stage.job(job_id).state
    assert (job.status, job.reason) == ("FAILED", "WorkerLostLimit")


def test_a_worker_that_leaves_gives_back_what_it_holds_and_only_that(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(policy={"completions": 3, "parallelism": 3}))
    worker, other = stage.worker("w"), stage.worker("other")
    done, _ = worker.claim(2)
    worker.end(done)
    other.claim_one()
    stage.do(stage.store.leave(worker.session))

    assert statuses(stage.attempts(job_id)) == ["SUCCEEDED", "LOST", "QUEUED"]
    assert [record.id for record in stage.do(stage.store.workers())] == ["other"]


def test_what_was_submitted_for_a_worker_alone_is_free_when_it_is_gone(stage: Stage) -> None:
    stage.worker("another")
    worker = stage.worker("me")
    run, pinned, submitted, owned, elsewhere = (
        stage.submit_one(make_spec(), owner="me", trigger="run"),
        stage.submit_one(make_spec(worker_id="box"), owner="me", trigger="run"),
        stage.submit_one(make_spec(worker_id="me"), trigger="cli"),
        stage.submit_one(make_spec(), owner="me", trigger="cli"),
        stage.submit_one(make_spec(), owner="you", trigger="run"),
    )
    stage.do(stage.store.leave(worker.session))

    claims = {name: [c.job_id for c in stage.worker(name).claim(9)] for name in ("box", "any")}
    assert sorted(claims["box"]) == [run, pinned]
    assert claims["any"] == []
    assert [c.job_id for c in stage.worker("me").claim(9)] == [submitted, owned]
    assert [c.job_id for c in stage.worker("you").claim(9)] == [elsewhere]


def test_a_draining_worker_claims_nothing_until_it_is_told_to_resume(stage: Stage) -> None:
    stage.submit(make_spec())
    worker, other = stage.worker("w"), stage.worker("other")
    record = stage.do(stage.store.drain("w", draining=True))
    assert (record.id, record.draining) == ("w", True)
    assert worker.claim() == []
    renewed = stage.do(stage.store.renew(worker.session))
    assert renewed is not None
    assert renewed.draining
    assert not stage.do(stage.store.drain("w", draining=False)).draining

    assert len(worker.claim()) == 1
    assert other.claim() == []


def test_draining_one_worker_does_not_drain_another(stage: Stage) -> None:
    stage.submit(make_spec())
    stage.worker("w")
    other = stage.worker("other")
    stage.do(stage.store.drain("w", draining=True))

    assert len(other.claim()) == 1


def test_a_worker_that_is_not_there_cannot_be_drained(stage: Stage) -> None:
    stage.worker("w")

    with pytest.raises(WorkerNotFound):
        stage.do(stage.store.drain("x", draining=True))


def test_a_worker_that_lost_an_answer_learns_what_it_holds(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(indexed=True, policy={"completions": 4, "parallelism": 4}))
    worker, other = stage.worker("w"), stage.worker("other")
    done, running, queued = worker.claim(3)
    worker.end(done)
    worker.start(running)
    other.claim_one()

    held = stage.do(stage.store.held(worker.session))

    assert [claim.attempt_id for claim in held.claims] == [running.attempt_id, queued.attempt_id]
    assert [(claim.index, claim.number) for claim in held.claims] == [(1, 1), (2, 1)]
    assert set(held.specs) == {job_id}
    assert stage.do(stage.store.held(worker.session, known={job_id})).specs == {}
    stage.lose(worker)
    with pytest.raises(LeaseLost):
        stage.do(stage.store.held(worker.session))


def test_an_unknown_session_is_told_that_its_lease_is_lost(stage: Stage) -> None:
    worker = stage.worker()
    worker.session = "never heard of"

    with pytest.raises(LeaseLost):
        worker.settle(want=wanted())
