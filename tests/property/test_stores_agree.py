"""Do the same random things to SQLite and to PostgreSQL, and ask both to agree on everything."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from jobyard import ids
from jobyard.core.job import (
    Backoff,
    Dependency,
    DependencyCondition,
    ExitCodes,
    FailureAction,
    FailureRule,
    Operator,
    ReplacementPolicy,
    RestartPolicy,
    SuccessRule,
)
from jobyard.core.state import Request
from jobyard.core.states import TERMINAL, AttemptStatus, JobStatus
from jobyard.errors import JobyardError
from jobyard.spec.again import Which
from jobyard.store.base import (
    CrashReport,
    EndReport,
    JobQuery,
    ProgressReport,
    Registration,
    Reports,
    Retention,
    StartReport,
    Submission,
)
from jobyard.testing.stage import LEASE, Stage, make_spec, postgres_stage, sqlite_stage, wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from jobyard.core.job import JobSpec
    from jobyard.core.records import Attempt, Job
    from jobyard.store.base import Claim
    from jobyard.store.measures import Measures
    from jobyard.store.sql_store import SqlStore

policies = st.fixed_dictionaries(
    {
        "completions": st.sampled_from([0, 1, 2, 3, 5]),
        "parallelism": st.integers(1, 4),
        "backoff_limit": st.integers(0, 4),
        "backoff": st.builds(Backoff, base=st.sampled_from([0.0, 2.0])),
    },
    optional={
        "ttl": st.sampled_from([0.0, 5.0]),
        "active_deadline": st.sampled_from([3.0, 30.0]),
        "pending_timeout": st.just(4.0),
        "suspend": st.booleans(),
        "restart_policy": st.sampled_from(RestartPolicy),
        "replacement_policy": st.sampled_from(ReplacementPolicy),
        "completed_timeout": st.just(2.0),
        "failure_rules": st.sampled_from(list(FailureAction)).map(
            lambda action: (FailureRule(action, ExitCodes(Operator.IN, (3,))),)
        ),
    },
)
indexed_policies = st.fixed_dictionaries(
    {},
    optional={
        "backoff_limit_per_index": st.integers(0, 1),
        "max_failed_indexes": st.integers(0, 2),
        "success_rules": st.just((SuccessRule(count=2),)),
    },
)
jobs = st.integers(0, 7)
workers = st.integers(0, 3)
conditions = st.sampled_from(DependencyCondition)


class Agreement(RuleBasedStateMachine):
    """One history, told to two stores."""

    stages: tuple[Stage, Stage]

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[int] = []
        self.sessions: list[str] = []
        self.claims: list[Claim] = []
        self.over: dict[int, Job] = {}
        self.changed: set[int] = set()

    def both(self, call: Callable[[SqlStore], Coroutine[Any, Any, Any]]) -> Any:
        """Make the same call on both, and return the answer that both gave."""
        answers: list[Any] = []
        for stage in self.stages:
            try:
                answers.append(stage.do(call(stage.store)))
            except JobyardError as error:
                answers.append((type(error), str(error)))
        assert answers[0] == answers[1]
        return answers[0]

    @initialize()
    def begin(self) -> None:
        for stage in self.stages:
            stage.clear()
        start = max(stage.clock.now for stage in self.stages)
        for stage in self.stages:
            stage.clock.now = start
        self.register(0)
        self.register(1)

    @rule(
        policy=policies,
        of_index=indexed_policies,
        indexed=st.booleans(),
        twice=st.none() | conditions,
        key=st.none() | st.sampled_from("kl"),
        priority=st.integers(0, 1),
        cpu=st.sampled_from([0.0, 2.0]),
        owner=st.none() | st.just("w1"),
    )
    @precondition(lambda self: len(self.jobs) < 8)
    def submit(
        self,
        policy: dict[str, Any],
        of_index: dict[str, Any],
        indexed: bool,
        twice: DependencyCondition | None,
        key: str | None,
        priority: int,
        cpu: float,
        owner: str | None,
    ) -> None:
        if indexed:
            policy = {**policy, **of_index}
        fields: dict[str, Any] = {"policy": policy, "indexed": indexed, "priority": priority}
        specs = [make_spec("a", cpu=cpu, idempotency_key=key, **fields)]
        if twice is not None:
            specs.append(make_spec("b", depends_on=(Dependency("a", twice),), **fields))
        answer = self.both(lambda store: store.submit(Submission(specs, owner=owner)))
        if isinstance(answer, list):
            self.jobs += [job.id for job in answer if job.id not in self.jobs]

    @rule(number=workers)
    def register(self, number: int) -> None:
        session = ids.session()
        registration = Registration(
            f"w{number}", session, "h", 1, "0", {"fake": 4}, 4.0, 1, {}, LEASE
        )
        if self.both(lambda store: store.register(registration)) is None:
            self.sessions.append(session)

    @rule(which=workers, count=st.integers(1, 4), cpu=st.sampled_from([1.0, 4.0]))
    def claim(self, which: int, count: int, cpu: float) -> None:
        self.settle(which, Reports(), count, cpu)

    @precondition(lambda self: self.claims)
    @rule(
        which=workers,
        what=st.integers(0, 20),
        status=st.sampled_from(
            [AttemptStatus.SUCCEEDED, AttemptStatus.FAILED, AttemptStatus.STOPPED]
        ),
        exit_code=st.sampled_from([1, 3]),
        advice=st.sampled_from([None, "no", "after 1s"]),
        started=st.booleans(),
        count=st.integers(0, 2),
    )
    def end(
        self,
        which: int,
        what: int,
        status: AttemptStatus,
        exit_code: int,
        advice: str | None,
        started: bool,
        count: int,
    ) -> None:
        claim = self.claims[-1 - what % len(self.claims)]
        report = EndReport(
            claim.attempt_id,
            claim.job_id,
            claim.index,
            claim.number,
            status,
            0.0,
            0.5 if started else None,
            exit_code=0 if status is AttemptStatus.SUCCEEDED else exit_code,
            advice=advice,
            result='{"a": 1}' if status is AttemptStatus.SUCCEEDED else None,
        )
        self.settle(which, Reports(ended=[report]), count)

    @precondition(lambda self: self.claims)
    @rule(which=workers, what=st.integers(0, 20))
    def start(self, which: int, what: int) -> None:
        claim = self.claims[-1 - what % len(self.claims)]
        report = StartReport(claim.attempt_id, claim.job_id, 0.1, "h", claim.first)
        self.settle(which, Reports(started=[report]))

    @precondition(lambda self: self.claims)
    @rule(which=workers, what=st.integers(0, 20), restarts=st.integers(0, 3))
    def crash(self, which: int, what: int, restarts: int) -> None:
        claim = self.claims[-1 - what % len(self.claims)]
        self.settle(which, Reports(crashed=[CrashReport(claim.attempt_id, claim.job_id, restarts)]))

    @precondition(lambda self: self.claims)
    @rule(which=workers, what=st.integers(0, 20))
    def stopping(self, which: int, what: int) -> None:
        claim = self.claims[-1 - what % len(self.claims)]
        progress = [ProgressReport(claim.attempt_id, what, None)]
        stops = [(claim.attempt_id, claim.job_id)]
        self.settle(which, Reports(stopping=stops, progress=progress))

    def settle(self, which: int, reports: Reports, count: int = 0, cpu: float = 4.0) -> None:
        """Speak as one of the sessions there ever were; the older ones are ghosts."""
        session = self.sessions[-1 - which % len(self.sessions)]
        want = wanted(count, cpu=cpu) if count else None

        async def speak(store: SqlStore) -> Any:
            settled = await store.settle(session, reports, want, look_for_stops=True)
            settled.stops.sort(key=lambda stop: stop.attempt_id)
            return settled

        answer = self.both(speak)
        if not isinstance(answer, tuple):
            assert answer.deferred == answer.deferred_starts == []
            self.claims += answer.claims

    @precondition(lambda self: self.jobs)
    @rule(which=jobs, request=st.sampled_from(Request))
    def ask(self, which: int, request: Request) -> None:
        job_id = self.jobs[which % len(self.jobs)]
        self.both(lambda store: store.ask(job_id, request))

    @precondition(lambda self: self.jobs)
    @rule(which=jobs, on=st.booleans())
    def suspend(self, which: int, on: bool) -> None:
        job_id = self.jobs[which % len(self.jobs)]
        self.both(lambda store: store.suspend(job_id, suspend=on))

    @precondition(lambda self: self.jobs)
    @rule(which=jobs, parallelism=st.integers(0, 4), completions=st.integers(0, 5))
    def scale(self, which: int, parallelism: int, completions: int) -> None:
        job_id = self.jobs[which % len(self.jobs)]
        self.changed.add(job_id)
        spec = make_spec(
            "a", indexed=True, policy={"parallelism": parallelism, "completions": completions}
        )
        if job_id in {job.id for job in self.read() if job.state.policy.indexed}:
            self.both(lambda store: store.change(job_id, lambda *_: spec))

    @precondition(lambda self: self.jobs)
    @rule(which=jobs, label=st.sampled_from("xy"), priority=st.integers(0, 2))
    def alter(self, which: int, label: str, priority: int) -> None:
        job_id = self.jobs[which % len(self.jobs)]
        # What is over takes on a label, and no priority.
        self.over.pop(job_id, None)

        def change(spec: JobSpec, claimed: bool) -> JobSpec:
            labels = {"l": label, "claimed": str(claimed)}
            return replace(spec, labels=labels, priority=priority)

        self.both(lambda store: store.change(job_id, change))

    @precondition(lambda self: 0 < len(self.jobs) < 12)
    @rule(which=jobs, part=st.sampled_from(Which))
    def retry(self, which: int, part: Which) -> None:
        job_id = self.jobs[which % len(self.jobs)]
        answer = self.both(lambda store: store.retry(job_id, part))
        if not isinstance(answer, tuple):
            self.jobs.append(answer.id)

    @precondition(lambda self: len(self.jobs) < 12)
    @rule(policy=policies, rerun=st.booleans(), priority=st.integers(0, 1))
    def apply(self, policy: dict[str, Any], rerun: bool, priority: int) -> None:
        specs = [
            make_spec("a", policy=policy, priority=priority),
            make_spec("c", depends_on=(Dependency("a"),)),
        ]
        answer = self.both(lambda store: store.apply(specs, rerun=rerun))
        if isinstance(answer, list):
            for applied in answer:
                self.over.pop(applied.job.id, None)
            self.jobs += [job.id for _, job in answer if job.id not in self.jobs]
            self.changed.update(job.id for action, job in answer if action == "patched")

    @rule(seconds=st.sampled_from([0.5, 1.0, 4.0, 20.0]))
    def advance(self, seconds: float) -> None:
        for stage in self.stages:
            stage.clock.advance(seconds)

    @rule(which=workers)
    def renew(self, which: int) -> None:
        session = self.sessions[-1 - which % len(self.sessions)]
        self.both(lambda store: store.renew(session))

    @rule(which=workers)
    def leave(self, which: int) -> None:
        session = self.sessions[-1 - which % len(self.sessions)]
        self.both(lambda store: store.leave(session))

    @rule()
    def expire(self) -> None:
        async def expire(store: SqlStore) -> list[str]:
            return sorted(await store.expire_leases(unbroken=LEASE))

        self.both(expire)

    @rule()
    def decide(self) -> None:
        self.both(lambda store: store.decide_due())

    @rule()
    def delete_expired(self) -> None:
        self.both(lambda store: store.delete_expired())
        self.forget_deleted()

    @precondition(lambda self: self.jobs)
    @rule(which=jobs)
    def delete(self, which: int) -> None:
        job_id = self.jobs[which % len(self.jobs)]
        self.both(lambda store: store.delete(job_id))
        self.forget_deleted()

    @rule(name=st.none() | st.just("a"), status=st.sampled_from(TERMINAL))
    def prune(self, name: str | None, status: JobStatus) -> None:
        query = JobQuery(name=name, statuses=[status])
        matching = self.both(lambda store: store.count(query))
        assert self.both(lambda store: store.prune(query, 2)) == min(2, matching)
        self.forget_deleted()

    @rule(age=st.none() | st.just(10.0), count=st.integers(1, 2))
    def retain(self, age: float | None, count: int) -> None:
        self.both(lambda store: store.retain(Retention(age, count)))
        self.forget_deleted()

    def forget_deleted(self) -> None:
        left = {job.id for job in self.read()}
        self.over = {job_id: job for job_id, job in self.over.items() if job_id in left}

    def read(self) -> list[Job]:
        found: list[Job] = self.both(lambda store: store.jobs(JobQuery(limit=100)))
        return found

    @invariant()
    def agree(self) -> None:
        if not self.sessions:
            return
        self.both(lambda store: store.workers())
        read = self.read()
        self.recount(read, [attempt for job in read for attempt in self.agree_on(job)])

    def agree_on(self, job: Job) -> list[Attempt]:
        attempts: list[Attempt] = self.both(lambda store: store.attempts(job.id))
        self.both(lambda store: store.events(job.id))
        self.check(job, attempts)
        return attempts

    def recount(self, read: list[Job], attempts: list[Attempt]) -> None:
        """Sums are what a count of everything comes to."""
        measures: Measures = self.both(lambda store: store.measure())
        by_status = Counter(job.state.status for job in read)
        assert {status: n for status, n in measures.jobs.items() if n} == by_status
        statuses = Counter(attempt.status for attempt in attempts)
        assert sum(measures.waiting.values()) == statuses[AttemptStatus.SCHEDULED]
        held = statuses[AttemptStatus.QUEUED] + statuses[AttemptStatus.RUNNING]
        assert measures.running == held
        assert (measures.oldest_waiting is None) == (not statuses[AttemptStatus.SCHEDULED])
        lost = measures.ended.get((AttemptStatus.LOST, "WorkerLost"), 0)
        assert lost >= statuses[AttemptStatus.LOST]

    def check(self, job: Job, attempts: list[Attempt]) -> None:
        state = job.state
        # What is over is over for ever.
        if job.id in self.over:
            assert job == self.over[job.id]
        elif state.terminal:
            self.over[job.id] = job
        # Nothing is counted twice, nothing runs beyond what was asked for.
        done = [attempt for attempt in attempts if attempt.status is AttemptStatus.SUCCEEDED]
        if state.policy.indexed:
            assert state.succeeded == len(state.completed)
            assert set(state.completed) <= {attempt.index for attempt in done}
        elif job.id not in self.changed:
            assert state.succeeded == len(done)
        assert state.active <= max(state.policy.parallelism, 0)
        alive = sum(attempt.finished_at is None for attempt in attempts)
        assert alive <= state.active + state.terminating
        assert not (state.terminal and alive)


def test_both_stores_tell_the_same_story(postgres_dsn: str, tmp_path: Path) -> None:
    with sqlite_stage(tmp_path) as first, postgres_stage(postgres_dsn) as second:

        class OnStages(Agreement):
            stages = (first, second)

        examples = settings().max_examples // 2
        run_state_machine_as_test(
            OnStages, settings=settings(max_examples=examples, stateful_step_count=40)
        )
