"""Whatever happens to a job, in whatever order, its books are right and it comes to an end."""

from __future__ import annotations

import sys
from copy import copy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.unit.core.yard import INDEXED, START, Attempt, a_job

from jobyard.core.backoff import SECOND
from jobyard.core.decide import decide, started
from jobyard.core.indexes import IndexSet
from jobyard.core.job import (
    Backoff,
    CompletionMode,
    ExitCodes,
    FailureAction,
    FailureRule,
    Operator,
    Policy,
    ReplacementPolicy,
    RestartPolicy,
    SuccessRule,
)
from jobyard.core.policies import DISRUPTION, match_failure
from jobyard.core.state import Ended, JobState, Request
from jobyard.core.states import COUNTS_AS_FAILED, AttemptStatus, JobStatus

SMALL = st.integers(0, 4)
IGNORED, FATAL, GIVEN_UP = 2, 3, 4
"""Exit codes that rules may name; 1 is named by none."""


def rules(indexed: bool, by_index: bool) -> st.SearchStrategy[tuple[FailureRule, ...]]:
    actions = {IGNORED: FailureAction.IGNORE, FATAL: FailureAction.FAIL_JOB}
    if by_index:
        actions[GIVEN_UP] = FailureAction.FAIL_INDEX
    choices = [
        FailureRule(action, ExitCodes(Operator.IN, (code,))) for code, action in actions.items()
    ]
    choices += [
        FailureRule(action, conditions=(DISRUPTION,))
        for action in (FailureAction.IGNORE, FailureAction.COUNT)
    ]
    return st.lists(st.sampled_from(choices), max_size=3).map(tuple)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Draw any policy that spec would let through, small in its numbers."""
    indexed = draw(st.booleans())
    completions = draw(SMALL if indexed else st.none() | SMALL)
    by_index = draw(st.none() | st.integers(0, 2)) if indexed else None
    chosen = draw(st.sets(st.integers(0, completions - 1), min_size=1)) if completions else set()
    restricted = indexed and chosen and draw(st.booleans())
    success = [SuccessRule(count=1), SuccessRule("0-1", 1), SuccessRule("2")]
    return Policy(
        completions=completions,
        parallelism=draw(SMALL),
        completion_mode=INDEXED if indexed else CompletionMode.NON_INDEXED,
        indexes=IndexSet.of(chosen) if restricted else None,
        backoff_limit=draw(st.integers(0, 5)),
        backoff_limit_per_index=by_index,
        max_failed_indexes=None if by_index is None else draw(st.none() | st.integers(0, 2)),
        backoff=Backoff(base=draw(st.sampled_from([0.0, 1.0, 10.0])), cap=35.0),
        failure_rules=draw(rules(indexed, by_index is not None)),
        success_rules=tuple(draw(st.lists(st.sampled_from(success), max_size=2 * indexed))),
        replacement_policy=draw(st.sampled_from(ReplacementPolicy)),
        restart_policy=draw(st.sampled_from(RestartPolicy)),
        active_deadline=draw(st.none() | st.sampled_from([5.0, 60.0])),
        pending_timeout=draw(st.none() | st.sampled_from([5.0, 60.0])),
        suspend=draw(st.booleans()) and draw(st.booleans()),
        ttl=draw(st.none() | st.just(5.0)),
        completed_timeout=draw(st.sampled_from([0.0, 0.0, 7.0])),
    )


class Books:
    """The counters as they must be, kept without looking at how core keeps them."""

    def __init__(self) -> None:
        self.failed = 0
        self.successes = 0
        self.done: set[int] = set()
        self.uncounted = 0
        self.streaks: dict[int | None, int] = {}
        self.not_before: dict[int | None, int] = {}

    def read(self, job: JobState, news: list[Ended]) -> None:
        """Take the news that the next decision will count."""
        for ended in sorted(news, key=lambda e: e.finished_at):
            total = job.policy.completions
            if job.policy.indexed and ended.index is not None and ended.index >= (total or 0):
                self.uncounted += 1
            elif ended.status is AttemptStatus.SUCCEEDED:
                self._success(job, ended)
            elif self._is_failure(job, ended):
                self._failure(job, ended)
            else:
                self.uncounted += 1

    def shrink(self, total: int) -> None:
        """Forget the indexes that the job let go of."""
        self.uncounted += sum(index >= total for index in self.done)
        self.done = {index for index in self.done if index < total}
        for record in (self.streaks, self.not_before):
            for index in [i for i in record if i is not None and i >= total]:
                del record[index]

    def _success(self, job: JobState, ended: Ended) -> None:
        if ended.index is None:
            self.successes += 1
        elif ended.index in job.failed_indexes or ended.index in self.done:
            self.uncounted += 1
        else:
            self.done.add(ended.index)
        if job.policy.backoff_limit_per_index is None:
            self.streaks.clear()
            self.not_before.clear()

    @staticmethod
    def _is_failure(job: JobState, ended: Ended) -> bool:
        asked = ended.asked
        if ended.status is AttemptStatus.STOPPED or (asked and ended.status is AttemptStatus.LOST):
            return asked is not None and COUNTS_AS_FAILED[asked]
        matched = match_failure(job.policy.failure_rules, ended)
        if ended.status is AttemptStatus.LOST:
            return matched is not None and matched[0] is not FailureAction.IGNORE
        return matched is None or matched[0] is not FailureAction.IGNORE

    def _failure(self, job: JobState, ended: Ended) -> None:
        self.failed += 1
        if ended.status is AttemptStatus.STOPPED or ended.asked is not None:
            return
        key = None if job.policy.backoff_limit_per_index is None else ended.index
        streak = self.streaks[key] = self.streaks.get(key, 0) + 1
        backoff = job.policy.backoff
        wait = min(backoff.base * 2 ** (streak - 1), backoff.cap)
        due = ended.finished_at + int(wait * SECOND)
        self.not_before[key] = max(due, self.not_before.get(key, 0))


class JobMachine(RuleBasedStateMachine):
    """People, programs, workers and time do what they like."""

    @initialize(policy=policies(), waiting_on=st.integers(0, 1), later=st.booleans())
    def submit(self, policy: Policy, waiting_on: int, later: bool) -> None:
        scheduled_at = START + 20 * SECOND if later else None
        self.yard = a_job(policy, waiting_on=waiting_on, scheduled_at=scheduled_at)
        self.books = Books()
        self.end: JobState | None = None
        self.decide()

    # What may happen.

    @rule()
    def decide(self) -> None:
        yard, books = self.yard, self.books
        if not yard.job.terminal:
            books.read(yard.job, yard.news)
        yard.decide()
        for creation in yard.created:
            by_index = yard.job.policy.backoff_limit_per_index is not None
            key = creation.index if by_index else None
            assert books.not_before.get(key, 0) <= yard.now, "tried again before its time"

    @rule(which=SMALL, later=st.booleans())
    def a_program_starts(self, which: int, later: bool) -> None:
        waiting = [a for a in self.yard.live() if a.status is not AttemptStatus.RUNNING]
        assume(waiting)
        attempt = waiting[which % len(waiting)]
        if later and attempt.status is AttemptStatus.SCHEDULED:
            self.yard.claim(attempt)
        else:
            self.yard.start(attempt)

    @rule(
        which=SMALL,
        how=st.sampled_from(["success", "success", "failure", "failure", "lost", "handed back"]),
        exit_code=st.sampled_from([1, 1, IGNORED, FATAL, GIVEN_UP]),
        advice=st.sampled_from([None, None, None, "no", "after 40s"]),
        looked_at=st.booleans(),
    )
    def a_program_ends(
        self, which: int, how: str, exit_code: int, advice: str | None, looked_at: bool
    ) -> None:
        attempt = self._claimed(which)
        how = "stopped" if attempt.asked is not None and how == "handed back" else how
        if how == "success":
            if attempt.started_at is None:
                attempt.started_at = self.yard.now
            self.yard.end(attempt, AttemptStatus.SUCCEEDED, exit_code=0)
        elif how == "failure":
            self.yard.end(attempt, AttemptStatus.FAILED, exit_code=exit_code, advice=advice)
        elif how == "lost":
            self.yard.end(attempt, AttemptStatus.LOST)
        else:
            self.yard.end(attempt, AttemptStatus.STOPPED)
        if looked_at:
            self.decide()

    @rule()
    def a_worker_is_lost_with_all_it_runs(self) -> None:
        claimed = [a for a in self.yard.live() if a.claimed]
        assume(claimed)
        for attempt in claimed:
            self.yard.end(attempt, AttemptStatus.LOST)
        self.decide()

    @rule()
    def what_was_asked_to_stop_stops(self) -> None:
        asked = [a for a in self.yard.live() if a.asked is not None]
        assume(asked)
        for attempt in asked:
            self.yard.end(attempt, AttemptStatus.STOPPED)
        self.decide()

    @rule(which=SMALL)
    def a_program_is_restarted_in_place(self, which: int) -> None:
        attempt = self._claimed(which)
        policy = self.yard.job.policy
        assume(policy.restart_policy is RestartPolicy.ON_FAILURE and attempt.asked is None)
        if not self.yard.job.terminal:
            self.books.read(self.yard.job, self.yard.news)
        # The store counts what is new before it answers.
        self.yard.decide()
        if attempt.asked is None:
            self.yard.restart(attempt)

    @rule(seconds=st.sampled_from([0.5, 5, 15, 40, 200]))
    def time_passes(self, seconds: float) -> None:
        self.yard.now += int(seconds * SECOND)
        self.decide()

    @precondition(lambda self: self.yard.wake_at)
    @rule()
    def its_time_comes(self) -> None:
        self.yard.now = max(self.yard.now, self.yard.wake_at or 0)
        self.decide()

    @rule(parallelism=SMALL)
    def a_person_scales_it(self, parallelism: int) -> None:
        self._change(parallelism=parallelism)

    @precondition(lambda self: self.yard.job.policy.indexed)
    @rule(size=SMALL)
    def a_person_changes_its_completions(self, size: int) -> None:
        assume(not self.yard.job.terminal)
        # Spec refuses to take away an index that was asked for by its number.
        assume(all(index < size for index in self.yard.job.policy.indexes or ()))
        self._change(completions=size, parallelism=size)

    @rule(policy=st.sampled_from(ReplacementPolicy), limit=st.integers(0, 5))
    def a_person_changes_its_policy(self, policy: ReplacementPolicy, limit: int) -> None:
        self._change(replacement_policy=policy, backoff_limit=limit)

    @rule(suspend=st.booleans())
    def a_person_suspends_or_resumes_it(self, suspend: bool) -> None:
        job = self.yard.job
        assume(job.request is None and job.outcome is None)
        self._change(suspend=suspend)

    @rule(request=st.sampled_from(Request), sure=st.integers(0, 3))
    def a_person_ends_it(self, request: Request, sure: int) -> None:
        assume(sure == 0)
        before = self.yard.job
        if not before.terminal:
            self.books.read(before, self.yard.news)
        self.yard.ask(request)
        if before.request is not None:
            assert self.yard.job.request is before.request

    @precondition(lambda self: self.yard.job.waiting_on > 0 and not self.yard.job.terminal)
    @rule(well=st.booleans())
    def a_dependency_ends(self, well: bool) -> None:
        self.yard.job.waiting_on -= 1
        if not well:
            self.yard.job.dependency_failed = 7
        self.decide()

    # What must hold.

    @invariant()
    def the_end_is_for_ever(self) -> None:
        job = self.yard.job
        if self.end is None and job.terminal:
            self.end = copy(job)
        if self.end is not None:
            same = replace(job, policy=self.end.policy, expires_at=self.end.expires_at)
            assert same == self.end
            assert decide(job, [], self.yard.now).events == []

    @invariant()
    def every_attempt_is_in_one_place(self) -> None:
        yard, books = self.yard, self.books
        if yard.news:
            return
        job = yard.job
        assert job.failed == books.failed
        if job.policy.indexed:
            assert set(job.completed) == books.done
        else:
            assert job.succeeded == books.successes
        total = job.succeeded + job.failed + job.active + job.terminating
        assert total == yard.made - yard.withdrawn - books.uncounted
        assert yard.made - yard.withdrawn == len(yard.attempts)

    @invariant()
    def only_chosen_indexes_run_and_all_of_them_make_it_complete(self) -> None:
        job, chosen = self.yard.job, self.yard.job.policy.indexes
        if chosen is None:
            return
        assert all(attempt.index in chosen for attempt in self.yard.attempts)
        done = not self.yard.news and job.completed == chosen
        assert not done or job.outcome is JobStatus.COMPLETED

    @invariant()
    def attempts_of_an_index_have_numbers_of_their_own(self) -> None:
        if self.yard.job.policy.indexed:
            live = [(a.index, a.number) for a in self.yard.live()]
            assert len(live) == len(set(live))

    def teardown(self) -> None:
        """Whatever happened so far: if its programs end from now on, the job ends."""
        if not hasattr(self, "yard"):
            return
        yard = self.yard
        if yard.job.request is None and yard.job.outcome is None:
            yard.job.waiting_on = 0
            yard.change(suspend=False, parallelism=max(1, yard.job.policy.parallelism))
        yard.decide()
        verdicts = [AttemptStatus.SUCCEEDED, AttemptStatus.FAILED, AttemptStatus.LOST]
        always = verdicts[yard.made % 3]
        for _ in range(120):
            if yard.job.terminal:
                return
            live = yard.start_all().live()
            for attempt in live:
                exit_code = 0 if always is AttemptStatus.SUCCEEDED else 1
                yard.end(attempt, always, exit_code=exit_code)
            if live:
                yard.decide()
            else:
                yard.sleep()
        raise AssertionError(f"it does not end though its programs do: {yard.job}")

    def _claimed(self, which: int) -> Attempt:
        claimed = [a for a in self.yard.live() if a.claimed]
        assume(claimed)
        return claimed[which % len(claimed)]

    def _change(self, **changes: Any) -> None:
        yard = self.yard
        after = replace(yard.job.policy, **changes)
        if not yard.job.terminal:
            self.books.read(replace(yard.job, policy=after), yard.news)
            if after.indexed:
                self.books.shrink(after.completions or 0)
        yard.change(**changes)


JobMachine.TestCase.settings = settings(
    max_examples=200,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
TestAnyHistory = JobMachine.TestCase


# Its cost.


def operations(job: JobState, news: list[Ended]) -> int:
    """Count the lines and calls of core that one decision runs through."""
    ran = 0

    def trace(frame: Any, event: str, arg: Any) -> Any:
        nonlocal ran
        # A garbage collection in between runs hooks of others.
        ran += "/jobyard/core/" in frame.f_code.co_filename
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        decide(job, news, START)
    finally:
        sys.settrace(before)
    return ran


def a_large_job(done: int, holes: int = 3) -> tuple[JobState, list[Ended]]:
    step = done // holes
    completed = IndexSet(tuple((n * step, (n + 1) * step - 1) for n in range(holes)))
    policy = Policy(completions=4 * done, parallelism=100, completion_mode=INDEXED)
    live = IndexSet(((done, done + 50),))
    job = JobState(
        1, policy, JobStatus.RUNNING, completed=completed, succeeded=len(completed),
        live=live, active=50, admitted_at=START,
    )  # fmt: skip
    news = [
        Ended(n, done + n, 1, AttemptStatus.SUCCEEDED, START, started_at=START) for n in range(10)
    ]
    return job, news


def test_the_cost_of_a_decision_does_not_grow_with_what_is_done() -> None:
    small, large = a_large_job(done=300), a_large_job(done=1_000_000)
    assert operations(*large) == operations(*small)


def test_the_cost_of_a_decision_follows_the_news() -> None:
    """Guard the measure itself: it sees work that grows."""
    job, news = a_large_job(done=300)
    assert operations(job, news) > operations(job, news[:2]) + 50


@pytest.mark.parametrize("holes", [3, 300])
def test_the_cost_of_a_start_is_nothing(holes: int) -> None:
    job, _ = a_large_job(done=1_000_000, holes=holes)
    assert started(job, START).job.completed is job.completed
