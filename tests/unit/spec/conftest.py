"""What the tests of the spec room share: one way to load, one way to look at problems."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from jobyard.errors import InvalidDocument, Problem
from jobyard.spec.load import Loaded, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobyard.core.job import JobSpec

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def _text(document: Any) -> str | bytes:
    return document if isinstance(document, (str, bytes)) else json.dumps(document)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def loaded() -> Callable[..., Loaded]:
    def call(document: Any, **choices: Any) -> Loaded:
        return load(_text(document), **{"now": NOW, "executor": "process", **choices})

    return call


@pytest.fixture
def problems() -> Callable[..., list[Problem]]:
    def call(document: Any, **choices: Any) -> list[Problem]:
        with pytest.raises(InvalidDocument) as caught:
            load(_text(document), **{"now": NOW, "executor": "process", **choices})
        return caught.value.problems

    return call


@pytest.fixture
def a_job(loaded: Callable[..., Loaded]) -> Callable[..., JobSpec]:
    """Load one job object with a name and a command and these fields."""

    def call(**fields: Any) -> JobSpec:
        given = {"name": "a", "command": ["true"], **fields}
        return loaded(given).specs[0]

    return call


@pytest.fixture
def a_manifest() -> Callable[..., dict[str, Any]]:
    """Make a Job manifest; ``pod`` and ``container`` fields are laid over the template's."""

    def call(
        *, name: str = "a", pod: Any = None, container: Any = None, **spec: Any
    ) -> dict[str, Any]:
        only = {"name": "main", "image": "busybox", "command": ["true"], **(container or {})}
        pod_spec = {"restartPolicy": "Never", "containers": [only], **(pod or {})}
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name},
            "spec": {"template": {"spec": pod_spec}, **spec},
        }

    return call
