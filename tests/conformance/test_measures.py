"""What the sums of a yard say, on both databases; random stories are in tests/property."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from jobyard import ids
from jobyard.core.states import AttemptStatus, JobStatus
from jobyard.store.base import Registration, Reports, Submission
from jobyard.store.measures import BOUNDS, Gathered, Histogram, Latency, Measures
from jobyard.store.postgres.driver import PostgresDriver
from jobyard.testing.stage import LEASE, ended, make_spec, postgres_stage, wanted

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobyard.store.query import Transaction
    from jobyard.testing.stage import Stage

OK, FAILED, LOST = AttemptStatus.SUCCEEDED, AttemptStatus.FAILED, AttemptStatus.LOST


def measure(stage: Stage) -> Measures:
    return stage.do(stage.store.measure())


def test_an_empty_yard_measures_nothing(stage: Stage) -> None:
    measures = measure(stage)

    assert set(measures.jobs.items()) == {(status, 0) for status in JobStatus}
    assert measures.waiting == {}
    assert measures.oldest_waiting is None
    assert (measures.running, measures.leases_lost, measures.ended) == (0, 0, {})
    assert dict(measures.latencies) == dict.fromkeys(Latency, Histogram())


def test_what_waits_is_counted_by_executor(stage: Stage) -> None:
    wide = {"completions": 3, "parallelism": 3}
    stage.submit(make_spec(policy=wide), make_spec(executor="http"), make_spec(executor="fake"))

    assert measure(stage).waiting == {"fake": 4, "http": 1}
    stage.worker().claim(3)
    assert measure(stage).waiting == {"fake": 1, "http": 1}


def test_the_oldest_that_waits_is_found_behind_other_priorities(stage: Stage) -> None:
    stage.submit(make_spec(priority=0), make_spec(executor="http", priority=5))
    stage.clock.advance(7)
    stage.submit(make_spec(priority=9), make_spec(priority=-3))
    stage.clock.advance(2)

    assert measure(stage).oldest_waiting == 9.0
    stage.worker("a", executors={"http": 1}).claim(1, "http")
    assert measure(stage).oldest_waiting == 9.0
    stage.worker("b").claim(2)
    assert measure(stage).oldest_waiting == 2.0
    stage.worker("c").claim(1)
    assert measure(stage).oldest_waiting is None


def test_what_a_worker_lets_go_is_not_counted_as_running(stage: Stage) -> None:
    stage.submit(*[make_spec()] * 3)
    worker = stage.worker()
    claims = worker.claim(3)
    assert measure(stage).running == 3

    worker.end(claims[0])
    worker.end(claims[0])
    assert measure(stage).running == 2
    stage.do(stage.store.leave(worker.session))

    measures = measure(stage)
    assert (measures.running, measures.leases_lost) == (0, 0)
    assert measures.ended == {(LOST, "WorkerLost"): 2}


def test_leases_are_counted_where_they_are_lost(stage: Stage) -> None:
    stage.lose(stage.worker("a"))
    late = stage.worker("b")
    stage.clock.advance(LEASE + 1)
    again = Registration("b", "s", "h", 1, "0", {"fake": 1}, 1.0, 1, {}, LEASE)
    stage.do(stage.store.register(again))

    assert stage.do(stage.store.renew(late.session)) is None
    assert measure(stage).leases_lost == 2


def test_what_workers_gathered_is_added_up(stage: Stage) -> None:
    workers = [stage.worker("a"), stage.worker("b")]
    gathered = Gathered(1, [(OK, None), (FAILED, "Error"), (OK, None)])
    gathered.times[Latency.RUN] += [0.001, 0.0011, 1e9]
    for worker in workers:
        assert stage.do(stage.store.renew(worker.session, gathered)) is not None

    measures = measure(stage)

    assert measures.ended == {(OK, None): 4, (FAILED, "Error"): 2}
    run = measures.latencies[Latency.RUN]
    assert run.counts == (2, 2, *(0,) * (len(BOUNDS) - 2), 2)
    assert run.count == 6
    assert run.total == pytest.approx(2e9, abs=0.1)
    assert measures.latencies[Latency.STORE] == Histogram()


def test_what_is_told_again_as_nobody_heard_the_answer_counts_once(stage: Stage) -> None:
    worker, other = stage.worker("a"), stage.worker("b")
    told = Gathered(1, [(OK, None)])
    for portion in (told, told, Gathered(2, [(FAILED, "Error")]), told):
        assert stage.do(stage.store.renew(worker.session, portion)) is not None

    assert measure(stage).ended == {(OK, None): 1, (FAILED, "Error"): 1}
    # Each worker counts its own portions.
    stage.do(stage.store.renew(other.session, told))
    assert measure(stage).ended[OK, None] == 2


def test_what_was_gathered_counts_although_the_lease_is_lost(stage: Stage) -> None:
    worker = stage.worker()
    stage.lose(worker)

    gone = stage.do(stage.store.renew(worker.session, Gathered(1, [(OK, None)])))

    assert gone is None
    assert measure(stage).ended == {(OK, None): 1}


def test_a_claim_says_how_long_it_waited(stage: Stage) -> None:
    policy = {"completions": 3, "parallelism": 2}
    stage.submit_one(make_spec(policy=policy))
    stage.clock.advance(5)
    worker = stage.worker()

    claims = worker.claim(2)

    # The second one's turn comes a second after the first one's.
    assert [claim.waited for claim in claims] == [5.0, 4.0]
    # What is claimed as it is made never waited.
    [third] = worker.settle(Reports(ended=[ended(claims[0])]), wanted()).claims
    assert third.waited == 0.0


def test_deletion_leaves_what_ever_ended(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec())
    worker = stage.worker()
    worker.end(worker.claim_one())
    stage.do(stage.store.renew(worker.session, Gathered(1, [(OK, None)])))
    assert measure(stage).jobs[JobStatus.COMPLETED] == 1

    stage.do(stage.store.delete(job_id))

    measures = measure(stage)
    assert measures.jobs[JobStatus.COMPLETED] == 0
    assert measures.ended == {(OK, None): 1}


def test_those_who_count_at_the_same_time_all_count(stage: Stage) -> None:
    stage.together(*(stage.store.submit(_submission()) for _ in range(40)))

    assert sum(measure(stage).jobs.values()) == 40


class LosingRaces(PostgresDriver):
    """Loses the first try of each transaction after all of it was written."""

    lost = 0

    async def write(self, make: Callable[[], Transaction[Any]], *, durable: bool = False) -> Any:
        tries = itertools.count()

        def losing() -> Transaction[Any]:
            result = yield from make()
            if not next(tries):
                LosingRaces.lost += 1
                raise asyncpg.SerializationError
            return result

        return await super().write(losing, durable=durable)


def test_a_transaction_that_is_tried_again_counts_once(postgres_dsn: str) -> None:
    with postgres_stage(postgres_dsn, LosingRaces) as stage:
        gone = stage.submit_one(make_spec("a"))
        stage.submit_one(make_spec("b"))
        worker = stage.worker()
        worker.end(*worker.claim(2))
        stage.submit_one(make_spec("c"))
        stage.do(stage.store.renew(worker.session, Gathered(1, [(OK, None)] * 2)))
        stage.do(stage.store.delete(gone))

        measures = measure(stage)

    assert LosingRaces.lost >= 7
    assert {status: n for status, n in measures.jobs.items() if n} == {
        JobStatus.COMPLETED: 1,
        JobStatus.SCHEDULED: 1,
    }
    assert (measures.waiting, measures.running) == ({"fake": 1}, 0)
    assert measures.ended == {(OK, None): 2}


def _submission() -> Submission:
    return Submission([make_spec(idempotency_key=ids.session())])
