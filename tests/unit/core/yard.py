"""A small world in memory that drives ``decide`` as a store does, and checks its books.

Attempts are written as ``"0S 1F 2R"``: an index (left out when attempts are interchangeable) and
a letter. Counted already: S succeeded, F failed. Live: P waits for a worker, Q claimed, R running.
T runs but was asked to stop. Not counted yet, so news for the next decision: s, f, l (lost), h
(handed back); ``f:3`` failed with exit code 3.
"""

from __future__ import annotations

import itertools
import re
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from jobyard.core import decide as core
from jobyard.core.backoff import SECOND
from jobyard.core.count import count
from jobyard.core.indexes import IndexSet
from jobyard.core.job import CompletionMode, Policy, ReplacementPolicy
from jobyard.core.state import Creation, Decision, Ended, JobState, Request, Stop
from jobyard.core.states import (
    CLAIMED_ATTEMPT,
    LIVE_ATTEMPT,
    AttemptReason,
    AttemptStatus,
    Event,
    JobStatus,
    StopReason,
)

START = 1_800_000_000 * SECOND
INDEXED = CompletionMode.INDEXED
ONLY_FAILED = ReplacementPolicy.FAILED

_TOKEN = re.compile(r"(\d*)([SFRQPTsflh])(?::(\d+))?")
_LIVE = {
    "P": AttemptStatus.SCHEDULED,
    "Q": AttemptStatus.QUEUED,
    "R": AttemptStatus.RUNNING,
    "T": AttemptStatus.RUNNING,
}
_OVER = {
    "s": AttemptStatus.SUCCEEDED,
    "f": AttemptStatus.FAILED,
    "l": AttemptStatus.LOST,
    "h": AttemptStatus.STOPPED,
}
_MANY_ROUNDS = 5


@dataclass
class Attempt:
    """One attempt as a store keeps it."""

    id: int
    index: int | None
    number: int
    created_at: int
    status: AttemptStatus = AttemptStatus.SCHEDULED
    asked: StopReason | None = None
    grace: float | None = None
    started_at: int | None = None
    restarts: int = 0

    @property
    def live(self) -> bool:
        """Whether it has not ended."""
        return self.status in LIVE_ATTEMPT

    @property
    def claimed(self) -> bool:
        """Whether a worker has it."""
        return self.status in CLAIMED_ATTEMPT


@dataclass
class Yard:
    """One job, its attempts, its news and a clock that only moves when told."""

    job: JobState
    now: int = START
    attempts: list[Attempt] = field(default_factory=list)
    news: list[Ended] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    ledger: list[Event] = field(default_factory=list)
    wake_at: int | None = None
    made: int = 0
    withdrawn: int = 0
    ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    # What happens to a job.

    def decide(self, drawn: float = 0.0) -> Yard:
        """Decide until nothing is left to stop, and do what was decided."""
        self.decisions = []
        while True:
            news, self.news = self.news, []
            waiting = sum(a.status is AttemptStatus.SCHEDULED for a in self.attempts)
            given, before = self.job, deepcopy(self.job)
            decision = core.decide(given, news, self.now, drawn=drawn, waiting=waiting)
            assert given == before, "the decision changed what it was given"
            self.decisions.append(decision)
            self._apply(decision)
            assert len(self.decisions) < _MANY_ROUNDS, "the decisions do not settle"
            if decision.stop is None:
                return self

    def ask(self, request: Request) -> Yard:
        """Let a person stop or cancel it."""
        self._note(core.ask(self.job, request, self.now))
        return self.decide()

    def change(self, **changes: Any) -> Yard:
        """Let a person change its policy."""
        self.job = core.replace_policy(self.job, replace(self.job.policy, **changes))
        return self.decide()

    def advance(self, seconds: float) -> Yard:
        """Let time pass and decide."""
        self.now += int(seconds * SECOND)
        return self.decide()

    def sleep(self) -> Yard:
        """Let time pass until the job wants to be looked at."""
        assert self.wake_at is not None, "nothing to wait for"
        self.now = max(self.now, self.wake_at)
        return self.decide()

    # What happens to its attempts.

    def live(self, index: int | None = None) -> list[Attempt]:
        """Name the attempts that have not ended, the oldest first; of one index if it is given."""
        return [a for a in self.attempts if a.live and index in (None, a.index)]

    def claim(self, attempt: Attempt) -> None:
        """Let a worker take an attempt."""
        assert attempt.status is AttemptStatus.SCHEDULED
        attempt.status = AttemptStatus.QUEUED
        self._note(core.claimed(self.job, "w1", self.now))

    def start(self, attempt: Attempt) -> None:
        """Let its program start."""
        if attempt.status is AttemptStatus.SCHEDULED:
            self.claim(attempt)
        attempt.status, attempt.started_at = AttemptStatus.RUNNING, self.now
        self._note(core.started(self.job, self.now))

    def start_all(self) -> Yard:
        """Let the programs of all waiting attempts start."""
        for attempt in self.live():
            if attempt.status is not AttemptStatus.RUNNING:
                self.start(attempt)
        return self

    def end(self, attempt: Attempt, status: AttemptStatus, **how: Any) -> None:
        """Let an attempt end; it becomes news."""
        attempt.status = status
        self.news.append(
            Ended(
                attempt_id=attempt.id,
                index=attempt.index,
                number=attempt.number,
                status=status,
                finished_at=how.pop("finished_at", self.now),
                started_at=attempt.started_at,
                restarts=attempt.restarts,
                asked=attempt.asked,
                **how,
            )
        )

    def succeed(self, *indexes: int | None) -> Yard:
        """Let the oldest running attempt of each index succeed, and decide."""
        for index in indexes or (None,):
            self.end(self._running(index), AttemptStatus.SUCCEEDED, exit_code=0)
        return self.decide()

    def fail(self, *indexes: int | None, exit_code: int = 1, **how: Any) -> Yard:
        """Let the oldest running attempt of each index fail, and decide."""
        for index in indexes or (None,):
            self.end(self._running(index), AttemptStatus.FAILED, exit_code=exit_code, **how)
        return self.decide()

    def lose(self, *indexes: int | None) -> Yard:
        """Let the worker of the oldest running attempt of each index be lost, and decide."""
        for index in indexes or (None,):
            reason = AttemptReason.WORKER_LOST
            self.end(self._running(index), AttemptStatus.LOST, reason=reason)
        return self.decide()

    def lose_all(self) -> Yard:
        """Let one worker be lost that had every claimed attempt, and decide."""
        for attempt in self.live():
            if attempt.claimed:
                self.end(attempt, AttemptStatus.LOST, reason=AttemptReason.WORKER_LOST)
        return self.decide()

    def end_stopped(self) -> Yard:
        """Let everything that was asked to stop obey, and decide."""
        for attempt in self.live():
            if attempt.asked is not None:
                self.end(attempt, AttemptStatus.STOPPED)
        return self.decide()

    def restart(self, attempt: Attempt) -> bool:
        """Let a failed program ask for a restart in its attempt; tell whether it got one."""
        if core.may_restart(self.job):
            attempt.restarts += 1
            self.job.restarts += 1
            return True
        self._note(core.refuse_restart(self.job, self.now))
        self.decide()
        return False

    # What a test reads.

    @property
    def created(self) -> list[Creation]:
        """What the last look made."""
        return [creation for decision in self.decisions for creation in decision.create]

    @property
    def stops(self) -> list[Stop]:
        """What the last look ended."""
        return [decision.stop for decision in self.decisions if decision.stop is not None]

    @property
    def indexes(self) -> list[int | None]:
        """The indexes that the last look began."""
        return [creation.index for creation in self.created]

    @property
    def seconds_to_wake(self) -> float | None:
        """How long until the job wants to be looked at."""
        return None if self.wake_at is None else (self.wake_at - self.now) / SECOND

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """The counters: active, terminating, succeeded, failed."""
        job = self.job
        return job.active, job.terminating, job.succeeded, job.failed

    @property
    def may_go_on(self) -> bool:
        """Whether something will make somebody look at the job again, or it waits for people."""
        job = self.job
        waits = job.policy.suspend or job.waiting_on > 0 or job.policy.parallelism == 0
        return waits or self.wake_at is not None or any(a.live for a in self.attempts)

    def check(self) -> None:
        """Compare the job's row with the attempts there are."""
        job = self.job
        active = [a for a in self.attempts if a.live and a.asked is None]
        leaving = [a for a in self.attempts if a.live and a.asked is not None]
        unread = [e for e in self.news if e.asked is None]
        assert job.active == len(active) + len(unread)
        assert job.terminating == len(leaving) + len(self.news) - len(unread)
        runs: list[Attempt | Ended] = [*active, *unread]
        assert job.restarts == sum(e.restarts for e in runs)
        if job.policy.indexed:
            assert set(job.live) == {e.index for e in runs}
            assert set(job.leaving) <= {e.index for e in leaving} | {e.index for e in self.news}
            assert len(job.live) == job.active, "an index has two active attempts"
            assert not set(job.completed) & set(job.failed_indexes)
            assert job.succeeded == len(job.completed)
            decided = job.completed | job.failed_indexes
            assert not any(index in decided for index in job.tries)
        assert min(job.active, job.terminating, job.restarts) >= 0
        if job.terminal:
            assert job.active == job.terminating == 0
            assert job.tries == {}, "a finished job keeps no history"
            assert job.finished_at is not None
            assert job.outcome is job.status

    def _running(self, index: int | None) -> Attempt:
        attempt = next(a for a in self.live(index))
        if attempt.status is not AttemptStatus.RUNNING:
            self.start(attempt)
        return attempt

    def _apply(self, decision: Decision) -> None:
        self._note(decision)
        self.wake_at = decision.wake_at
        assert not (decision.create and decision.stop), "creates and stops at once"
        for creation in decision.create:
            self.attempts.append(Attempt(next(self.ids), creation.index, creation.number, self.now))
        self.made += len(decision.create)
        if decision.create:
            job = decision.job
            beside = job.terminating if job.policy.replacement_policy is ONLY_FAILED else 0
            assert job.active + beside <= job.policy.parallelism
        if decision.stop is not None:
            self._stop(decision.stop)
        if decision.job.terminal:
            assert decision.wake_at is None
        elif decision.stop is None:
            assert self.may_go_on, "the job is stuck"
        self.check()

    def _note(self, decision: Decision) -> None:
        self.job = decision.job
        self.ledger.extend(line.event for line in decision.events)

    def _stop(self, stop: Stop) -> None:
        """End attempts in Kubernetes' order: unclaimed, not yet running, then the youngest."""
        chosen = [a for a in self.attempts if a.live and a.asked is None]
        if stop.beyond is not None:
            chosen = [a for a in chosen if a.index is not None and a.index >= stop.beyond]
        rank = [AttemptStatus.SCHEDULED, AttemptStatus.QUEUED, AttemptStatus.RUNNING]
        chosen.sort(key=lambda a: (rank.index(a.status), -a.created_at, -a.id))
        chosen = chosen[: stop.count]
        if stop.unclaimed:
            chosen = [a for a in chosen if not a.claimed]
        assert chosen or stop.unclaimed, "a stop that stops nothing"
        gone = [a for a in chosen if not a.claimed]
        asked = [a for a in chosen if a.claimed]
        for attempt in gone:
            self.attempts.remove(attempt)
        for attempt in asked:
            attempt.asked, attempt.grace = stop.reason, stop.grace
        self.withdrawn += len(gone)
        self.job = core.stopped(
            self.job,
            [a.index for a in gone],
            [a.index for a in asked],
            sum(a.restarts for a in asked),
        )


def a_job(policy: Policy | None = None, attempts: str = "", **state: Any) -> Yard:
    """Build a job whose attempts are in these states, its back-off over.

    Without attempts and without a status it is a new job that nobody has looked at yet; else it
    was admitted at ``START`` and runs.
    """
    policy = policy or Policy()
    tokens = _TOKEN.findall(attempts)
    assert len(tokens) == len(attempts.split()), f"cannot read {attempts!r}"
    if attempts:
        state = {"status": JobStatus.RUNNING, "admitted_at": START, "started_at": START} | state
    yard = Yard(JobState(id=1, policy=policy, created_at=START, **state))
    # What was counted came first.
    tokens.sort(key=lambda token: token[1] not in "SF")
    for index_text, letter, code in tokens:
        _place(yard, int(index_text) if index_text else None, letter, code)
    yard.job.overall.number = max(yard.job.overall.number, len(tokens))
    yard.job.overall.retry_at = 0
    for record in yard.job.tries.values():
        record.retry_at = 0
    yard.made = len(tokens)
    yard.check()
    return yard


def _place(yard: Yard, index: int | None, letter: str, code: str) -> None:
    job, identity = yard.job, next(yard.ids)
    tried = None if index is None else job.tries.get(index)
    number = 1 if tried is None else tried.number + 1
    if index is None:
        number = identity
    attempt = Attempt(identity, index, number, START, started_at=START)
    if letter == "T":
        attempt.asked = StopReason.SCALED_DOWN
        job.terminating += 1
        job.leaving |= IndexSet.of([] if index is None else [index])
    else:
        job.active += 1
        job.live |= IndexSet.of([] if index is None else [index])
    if letter in _LIVE:
        attempt.status = _LIVE[letter]
        attempt.started_at = START if attempt.status is AttemptStatus.RUNNING else None
        yard.attempts.append(attempt)
        return
    status = _OVER[letter.lower()]
    exit_code = {"s": 0, "f": 1}.get(letter.lower()) if not code else int(code)
    yard.end(attempt, status, exit_code=exit_code)
    if letter in "SF":
        count(job, [yard.news.pop()])


def drive(yard: Yard, steps: int = 1000) -> Yard:
    """Let every program succeed until the job is over."""
    for _ in range(steps):
        if yard.job.terminal:
            return yard
        live = yard.start_all().live()
        for attempt in live:
            if attempt.asked is not None:
                yard.end(attempt, AttemptStatus.STOPPED)
            else:
                yard.end(attempt, AttemptStatus.SUCCEEDED, exit_code=0)
        if live or yard.wake_at is None:
            yard.decide()
        else:
            yard.sleep()
    raise AssertionError("the job does not end")
