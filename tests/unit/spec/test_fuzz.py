"""Whatever a document holds: specs, or a list of problems; nothing else ever comes out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from jobyard.errors import InvalidDocument
from jobyard.spec import application, kubernetes
from jobyard.spec.document import Document
from jobyard.spec.encode import canonical, decode, encode
from jobyard.spec.load import load, load_documents
from jobyard.spec.shape import Shape
from jobyard.spec.update import patch

NOW = datetime(2026, 3, 1, tzinfo=UTC)
EXECUTORS = st.sampled_from([None, "process", "fake", "container", "nonsense"])

scalars = (
    st.none()
    | st.booleans()
    | st.sampled_from([-1, 0, 1, 2, 10_001, 100_001, 2**31, 10**30, 0.5, 1e300])
    | st.sampled_from(["", "a", "A b", "Always", "Never", "Indexed", "0-3", "1Gi", "5s", "In"])
    | st.sampled_from(["batch/v1", "Job", "List", "FailIndex", "True", "x\ny", "é" * 300])
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
)


def names_of(shape: Any) -> Any:
    for row in shape.fields:
        yield row.name
        if isinstance(row.kind, Shape):
            yield from names_of(row.kind)


NAMES = sorted(
    {*names_of(application.JOB), *names_of(kubernetes.JOB), *names_of(application.APPLICATION)}
    | {"items", "rules", "job", "action", "values", "operator", "type", "status", "name", "value"}
    | {"onExitCodes", "on_exit_codes", "onPodConditions", "valueFrom", "mountPath", "emptyDir"}
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)
        | st.dictionaries(st.text(max_size=2).filter(str.isprintable), inner, max_size=2)
    ),
    max_leaves=25,
)


def shaped(shape: Any) -> Any:
    """Draw mappings that have a shape's fields, with values from anywhere."""
    members = {}
    for row in shape.fields:
        fitting = shaped(row.kind) if isinstance(row.kind, Shape) else values
        members[row.name] = fitting if not isinstance(row.kind, kubernetes._Containers) else values
    return st.fixed_dictionaries({}, optional=members)


jobs = shaped(application.JOB)
manifests = shaped(kubernetes.JOB).map(lambda m: {**m, "apiVersion": "batch/v1", "kind": "Job"})
documents = values | jobs | manifests | st.fixed_dictionaries({"jobs": st.lists(jobs, max_size=3)})


@given(documents, EXECUTORS)
@settings(max_examples=300)
def test_any_document_loads_or_is_refused(document: Any, executor: str | None) -> None:
    try:
        loaded = load_documents([Document(document)], now=NOW, executor=executor)
    except InvalidDocument as error:
        assert error.problems  # noqa: PT017 - either outcome is right
        for problem in error.problems:
            json.dumps([str(problem), problem.value, problem.legal, problem.path])
    else:
        for spec in loaded.specs:
            assert decode(json.loads(canonical(encode(spec)))) == spec


@given(st.dictionaries(st.sampled_from(NAMES), values, max_size=3), st.booleans())
def test_any_change_is_made_or_refused(changes: Any, started: bool) -> None:
    spec = load('{"name": "a", "command": ["true"], "suspend": true}', now=NOW).specs[0]

    try:
        patch(spec, changes, started=started, now=NOW)
    except InvalidDocument as error:
        assert error.problems  # noqa: PT017 - either outcome is right


@given(
    st.dictionaries(
        st.sampled_from(["ttl", "backoff", "backoff.base", "env.A", "x", "labels"]), values
    )
)
def test_any_override_is_made_or_refused(overrides: Any) -> None:
    try:
        load('{"name": "a", "command": ["true"]}', now=NOW, overrides=overrides)
    except InvalidDocument as error:
        assert error.problems  # noqa: PT017 - either outcome is right
