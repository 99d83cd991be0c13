"""What a store promises to those who deploy a dataset, on both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from jobyard import clock
from jobyard.core.extract import Extract
from jobyard.core.state import Request
from jobyard.core.states import JobStatus
from jobyard.errors import ActiveJobConflict, InvalidDocument, LeaseLost, WorkerNotAvailable
from jobyard.spec.extraction import job_of
from jobyard.spec.update import patch
from jobyard.store.base import JobQuery

if TYPE_CHECKING:
    from jobyard.core.job import JobSpec
    from jobyard.core.records import Job
    from jobyard.testing.stage import Stage

WANTED = Extract(
    "_", "eth", "dev", "a" * 64, "evm-rpc", "evm", "mainnet", ("blocks",), 0, "9", parallelism=2
)


def spec_of(worker_id: str | None = None, **changes: Any) -> JobSpec:
    spec = job_of(replace(WANTED, **changes), worker_id)
    return replace(spec, executor="fake")


def deploy(stage: Stage, **changes: Any) -> Job:
    return stage.do(stage.store.deploy(spec_of(**changes)))


def count(stage: Stage) -> int:
    return len(stage.sql("SELECT id FROM jobs", count=True))


def end(stage: Stage, job: Job) -> None:
    stage.do(stage.store.ask(job.id, Request.CANCEL))


def test_a_deployed_dataset_has_a_job_of_one_index_for_each_writer(stage: Stage) -> None:
    job = deploy(stage, parallelism=3)

    assert (job.dataset, job.manifest_hash) == ("_/eth", "a" * 64)
    assert job == stage.job(job.id)
    assert job.spec["extract"]["end"] == "9"
    assert len(stage.worker().claim(9)) == 3


def test_the_same_again_is_the_job_that_is_there(stage: Stage) -> None:
    job = deploy(stage)
    stage.worker().start(*stage.worker("v").claim(1))

    assert deploy(stage).id == job.id
    # What the revision is called says nothing about what it is.
    assert deploy(stage, version="1.0.0").id == job.id
    assert count(stage) == 1


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"end": "10"}, ["end_block"]),
        ({"end": None}, ["end_block"]),
        ({"parallelism": 1, "verify": 1.0}, ["parallelism", "verify"]),
        ({"providers": ("a",)}, ["providers"]),
    ],
)
def test_another_deployment_is_a_conflict_while_the_job_is_active(
    stage: Stage, changes: dict[str, Any], fields: list[str]
) -> None:
    job = deploy(stage)

    with pytest.raises(ActiveJobConflict) as caught:
        deploy(stage, **changes)

    assert (caught.value.fields["job_id"], caught.value.fields["fields"]) == (job.id, fields)
    assert count(stage) == 1


def test_a_job_that_is_ending_is_a_conflict_and_not_the_answer(stage: Stage) -> None:
    job = deploy(stage)
    worker = stage.worker()
    worker.start(*worker.claim(1))
    stage.do(stage.store.ask(job.id, Request.STOP))

    with pytest.raises(ActiveJobConflict, match="STOP_REQUESTED"):
        deploy(stage)


def test_a_job_that_is_over_is_followed_by_a_new_one(stage: Stage) -> None:
    first = deploy(stage)
    end(stage, first)

    second = deploy(stage)

    assert second.id > first.id
    assert deploy(stage).id == second.id


def test_a_deleted_job_is_followed_by_a_new_one(stage: Stage) -> None:
    first = deploy(stage)
    end(stage, first)
    stage.do(stage.store.delete(first.id))

    assert deploy(stage).id > first.id


def test_other_revisions_and_datasets_have_jobs_of_their_own(stage: Stage) -> None:
    ids = {deploy(stage).id, deploy(stage, manifest_hash="b" * 64).id, deploy(stage, name="b").id}

    assert len(ids) == 3


def test_two_that_deploy_at_once_get_one_job(stage: Stage) -> None:
    jobs = stage.together(*(stage.store.deploy(spec_of()) for _ in range(8)))

    assert {job.id for job in jobs} == {1}
    assert count(stage) == 1


def test_of_two_different_deployments_at_once_one_is_refused(stage: Stage) -> None:
    specs = [spec_of(end=str(at)) for at in range(6)]
    results = stage.together(*(stage.store.deploy(spec) for spec in specs))

    assert sum(isinstance(result, ActiveJobConflict) for result in results) == 5
    assert count(stage) == 1


def test_a_retry_does_not_make_a_second_job_beside_an_active_one(stage: Stage) -> None:
    first = deploy(stage)
    end(stage, first)
    second = deploy(stage)

    with pytest.raises(ActiveJobConflict):
        stage.do(stage.store.retry(first.id, "all"))

    end(stage, second)
    again = stage.do(stage.store.retry(first.id, "all"))
    assert deploy(stage).id == again.id


def test_a_named_worker_has_to_be_alive_for_a_new_job_only(stage: Stage) -> None:
    with pytest.raises(WorkerNotAvailable, match="w1"):
        deploy(stage, worker_id="w1")
    with pytest.raises(WorkerNotAvailable):
        deploy(stage, worker_id="w*")
    worker = stage.worker("w1")

    job = deploy(stage, worker_id="w*")

    stage.lose(worker)
    assert deploy(stage, worker_id="w*").id == job.id
    with pytest.raises(ActiveJobConflict) as caught:
        deploy(stage)
    assert caught.value.fields["fields"] == ["worker_id"]


def test_a_job_pinned_to_the_beginning_of_workers_goes_to_one_of_them(stage: Stage) -> None:
    other, wanted = stage.worker("v1"), stage.worker("w1")
    deploy(stage, worker_id="w*", parallelism=1)

    assert (len(other.claim(5)), len(wanted.claim(5))) == (0, 1)


def test_jobs_of_a_revision_are_listed_once_each_page_by_page(stage: Stage) -> None:
    mine = []
    for _ in range(5):
        job = deploy(stage)
        end(stage, job)
        mine.append(job.id)
        end(stage, deploy(stage, manifest_hash="b" * 64))
    worker = stage.worker()
    last = deploy(stage)
    for claim in worker.claim(2):
        worker.start(claim)
        worker.fail(claim)
    mine.append(last.id)
    query = JobQuery(dataset="_/eth", manifest_hash="a" * 64, limit=4)

    first = [job.id for job in stage.do(stage.store.jobs(query))]
    rest = [job.id for job in stage.do(stage.store.jobs(replace(query, after=first[-1])))]

    assert first + rest == mine[::-1]
    assert stage.do(stage.store.count(query)) == 6
    assert stage.do(stage.store.count(replace(query, statuses=[JobStatus.RUNNING]))) == 1


def test_which_block_a_job_ends_at_is_said_once(stage: Stage) -> None:
    job = deploy(stage, end="latest")
    worker = stage.worker()
    one, two = worker.claim(2)
    store = stage.store
    assert stage.do(store.stop_of(job.id)) is None

    said = [
        stage.do(store.fix_stop(worker.session, claim.attempt_id, job.id, stop))
        for claim, stop in ((one, 0), (two, 70), (one, 90))
    ]

    assert said == [0, 0, 0]
    assert stage.do(store.stop_of(job.id)) == 0
    assert stage.do(store.stop_of(999)) is None


def test_only_who_speaks_for_an_attempt_says_where_its_job_ends(stage: Stage) -> None:
    job = deploy(stage, end="latest")
    worker = stage.worker()
    claim = worker.claim(1)[0]
    worker.start(claim)
    worker.fail(claim)

    with pytest.raises(LeaseLost):
        stage.do(stage.store.fix_stop(worker.session, claim.attempt_id, job.id, 5))
    assert stage.do(stage.store.stop_of(job.id)) is None


def test_the_number_of_indexes_of_an_extraction_never_changes(stage: Stage) -> None:
    job = deploy(stage)
    changes = {"completions": 4, "parallelism": 4}

    with pytest.raises(InvalidDocument, match="1 problem"):
        stage.do(
            stage.store.change(
                job.id, lambda spec, started: patch(spec, changes, started=started, now=clock.now())
            )
        )


def test_where_one_job_ends_says_nothing_of_another(stage: Stage) -> None:
    other = deploy(stage, end="latest", name="other", parallelism=1)
    job = deploy(stage, end="latest", parallelism=1)
    worker = stage.worker()
    claims = {claim.job_id: claim for claim in worker.claim(2)}

    stage.do(stage.store.fix_stop(worker.session, claims[job.id].attempt_id, job.id, 7))

    assert stage.do(stage.store.stop_of(job.id)) == 7
    assert stage.do(stage.store.stop_of(other.id)) is None
