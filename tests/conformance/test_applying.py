"""What a store promises to those who apply documents, on both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from jobyard.core.job import Dependency, DependencyCondition
from jobyard.core.state import Request
from jobyard.errors import ApplyConflict, InvalidRequest, StateConflict
from jobyard.spec.again import Which
from jobyard.testing.stage import make_spec

if TYPE_CHECKING:
    from jobyard.core.job import JobSpec
    from jobyard.core.records import Job
    from jobyard.testing.stage import Stage


def apply(stage: Stage, *specs: JobSpec, rerun: bool = False) -> list[tuple[str, int]]:
    applied = stage.do(stage.store.apply(specs, rerun=rerun))
    return [(str(action), job.id) for action, job in applied]


def apply_one(stage: Stage, spec: JobSpec, **options: Any) -> tuple[str, Job]:
    [(action, job)] = stage.do(stage.store.apply([spec], **options))
    assert job == stage.job(job.id)
    return str(action), job


def count(stage: Stage) -> int:
    return len(stage.sql("SELECT id FROM jobs", count=True))


def over(name: str = "job", **fields: Any) -> JobSpec:
    """Make a spec whose job is complete at once."""
    return make_spec(name, policy={"completions": 0, **fields.pop("policy", {})}, **fields)


def test_what_is_new_is_created(stage: Stage) -> None:
    action, job = apply_one(stage, make_spec(labels={"a": "b"}), trigger="cli")

    assert (action, job.trigger, job.state.status) == ("created", "cli", "SCHEDULED")
    assert stage.worker().claim_one().job_id == job.id


@pytest.mark.parametrize("spec", [make_spec(), over()], ids=["active", "over"])
def test_what_is_the_same_stays(stage: Stage, spec: JobSpec) -> None:
    _, job = apply_one(stage, spec)
    stage.clock.advance(5)

    assert apply_one(stage, spec) == ("unchanged", job)
    assert count(stage) == 1


def test_what_is_over_runs_again_when_that_is_asked_for(stage: Stage) -> None:
    _, first = apply_one(stage, over())
    _, active = apply_one(stage, make_spec("active"))

    assert apply(stage, over(), make_spec("active"), rerun=True) == [
        ("created", first.id + 2),
        ("unchanged", active.id),
    ]
    assert apply(stage, over()) == [("unchanged", first.id + 2)]


def test_an_active_job_takes_on_what_may_change(stage: Stage) -> None:
    _, job = apply_one(stage, make_spec(policy={"completions": 9, "parallelism": 1}))
    changed = make_spec(labels={"a": "b"}, priority=2, policy={"completions": 9, "parallelism": 4})
    action, patched = apply_one(stage, changed)

    assert (action, patched.id) == ("patched", job.id)
    assert (patched.labels, patched.priority, patched.state.active) == ({"a": "b"}, 2, 4)
    assert stage.story(job.id)[-1] == "changed"
    assert apply_one(stage, changed) == ("unchanged", patched)


def test_an_applied_suspend_is_a_suspend_and_without_it_a_resume(stage: Stage) -> None:
    _, job = apply_one(stage, make_spec())
    assert apply_one(stage, make_spec(policy={"suspend": True}))[1].state.status == "PENDING"

    assert apply_one(stage, make_spec())[1].state.status == "SCHEDULED"
    assert "suspended" in stage.story(job.id)


def test_an_active_job_stands_in_the_way_of_what_cannot_change(stage: Stage) -> None:
    _, job = apply_one(stage, make_spec(policy={"completions": 2}))
    other = make_spec(executor="process", policy={"completions": 3, "ttl": 5.0})
    with pytest.raises(ApplyConflict) as raised:
        apply(stage, make_spec("new"), other)

    assert raised.value.fields["conflicts"] == [
        {
            "job_id": job.id,
            "name": "job",
            "namespace": "default",
            "job_status": "SCHEDULED",
            "fields": ["completions", "executor"],
        }
    ]
    assert "completions, executor" in raised.value.detail
    assert stage.job(job.id) == job
    assert count(stage) == 1


def test_every_conflict_of_a_document_is_named(stage: Stage) -> None:
    apply(stage, make_spec("a"), make_spec("b"))
    with pytest.raises(ApplyConflict) as raised:
        apply(stage, *(make_spec(name, executor="process") for name in "ab"))

    assert [one["name"] for one in raised.value.fields["conflicts"]] == ["a", "b"]


def test_what_is_over_is_followed_by_what_differs(stage: Stage) -> None:
    _, first = apply_one(stage, over())
    for spec in (over(executor="process"), over(executor="process", policy={"parallelism": 3})):
        action, job = apply_one(stage, spec)
        assert action == "created"
        assert job.id > first.id


def test_what_is_over_takes_on_labels_and_a_ttl(stage: Stage) -> None:
    _, first = apply_one(stage, over())
    action, job = apply_one(stage, over(labels={"a": "b"}, policy={"ttl": 60.0}))

    assert (action, job.id, job.labels) == ("patched", first.id, {"a": "b"})
    assert job.state.expires_at == (job.state.finished_at or 0) + 60_000_000


def test_a_stopping_job_is_not_resumed_by_a_document(stage: Stage) -> None:
    _, job = apply_one(stage, make_spec(policy={"suspend": True}))
    stage.do(stage.store.suspend(job.id, suspend=False))
    stage.worker().claim_one()
    stage.do(stage.store.ask(job.id, Request.STOP))

    with pytest.raises(StateConflict):
        apply(stage, make_spec("new"), make_spec(policy={"suspend": True}))
    assert count(stage) == 1
    assert apply(stage, make_spec()) == [("unchanged", job.id)]


def test_names_live_in_namespaces(stage: Stage) -> None:
    [(_, here)] = apply(stage, make_spec())
    [(action, there)] = apply(stage, make_spec(namespace="other"))

    assert (action, there) == ("created", here + 1)
    assert apply(stage, make_spec(), make_spec(namespace="other")) == [
        ("unchanged", here),
        ("unchanged", there),
    ]


def test_the_newest_job_of_a_name_is_the_one_that_counts(stage: Stage) -> None:
    stage.submit(over(), make_spec(executor="process"))
    [newest] = stage.submit(make_spec())

    assert apply(stage, make_spec()) == [("unchanged", newest.id)]


def test_a_key_names_a_request_and_says_nothing_here(stage: Stage) -> None:
    spec = over(idempotency_key="k")
    stage.submit(spec)
    action, job = apply_one(stage, replace(spec, executor="process"))

    assert action == "created"
    assert apply(stage, replace(spec, executor="process", idempotency_key="x")) == [
        ("unchanged", job.id)
    ]


def test_a_name_stands_once_in_what_is_applied(stage: Stage) -> None:
    with pytest.raises(InvalidRequest, match="two jobs are called `job`"):
        apply(stage, make_spec(), make_spec())
    assert count(stage) == 0


def test_two_who_apply_the_same_new_name_make_one_job(stage: Stage) -> None:
    specs = [make_spec("a"), make_spec("b")]
    for turn in range(5):
        mine = [replace(spec, name=f"{spec.name}{turn}") for spec in specs]
        results = stage.together(
            *(stage.store.apply(mine[:: (-1) ** n]) for n in range(6)),
        )
        assert not [result for result in results if isinstance(result, BaseException)]
        made = [job.id for result in results for action, job in result if action == "created"]

        assert len(made) == 2
        assert count(stage) == 2 * (turn + 1)


def test_a_retry_stands_for_the_job_that_it_runs_again(stage: Stage) -> None:
    policy = {"completions": 3, "parallelism": 3, "backoff_limit_per_index": 0}
    spec = make_spec(indexed=True, policy={**policy, "backoff_limit": 9})
    [(_, first)] = apply(stage, spec)
    worker = stage.worker()
    zero, one, two = worker.claim(3)
    worker.end(zero, two)
    worker.fail(one)
    again = stage.do(stage.store.retry(first, Which.FAILED))
    assert apply(stage, spec) == [("unchanged", again.id)]
    assert apply(stage, replace(spec, priority=3)) == [("patched", again.id)]
    assert str(stage.job(again.id).state.policy.indexes) == "1"
    worker.end(worker.claim_one())

    assert apply(stage, replace(spec, priority=3)) == [("unchanged", again.id)]
    [(action, whole)] = apply(stage, replace(spec, executor="process"))
    assert action == "created"
    assert stage.job(whole).state.policy.indexes is None


def test_a_retry_does_not_lose_its_indexes_to_a_document_that_shrank(stage: Stage) -> None:
    policy = {"completions": 3, "parallelism": 3, "backoff_limit": 0}
    [(_, first)] = apply(stage, make_spec(indexed=True, policy=policy))
    worker = stage.worker()
    claims = worker.claim(3)
    worker.end(*claims[:2])
    worker.fail(claims[2])
    stage.do(stage.store.retry(first, Which.FAILED))
    smaller = make_spec(indexed=True, policy={**policy, "completions": 2, "parallelism": 2})
    with pytest.raises(ApplyConflict) as raised:
        apply(stage, smaller)

    assert raised.value.fields["conflicts"][0]["fields"] == ["completions"]
    worker.end(worker.claim_one())
    assert [action for action, _ in apply(stage, smaller)] == ["created"]


def after(name: str, condition: str = "completed") -> tuple[Dependency, ...]:
    return (Dependency(name, DependencyCondition(condition)),)


def test_what_depends_on_an_unchanged_job_gets_its_result(stage: Stage) -> None:
    [_, (_, broken)] = apply(stage, over("built"), make_spec("broken"))
    stage.do(stage.store.ask(broken, Request.CANCEL))
    applied = apply(
        stage,
        over("built"),
        make_spec("broken"),
        make_spec("fine", depends_on=after("built")),
        make_spec("vain", depends_on=after("broken")),
        make_spec("tidy", depends_on=after("broken", "finished")),
    )
    stage.decide_due()

    assert [action for action, _ in applied] == ["unchanged"] * 2 + ["created"] * 3
    assert [stage.status(job_id) for _, job_id in applied[2:]] == [
        "SCHEDULED",
        "CANCELED",
        "SCHEDULED",
    ]


def test_what_depends_on_an_active_unchanged_job_waits_for_it(stage: Stage) -> None:
    [(_, first)] = apply(stage, make_spec("first"))
    second = make_spec("second", depends_on=after("first"))
    [_, (action, job_id)] = apply(stage, make_spec("first"), second)
    assert (action, stage.status(job_id)) == ("created", "PENDING")
    worker = stage.worker()
    claim = worker.claim_one()
    assert claim.job_id == first
    worker.end(claim)
    stage.decide_due()

    assert stage.status(job_id) == "SCHEDULED"


def test_a_rerun_of_all_runs_them_in_order_again(stage: Stage) -> None:
    document = over("first"), over("second", depends_on=after("first"))
    before = apply(stage, *document)
    stage.decide_due()
    applied = apply(stage, *document, rerun=True)
    stage.decide_due()

    assert [action for action, _ in applied] == ["created"] * 2
    assert {stage.status(job_id) for _, job_id in (*before, *applied)} == {"COMPLETED"}
