from __future__ import annotations

import itertools

import pytest

from jobyard.core import decide as core
from jobyard.core.state import (
    END_OF_REQUEST,
    REASON_OF_OUTCOME,
    Decision,
    IllegalMoveError,
    JobState,
    Request,
)
from jobyard.core.states import (
    ACTIVE,
    ATTEMPT_TRANSITIONS,
    BACKWARDS,
    CLAIMED_ATTEMPT,
    COUNTS_AS_FAILED,
    ENDED_ATTEMPT,
    LIVE_ATTEMPT,
    TERMINAL,
    TRANSITIONS,
    AttemptStatus,
    Event,
    JobStatus,
    StopReason,
    sources,
)

ORDER = list(JobStatus)


@pytest.mark.parametrize(("status", "event"), list(itertools.product(JobStatus, Event)))
def test_every_move_is_in_the_table_or_raises(status: JobStatus, event: Event) -> None:
    decision = Decision(JobState(id=7, status=status))
    if (status, event) in TRANSITIONS:
        decision.move(event, 5, "Because", "it was time")
        after = TRANSITIONS[status, event]
        line = decision.events[-1]
        assert decision.job.status is after
        assert (line.event, line.status, line.at) == (event, after, 5)
        assert (line.reason, line.message) == ("Because", "it was time")
        return
    with pytest.raises(IllegalMoveError, match=f"job 7 cannot take `{event}` while {status}"):
        decision.move(event, 5)
    assert (decision.job.status, decision.events) == (status, [])


def test_active_and_terminal_are_all_there_is() -> None:
    assert tuple(JobStatus) == ACTIVE + TERMINAL


def test_nothing_leaves_a_terminal_status() -> None:
    assert not [status for status, _ in TRANSITIONS if status in TERMINAL]


def test_only_a_suspend_and_a_hand_back_move_backwards() -> None:
    moves = {
        (event, status, after)
        for (status, event), after in TRANSITIONS.items()
        if ORDER.index(after) < ORDER.index(status)
    }
    assert {event for event, _, _ in moves} == set(BACKWARDS)
    assert {after for event, _, after in moves if event is Event.SUSPENDED} == {JobStatus.PENDING}


def test_a_stopping_job_can_no_longer_be_suspended() -> None:
    assert sources(Event.SUSPENDED) == ACTIVE[:4]


def test_every_status_but_the_first_is_entered_and_every_end_from_everywhere() -> None:
    assert set(TRANSITIONS.values()) == set(JobStatus)
    for outcome, (event, _) in REASON_OF_OUTCOME.items():
        assert sources(event) == ACTIVE
        assert {TRANSITIONS[status, event] for status in ACTIVE} == {outcome}


def test_every_end_has_a_word_for_the_ledger_and_one_for_its_attempts() -> None:
    assert set(REASON_OF_OUTCOME) == set(TERMINAL)
    assert set(END_OF_REQUEST) == set(Request)
    assert {END_OF_REQUEST[r][0] for r in Request} == {JobStatus.STOPPED, JobStatus.CANCELED}


def test_an_attempt_moves_forward_and_ends_once() -> None:
    order = list(AttemptStatus)
    assert set(ATTEMPT_TRANSITIONS) == set(AttemptStatus)
    for status, after in ATTEMPT_TRANSITIONS.items():
        assert all(order.index(later) > order.index(status) for later in after)
        assert bool(after) is (status in LIVE_ATTEMPT)
    assert tuple(AttemptStatus) == LIVE_ATTEMPT + ENDED_ATTEMPT
    assert set(CLAIMED_ATTEMPT) < set(LIVE_ATTEMPT)


def test_an_attempt_that_no_worker_took_cannot_fail() -> None:
    assert ATTEMPT_TRANSITIONS[AttemptStatus.SCHEDULED] == (
        AttemptStatus.QUEUED,
        AttemptStatus.STOPPED,
    )


def test_only_what_is_killed_because_the_job_failed_counts_as_failed() -> None:
    assert set(COUNTS_AS_FAILED) == set(StopReason)
    assert [reason for reason, counts in COUNTS_AS_FAILED.items() if counts] == [
        StopReason.JOB_FAILED
    ]


@pytest.mark.parametrize("status", list(JobStatus))
def test_news_never_raises_whatever_the_status(status: JobStatus) -> None:
    over = status in TERMINAL
    job = JobState(1, status=status, outcome=status if over else None)
    for noted in (
        core.claimed(job, "w", 1),
        core.started(job, 1),
        core.stop_seen(job, 1),
        core.ask(job, Request.STOP, 1) if status not in ACTIVE[4:6] else Decision(job),
        core.refuse_restart(job, 1),
        core.decide(job, [], 1),
    ):
        assert (noted.job.status in TERMINAL) >= over
    assert job.status is status
