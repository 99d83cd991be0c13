"""What a store promises about who gets which attempt, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jobyard.store.base import Reports, Want
from jobyard.testing.stage import ended, make_spec, statuses, wanted

if TYPE_CHECKING:
    from jobyard.testing.stage import Stage


def test_a_claim_says_what_to_run(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec("a", indexed=True, namespace="n"))

    settled = stage.worker().settle(want=wanted())

    [claim] = settled.claims
    assert (claim.job_id, claim.index, claim.number, claim.executor) == (job_id, 0, 1, "fake")
    assert claim.first
    assert settled.specs[job_id][:2] == ("a", "n")
    assert '"name":"a"' in settled.specs[job_id][2].replace(" ", "")


def test_the_spec_of_a_known_job_is_not_told_again(stage: Stage) -> None:
    known, unknown = (job.id for job in stage.submit(make_spec("a"), make_spec("b")))
    worker = stage.worker()
    worker.known.add(known)

    assert set(worker.settle(want=wanted(2)).specs) == {unknown}


def test_a_claimed_attempt_and_its_job_are_queued_with_the_worker(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec())
    stage.clock.advance(1)

    stage.worker("me").claim_one()

    job, [attempt] = stage.job(job_id), stage.attempts(job_id)
    assert (job.state.status, attempt.status) == ("QUEUED", "QUEUED")
    assert (job.state.worker_id, attempt.worker_id) == ("me", "me")
    assert job.state.queued_at == attempt.queued_at == stage.clock()


def test_an_attempt_is_claimed_once(stage: Stage) -> None:
    stage.submit(make_spec())
    stage.worker("a").claim_one()

    assert stage.worker("b").claim() == []


def test_no_attempt_is_claimed_by_two_workers_at_once(stage: Stage) -> None:
    stage.submit(make_spec(indexed=True, policy={"completions": 90, "parallelism": 90}))
    stage.do(stage.store.decide_due())
    workers = [stage.worker(f"w{n}") for n in range(6)]

    answers = stage.together(*(worker.speak(want=wanted(10)) for worker in workers * 2))

    claims = [claim for settled in answers for claim in settled.claims]
    assert len({claim.attempt_id for claim in claims}) == len(claims) == 90


def test_a_worker_gets_no_more_than_it_asks_for(stage: Stage) -> None:
    stage.submit(make_spec(policy={"completions": 9, "parallelism": 9}))
    worker = stage.worker()

    assert len(worker.claim(2)) == 2
    assert len(worker.claim(100, limit=3)) == 3
    assert worker.claim(0) == []


def test_a_worker_gets_only_what_its_executors_run(stage: Stage) -> None:
    stage.submit(make_spec("a", executor="http"), make_spec("b", executor="fake"))

    assert [claim.executor for claim in stage.worker().claim(5, "http")] == ["http"]


def test_a_crowd_for_one_executor_does_not_hide_another(stage: Stage) -> None:
    stage.submit(*[make_spec("a", executor="fake")] * 5, make_spec("b", executor="http"))

    settled = stage.worker().settle(want=Want({"fake": 1, "http": 1}, 1.0, 1, limit=2))

    assert sorted(claim.executor for claim in settled.claims) == ["fake", "http"]


def test_an_executor_without_free_slots_gets_nothing(stage: Stage) -> None:
    stage.submit(make_spec("a"), make_spec("b", executor="http"))

    settled = stage.worker().settle(want=Want({"fake": 0, "http": 5}, 1.0, 1))

    assert [claim.executor for claim in settled.claims] == ["http"]


@pytest.mark.parametrize(
    ("pin", "worker_id", "gets_it"),
    [
        ("w1", "w1", True),
        ("w1", "w2", False),
        ("w1", "w11", False),
        ("w1", "W1", False),
        ("w*", "w1", True),
        ("w*", "w", True),
        ("w*", "v1", False),
        ("w*", "W1", False),
        ("*", "anyone", True),
        ("w%*", "wx1", False),
        ("w_", "w1", False),
    ],
)
def test_a_pinned_job_goes_to_its_worker_alone(
    stage: Stage, pin: str, worker_id: str, gets_it: bool
) -> None:
    stage.submit(make_spec(worker_id=pin))

    assert bool(stage.worker(worker_id).claim()) is gets_it


def test_an_owned_job_goes_to_its_owner_alone(stage: Stage) -> None:
    stage.submit(make_spec(), owner="me")

    assert stage.worker("other").claim() == []
    assert len(stage.worker("me").claim()) == 1


def test_a_worker_may_want_only_what_is_pinned_to_it(stage: Stage) -> None:
    [mine] = stage.submit(make_spec(), owner="me")
    stage.submit(make_spec("anybody's"))

    claims = stage.worker("me").claim(5, own_only=True)

    assert [claim.job_id for claim in claims] == [mine.id]


@pytest.mark.parametrize(
    ("labels", "gets_it"),
    [
        ({"zone": "a", "disk": "ssd"}, True),
        ({"zone": "a", "disk": "ssd", "more": "x"}, True),
        ({"zone": "a"}, False),
        ({"zone": "a", "disk": "hdd"}, False),
        ({}, False),
    ],
)
def test_a_selector_wants_every_one_of_its_labels(
    stage: Stage, labels: dict[str, str], gets_it: bool
) -> None:
    stage.submit(make_spec(worker_selector={"zone": "a", "disk": "ssd"}))

    assert bool(stage.worker(labels=labels).claim()) is gets_it


def test_an_attempt_that_asks_for_more_cpu_than_is_free_waits(stage: Stage) -> None:
    stage.submit(make_spec("big", cpu=2.0), make_spec("small", cpu=1.0))
    worker = stage.worker()

    assert len(worker.claim(5, cpu=1.5)) == 1
    assert len(worker.claim(5, cpu=2.0)) == 1


def test_an_attempt_that_asks_for_more_memory_than_is_free_waits(stage: Stage) -> None:
    stage.submit(make_spec("big", memory=200), make_spec("small", memory=100))
    worker = stage.worker()

    assert len(worker.claim(5, memory=150)) == 1
    assert len(worker.claim(5, memory=200)) == 1


@pytest.mark.parametrize("what", ["cpu", "memory"])
def test_what_a_big_attempt_cannot_have_does_not_hide_a_small_one(stage: Stage, what: str) -> None:
    one: dict[str, Any] = {what: 1}
    two: dict[str, Any] = {what: 2}
    big, small = stage.submit(make_spec("big", **two), make_spec("small", **one))

    assert [claim.job_id for claim in stage.worker().claim(1, **one)] == [small.id]
    assert stage.status(big.id) == "SCHEDULED"


def test_claims_together_fit_into_what_is_free(stage: Stage) -> None:
    stage.submit(*[make_spec(cpu=1.0, memory=10)] * 9)

    assert len(stage.worker("a").claim(9, cpu=3.0)) == 3
    assert len(stage.worker("b").claim(9, memory=20)) == 2


def test_priority_comes_before_age(stage: Stage) -> None:
    low, high, same = stage.submit(
        make_spec("a"), make_spec("b", priority=5), make_spec("c", priority=5)
    )
    worker = stage.worker()

    order = [worker.claim_one().job_id for _ in range(3)]

    assert order == [high.id, same.id, low.id]


def test_jobs_that_wait_together_take_turns(stage: Stage) -> None:
    policy = {"completions": 6, "parallelism": 6}
    one, other = (j.id for j in stage.submit(*[make_spec(indexed=True, policy=policy)] * 2))
    worker = stage.worker()

    order = [worker.claim_one().job_id for _ in range(6)]

    assert order == [one, other] * 3


def test_a_newcomer_overtakes_the_backlog_of_a_large_job_but_not_its_first(stage: Stage) -> None:
    policy = {"completions": 50, "parallelism": 50}
    large = stage.submit_one(make_spec(indexed=True, policy=policy))
    stage.clock.advance(1.5)
    small = stage.submit_one(make_spec())
    worker = stage.worker()

    order = [worker.claim_one().job_id for _ in range(4)]

    assert order == [large, large, small, large]


def test_claims_of_one_answer_come_in_their_order(stage: Stage) -> None:
    a, b, c = stage.submit(make_spec("a"), make_spec("b", priority=5), make_spec("c", priority=9))

    assert [claim.job_id for claim in stage.worker().claim(3)] == [c.id, b.id, a.id]


def test_attempts_that_an_end_makes_room_for_are_claimed_in_the_same_breath(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(indexed=True, policy={"completions": 3}))
    worker = stage.worker()
    claim = worker.claim_one()

    settled = worker.settle(Reports(ended=[ended(claim)]), wanted())

    assert [(c.index, c.first) for c in settled.claims] == [(1, False)]
    assert statuses(stage.attempts(job_id)) == ["SUCCEEDED", "QUEUED"]


def test_a_small_job_does_not_wait_behind_a_large_one(stage: Stage) -> None:
    policy = {"completions": 100, "parallelism": 2}
    stage.submit(make_spec("large", indexed=True, policy=policy))
    worker = stage.worker()
    claims = worker.claim(2)
    small = stage.submit_one(make_spec("small"))

    settled = worker.settle(Reports(ended=[ended(claim) for claim in claims]), wanted(1))

    assert [claim.job_id for claim in settled.claims] == [small]


def test_what_an_end_makes_room_for_yields_to_a_higher_priority(stage: Stage) -> None:
    stage.submit(make_spec("low", indexed=True, policy={"completions": 3}))
    worker = stage.worker()
    claim = worker.claim_one()
    high = stage.submit_one(make_spec("high", priority=1))

    settled = worker.settle(Reports(ended=[ended(claim)]), wanted(1))

    assert [claim.job_id for claim in settled.claims] == [high]


def test_what_an_end_makes_room_for_waits_if_the_worker_is_full(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(indexed=True, policy={"completions": 2}))
    worker = stage.worker()
    settled = worker.end(worker.claim_one())

    assert settled.hinted
    assert statuses(stage.attempts(job_id)) == ["SUCCEEDED", "SCHEDULED"]
    assert len(stage.worker("b").claim(5)) == 1


def test_what_an_end_makes_room_for_is_not_taken_by_a_worker_that_may_not(stage: Stage) -> None:
    stage.submit(make_spec(indexed=True, policy={"completions": 2}), owner="me")
    worker = stage.worker("me")
    claim = worker.claim_one()
    stage.sql("UPDATE job_specs SET worker_pin = 'you'")

    assert worker.settle(Reports(ended=[ended(claim)]), wanted(5)).claims == []
    assert len(stage.worker("you").claim(5)) == 1


def test_a_window_that_was_claimed_is_filled_again(stage: Stage) -> None:
    policy = {"completions": 3000, "parallelism": 2000}
    job_id = stage.submit_one(make_spec(indexed=True, policy=policy))
    stage.do(stage.store.decide_due())
    worker = stage.worker()
    assert len(worker.claim(600, limit=600)) == 600
    stage.clock.advance(1)
    stage.submit(make_spec("other", indexed=True, policy=policy))
    stage.do(stage.store.decide([job_id]))

    waiting = f"SELECT id FROM attempts WHERE status = 'SCHEDULED' AND job_id = {job_id}"
    assert len(stage.sql(waiting, count=True)) == 1000
    assert stage.job(job_id).state.active == 1600


def test_a_claim_from_a_running_job_does_not_touch_its_row(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(policy={"completions": 2, "parallelism": 2}))
    worker = stage.worker()
    worker.start(worker.claim_one())
    before = stage.job(job_id)
    stage.clock.advance(1)

    assert len(stage.worker("other").claim()) == 1
    assert stage.job(job_id) == before


def test_every_claim_before_the_first_start_may_be_the_first(stage: Stage) -> None:
    stage.submit(make_spec(policy={"completions": 3, "parallelism": 3}))
    first, second = stage.worker("a"), stage.worker("b")
    claim = first.claim_one()
    assert (claim.first, second.claim_one().first) == (True, True)
    first.start(claim)

    assert not second.claim_one().first
