"""Make types for Python of the shapes that OpenAPI describes: one table, two descriptions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jobyard.api.shapes import SCHEMAS

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
    ("WholeWorker", "info"): "WorkerInfo",
}
"""What the shapes inside shapes are called; by their place if they are not here."""
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
    members = []
    for member, of in schema["properties"].items():
        kind = _kind(of, (name, member), written)
        if member not in schema["required"]:
            kind = f"NotRequired[{kind}]"
        members.append(f"    {member}: {kind}\n")
    about = f'    """{_title(name)}."""\n\n'
    written.setdefault(name, f"class {name}(TypedDict):\n{about}{''.join(members)}")


def _title(name: str) -> str:
    """Read a shape's name as words."""
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return f"The shape of{words}"


def _kind(schema: Schema, place: tuple[str, str], written: dict[str, str]) -> str:
    """Write the type of one member; a shape of its own is written first."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return _words(schema["enum"])
    if "properties" in schema:
        name = NAMES.get(place, f"{place[0]}{place[1].title().replace('_', '')}")
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
