"""What a store makes of a worker's reports, and of those of others, on both databases."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest

from jobyard.core.job import Backoff, RestartPolicy
from jobyard.core.states import AttemptStatus
from jobyard.errors import LeaseLost
from jobyard.store.base import CrashReport, ProgressReport, Reports
from jobyard.testing.stage import SECOND, ended, make_spec, started, statuses, wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobyard.testing.stage import Stage, StageWorker

on_postgres = pytest.mark.parametrize("stage", ["postgres"], indirect=True)


@pytest.fixture
def held_up(stage: Stage) -> Iterator[HeldUp]:
    """Somebody else who can hold a job's row."""
    someone = HeldUp(stage)
    yield someone
    someone.let_go()


class HeldUp:
    """Holds a job's row in a transaction of its own, until it lets go."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.connection: asyncpg.Connection[asyncpg.Record] | None = None

    def hold(self, job_id: int) -> None:
        async def begin() -> asyncpg.Connection[asyncpg.Record]:
            connection = await asyncpg.connect(self.stage.place)
            await connection.execute("BEGIN")
            await connection.execute(f"SELECT 1 FROM jobs WHERE id = {job_id} FOR UPDATE")
            return connection

        self.connection = self.stage.do(begin())

    def let_go(self) -> None:
        if self.connection is not None:
            self.stage.do(self.connection.close())
            self.connection = None


def test_a_program_that_ran_is_written_down(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec())
    worker = stage.worker()
    claim = worker.claim_one()
    stage.clock.advance(10)
    worker.start(claim)
    assert (stage.status(job_id), stage.attempts(job_id)[0].status) == ("RUNNING", "RUNNING")
    stage.clock.advance(10)
    settled = worker.end(
        claim,
        age=2.0,
        started_age=9.0,
        exit_code=0,
        cpu_seconds=1.5,
        peak_memory_bytes=4096,
        result='{"rows": 3}',
    )

    job, [attempt] = stage.job(job_id), stage.attempts(job_id)
    assert settled.rejected == []
    assert (job.state.status, job.state.succeeded, job.state.active) == ("COMPLETED", 1, 0)
    assert job.state.finished_at == stage.clock()
    assert job.result == {"rows": 3}
    assert attempt.status == "SUCCEEDED"
    assert (attempt.exit_code, attempt.cpu_seconds, attempt.peak_memory_bytes) == (0, 1.5, 4096)
    assert attempt.result == {"rows": 3}
    # The start was reported when it happened; what the end says of it comes too late.
    assert attempt.started_at == stage.clock() - 10 * SECOND
    assert attempt.finished_at == stage.clock() - 2 * SECOND


def test_a_start_that_is_told_with_its_end_is_written_down_too(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec())
    worker = stage.worker()
    claim = worker.claim_one()
    worker.end(claim, age=1.0, started_age=3.0)

    [attempt] = stage.attempts(job_id)
    assert attempt.started_at == stage.clock() - 3 * SECOND
    assert stage.job(job_id).state.started_at == stage.clock() - 3 * SECOND
    assert stage.story(job_id) == ["created", "due", "claimed", "started", "completed"]


def test_a_failure_says_why_and_is_retried_after_its_back_off(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(policy={"backoff": Backoff(base=10.0)}))
    worker = stage.worker()
    worker.end(
        worker.claim_one(), status=AttemptStatus.FAILED, exit_code=3, signal=9, reason="OOMKilled"
    )
    [attempt] = stage.attempts(job_id)
    assert (attempt.exit_code, attempt.signal, attempt.reason) == (3, 9, "OOMKilled")
    stage.clock.advance(9)
    stage.decide_due()
    assert worker.claim() == []
    assert stage.job(job_id).state.retry_at == stage.clock() + SECOND
    stage.clock.advance(1)
    stage.decide_due()

    assert worker.claim_one().number == 2


def test_what_a_program_asks_of_its_retry_is_heeded(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec())
    worker = stage.worker()
    worker.fail(worker.claim_one(), advice="no")

    assert stage.job(job_id).state.reason == "RetryRefused"


GHOSTLY = ("start", "end", "fail", "crash")


def lost(stage: Stage) -> tuple[int, StageWorker, object]:
    job_id = stage.submit_one(make_spec(policy={"restart_policy": RestartPolicy.ON_FAILURE}))
    worker = stage.worker("ghost")
    claim = worker.claim_one()
    stage.lose(worker)
    stage.decide_due()
    return job_id, worker, claim


@pytest.mark.parametrize("report", GHOSTLY)
def test_a_report_from_a_lost_worker_changes_nothing(stage: Stage, report: str) -> None:
    job_id, ghost, claim = lost(stage)
    before = stage.job(job_id), stage.attempts(job_id)

    with pytest.raises(LeaseLost):
        getattr(ghost, report)(claim)

    assert (stage.job(job_id), stage.attempts(job_id)) == before


@pytest.mark.parametrize("report", [*GHOSTLY, "progress", "stopping"])
@pytest.mark.parametrize("after", ["its end", "its loss", "its claim by another"])
def test_a_report_on_an_attempt_that_is_not_the_worker_s_changes_nothing(
    stage: Stage, report: str, after: str
) -> None:
    policy = {"completions": 2, "parallelism": 2, "restart_policy": RestartPolicy.ON_FAILURE}
    job_id = stage.submit_one(make_spec(policy=policy))
    worker, other = stage.worker("a"), stage.worker("b")
    keeps_running = other.claim_one()
    claim = worker.claim_one()
    speaker = worker
    if after == "its end":
        worker.fail(claim)
    elif after == "its loss":
        stage.do(stage.store.leave(worker.session))
        stage.decide_due()
        speaker = stage.worker("a")
    else:
        speaker = other
    del keeps_running
    before = stage.job(job_id), stage.attempts(job_id)
    reports = {
        "start": Reports(started=[started(claim)]),
        "end": Reports(ended=[ended(claim)]),
        "fail": Reports(ended=[ended(claim, status=AttemptStatus.FAILED, exit_code=1)]),
        "crash": Reports(crashed=[CrashReport(claim.attempt_id, job_id, 0)]),
        "progress": Reports(progress=[ProgressReport(claim.attempt_id, 1, 2)]),
        "stopping": Reports(stopping=[(claim.attempt_id, job_id)]),
    }

    settled = speaker.settle(reports[report])

    assert (stage.job(job_id), stage.attempts(job_id)) == before
    if report in GHOSTLY:
        assert settled.rejected == [claim.attempt_id]
    assert settled.granted == settled.refused == []


def test_reports_on_some_attempts_do_not_touch_the_others(stage: Stage) -> None:
    policy = {"completions": 3, "parallelism": 3}
    job_id = stage.submit_one(make_spec(indexed=True, policy=policy))
    worker = stage.worker()
    first, second, _ = worker.claim(3)
    worker.start(first)
    assert statuses(stage.attempts(job_id)) == ["RUNNING", "QUEUED", "QUEUED"]
    worker.end(second)

    assert statuses(stage.attempts(job_id)) == ["RUNNING", "SUCCEEDED", "QUEUED"]


def test_progress_is_kept_with_its_attempt(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(policy={"completions": 2, "parallelism": 2}))
    worker = stage.worker()
    first, _ = worker.claim(2)
    worker.settle(Reports(progress=[ProgressReport(first.attempt_id, 3, 10)]))

    progress = [(a.progress_done, a.progress_total) for a in stage.attempts(job_id)]
    assert progress == [(3, 10), (None, None)]


def test_asking_again_for_a_restart_is_answered_again_and_counts_once(stage: Stage) -> None:
    policy = {"restart_policy": RestartPolicy.ON_FAILURE, "backoff_limit": 1}
    stage.submit(make_spec(policy=policy))
    worker = stage.worker()
    claim = worker.claim_one()
    worker.start(claim)
    again = Reports(crashed=[CrashReport(claim.attempt_id, claim.job_id, 0)])

    assert worker.settle(again).granted == [claim.attempt_id]
    assert worker.settle(again).granted == [claim.attempt_id]
    assert [attempt.restarts for attempt in stage.attempts(claim.job_id)] == [1]
    assert stage.job(claim.job_id).state.restarts == 1
    assert worker.crash(claim).refused == [claim.attempt_id]


def test_a_restart_in_place_is_granted_within_the_limit_and_counted(stage: Stage) -> None:
    policy = {"restart_policy": RestartPolicy.ON_FAILURE, "backoff_limit": 1, "parallelism": 2}
    job_id = stage.submit_one(make_spec(policy={**policy, "completions": 2}))
    worker = stage.worker()
    claim, other = worker.claim(2)
    settled = worker.crash(claim)
    assert (settled.granted, settled.refused) == ([claim.attempt_id], [])
    assert [attempt.restarts for attempt in stage.attempts(job_id)] == [1, 0]

    settled = worker.crash(other)

    assert (settled.granted, settled.refused) == ([], [other.attempt_id])
    assert stage.job(job_id).state.outcome == "FAILED"
    assert [attempt.restarts for attempt in stage.attempts(job_id)] == [1, 0]


def test_an_attempt_that_is_to_stop_is_not_restarted(stage: Stage) -> None:
    policy = {"restart_policy": RestartPolicy.ON_FAILURE}
    job_id = stage.submit_one(make_spec(policy=policy))
    worker = stage.worker()
    claim = worker.claim_one()
    stage.do(stage.store.suspend(job_id, suspend=True))

    settled = worker.crash(claim)

    assert (settled.granted, settled.refused) == ([], [claim.attempt_id])
    assert stage.job(job_id).state.outcome is None


def test_what_nobody_counted_is_counted_once_by_whoever_decides(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(indexed=True, policy={"completions": 2, "parallelism": 2}))
    worker = stage.worker()
    first, _ = worker.claim(2)
    stage.sql(
        "UPDATE attempts SET status = 'SUCCEEDED', finished_at = 5, started_at = 5 "
        f"WHERE id = {first.attempt_id}"
    )
    assert stage.job(job_id).state.succeeded == 0
    assert stage.decide_due() == 1
    assert stage.job(job_id).state.succeeded == 1
    assert stage.decide_due() == 0

    assert stage.job(job_id).state.succeeded == 1


def test_deciding_on_one_job_counts_nothing_of_another(stage: Stage) -> None:
    one, other = (job.id for job in stage.submit(make_spec("a"), make_spec("b")))
    worker = stage.worker()
    worker.claim(2)
    stage.sql("UPDATE attempts SET status = 'SUCCEEDED', finished_at = 5, started_at = 5")
    stage.do(stage.store.decide([one]))

    assert (stage.status(one), stage.status(other)) == ("COMPLETED", "QUEUED")


def test_a_stop_counts_what_ended_before_it_could_be_asked(stage: Stage) -> None:
    policy = {"completions": 3, "parallelism": 3}
    job_id = stage.submit_one(make_spec(indexed=True, policy=policy))
    worker = stage.worker()
    first, second, third = worker.claim(3)
    # As if a worker's report had slipped in between a decision and its stop.
    worker.settle(Reports(ended=[ended(second)]))
    stage.sql(
        f"UPDATE attempts SET status = 'SUCCEEDED', finished_at = 5 WHERE id = {third.attempt_id}"
    )
    settled = worker.settle(
        Reports(ended=[ended(first, status=AttemptStatus.FAILED, exit_code=1, advice="no")])
    )

    job = stage.job(job_id).state
    assert (job.outcome, job.succeeded, job.active, job.terminating) == ("FAILED", 2, 0, 0)
    assert settled.stops == []


@on_postgres
def test_an_end_whose_job_somebody_holds_is_stored_and_counted_later(
    stage: Stage, held_up: HeldUp
) -> None:
    job_id = stage.submit_one(make_spec())
    worker = stage.worker()
    claim = worker.claim_one()
    worker.start(claim)
    held_up.hold(job_id)
    settled = worker.end(claim)
    assert (settled.deferred, settled.rejected) == ([job_id], [])
    assert stage.status(job_id) == "RUNNING"
    assert statuses(stage.attempts(job_id)) == ["SUCCEEDED"]
    assert stage.decide_due() == 0
    held_up.let_go()

    assert stage.decide_due() == 1
    assert stage.status(job_id) == "COMPLETED"
    assert stage.decide_due() == 0


@on_postgres
def test_a_start_whose_job_somebody_holds_is_to_be_told_again(
    stage: Stage, held_up: HeldUp
) -> None:
    job_id = stage.submit_one(make_spec())
    worker = stage.worker()
    claim = worker.claim_one()
    held_up.hold(job_id)
    settled = worker.start(claim)
    assert settled.deferred_starts == [claim.attempt_id]
    held_up.let_go()

    assert worker.start(claim).deferred_starts == []
    assert stage.status(job_id) == "RUNNING"


@on_postgres
def test_a_crash_whose_job_somebody_holds_is_to_be_told_again(
    stage: Stage, held_up: HeldUp
) -> None:
    policy = {"restart_policy": RestartPolicy.ON_FAILURE, "backoff_limit": 1}
    job_id = stage.submit_one(make_spec(policy=policy))
    worker = stage.worker()
    claim = worker.claim_one()
    worker.start(claim)
    held_up.hold(job_id)
    settled = worker.crash(claim)
    assert settled.granted == settled.refused == settled.rejected == []
    held_up.let_go()

    assert worker.crash(claim).granted == [claim.attempt_id]


@on_postgres
def test_a_claim_does_not_wait_for_whoever_holds_the_job(stage: Stage, held_up: HeldUp) -> None:
    job_id = stage.submit_one(make_spec())
    worker = stage.worker()
    held_up.hold(job_id)
    claim = worker.claim_one()
    assert stage.status(job_id) == "SCHEDULED"
    held_up.let_go()
    worker.start(claim)

    assert stage.status(job_id) == "RUNNING"
    assert stage.story(job_id) == ["created", "due", "started"]


@on_postgres
def test_a_stop_waits_for_a_claim_and_then_asks_its_worker(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec())
    worker = stage.worker()

    async def race() -> None:
        rival = await asyncpg.connect(stage.place)
        await rival.execute("BEGIN")
        await rival.execute(f"UPDATE attempts SET status = 'QUEUED', session = '{worker.session}'")
        stop = asyncio.create_task(stage.store.suspend(job_id, suspend=True))
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while not await rival.fetchval(waiting):
            pass
        await rival.execute("COMMIT")
        await stop
        await rival.close()

    stage.do(race())

    job = stage.job(job_id).state
    assert (job.status, job.active, job.terminating) == ("PENDING", 0, 1)
    assert [stop.reason for stop in worker.settle().stops] == ["Suspended"]


@on_postgres
def test_a_stop_waits_for_an_end_and_then_counts_it(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec())
    worker = stage.worker()
    worker.claim_one()

    async def race() -> None:
        rival = await asyncpg.connect(stage.place)
        await rival.execute("BEGIN")
        await rival.execute("UPDATE attempts SET status = 'SUCCEEDED', finished_at = 5")
        stop = asyncio.create_task(stage.store.suspend(job_id, suspend=True))
        while not await rival.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            pass
        await rival.execute("COMMIT")
        await stop
        await rival.close()

    stage.do(race())

    job = stage.job(job_id).state
    assert (job.status, job.active, job.terminating, job.succeeded) == ("COMPLETED", 0, 0, 1)
    assert stage.sql("SELECT stop_reason FROM attempts", count=True) == [None]


@on_postgres
def test_a_loss_waits_for_an_end_and_then_lets_it_stand(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec())
    worker = stage.worker()
    worker.claim_one()

    async def race() -> None:
        rival = await asyncpg.connect(stage.place)
        await rival.execute("BEGIN")
        await rival.execute("UPDATE attempts SET status = 'SUCCEEDED', finished_at = 5")
        leave = asyncio.create_task(stage.store.leave(worker.session))
        while not await rival.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            pass
        await rival.execute("COMMIT")
        await leave
        await rival.close()

    stage.do(race())

    assert statuses(stage.attempts(job_id)) == ["SUCCEEDED"]


@on_postgres
def test_a_decision_sees_what_the_last_one_changed_of_the_policy(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec())

    stage.together(
        *(stage.store.suspend(job_id, suspend=bool(n % 2)) for n in range(12)),
        stage.store.suspend(job_id, suspend=True),
    )
    job = stage.job(job_id).state

    assert job.policy.suspend is (job.status == "PENDING")
    assert len(stage.sql("SELECT id FROM attempts", count=True)) == job.active


def test_workers_that_finish_together_lose_no_count(stage: Stage) -> None:
    policy = {"completions": 200, "parallelism": 60}
    job_id = stage.submit_one(make_spec(indexed=True, policy=policy))
    workers = [stage.worker(f"w{n}") for n in range(5)]

    async def work(worker: StageWorker) -> None:
        reports = Reports()
        while True:
            settled = await worker.speak(reports, wanted(7))
            if settled.deferred:
                await stage.store.decide(settled.deferred)
            reports = Reports(ended=[ended(claim) for claim in settled.claims])
            if not settled.claims:
                job = await stage.store.job(job_id)
                if job.state.terminal:
                    return
                await stage.store.decide_due()

    assert stage.together(*(work(worker) for worker in workers)) == [None] * 5
    job = stage.job(job_id).state
    assert (job.status, job.succeeded, str(job.completed)) == ("COMPLETED", 200, "0-199")
    assert len(stage.attempts(job_id)) == 200


def test_a_checkpoint_belongs_to_the_index_and_the_newest_counts(stage: Stage) -> None:
    policy = {"completions": 2, "parallelism": 2}
    job_id = stage.submit_one(make_spec(indexed=True, policy=policy))
    worker = stage.worker()
    first, second = worker.claim(2)
    for value in ("old", "new"):
        stage.do(stage.store.checkpoint(worker.session, first.attempt_id, value))
    stage.do(stage.store.checkpoint(worker.session, second.attempt_id, "other"))
    other_job = stage.submit_one(make_spec("b"))

    assert stage.do(stage.store.last_checkpoint(job_id, 0)) == "new"
    assert stage.do(stage.store.last_checkpoint(job_id, 1)) == "other"
    assert stage.do(stage.store.last_checkpoint(job_id, 2)) is None
    assert stage.do(stage.store.last_checkpoint(other_job, 0)) is None


def test_a_checkpoint_of_a_job_without_indexes_is_its_own(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec())
    worker = stage.worker()
    stage.do(stage.store.checkpoint(worker.session, worker.claim_one().attempt_id, "here"))

    assert stage.do(stage.store.last_checkpoint(job_id, None)) == "here"
    assert stage.do(stage.store.last_checkpoint(job_id, 0)) is None


@pytest.mark.parametrize("after", ["end", "another's claim"])
def test_a_checkpoint_of_an_attempt_that_is_not_the_worker_s_is_refused(
    stage: Stage, after: str
) -> None:
    job_id = stage.submit_one(make_spec())
    worker = stage.worker()
    claim = worker.claim_one()
    if after == "end":
        worker.end(claim)
    else:
        worker = stage.worker("other")
    # It speaks for another attempt, though.
    stage.submit(make_spec("other"))
    worker.claim_one()

    with pytest.raises(LeaseLost):
        stage.do(stage.store.checkpoint(worker.session, claim.attempt_id, "late"))

    assert stage.do(stage.store.last_checkpoint(job_id, None)) is None
