"""Replacing attempts that are going away (kubernetes-job-cases.md 2)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.core.yard import INDEXED, ONLY_FAILED, START, a_job

from jobyard.core.job import Policy, ReplacementPolicy
from jobyard.core.states import AttemptStatus, JobStatus

EITHER = ReplacementPolicy.TERMINATING_OR_FAILED


def test_under_policy_failed_an_attempt_that_ends_is_waited_for() -> None:
    """Row 33."""
    yard = a_job(Policy(replacement_policy=ONLY_FAILED), "T").decide()
    assert (yard.created, yard.counts) == ([], (0, 1, 0, 0))


def test_a_full_work_queue_replaces_nothing() -> None:
    """Row 34."""
    policy = Policy(completions=None, replacement_policy=ONLY_FAILED)
    yard = a_job(policy, "R F T").decide()
    assert (yard.created, yard.counts) == ([], (1, 1, 0, 1))


def test_an_attempt_that_we_end_is_not_a_failure() -> None:
    """Row 35, other than there: only our own decisions end attempts here."""
    yard = a_job(Policy(completions=None), "R F T").decide()
    assert yard.counts == (1, 1, 0, 1)
    assert yard.end_stopped().counts == (1, 0, 0, 1)


def test_terminating_attempts_do_not_count_when_too_many_are_active() -> None:
    """Row 36: one is ended, not all (Kubernetes issue 122235)."""
    policy = Policy(completions=9, replacement_policy=ONLY_FAILED)
    yard = a_job(policy, "R R T T T T").decide()
    assert [stop.count for stop in yard.stops] == [1]
    assert yard.counts == (1, 5, 0, 0)


@pytest.mark.parametrize(
    ("replacement", "begun"),
    [
        pytest.param(ONLY_FAILED, [0], id="row-37"),
        pytest.param(EITHER, [0, 1], id="row-38"),
    ],
)
def test_the_index_of_an_ending_attempt_is_free_or_not(replacement: Any, begun: Any) -> None:
    policy = Policy(
        parallelism=2, completions=2, completion_mode=INDEXED, replacement_policy=replacement
    )
    yard = a_job(policy, "1T").decide()
    assert yard.indexes == begun


@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize(
    ("replacement", "after"), [(ONLY_FAILED, (0, 2, 0, 0)), (EITHER, (2, 2, 0, 0))]
)
def test_scaled_down_and_up_again_while_the_old_still_end(
    indexed: Any, replacement: Any, after: Any
) -> None:
    """Row 39, with a scale-down in the place of a person's deletion: nothing counts as failed."""
    policy = Policy(parallelism=2, completions=2, replacement_policy=replacement)
    if indexed:
        policy = Policy(
            parallelism=2, completions=2, replacement_policy=replacement, completion_mode=INDEXED
        )
    yard = a_job(policy, "0R 1R" if indexed else "R R").change(parallelism=0)
    assert yard.counts == (0, 2, 0, 0)
    assert yard.change(parallelism=2).counts == after


def test_under_policy_failed_the_replacement_starts_when_the_old_one_has_ended() -> None:
    """Row 40."""
    yard = a_job(Policy(replacement_policy=ONLY_FAILED), "R").change(parallelism=0)
    assert yard.change(parallelism=1).created == []
    assert len(yard.end_stopped().created) == 1


@pytest.mark.parametrize(
    ("policy", "attempts", "outcome"),
    [
        pytest.param(Policy(completions=2), "S s T", JobStatus.COMPLETED, id="row-41"),
        pytest.param(Policy(backoff_limit=0), "f T", JobStatus.FAILED, id="row-42"),
    ],
)
def test_the_end_waits_for_what_still_terminates(policy: Any, attempts: Any, outcome: Any) -> None:
    yard = a_job(policy, attempts).decide()
    assert (yard.job.status, yard.job.outcome) == (JobStatus.RUNNING, outcome)
    assert yard.job.outcome_at == START
    yard.now += 7
    yard.end_stopped()
    assert (yard.job.status, yard.job.finished_at) == (outcome, START + 7)


def test_attempts_of_one_index_that_overlap_have_numbers_of_their_own() -> None:
    """Row 38: two attempts of an index may run at a time, never under one number."""
    policy = Policy(completions=1, completion_mode=INDEXED)
    yard = a_job(policy).decide().start_all()
    for _ in range(3):
        yard.change(parallelism=0)
        yard.change(parallelism=1)
        yard.start_all()
    assert [a.number for a in yard.live(0)] == [1, 2, 3, 4]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_next_number_follows_the_highest_whichever_ends_first(order: Any) -> None:
    yard = a_job(Policy(completion_mode=INDEXED)).decide().start_all().change(parallelism=0)
    yard.change(parallelism=1).start_all()
    attempts = yard.live(0)
    yard.change(parallelism=0)
    for position in order:
        yard.end(attempts[position], AttemptStatus.STOPPED)
        yard.decide()
    assert [c.number for c in yard.change(parallelism=1).created] == [3]


def test_an_index_is_waited_for_even_if_two_of_its_attempts_are_ending() -> None:
    """Row 37, after a change of the policy while attempts of one index overlap."""
    policy = Policy(completions=4, parallelism=2, completion_mode=INDEXED)
    yard = a_job(policy, "0S 1R").change(parallelism=0)
    yard.change(parallelism=1).start_all()
    yard.change(parallelism=0, replacement_policy=ONLY_FAILED)
    assert yard.counts == (0, 2, 1, 0)
    first, second = yard.live(1)
    yard.change(parallelism=2)
    yard.end(first, AttemptStatus.STOPPED)
    assert yard.decide().created == []
    yard.end(second, AttemptStatus.STOPPED)
    assert yard.decide().indexes == [1, 2]
