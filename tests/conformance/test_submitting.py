"""What a store promises to those who submit jobs, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from jobyard.clock import from_us
from jobyard.core.job import Dependency, DependencyCondition
from jobyard.errors import IdempotencyConflict, InvalidDocument, InvalidRequest, JobNotFound
from jobyard.store.base import Submission
from jobyard.store.transactions.submit import KEY_LIFETIME, KEYS_TO_FORGET
from jobyard.testing.stage import SECOND, make_spec

if TYPE_CHECKING:
    from jobyard.testing.stage import Stage


def depends(name: str | int, condition: str = "completed") -> tuple[Dependency, ...]:
    return (Dependency(name, DependencyCondition(condition)),)


def test_a_submitted_job_is_answered_as_it_is_read_back(stage: Stage) -> None:
    later = from_us(stage.clock() + 5 * SECOND)
    specs = [
        make_spec("plain"),
        make_spec("wide", indexed=True, policy={"completions": 7, "parallelism": 3, "ttl": 9.0}),
        make_spec("later", scheduled_at=later, labels={"a": "b"}, priority=7),
        make_spec("paused", policy={"suspend": True}, namespace="other"),
        make_spec("after", depends_on=depends("plain")),
    ]

    answered = stage.submit(*specs, trigger="cli", retried_from=12)

    assert [stage.job(job.id) for job in answered] == answered


def test_a_large_job_is_one_row_and_a_few_attempts_then_a_window(stage: Stage) -> None:
    policy = {"completions": 1_000_000, "parallelism": 1_000_000}
    job_id = stage.submit_one(make_spec(indexed=True, policy=policy))

    assert len(stage.sql("SELECT id FROM attempts", count=True)) == 16
    assert stage.do(stage.store.decide_due()).jobs == 1
    assert len(stage.sql("SELECT id FROM attempts", count=True)) == 1000
    assert stage.job(job_id).state.policy.completions == 1_000_000


def test_the_same_spec_twice_makes_two_jobs(stage: Stage) -> None:
    spec = make_spec()

    first, second = stage.submit(spec, spec)

    assert first.id < second.id


def test_a_submission_is_accepted_as_a_whole_or_not_at_all(stage: Stage) -> None:
    stage.submit(make_spec("old", idempotency_key="k"))

    with pytest.raises(IdempotencyConflict):
        stage.submit(make_spec("new"), make_spec("other", idempotency_key="k"))

    assert stage.sql("SELECT name FROM job_specs", count=True) == ["old"]


def test_a_bad_submission_does_not_spoil_those_that_come_with_it(stage: Stage) -> None:
    good, bad = make_spec("good"), make_spec("bad", depends_on=depends("nobody"))

    results = stage.together(
        *(stage.store.submit(Submission([spec])) for spec in (good, bad, good))
    )

    assert isinstance(results[1], InvalidRequest)
    assert [results[0][0].name, results[2][0].name] == ["good", "good"]
    assert len(stage.sql("SELECT id FROM jobs", count=True)) == 2


def test_many_submissions_at_once_each_get_their_own_jobs(stage: Stage) -> None:
    works = [stage.store.submit(Submission([make_spec(f"n{n}")] * 2)) for n in range(40)]

    results = stage.together(*works)

    assert [[job.name for job in jobs] for jobs in results] == [[f"n{n}"] * 2 for n in range(40)]
    assert len({job.id for jobs in results for job in jobs}) == 80


def test_ids_only_grow_and_are_never_given_again(stage: Stage) -> None:
    spec = make_spec(policy={"completions": 0, "ttl": 1.0})
    first = stage.submit_one(spec)
    second = stage.submit_one(spec)
    stage.clock.advance(2)
    assert stage.do(stage.store.delete_expired()) == 2

    third = stage.submit_one(spec)

    assert 0 < first < second < third


def test_the_same_key_with_the_same_spec_answers_with_the_same_job(stage: Stage) -> None:
    spec = make_spec(idempotency_key="k")
    [first] = stage.submit(spec)

    assert stage.submit(spec, make_spec()) == [first, stage.job(first.id + 1)]


def test_the_same_key_within_one_submission_makes_one_job(stage: Stage) -> None:
    spec = make_spec(idempotency_key="k")

    first, second = stage.submit(spec, spec)

    assert first == second


def test_a_key_for_two_specs_of_one_submission_is_refused(stage: Stage) -> None:
    with pytest.raises(InvalidRequest):
        stage.submit(make_spec("a", idempotency_key="k"), make_spec("b", idempotency_key="k"))


def test_the_same_key_with_another_spec_is_a_conflict_that_names_the_job(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec("a", idempotency_key="k"))

    with pytest.raises(IdempotencyConflict) as raised:
        stage.submit(make_spec("b", idempotency_key="k"))

    assert raised.value.fields == {"key": "k", "job_id": job_id}


def test_other_keys_do_not_matter(stage: Stage) -> None:
    spec = make_spec(idempotency_key="k")
    first = stage.submit_one(spec)

    assert stage.submit_one(replace(spec, idempotency_key="l")) != first


def test_a_key_outlives_its_job(stage: Stage) -> None:
    spec = make_spec(idempotency_key="k", policy={"completions": 0, "ttl": 1.0})
    stage.submit(spec)
    stage.clock.advance(2)
    stage.do(stage.store.delete_expired())

    with pytest.raises(JobNotFound, match="was deleted"):
        stage.submit(spec)


def test_a_key_is_forgotten_after_a_day_and_not_before(stage: Stage) -> None:
    spec = make_spec(idempotency_key="k")
    first = stage.submit_one(spec)
    stage.clock.advance(KEY_LIFETIME / SECOND)
    assert stage.submit_one(spec) == first
    stage.clock.advance(1)

    assert stage.submit_one(spec) != first


def test_old_keys_are_forgotten_in_bounded_slices_the_oldest_first(stage: Stage) -> None:
    for row in range(KEYS_TO_FORGET + 50):
        stage.sql(f"INSERT INTO idempotency_keys VALUES ('old{row:03}', 'h', 1, {row})")
    stage.submit(make_spec(idempotency_key="k"))

    left = stage.sql("SELECT key FROM idempotency_keys ORDER BY key", count=True)

    assert left == ["k", *(f"old{row:03}" for row in range(KEYS_TO_FORGET + 1, 150))]


def test_concurrent_requests_with_the_same_key_make_one_job(stage: Stage) -> None:
    spec = make_spec(idempotency_key="k")

    results = stage.together(*(stage.store.submit(Submission([spec])) for _ in range(6)))

    assert len({jobs[0].id for jobs in results}) == 1
    assert len(stage.sql("SELECT id FROM jobs", count=True)) == 1


def test_a_scheduled_job_waits_for_its_time(stage: Stage) -> None:
    moment = from_us(stage.clock()) + timedelta(seconds=5)
    job_id = stage.submit_one(make_spec(scheduled_at=moment))
    stage.clock.advance(4.9)
    stage.decide_due()
    assert stage.status(job_id) == "PENDING"
    assert stage.do(stage.store.decide_due()).wake_at == stage.job(job_id).state.scheduled_at
    stage.clock.advance(0.1)
    stage.decide_due()

    assert stage.status(job_id) == "SCHEDULED"


@pytest.mark.parametrize(
    ("condition", "how", "becomes"),
    [
        ("completed", "completed", "SCHEDULED"),
        ("completed", "failed", "CANCELED"),
        ("failed", "completed", "CANCELED"),
        ("failed", "failed", "SCHEDULED"),
        ("finished", "completed", "SCHEDULED"),
        ("finished", "failed", "SCHEDULED"),
    ],
)
def test_a_dependency_decides_what_becomes_of_a_job(
    stage: Stage, condition: str, how: str, becomes: str
) -> None:
    first, second, other = stage.submit(
        make_spec("first", policy={"backoff_limit": 0}),
        make_spec("second", depends_on=depends("first", condition)),
        make_spec("other"),
    )
    third = stage.submit(
        make_spec("elsewhere", executor="none"),
        make_spec("third", depends_on=depends("elsewhere", "finished")),
    )[1]
    worker = stage.worker()
    claim = next(claim for claim in worker.claim(5) if claim.job_id == first.id)
    stage.decide_due()
    assert stage.status(second.id) == "PENDING"
    (worker.end if how == "completed" else worker.fail)(claim)
    stage.decide_due()

    assert stage.status(second.id) == becomes
    assert stage.status(third.id) == "PENDING"
    assert stage.status(other.id) == "QUEUED"


def test_a_job_that_depends_on_two_waits_for_both(stage: Stage) -> None:
    *_, last = stage.submit(
        make_spec("a"),
        make_spec("b"),
        make_spec("c", depends_on=depends("a") + depends("b")),
    )
    worker = stage.worker()
    first, second = worker.claim(2)
    worker.end(first)
    stage.decide_due()
    assert stage.job(last.id).state.waiting_on == 1
    worker.end(second)
    stage.decide_due()

    assert stage.status(last.id) == "SCHEDULED"
    assert stage.decide_due() == 0


def test_deciding_on_one_job_applies_no_dependency_of_another(stage: Stage) -> None:
    _, one, other = stage.submit(
        make_spec("first"),
        make_spec("one", depends_on=depends("first")),
        make_spec("other", depends_on=depends("first")),
    )
    worker = stage.worker()
    worker.end(worker.claim_one())
    stage.do(stage.store.decide([one.id]))
    assert (stage.status(one.id), stage.status(other.id)) == ("SCHEDULED", "PENDING")
    stage.decide_due()

    assert stage.status(other.id) == "SCHEDULED"


def test_a_dependency_that_was_over_before_it_was_asked_for_holds_nobody_up(stage: Stage) -> None:
    keyed = make_spec("first", idempotency_key="k")
    stage.submit(keyed)
    worker = stage.worker()
    worker.end(worker.claim_one())
    _, second = stage.submit(keyed, make_spec("second", depends_on=depends("first")))
    stage.decide_due()

    assert stage.status(second.id) == "SCHEDULED"


def test_a_dependency_that_is_over_as_it_is_submitted_holds_nobody_up(stage: Stage) -> None:
    empty = make_spec("empty", policy={"completions": 0})
    first, second = stage.submit(empty, make_spec("second", depends_on=depends("empty")))
    stage.decide_due()

    assert (stage.status(first.id), stage.status(second.id)) == ("COMPLETED", "SCHEDULED")


@pytest.mark.parametrize(
    ("condition", "status"),
    [("completed", "SCHEDULED"), ("finished", "SCHEDULED"), ("failed", "CANCELED")],
)
def test_a_job_may_depend_on_one_that_is_there_by_its_id(
    stage: Stage, condition: str, status: str
) -> None:
    first = stage.submit_one(make_spec("first"))
    second = stage.submit_one(make_spec("second", depends_on=depends(first, condition)))
    assert stage.status(second) == "PENDING"
    worker = stage.worker()
    worker.end(worker.claim_one())
    stage.decide_due()
    third = stage.submit_one(make_spec("third", depends_on=depends(first, condition)))
    stage.decide_due()

    assert (stage.status(second), stage.status(third)) == (status, status)


def test_what_depended_on_a_job_that_is_gone_by_now_keeps_its_result(stage: Stage) -> None:
    first = stage.submit_one(make_spec("first", policy={"completions": 0, "ttl": 1.0}))
    waits = make_spec("second", depends_on=depends(first), policy={"suspend": True})
    second = stage.submit_one(waits)
    stage.clock.advance(2)
    assert stage.do(stage.store.delete_expired()) == 1
    stage.do(stage.store.suspend(second, suspend=False))

    assert stage.status(second) == "SCHEDULED"


def test_nothing_depends_on_a_job_that_is_not_there(stage: Stage) -> None:
    with pytest.raises(InvalidDocument) as caught:
        stage.submit(make_spec("fine"), make_spec("after", depends_on=depends(99)))

    [problem] = caught.value.problems
    assert (problem.path, problem.code, problem.value) == ("depends_on[0]", "NotFound", 99)
    assert "`after`" in problem.message
    assert stage.sql("SELECT id FROM jobs", count=True) == []


def test_names_and_ids_may_stand_beside_each_other(stage: Stage) -> None:
    there = stage.submit_one(make_spec("there"))
    _, last = stage.submit(
        make_spec("first", policy={"completions": 0}),
        make_spec("last", depends_on=depends("first") + depends(there)),
    )
    stage.decide_due()
    assert stage.status(last.id) == "PENDING"
    worker = stage.worker()
    worker.end(worker.claim_one())
    stage.decide_due()

    assert stage.status(last.id) == "SCHEDULED"


def test_one_job_under_two_words_is_refused(stage: Stage) -> None:
    keyed = make_spec("first", idempotency_key="k")
    first = stage.submit_one(keyed)

    with pytest.raises(InvalidRequest, match="twice"):
        stage.submit(keyed, make_spec("last", depends_on=depends("first") + depends(first)))
