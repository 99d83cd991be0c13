"""The catalogue of what is refused in a document: each rule with a document that breaks it alone.

The reference page is made from it (``generate.py``), and tests execute every row in both shapes, as
YAML and as JSON. Rules of Kubernetes are those of its Job API; the others are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from jobyard.errors import InvalidDocument, Problem
from jobyard.spec.document import read
from jobyard.spec.load import load, load_documents
from jobyard.spec.update import patch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jobyard.spec.document import Document

NOW = datetime(2030, 6, 1, tzinfo=UTC)
"""The time at which the documents of the catalogue are looked at."""

_SHORT = {
    "pod": ("spec", "template", "spec"),
    "container": ("spec", "template", "spec", "containers", 0),
}
"""What the examples write for long ways into a manifest."""

Steps = tuple[str | int, ...]


@dataclass(frozen=True)
class Row:
    """One rule: what breaks it in either shape, and what must be said of it.

    The examples are lines ``path: value`` laid over a sound job, or over a sound manifest; the
    problem is at the path of the last one, or below it at ``at`` and ``kubernetes_at``. ``message``
    and ``legal`` are parts of what is said. ``value`` is what is said to stand there, where that is
    not simply what stands there.
    """

    rule: str
    message: str
    application: str | tuple[str, ...] = ()
    kubernetes: str | tuple[str, ...] = ()
    code: str = "Invalid"
    legal: str | None = None
    at: Steps = ()
    kubernetes_at: Steps | None = None
    value: Any = ...
    executor: str | None = "process"
    whole: bool = False

    def cases(self) -> Iterator[Case]:
        """Make the document of each shape that has this rule."""
        for shape, lines, below in (
            ("application", self.application, self.at),
            ("kubernetes", self.kubernetes, self.kubernetes_at),
        ):
            if lines:
                given = (lines,) if isinstance(lines, str) else lines
                yield Case(self, shape, given, self.at if below is None else below)


@dataclass(frozen=True)
class Case:
    """One rule broken in one shape."""

    row: Row
    shape: str
    lines: tuple[str, ...]
    below: Steps

    @property
    def steps(self) -> Steps:
        """The way to the problem."""
        above = () if self.row.whole else _steps(_split(self.lines[-1])[0])
        return (*above, *self.below)

    def document(self) -> dict[str, Any]:
        """Lay the lines over a sound document."""
        if self.row.whole:
            return _mapping("\n".join(self.lines))
        document = a_job() if self.shape == "application" else a_manifest()
        for line in self.lines:
            path, text = _split(line)
            lay(document, _steps(path), _value(text))
        return document

    def problems(self) -> list[Problem]:
        """Tell what is wrong with the document."""
        return self.found(read(_json(self.document()), syntax="json"))

    def found(self, documents: Iterable[Document]) -> list[Problem]:
        """Load documents and tell what is wrong, or worth a warning, in them."""
        available = ["process", "fake"]
        if self.row.executor == "container":
            available.append("container")
        try:
            loaded = load_documents(
                list(documents), now=NOW, executor=self.row.executor, available=available
            )
        except InvalidDocument as error:
            return error.problems
        return list(loaded.warnings)


@dataclass(frozen=True)
class Text:
    """One thing that makes a whole document unreadable, at a line of it."""

    rule: str
    text: str
    message: str
    line: int | None
    code: str = "Invalid"

    def found(self) -> list[Problem]:
        """Load the text as the bytes that it stands for."""
        try:
            loaded = load(self.text.encode("latin-1"), now=NOW, executor="process")
        except InvalidDocument as error:
            return error.problems
        return list(loaded.warnings)


@dataclass(frozen=True)
class Change:
    """One change of a job that is refused, or made when ``message`` is empty."""

    rule: str
    change: str
    message: str = ""
    job: str = "ttl: 60"
    code: str = "Immutable"
    started: bool = True

    def found(self) -> list[Problem]:
        """Try the change; no problems when it is made."""
        document = {**a_job(), **_mapping(self.job)}
        documents = read(_json(document))
        spec = load_documents(documents, now=NOW, executor="process").specs[0]
        try:
            patch(spec, _mapping(self.change), started=self.started, now=NOW)
        except InvalidDocument as error:
            return error.problems
        return []


def a_job() -> dict[str, Any]:
    """Make a sound job object."""
    return {"name": "a", "command": ["run"], "ttl": 60}


def a_manifest() -> dict[str, Any]:
    """Make a sound manifest."""
    container = {"name": "main", "image": "busybox", "command": ["run"]}
    pod = {"restartPolicy": "Never", "containers": [container]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "a"},
        "spec": {"ttlSecondsAfterFinished": 60, "template": {"spec": pod}},
    }


def lay(document: Any, steps: Steps, value: Any) -> None:
    """Put a value into a document; mappings on the way are made."""
    for step, following in pairwise(steps):
        if isinstance(step, str) and step not in document:
            document[step] = [] if isinstance(following, int) else {}
        document = document[step]
    document[steps[-1]] = value


def _split(line: str) -> tuple[str, str]:
    path, _, text = line.partition(":")
    return path, text.strip()


def _steps(path: str) -> Steps:
    first, *rest = path.split(".")
    return (*_SHORT.get(first, (first,)), *rest)


def _value(text: str) -> Any:
    return _mapping(f"value: {text}")["value"]


def _mapping(text: str) -> dict[str, Any]:
    value: dict[str, Any] = read(text, syntax="yaml")[0].value
    return value


def _json(value: Any) -> str:
    import json

    return json.dumps(value)
