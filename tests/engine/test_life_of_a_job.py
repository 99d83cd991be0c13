"""The life of jobs on a whole engine: real programs, SQLite, one worker or two."""

from __future__ import annotations

import asyncio
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.engine.yards import a_fake_job, a_job, an_engine, an_indexed_job, log_of

from jobyard.core.job import (
    Backoff,
    Dependency,
    DependencyCondition,
    ExitCodes,
    FailureAction,
    FailureRule,
    FakeScript,
    Operator,
    RestartPolicy,
    SuccessRule,
)
from jobyard.core.state import Request
from jobyard.core.states import AttemptStatus, JobStatus
from jobyard.engine.news import News
from jobyard.errors import StateConflict
from jobyard.store.base import Claim, Settled

if TYPE_CHECKING:
    from pathlib import Path

FOREVER = ("sleep", "600")


def test_a_job_runs_and_its_story_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path) as engine:
            [job] = await engine.submit(a_job("hello", "sh", "-c", "echo out; echo err >&2"))
            job = await engine.end(job.id)
            assert job.state.status is JobStatus.COMPLETED
            assert (job.state.succeeded, job.state.failed, job.state.active) == (1, 0, 0)
            story = [event.event for event in await engine.store.events(job.id)]
            assert story == ["created", "due", "claimed", "started", "completed"]
            [attempt] = await engine.attempts(job.id)
            assert attempt.status is AttemptStatus.SUCCEEDED
            assert attempt.exit_code == 0
            assert attempt.cpu_seconds is not None
            assert sorted((await log_of(engine, attempt.id)).split()) == [b"err", b"out"]

    asyncio.run(main())


def test_every_index_is_counted_once_with_two_workers(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path, workers=2) as engine:
            [job] = await engine.submit(an_indexed_job("many", 300, "true", parallelism=16))
            job = await engine.end(job.id)
            assert str(job.state.completed) == "0-299"
            attempts = await engine.attempts(job.id)
            assert sorted(a.index or 0 for a in attempts) == list(range(300))
            assert len({a.worker_id for a in attempts}) == 2

    asyncio.run(main())


def test_a_program_sees_its_index_and_its_expanded_arguments(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path) as engine:
            spec = an_indexed_job(
                "args", 2, "echo", "$(GREETING)-$(JOB_COMPLETION_INDEX)-$(NOT_SET)-$$(X)",
                env={"GREETING": "hi"},
            )  # fmt: skip
            [job] = await engine.submit(spec)
            await engine.end(job.id)
            said = {a.index: await log_of(engine, a.id) for a in await engine.attempts(job.id)}
            assert said == {0: b"hi-0-$(NOT_SET)-$(X)\n", 1: b"hi-1-$(NOT_SET)-$(X)\n"}

    asyncio.run(main())


def test_a_failing_program_is_tried_as_often_as_asked(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path) as engine:
            [job] = await engine.submit(a_job("fails", "sh", "-c", "exit 3", backoff_limit=2))
            job = await engine.end(job.id)
            assert (job.state.status, job.state.reason) == ("FAILED", "BackoffLimitExceeded")
            assert job.state.failed == 3
            assert [a.exit_code for a in await engine.attempts(job.id)] == [3, 3, 3]
            assert [a.number for a in await engine.attempts(job.id)] == [1, 2, 3]

    asyncio.run(main())


def test_restarts_in_place_stay_one_attempt_and_end_at_the_limit(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path) as engine:
            spec = a_job(
                "again", "sh", "-c", "echo x; exit 1",
                restart_policy=RestartPolicy.ON_FAILURE, backoff_limit=3,
            )  # fmt: skip
            [job] = await engine.submit(spec)
            job = await engine.end(job.id)
            assert (job.state.status, job.state.reason) == ("FAILED", "BackoffLimitExceeded")
            [attempt] = await engine.attempts(job.id)
            assert attempt.restarts == 3
            assert await log_of(engine, attempt.id) == b"x\n" * 4

    asyncio.run(main())


def test_a_program_that_recovers_in_place_completes_its_job(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path / "state") as engine:
            mark = tmp_path / "mark"
            script = f"test -e {mark} && exit 0; touch {mark}; exit 1"
            spec = a_job("recovers", "sh", "-c", script, restart_policy=RestartPolicy.ON_FAILURE)
            [job] = await engine.submit(spec)
            job = await engine.end(job.id)
            assert job.state.status is JobStatus.COMPLETED
            assert [a.restarts for a in await engine.attempts(job.id)] == [1]

    asyncio.run(main())


def test_a_command_that_is_not_there_fails_at_once_and_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path) as engine:
            [job] = await engine.submit(a_job("typo", "no-such-command", backoff=Backoff()))
            job = await engine.end(job.id)
            assert (job.state.status, job.state.reason) == ("FAILED", "StartFailed")
            assert job.state.started_at is None
            [attempt] = await engine.attempts(job.id)
            assert (attempt.reason, attempt.exit_code) == ("StartFailed", 127)
            assert b"no-such-command" in await log_of(engine, attempt.id)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("request_", "status", "stop_reason"),
    [
        (Request.STOP, JobStatus.STOPPED, "JobStopped"),
        (Request.CANCEL, JobStatus.CANCELED, "JobCanceled"),
    ],
)
def test_a_running_job_is_ended_by_request(
    tmp_path: Path, request_: Request, status: JobStatus, stop_reason: str
) -> None:
    async def main() -> None:
        async with an_engine(tmp_path) as engine:
            [job] = await engine.submit(a_job("long", *FOREVER))
            await engine.until(job.id, lambda job: job.state.status is JobStatus.RUNNING)
            asked = await engine.store.ask(job.id, request_)
            assert asked.state.status is JobStatus.STOP_REQUESTED
            job = await engine.end(job.id)
            assert job.state.status is status
            [attempt] = await engine.attempts(job.id)
            assert (attempt.status, attempt.reason) == (AttemptStatus.STOPPED, stop_reason)
            assert job.state.failed == 0
            again = await engine.store.ask(job.id, Request.STOP)
            assert again.state.status is status

    asyncio.run(main())


def test_a_stop_before_the_start_ends_the_job_without_a_program(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path, workers=0) as engine:
            [job] = await engine.submit(a_job("never"))
            job = await engine.store.ask(job.id, Request.STOP)
            assert job.state.status is JobStatus.STOPPED
            assert await engine.attempts(job.id) == []

    asyncio.run(main())


def test_a_program_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path) as engine:
            stubborn = (
                "import signal,time; signal.signal(15, signal.SIG_IGN); print('up', flush=True)"
            )
            spec = a_job(
                "stubborn", sys.executable, "-c", f"{stubborn}; time.sleep(600)", grace=0.1
            )
            [job] = await engine.submit(spec)
            await engine.until(job.id, lambda job: job.state.status is JobStatus.RUNNING)
            await engine.store.ask(job.id, Request.STOP)
            job = await engine.end(job.id)
            [attempt] = await engine.attempts(job.id)
            assert (job.state.status, attempt.status) == ("STOPPED", "STOPPED")

    asyncio.run(main())


def test_suspend_stops_without_counting_and_resume_goes_on(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path / "state") as engine:
            gate = tmp_path / "gate"
            spec = a_job("pause", "sh", "-c", f"test -e {gate} || exec sleep 600")
            [job] = await engine.submit(spec)
            await engine.until(job.id, lambda job: job.state.status is JobStatus.RUNNING)
            await engine.store.suspend(job.id, suspend=True)
            job = await engine.until(job.id, lambda job: not job.state.terminating)
            assert (job.state.status, job.state.failed) == (JobStatus.PENDING, 0)
            gate.touch()
            await engine.store.suspend(job.id, suspend=False)
            job = await engine.end(job.id)
            assert job.state.status is JobStatus.COMPLETED
            assert [a.status for a in await engine.attempts(job.id)] == ["STOPPED", "SUCCEEDED"]
            with pytest.raises(StateConflict):
                await engine.store.suspend(job.id, suspend=True)

    asyncio.run(main())


def test_a_job_waits_for_what_it_depends_on(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path) as engine:
            first, second, third = await engine.submit(
                a_job("first", "true"),
                a_job("second", "false", backoff_limit=0, depends_on=(Dependency("first"),)),
                a_job("third", "true", depends_on=(Dependency("second"),)),
            )
            assert (await engine.end(third.id)).state.reason == "DependencyFailed"
            assert (await engine.end(second.id)).state.status is JobStatus.FAILED
            assert (await engine.end(first.id)).state.status is JobStatus.COMPLETED
            [fourth, fifth] = await engine.submit(
                a_job("bad", "false", backoff_limit=0),
                a_job(
                    "rescue", "true",
                    depends_on=(Dependency("bad", DependencyCondition.FAILED),),
                ),
            )  # fmt: skip
            assert (await engine.end(fifth.id)).state.status is JobStatus.COMPLETED
            assert (await engine.end(fourth.id)).state.status is JobStatus.FAILED

    asyncio.run(main())


def test_a_failure_rule_ends_the_job_and_what_else_runs(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path) as engine:
            rule = FailureRule(FailureAction.FAIL_JOB, ExitCodes(Operator.IN, (42,)))
            script = 'test "$JOB_COMPLETION_INDEX" = 1 && exit 42; exec sleep 600'
            spec = an_indexed_job("rule", 3, "sh", "-c", script, failure_rules=(rule,))
            [job] = await engine.submit(spec)
            job = await engine.end(job.id)
            assert (job.state.status, job.state.reason) == ("FAILED", "PodFailurePolicy")
            assert job.state.failed == 3

    asyncio.run(main())


def test_a_success_rule_completes_early_and_counts_no_failure(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path) as engine:
            script = 'test "$JOB_COMPLETION_INDEX" = 0 && exit 0; exec sleep 600'
            spec = an_indexed_job("lead", 3, "sh", "-c", script, success_rules=(SuccessRule("0"),))
            [job] = await engine.submit(spec)
            job = await engine.end(job.id)
            assert (job.state.status, job.state.reason) == ("COMPLETED", "SuccessPolicy")
            assert (job.state.succeeded, job.state.failed) == (1, 0)

    asyncio.run(main())


def test_a_deadline_ends_a_job(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path) as engine:
            [job] = await engine.submit(a_job("late", *FOREVER, active_deadline=0.2))
            job = await engine.end(job.id)
            assert (job.state.status, job.state.reason) == ("FAILED", "DeadlineExceeded")
            assert job.state.failed == 1

    asyncio.run(main())


def test_a_finished_job_is_deleted_when_its_time_to_live_is_over(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path) as engine:
            [gone, kept] = await engine.submit(a_job("gone", "true", ttl=0), a_job("kept", "true"))
            await engine.end(kept.id)
            from jobyard.store.base import JobQuery

            async with asyncio.timeout(30):
                while len(await engine.store.jobs(JobQuery(ids=[gone.id, kept.id]))) > 1:
                    woken = asyncio.Event()
                    await engine.store.listen(woken.set)
                    await asyncio.wait([asyncio.create_task(woken.wait())], timeout=0.05)

    asyncio.run(main())


def test_two_workers_share_what_fits_their_slots(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path, workers=2, slots=2) as engine:
            [job] = await engine.submit(
                a_fake_job("idle", FakeScript(run_for=600), completions=2000, parallelism=2000)
            )
            job = await engine.until(job.id, lambda job: job.state.status is JobStatus.RUNNING)
            await engine.store.ask(job.id, Request.CANCEL)
            job = await engine.end(job.id)
            assert job.state.status is JobStatus.CANCELED

    asyncio.run(main())


def test_a_worker_that_ends_hands_its_attempts_back_uncounted(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path / "state", workers=0) as engine:
            gate = tmp_path / "gate"
            first = await engine.start_worker()
            spec = a_job("moves", "sh", "-c", f"test -e {gate} || exec sleep 600", backoff_limit=0)
            [job] = await engine.submit(spec)
            await engine.until(job.id, lambda job: job.state.status is JobStatus.RUNNING)
            gate.touch()
            first.end_working()
            await engine.start_worker()
            job = await engine.end(job.id)
            assert (job.state.status, job.state.failed) == (JobStatus.COMPLETED, 0)
            reasons = [(a.status, a.reason) for a in await engine.attempts(job.id)]
            assert reasons == [("STOPPED", "WorkerShutdown"), ("SUCCEEDED", None)]

    asyncio.run(main())


def test_a_script_speaks_by_writing_files(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path) as engine:
            script = """echo '{"rows": 7}' > $JOBYARD_RESULT; echo 3/9 > $JOBYARD_PROGRESS"""
            [job] = await engine.submit(a_job("speaks", "sh", "-c", script))
            job = await engine.end(job.id)
            assert job.result == {"rows": 7}
            [attempt] = await engine.attempts(job.id)
            assert (attempt.progress_done, attempt.progress_total) == (3, 9)

    asyncio.run(main())


def test_a_program_that_refuses_a_retry_gets_none(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path) as engine:
            spec = a_job("no", "sh", "-c", "echo no > $JOBYARD_RETRY; exit 1", backoff=Backoff())
            [job] = await engine.submit(spec)
            job = await engine.end(job.id)
            assert (job.state.status, job.state.reason) == ("FAILED", "RetryRefused")
            assert len(await engine.attempts(job.id)) == 1

    asyncio.run(main())


def test_a_program_speaks_through_the_attempt_channel(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path) as engine:
            program = (
                "from jobyard import channel\n"
                "assert channel.last_checkpoint() in (None, {'at': 5})\n"
                "first = channel.last_checkpoint() is None\n"
                "channel.progress(1, 2); channel.checkpoint({'at': 5}); channel.result([1])\n"
                "raise SystemExit(1 if first else 0)\n"
            )
            path = ":".join(sys.path)
            spec = a_job("talks", sys.executable, "-c", program, env={"PYTHONPATH": path})
            [job] = await engine.submit(spec)
            job = await engine.end(job.id)
            assert job.state.status is JobStatus.COMPLETED, await log_of(
                engine, (await engine.attempts(job.id))[0].id
            )
            assert (job.state.failed, job.result) == (1, [1])

    asyncio.run(main())


def test_a_worker_outlives_more_jobs_than_it_remembers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobyard.engine.worker.KNOWN_JOBS", 20)

    async def main() -> None:
        async with an_engine(tmp_path) as engine:
            jobs = await engine.submit(*(a_fake_job(f"job-{n}") for n in range(200)))
            for job in jobs:
                assert (await engine.end(job.id)).state.status is JobStatus.COMPLETED

    asyncio.run(main())


def test_what_was_claimed_ahead_goes_to_others_when_programs_turn_long(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path / "state", workers=0, slots=1) as engine:
            gate = tmp_path / "gate"
            first = await engine.start_worker()
            [quick] = await engine.submit(an_indexed_job("quick", 60, "true", parallelism=60))
            await engine.end(quick.id)
            script = f"while ! test -e {gate}; do sleep 0.02; done"
            [slow] = await engine.submit(an_indexed_job("slow", 3, "sh", "-c", script))
            await engine.until(slow.id, lambda job: job.state.status is JobStatus.RUNNING)
            for _ in range(2):
                await engine.start_worker()

            async def running() -> list[str | None]:
                attempts = await engine.attempts(slow.id)
                return [a.worker_id for a in attempts if a.status is AttemptStatus.RUNNING]

            async with asyncio.timeout(30):
                while len(await running()) < 3:
                    await engine.until(slow.id, lambda job: job.state.active == 3)
            assert len(set(await running())) == 3
            assert first.worker_id in await running()
            gate.touch()
            job = await engine.end(slow.id)
            assert (job.state.succeeded, job.state.failed) == (3, 0)

    asyncio.run(main())


def test_news_keeps_a_crash_until_it_is_answered() -> None:
    claim = Claim(7, 1, None, 1, "process", first=True)
    news = News()
    news.crashed(cast("Any", SimpleNamespace(claim=claim, restarts=0)))
    reports = news.take()

    news.sent(reports, Settled())
    assert [crash.attempt_id for crash in news.take().crashed] == [7]

    news.sent(reports, Settled(granted=[7]))
    assert not news


def test_a_restart_that_waits_is_forgotten_with_the_lease(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path / "state", workers=0) as engine:
            gate = tmp_path / "gate"
            worker = await engine.start_worker()
            spec = a_job(
                "once", "sh", "-c", f"test -e {gate}",
                restart_policy=RestartPolicy.ON_FAILURE, backoff=Backoff(base=300.0),
            )  # fmt: skip
            [job] = await engine.submit(spec)
            await engine.until(job.id, lambda job: job.state.restarts == 1)
            [waiting] = worker._runs.values()
            gate.touch()
            await engine.store.leave(worker.session)

            job = await engine.end(job.id)

            assert (job.state.status, waiting.status) == ("COMPLETED", AttemptStatus.STOPPED)
            assert [a.status for a in await engine.attempts(job.id)] == ["LOST", "SUCCEEDED"]

    asyncio.run(main())
