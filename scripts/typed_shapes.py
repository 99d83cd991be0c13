"""Make types for Python of the shapes that OpenAPI describes: one table, two descriptions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jobyard.api.shapes import ABOUT, SCHEMAS

Schema = dict[str, Any]

FILE = Path("src/jobyard/client/shapes.py")
HEAD = '''# made by scripts/generate.py
"""What a server answers, as types: the shapes of docs/reference/openapi.json."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

'''
PLAIN = {
    "string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None",
    "object": "dict[str, Any]",
}  # fmt: skip
NAMES = {
    ("AppliedJobs", "jobs"): "Applied",
    ("Explanation", "workers"): "FittingWorker",
    ("Explanation", "dependencies"): "ExplainedDependency",
    ("Explanation", "last_failures"): "ExplainedFailure",
    ("Progress", "completions"): "Completions",
    ("Manifests", "manifests"): "ManifestLine",
    ("ManifestDatasets", "datasets"): "ManifestUser",
    ("Datasets", "datasets"): "Dataset",
    ("Versions", "versions"): "Version",
    ("Versions", "special_tags"): "SpecialTags",
    ("Worker", "info"): "WorkerInfo",
    ("TableRevision", "metadata"): "TableMetadata",
}
"""What the shapes inside shapes are called."""
UNTYPED = ("Problem", "Health", "Manifest")
"""Answers that the clients turn into something else."""


def text() -> str:
    """Write the module; what is named stands before what names it."""
    written: dict[str, str] = {}
    for name, schema in SCHEMAS.items():
        if name not in UNTYPED:
            _write(name, schema, written)
    return HEAD + "".join(f"\n{lines}\n" for lines in written.values())


def _write(name: str, schema: Schema, written: dict[str, str]) -> None:
    if "enum" in schema:
        written[name] = f'{name} = {_words(schema["enum"])}\n"""{ABOUT[name]}"""'
        return
    base = "TypedDict"
    if "allOf" in schema:
        basis, schema = schema["allOf"]
        base = _kind(basis, (name, ""), written)
    members = []
    for member, of in schema["properties"].items():
        kind = _kind(of, (name, member), written)
        if member not in schema["required"]:
            kind = f"NotRequired[{kind}]"
        members.append(f"    {member}: {kind}\n")
    about = f'    """{ABOUT[name]}"""\n\n'
    written.setdefault(name, f"class {name}({base}):\n{about}{''.join(members)}")


def _kind(schema: Schema, place: tuple[str, str], written: dict[str, str]) -> str:
    """Write the type of one member; a shape of its own is written first."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return _words(schema["enum"])
    if "anyOf" in schema:
        return " | ".join(_kind(each, place, written) for each in schema["anyOf"])
    if "properties" in schema:
        name = NAMES[place]
        _write(name, schema, written)
        return name
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds == ["array"]:
        return f"list[{_kind(schema['items'], place, written)}]"
    return " | ".join(PLAIN[kind] for kind in kinds) or "Any"


def _words(legal: list[str | None]) -> str:
    """Write the type of one of some words, or nothing."""
    words = ", ".join(f'"{word}"' for word in legal if word is not None)
    return f"Literal[{words}]{' | None' if None in legal else ''}"
