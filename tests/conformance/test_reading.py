"""What a store promises to those who read, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobyard.core.job import Backoff
from jobyard.core.states import JobStatus
from jobyard.errors import JobNotFound
from jobyard.store.base import JobQuery
from jobyard.testing.stage import SECOND, make_spec

if TYPE_CHECKING:
    from jobyard.testing.stage import Stage


def listed(stage: Stage, **query: object) -> list[int]:
    jobs = stage.do(stage.store.jobs(JobQuery(**query)))  # type: ignore[arg-type]
    return [job.id for job in jobs]


@pytest.fixture
def jobs(stage: Stage) -> list[int]:
    """Completed, scheduled, queued in another namespace, completed of another name, pending."""
    done = make_spec("a", policy={"completions": 0})
    submitted = stage.submit(
        done,
        make_spec("a", executor="none"),
        make_spec("b", namespace="other"),
        make_spec("b", policy={"completions": 0}),
        make_spec("a", policy={"suspend": True}, namespace="other"),
    )
    stage.worker().claim_one()
    return [job.id for job in submitted]


def test_a_job_that_is_not_there_is_not_found(stage: Stage) -> None:
    stage.submit(make_spec())

    with pytest.raises(JobNotFound):
        stage.job(2**40)


def test_jobs_are_listed_newest_first(stage: Stage, jobs: list[int]) -> None:
    assert listed(stage) == jobs[::-1]


def test_a_list_goes_on_where_the_last_page_ended(stage: Stage, jobs: list[int]) -> None:
    first = listed(stage, limit=2)
    second = listed(stage, limit=2, after=first[-1])

    assert first + second == jobs[:0:-1]


def test_a_listed_job_is_as_it_is_read_alone(stage: Stage, jobs: list[int]) -> None:
    read = stage.do(stage.store.jobs(JobQuery()))

    assert [stage.job(job_id) for job_id in reversed(jobs)] == read


@pytest.mark.parametrize(
    ("statuses", "wanted"),
    [
        (["COMPLETED"], [3, 0]),
        (["SCHEDULED"], [1]),
        (["COMPLETED", "PENDING"], [4, 3, 0]),
        (["QUEUED", "SCHEDULED", "FAILED"], [2, 1]),
        ([], []),
    ],
)
def test_jobs_are_listed_by_status(
    stage: Stage, jobs: list[int], statuses: list[str], wanted: list[int]
) -> None:
    found = listed(stage, statuses=[JobStatus(status) for status in statuses])

    assert found == [jobs[position] for position in wanted]


def test_pages_by_status_go_on_where_the_last_ended(stage: Stage, jobs: list[int]) -> None:
    statuses = [JobStatus.COMPLETED, JobStatus.PENDING, JobStatus.SCHEDULED]
    pages: list[int] = []
    for _ in range(5):
        pages += listed(stage, statuses=statuses, limit=1, after=pages[-1] if pages else None)

    assert pages == [jobs[4], jobs[3], jobs[1], jobs[0]]


def test_a_page_by_status_names_no_job_twice(stage: Stage, jobs: list[int]) -> None:
    statuses = [JobStatus.COMPLETED, JobStatus.PENDING]

    assert listed(stage, statuses=statuses, limit=3) == [jobs[4], jobs[3], jobs[0]]


def test_a_job_whose_outcome_is_known_is_not_listed_as_over_before_it_is(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(policy={"completions": 2, "parallelism": 2}))
    worker = stage.worker()
    claim, _ = worker.claim(2)
    worker.fail(claim, advice="no")

    assert stage.job(job_id).state.outcome == "FAILED"
    assert listed(stage, statuses=[JobStatus.FAILED]) == []
    assert listed(stage, statuses=[JobStatus.RUNNING]) == [job_id]


def test_jobs_are_listed_by_name(stage: Stage, jobs: list[int]) -> None:
    assert listed(stage, name="a") == [jobs[4], jobs[1], jobs[0]]
    assert listed(stage, name="a", limit=1, after=jobs[4]) == [jobs[1]]
    assert listed(stage, name="c") == []


def test_jobs_are_listed_by_namespace(stage: Stage, jobs: list[int]) -> None:
    assert listed(stage, namespace="other") == [jobs[4], jobs[2]]
    assert listed(stage, namespace="other", limit=1, after=jobs[4]) == [jobs[2]]


def test_filters_hold_all_at_once(stage: Stage, jobs: list[int]) -> None:
    completed = [JobStatus.COMPLETED]
    assert listed(stage, name="a", namespace="default") == [jobs[1], jobs[0]]
    assert listed(stage, name="a", statuses=completed) == [jobs[0]]
    assert listed(stage, name="a", statuses=[]) == []
    assert listed(stage, namespace="default", statuses=completed) == [jobs[3], jobs[0]]
    assert listed(stage, namespace="other", statuses=completed) == []
    assert listed(stage, namespace="default", statuses=[JobStatus.PENDING]) == []
    assert listed(stage, name="b", namespace="other", statuses=[JobStatus.QUEUED]) == [jobs[2]]


def test_jobs_are_listed_by_id(stage: Stage, jobs: list[int]) -> None:
    assert listed(stage, ids=[jobs[1], jobs[3], 2**40]) == [jobs[3], jobs[1]]
    assert listed(stage, ids=[]) == []


def test_attempts_are_paged_oldest_first(stage: Stage) -> None:
    policy = {"completions": 5, "parallelism": 5}
    job_id = stage.submit_one(make_spec(indexed=True, policy=policy))
    stage.submit(make_spec("other"))
    first = stage.do(stage.store.attempts(job_id, limit=3))
    second = stage.do(stage.store.attempts(job_id, after=first[-1].id))

    assert [attempt.index for attempt in first + second] == [0, 1, 2, 3, 4]
    assert {attempt.job_id for attempt in first + second} == {job_id}


def test_the_attempts_of_one_index_are_paged_too(stage: Stage) -> None:
    policy = {"completions": 2, "parallelism": 2, "backoff": Backoff(base=0.0)}
    job_id = stage.submit_one(make_spec(indexed=True, policy=policy))
    stage.submit(make_spec("other", indexed=True))
    worker = stage.worker()
    for _ in range(2):
        worker.fail(*worker.claim(2, own_only=False))
        stage.decide_due()
    mine = stage.do(stage.store.attempts(job_id, index=0))

    assert {(attempt.job_id, attempt.index) for attempt in mine} == {(job_id, 0)}
    assert [attempt.number for attempt in mine] == [1, 2, 3]
    after = stage.do(stage.store.attempts(job_id, index=0, after=mine[0].id, limit=1))
    assert after == [mine[1]]


def test_the_ledger_tells_everything_in_order_each_with_its_time(stage: Stage) -> None:
    began = stage.clock()
    job_id = stage.submit_one(make_spec())
    other = stage.submit_one(make_spec("other", executor="none"))
    worker = stage.worker()
    stage.clock.advance(1)
    claim = worker.claim_one()
    stage.clock.advance(1)
    worker.start(claim)
    stage.clock.advance(1)
    worker.fail(claim, advice="no")

    lines = stage.do(stage.store.events(job_id))
    assert [(str(line.event), str(line.status), line.at - began) for line in lines] == [
        ("created", "PENDING", 0),
        ("due", "SCHEDULED", 0),
        ("claimed", "QUEUED", SECOND),
        ("started", "RUNNING", 2 * SECOND),
        ("failed", "FAILED", 3 * SECOND),
    ]
    assert lines[-1].reason == "RetryRefused"
    assert lines[-1].message
    assert stage.do(stage.store.events(job_id, after=lines[1].id, limit=2)) == lines[2:4]
    assert [line.job_id for line in stage.do(stage.store.events(other))] == [other, other]


def test_the_result_of_a_job_is_that_of_its_newest_success(stage: Stage) -> None:
    policy = {"completions": 3, "parallelism": 1, "backoff": Backoff(base=0.0)}
    job_id = stage.submit_one(make_spec(indexed=True, policy=policy))
    other = stage.submit_one(make_spec("other", policy={"completions": 1}))
    worker = stage.worker()
    for result, success in (("1", True), ("2", False), ("3", True), (None, True)):
        claim = next(c for c in worker.claim(2) if c.job_id == job_id)
        (worker.end if success else worker.fail)(claim, result=result)
        stage.decide_due()
        assert stage.job(job_id).result == {"1": 1, "2": 1, "3": 3, None: 3}[result]

    assert stage.job(other).result is None


def test_a_terminal_job_is_never_written_again(stage: Stage) -> None:
    job_id = stage.submit_one(make_spec(policy={"completions": 0}))
    before = stage.job(job_id)
    stage.clock.advance(5)
    stage.sql(f"UPDATE jobs SET decide_at = 1 WHERE id = {job_id}")
    stage.do(stage.store.decide([job_id]))

    assert stage.job(job_id) == before


def test_a_job_is_due_at_its_time_and_not_before(stage: Stage) -> None:
    deadline = make_spec(policy={"active_deadline": 5.0})
    job_id = stage.submit_one(deadline)
    stage.clock.advance(4)
    later = stage.submit_one(deadline)
    assert stage.decide_due() == 0
    stage.clock.advance(1)

    assert stage.decide_due() == 1
    assert (stage.status(job_id), stage.status(later)) == ("FAILED", "SCHEDULED")
    assert stage.do(stage.store.decide_due()).wake_at == stage.clock() + 4 * SECOND


def test_decisions_are_taken_a_bounded_number_at_a_time(stage: Stage) -> None:
    stage.submit(*[make_spec(policy={"active_deadline": 5.0})] * 5)
    stage.clock.advance(6)

    first = stage.do(stage.store.decide_due(3))
    second = stage.do(stage.store.decide_due(3))

    assert (first.jobs, first.more, second.jobs, second.more) == (3, True, 2, False)


def test_the_store_s_clock_is_what_is_read(stage: Stage) -> None:
    assert stage.do(stage.store.now()) == stage.clock()


def test_the_few_that_are_queued_are_listed_in_pages_and_counted_once(stage: Stage) -> None:
    stage.submit(*[make_spec(f"j{n}") for n in range(5)])
    worker = stage.worker()
    claims = worker.claim(4)
    worker.start(claims[0])
    queued = sorted((claim.job_id for claim in claims[1:]), reverse=True)
    statuses = [JobStatus.QUEUED]

    assert listed(stage, statuses=statuses) == queued
    assert listed(stage, statuses=statuses, limit=2) == queued[:2]
    assert listed(stage, statuses=statuses, after=queued[1]) == queued[2:]
    waiting = JobQuery(statuses=[*statuses, JobStatus.SCHEDULED], after=2**40)
    assert stage.do(stage.store.count(waiting)) == 4
