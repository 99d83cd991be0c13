"""The published schemas and the reader agree: what the reader takes is valid, and the reverse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from tests.unit.spec.conftest import NOW
from tests.unit.spec.test_application import SEEDS
from tests.unit.spec.test_fuzz import scalars

from jobyard.errors import InvalidDocument, Problem
from jobyard.spec.document import Document, read
from jobyard.spec.extraction_file import is_extraction
from jobyard.spec.load import load_documents
from jobyard.spec.schema import schemas
from validation.catalogue import Case, a_job, a_manifest
from validation.page import GROUPS

ROOT = Path(__file__).parents[3]
EXAMPLES = [
    path
    for path in (ROOT / "examples").rglob("*")
    # Manifests of datasets and providers are checked against what is registered.
    if path.suffix in {".yaml", ".json"} and path.parent.name != "datasets"
]
CASES = [case for rows in GROUPS.values() for row in rows for case in row.cases()]
VALIDATORS = {name: Draft202012Validator(schema) for name, schema in schemas().items()}


def without_nulls(value: Any) -> Any:
    """Null is the same as leaving a field out; the schemas say so in words."""
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [without_nulls(element) for element in value]
    return value


def is_valid(document: Any) -> bool:
    manifest = isinstance(document, dict) and ("apiVersion" in document or "kind" in document)
    shape = "kubernetes-job" if manifest else "application"
    if is_extraction(document):
        shape = "extraction"
    return VALIDATORS[shape].is_valid(without_nulls(document))


def problems_of(document: Any) -> list[Problem]:
    try:
        load_documents([Document(document)], now=NOW, executor="fake")
    except InvalidDocument as error:
        return error.problems
    return []


@pytest.mark.parametrize("name", VALIDATORS)
def test_a_schema_is_one(name: str) -> None:
    Draft202012Validator.check_schema(schemas()[name])
    written = (ROOT / "docs" / "reference" / f"{name}.schema.json").read_text()
    assert json.loads(written) == schemas()[name]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_example_is_valid(path: Path) -> None:
    for document in read(path.read_bytes()):
        assert is_valid(document.value)


@pytest.mark.parametrize("text", SEEDS.values(), ids=SEEDS)
def test_the_documents_own_examples_are_valid(text: str) -> None:
    assert is_valid(read(text)[0].value)


def test_the_smallest_documents_are_valid() -> None:
    assert is_valid(a_job())
    assert is_valid({"jobs": [a_job()]})
    assert is_valid(a_manifest())
    assert is_valid({"apiVersion": "v1", "kind": "List", "items": [a_manifest()]})


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.row.rule}, {case.shape}")
def test_what_no_schema_allows_is_refused_and_what_one_allows_is_well_formed(case: Case) -> None:
    document = case.document()
    problems = problems_of(document)

    if not problems:
        assert is_valid(document)
    if not is_valid(document):
        assert problems


def drawn(schema: Any) -> st.SearchStrategy[Any]:
    """Draw values that a schema of ours allows; objects with few of their members."""
    if "anyOf" in schema:
        return st.one_of([drawn(kind) for kind in schema["anyOf"]])
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0]
    draw = DRAWN.get(kind)
    return draw(schema) if draw else st.sampled_from([{}, "a", 1])


def drawn_list(schema: Any) -> st.SearchStrategy[Any]:
    least, most = schema.get("minItems", 0), min(schema.get("maxItems", 2), 2)
    return st.lists(drawn(schema["items"]), min_size=least, max_size=max(least, most))


def drawn_number(schema: Any) -> st.SearchStrategy[Any]:
    least, most = schema.get("minimum", 0), schema.get("maximum", 9)
    return st.integers(int(least), int(min(most, least + 9)))


def drawn_text(schema: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(["a", "1", "5s", "0,2", "2030-06-02T00:00:00Z"])


def drawn_object(schema: Any) -> st.SearchStrategy[Any]:
    members = {name: drawn(below) for name, below in schema.get("properties", {}).items()}
    if not members:
        more = schema.get("additionalProperties", {"type": "string"})
        return st.dictionaries(st.sampled_from(["cpu", "memory", "a"]), drawn(more), max_size=2)
    required = {name: members.pop(name) for name in schema.get("required", ())}
    few = st.lists(st.sampled_from(sorted(members)), max_size=3, unique=True) if members else None
    if few is None:
        return st.fixed_dictionaries(required)
    return few.flatmap(
        lambda names: st.fixed_dictionaries({**required, **{name: members[name] for name in names}})
    )


DRAWN: dict[Any, Any] = {
    "object": drawn_object,
    "array": drawn_list,
    "integer": drawn_number,
    "number": drawn_number,
    "boolean": lambda schema: st.booleans(),
    "string": drawn_text,
}

jobs = drawn(schemas()["application"]["$defs"]["job"]).map(lambda job: {**a_job(), **job})
manifests = drawn(schemas()["kubernetes-job"]["$defs"]["job"])


@st.composite
def nearly_right(draw: st.DrawFn) -> Any:
    """Draw a document that is right, or wrong in one place of it."""
    document = draw(jobs | manifests)
    if draw(st.booleans()):
        here = document
        while isinstance(here, dict) and here:
            name = draw(st.sampled_from(sorted(here)))
            if not isinstance(here[name], dict) or draw(st.booleans()):
                here[name] = draw(scalars)
                break
            here = here[name]
    return document


@given(nearly_right())
@settings(max_examples=400)
def test_the_reader_and_the_schemas_agree(document: Any) -> None:
    found, valid = problems_of(document), is_valid(document)

    # What no schema can say: rules between fields, and the grammar of texts.
    event(f"{'refused' if found else 'taken'}, {'valid' if valid else 'not valid'}")
    if not found:
        assert valid
    if valid:
        assert [problem for problem in found if problem.code == "Unknown"] == []
        assert [problem for problem in found if problem.message.startswith("must be a ")] == []
