"""Documents that are read to be applied: names that mean one job each, schedules of any time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobyard.spec.load import Purpose

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobyard.errors import Problem
    from jobyard.spec.load import Loaded

A = {"name": "a", "command": ["true"]}


def test_a_generated_name_cannot_be_applied(
    problems: Callable[..., list[Problem]],
    loaded: Callable[..., Loaded],
    a_manifest: Callable[..., dict[str, Any]],
) -> None:
    manifest = {**a_manifest(), "metadata": {"generateName": "pi-"}}
    (problem,) = problems(manifest, purpose=Purpose.APPLY)

    assert (problem.path, problem.code) == ("metadata.generateName", "Forbidden")
    assert "submit" in str(problem.legal)
    named = {**manifest, "metadata": {"generateName": "pi-", "name": "pi"}}
    assert loaded(named, purpose=Purpose.APPLY).specs[0].name == "pi"
    assert loaded(manifest).specs[0].name.startswith("pi-")


def test_a_name_stands_once_in_a_document_that_is_applied(
    problems: Callable[..., list[Problem]], loaded: Callable[..., Loaded]
) -> None:
    twice = {"jobs": [A, {**A, "namespace": "other"}, A]}
    (problem,) = problems(twice, purpose=Purpose.APPLY)

    assert (problem.path, problem.code) == ("jobs[2].name", "Duplicate")
    assert len(loaded(twice).specs) == 3


def test_a_schedule_that_has_passed_is_no_problem_when_it_is_applied_again(
    problems: Callable[..., list[Problem]], loaded: Callable[..., Loaded]
) -> None:
    passed = {**A, "scheduled_at": "2020-01-01T00:00:00Z"}
    assert [problem.path for problem in problems(passed)] == ["scheduled_at"]
    assert loaded(passed, purpose=Purpose.APPLY).specs[0].scheduled_at is not None
    far = {**A, "scheduled_at": "2040-01-01T00:00:00Z"}

    assert len(problems(far, purpose=Purpose.APPLY)) == 1
