"""Indexed jobs (kubernetes-job-cases.md 3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.yard import INDEXED, a_job, drive

from jobyard.core.indexes import IndexSet
from jobyard.core.job import Policy
from jobyard.core.states import AttemptStatus, JobStatus, Reason


def indexed(completions: int, parallelism: int = 1, **policy: Any) -> Policy:
    return Policy(
        completions=completions, parallelism=parallelism, completion_mode=INDEXED, **policy
    )


@pytest.mark.parametrize(
    ("policy", "attempts", "begun", "completed"),
    [
        pytest.param(indexed(5, 2), "", [0, 1], "", id="row-43"),
        pytest.param(indexed(5, 2), "0S 1S", [2, 3], "0,1", id="row-46"),
        pytest.param(
            indexed(20, 8),
            "0R 2S 3P 4S 5S 7S 8S 9S",
            [1, 6, 10, 11, 12, 13],
            "2,4,5,7-9",
            id="row-47",
        ),
        pytest.param(indexed(4, 3), "0F 2F 1P", [0, 2], "", id="row-48"),
        pytest.param(indexed(10, 3), "0S 1S 2S 4R", [3, 5], "0-2", id="row-56"),
    ],
)
def test_the_lowest_missing_indexes_are_begun(
    policy: Any, attempts: Any, begun: Any, completed: Any
) -> None:
    yard = a_job(policy, attempts).decide()
    assert (yard.indexes, str(yard.job.completed)) == (begun, completed)


def test_a_second_success_of_an_index_counts_nothing() -> None:
    """Rows 46 and 55: two attempts of one index succeed, the index is done once."""
    policy = indexed(5, 2)
    yard = a_job(policy, "0S 1R").change(parallelism=0)
    yard.change(parallelism=2).start_all()
    first, second = yard.live(1)
    yard.end(first, AttemptStatus.SUCCEEDED)
    yard.end(second, AttemptStatus.SUCCEEDED)
    yard.decide()
    assert (str(yard.job.completed), yard.job.succeeded) == ("0,1", 2)
    assert min(a.index for a in yard.live() if a.index is not None) == 2


def test_every_index_must_succeed_once_and_failures_on_the_way_are_counted() -> None:
    """Row 44."""
    yard = a_job(indexed(3, 2), "0S 1F").decide().succeed(1, 2)
    assert yard.job.status is JobStatus.COMPLETED
    assert (str(yard.job.completed), yard.job.failed) == ("0-2", 1)


def test_what_runs_when_the_job_fails_counts_as_failed() -> None:
    """Row 45: what no worker had claimed yet does not."""
    yard = a_job(indexed(4, 3, backoff_limit=0), "0S 1f 2R 3P").decide()
    assert yard.counts == (0, 1, 1, 1)
    yard.end_stopped()
    assert (yard.job.status, yard.job.reason) == (JobStatus.FAILED, Reason.BACKOFF_LIMIT_EXCEEDED)
    assert (str(yard.job.completed), yard.job.failed) == ("0", 2)


def test_attempts_beyond_the_completions_are_ended_before_anything_begins() -> None:
    """Row 51."""
    yard = a_job(indexed(3, 3), "0R 3P 5R").decide()
    first, second = yard.decisions
    assert (first.stop is not None, first.create) == (True, [])
    assert yard.indexes == [1, 2]
    assert second.stop is None
    assert [a.index for a in yard.live() if a.asked] == [5]


@pytest.mark.parametrize(
    ("members", "text"),
    [
        pytest.param({1, 3, 4, 5, 7}, "1,3-5,7", id="row-52"),
        pytest.param({0, 1}, "0,1", id="row-53"),
        pytest.param({0, 1, 3, 4, 5, 9}, "0,1,3-5,9", id="kubernetes-jobs.md-B.3"),
        pytest.param(set(), "", id="none"),
    ],
)
def test_index_text_is_written_as_kubernetes_writes_it(members: Any, text: Any) -> None:
    assert str(IndexSet.of(members)) == text


def test_index_text_beyond_the_completions_is_dropped() -> None:
    """Row 54."""
    assert set(IndexSet.parse("0-2,5", limit=4)) == {0, 1, 2}


def test_new_successes_are_united_with_the_stored_ones() -> None:
    """Row 55."""
    yard = a_job(indexed(9, 9), "0S 1S 4S 2R 3R").decide()
    yard.succeed(2, 3)
    assert (str(yard.job.completed), yard.job.succeeded) == ("0-4", 5)


def test_each_index_runs_and_the_completed_ones_are_told() -> None:
    """Row 58."""
    yard = drive(a_job(indexed(4, 2)).decide())
    assert str(yard.job.completed) == "0-3"
    assert yard.job.status is JobStatus.COMPLETED


def test_a_failed_index_begins_again_under_the_same_index_with_the_next_number() -> None:
    """Row 59."""
    yard = a_job(indexed(4, 3)).decide().fail(1)
    assert yard.created == []
    yard.sleep()
    assert [(c.index, c.number) for c in yard.created] == [(1, 2)]
    seen = [str(yard.succeed(index).job.completed) for index in (1, 2, 0, 3)]
    assert seen == ["1", "1,2", "0-2", "0-3"]


def test_more_completions_begin_more_indexes() -> None:
    """Row 60."""
    yard = a_job(indexed(3, 3), "0S 1R 2R").change(completions=4, parallelism=4)
    assert yard.indexes == [3]
    assert drive(yard).job.succeeded == 4


def test_fewer_completions_let_go_of_what_lies_beyond() -> None:
    """Row 61: successes beyond are dropped, failures stay counted."""
    yard = a_job(indexed(3, 3), "0R 1S 2S 0F")
    yard.change(completions=1, parallelism=1)
    assert (str(yard.job.completed), yard.job.succeeded, yard.job.failed) == ("", 0, 1)
    yard.succeed(0)
    assert (str(yard.job.completed), yard.job.status) == ("0", JobStatus.COMPLETED)


def test_indexes_that_were_let_go_run_again_when_completions_grow() -> None:
    """Row 62."""
    yard = a_job(indexed(3, 3), "0R 1S 2S").change(completions=1, parallelism=1)
    assert yard.change(completions=3, parallelism=3).indexes == [1, 2]


def test_completions_lowered_to_none_complete_the_job() -> None:
    """Row 63."""
    yard = a_job(indexed(3, 3), "0R 1P 2S").change(completions=0, parallelism=0)
    assert (yard.job.outcome, yard.counts) == (JobStatus.COMPLETED, (0, 1, 0, 0))
    assert yard.end_stopped().job.status is JobStatus.COMPLETED


def test_how_an_index_beyond_the_completions_ends_is_no_news() -> None:
    """Row 126, at its worst: its failure must not fail a job that let go of it."""
    yard = a_job(indexed(3, 3, backoff_limit=0), "0R 1R 2R").change(completions=1, parallelism=1)
    for attempt, status in zip(
        yard.live(1) + yard.live(2), (AttemptStatus.FAILED, AttemptStatus.SUCCEEDED), strict=True
    ):
        yard.end(attempt, status, exit_code=1)
    yard.decide()
    assert (yard.job.outcome, yard.counts) == (None, (1, 0, 0, 0))


def test_failed_indexes_beyond_the_completions_are_let_go_too() -> None:
    """Row 61, with a limit by index."""
    policy = indexed(4, 4, backoff_limit_per_index=0)
    yard = a_job(policy, "0R 3F").decide()
    assert str(yard.job.failed_indexes) == "3"
    yard.change(completions=2, parallelism=2)
    assert str(yard.job.failed_indexes) == ""
    assert drive(yard).job.status is JobStatus.COMPLETED


def test_a_history_beyond_the_completions_is_forgotten() -> None:
    """Row 61: no record is kept of an index that was let go."""
    yard = a_job(indexed(4, 4, backoff_limit_per_index=3), "0R 1R 2R 3F").decide()
    assert list(yard.job.tries) == [3]
    yard.change(completions=3, parallelism=3)
    assert yard.job.tries == {}


def test_begun_indexes_go_on_when_too_many_have_a_history(monkeypatch: Any) -> None:
    """No row: a job with many failing indexes begins no fresh ones, and is never stuck."""
    monkeypatch.setattr("jobyard.core.target.MAX_OPEN_TRIES", 3)
    policy = indexed(9, 3, backoff_limit_per_index=9)
    yard = a_job(policy, "6F 7F 8F").decide()
    assert yard.indexes == [6, 7, 8]
    yard.fail(6, 7, 8)
    assert (yard.indexes, yard.seconds_to_wake) == ([], 20)
    yard.sleep().start_all().succeed(7)
    assert yard.indexes == [0]


def test_a_changed_policy_leaves_the_old_job_as_it_was() -> None:
    yard = a_job(indexed(3, 3), "0R")
    before = replace(yard.job)
    yard.change(parallelism=1)
    assert before.policy.parallelism == 3
