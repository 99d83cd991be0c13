"""Rows 213, 214 and 221 of kubernetes-job-cases.md section 12: what may change, and what not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jobyard.core.job import Resources
from jobyard.errors import InvalidDocument
from jobyard.spec.update import MUTABLE, differing, immutable, patch, take_over

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from jobyard.core.job import JobSpec
    from jobyard.errors import Problem
    from jobyard.spec.load import Loaded

INDEXED = {
    "completion_mode": "Indexed",
    "completions": 4,
    "parallelism": 4,
    "restart_policy": "Never",
    "backoff_limit_per_index": 1,
    "max_failed_indexes": 2,
}


@pytest.fixture
def refused(now: datetime) -> Any:
    def call(spec: JobSpec, changes: Any, *, started: bool = True) -> Any:
        with pytest.raises(InvalidDocument) as caught:
            patch(spec, changes, started=started, now=now)
        return caught.value.problems

    return call


@pytest.mark.parametrize(
    ("field", "value", "attribute"),
    [
        ("parallelism", 3, "parallelism"),
        ("backoff_limit", 1, "backoff_limit"),
        ("active_deadline", "10s", "active_deadline"),
        ("active_deadline", None, "active_deadline"),
        ("ttl", 0, "ttl"),
        ("suspend", True, "suspend"),
        ("pod_replacement_policy", "Failed", "replacement_policy"),
    ],
)
def test_a_mutable_field_changes(
    a_job: Callable[..., JobSpec], now: datetime, field: str, value: Any, attribute: str
) -> None:
    """Row 214."""
    spec = a_job(ttl=60, active_deadline=60)

    changed = patch(spec, {field: value}, started=True, now=now)

    assert getattr(changed.policy, attribute) in (value, 10.0)
    assert changed != spec


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        ({"labels": {"c": "d"}}, {"a": "b", "keep": "me", "c": "d"}),
        ({"labels": {"a": "x"}}, {"a": "x", "keep": "me"}),
        ({"labels": {"a": None, "nothing": None}}, {"keep": "me"}),
    ],
)
def test_labels_are_merged_name_by_name_at_any_time(
    a_job: Callable[..., JobSpec], now: datetime, changes: Any, labels: Any
) -> None:
    spec = a_job(labels={"a": "b", "keep": "me"})

    assert patch(spec, changes, started=True, now=now).labels == labels


def test_a_label_that_is_none_is_refused_in_its_place(
    a_job: Callable[..., JobSpec], refused: Callable[..., list[Problem]]
) -> None:
    (problem,) = refused(a_job(labels={"a": "b"}), {"labels": {"c": "no label!", "a": None}})

    assert problem.path == "labels.c"


def test_a_priority_changes_at_any_time(a_job: Callable[..., JobSpec], now: datetime) -> None:
    assert patch(a_job(), {"priority": 7}, started=True, now=now).priority == 7


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("command", ["false"]),
        ("image", "x"),
        ("env", {"A": "2"}),
        ("name", "b"),
        ("completion_mode", "Indexed"),
        ("restart_policy", "Never"),
        ("pod_failure_policy", [{"action": "Count", "on_conditions": [{"type": "Ready"}]}]),
        ("success_policy", [{"succeeded_count": 1}]),
        ("backoff_limit_per_index", 1),
        ("backoff", {"base": 1}),
        ("completions", 3),
        ("worker_id", "w1"),
        ("worker_selector", {"a": "b"}),
        ("indexes", "0"),
        ("depends_on", [7]),
    ],
)
def test_an_immutable_field_does_not_change(
    a_job: Callable[..., JobSpec], refused: Callable[..., list[Problem]], field: str, value: Any
) -> None:
    """Row 213."""
    (problem,) = refused(a_job(), {field: value})

    assert (problem.path, problem.code) == (field, "Immutable")
    assert problem.message == "field is immutable"
    assert MUTABLE[0] in str(problem.legal)


def test_the_same_values_are_no_change(a_job: Callable[..., JobSpec], now: datetime) -> None:
    """Row 221: a no-op update is the same spec."""
    spec = a_job(env={"A": "1"}, **INDEXED)

    same = {"command": ["true"], "env": {"A": "1"}, "parallelism": 4, "completions": 4}

    assert patch(spec, same, started=True, now=now) is spec
    assert patch(spec, {}, started=True, now=now) is spec


def test_an_indexed_job_grows_and_shrinks_with_its_parallelism(
    a_job: Callable[..., JobSpec], refused: Callable[..., list[Problem]], now: datetime
) -> None:
    spec = a_job(**INDEXED)

    grown = patch(spec, {"completions": 6, "parallelism": 6}, started=True, now=now)
    (alone,) = refused(spec, {"completions": 6})

    assert (grown.policy.completions, grown.policy.parallelism) == (6, 6)
    assert "in tandem with `parallelism`" in alone.message


def test_a_change_that_breaks_a_rule_is_refused(
    a_job: Callable[..., JobSpec], refused: Callable[..., list[Problem]]
) -> None:
    spec = a_job(**INDEXED)

    (problem,) = refused(spec, {"completions": 1, "parallelism": 1})

    assert problem.path == "max_failed_indexes"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"paralelism": 1}, "Unknown"),
        ({"parallelism": None}, "Required"),
        ({"parallelism": -1}, "Invalid"),
        ({"suspend": "no"}, "Invalid"),
        ([], "Invalid"),
    ],
)
def test_a_wrong_change_is_refused(
    a_job: Callable[..., JobSpec], refused: Callable[..., list[Problem]], changes: Any, code: str
) -> None:
    (problem,) = refused(a_job(), changes)

    assert problem.code == code


def test_every_wrong_change_is_named(
    a_job: Callable[..., JobSpec], refused: Callable[..., list[Problem]]
) -> None:
    found = refused(a_job(), {"parallelism": -1, "command": ["x"], "nothing": 1})

    assert {problem.path for problem in found} == {"parallelism", "command", "nothing"}


def test_a_suspended_job_that_never_started_may_move_and_grow(
    a_job: Callable[..., JobSpec], refused: Callable[..., list[Problem]], now: datetime
) -> None:
    spec = a_job(suspend=True)
    changes = {"resources": {"requests": {"cpu": 2}}, "worker_selector": {"zone": "b"}}

    changed = patch(spec, changes, started=False, now=now)

    assert changed.program.resources == Resources(request_cpu=2.0)
    assert changed.worker_selector == {"zone": "b"}
    assert len(refused(spec, changes, started=True)) == 2


def test_what_differs_is_named_and_what_of_it_cannot_change(
    a_job: Callable[..., JobSpec],
) -> None:
    old = a_job(idempotency_key="one")
    new = a_job(
        command=["false"], parallelism=1, completions=1, ttl=5, worker_id="w", idempotency_key="two"
    )

    names = differing(old, new)

    assert names == ("command", "ttl", "worker_id")
    assert immutable(old, new, names, started=True) == ("command", "worker_id")
    paused = a_job(suspend=True)
    assert immutable(paused, new, names, started=False) == ("command",)
    assert immutable(paused, new, names, started=True) == ("command", "worker_id")
    assert take_over(old, new, ["ttl"]) == a_job(ttl=5, idempotency_key="one")


@pytest.mark.parametrize(
    ("after", "stuck"),
    [
        ({"completions": 6, "parallelism": 6}, ()),
        ({"completions": 6}, ("completions",)),
        ({"parallelism": 2}, ()),
    ],
)
def test_completions_differ_legally_only_with_parallelism(
    a_job: Callable[..., JobSpec], after: Any, stuck: tuple[str, ...]
) -> None:
    old, new = a_job(**INDEXED), a_job(**{**INDEXED, **after})

    assert immutable(old, new, differing(old, new), started=True) == stuck


def test_a_retry_differs_in_nothing_from_the_document_of_its_job(
    a_job: Callable[..., JobSpec],
) -> None:
    document = a_job(**INDEXED, suspend=True, scheduled_at="2026-03-02T00:00:00Z")
    retried = a_job(**INDEXED, indexes="1-2")

    assert differing(retried, document, retried=True) == ()
    assert differing(retried, document) == ("indexes", "scheduled_at", "suspend")
    rest, whole = a_job(completions=2), a_job(completions=5)
    assert differing(rest, whole, retried=True) == ()
    assert differing(rest, whole) == ("completions",)


def test_a_schedule_that_has_passed_does_not_stand_in_the_way(
    a_job: Callable[..., JobSpec], now: datetime
) -> None:
    spec = a_job(scheduled_at="2026-03-02T00:00:00Z")
    later = now.replace(year=2028)

    assert patch(spec, {"ttl": 1}, started=True, now=later).policy.ttl == 1


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"completionMode": "NonIndexed"}, "completion_mode"),
        ({"backoffLimitPerIndex": 2}, "backoff_limit_per_index"),
        ({"podFailurePolicy": {"rules": []}}, "pod_failure_policy"),
        ({"successPolicy": {"rules": [{"succeededCount": 2}]}}, "success_policy"),
        ({"managedBy": "other.io/queue"}, "unused"),
        ({"pod": {"nodeSelector": {"disk": "hdd"}}}, "unused"),
        ({"pod": {"terminationGracePeriodSeconds": 5}}, "termination_grace_period"),
        ({"container": {"command": ["other"]}}, "command"),
        ({"container": {"image": "other"}}, "image"),
    ],
)
def test_what_a_manifest_may_not_change_is_named(
    loaded: Callable[..., Loaded],
    a_manifest: Callable[..., dict[str, Any]],
    fields: dict[str, Any],
    named: str,
) -> None:
    """Row 213, for manifests; what is only kept does not change either."""
    before = {
        "completionMode": "Indexed",
        "completions": 4,
        "backoffLimitPerIndex": 1,
        "managedBy": "acme.io/queue",
        "podFailurePolicy": {"rules": [{"action": "Count", "onPodConditions": [{"type": "A"}]}]},
        "successPolicy": {"rules": [{"succeededCount": 1}]},
        "pod": {"nodeSelector": {"disk": "ssd"}},
    }
    after = {**before, **fields}
    if named == "completion_mode":
        for name in ("backoffLimitPerIndex", "successPolicy"):
            del after[name]
    old, new = (loaded(a_manifest(**given)).specs[0] for given in (before, after))

    assert named in immutable(old, new, differing(old, new), started=True)
