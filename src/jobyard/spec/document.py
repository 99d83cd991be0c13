"""Read YAML 1.2 or JSON into plain values, each with its line, within bounds.

Values are what JSON has: None, bool, int, float, str, list, dict with text keys. Nothing of a
document is ever executed, and nothing of it is trusted before it is counted.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from jobyard.errors import InvalidDocument, Problem, TooLarge
from jobyard.spec.report import dotted, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobyard.spec.report import Steps

MOST_BYTES = 64 * 1024 * 1024
MOST_NODES = 100_000
MOST_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a document may be: bytes of text, values in it (aliases expanded), levels."""

    size: int = MOST_BYTES
    nodes: int = MOST_NODES
    depth: int = MOST_DEPTH


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file: its value and, from YAML, the line of each place in it."""

    value: Any
    lines: Mapping[Steps, int] = field(default_factory=dict)


def read(
    text: str | bytes,
    *,
    syntax: Literal["auto", "json", "yaml"] = "auto",
    limits: Limits = DEFAULT_LIMITS,
) -> list[Document]:
    """Read every document of a text; empty ones are left out.

    Raises:
        InvalidDocument: it cannot be read; says where and why.
        TooLarge: it has more bytes than the limit.
    """
    plain = _decode(text, limits)
    if syntax == "json" or (syntax == "auto" and plain.lstrip()[:1] in ("{", "[")):
        try:
            return [Document(_read_json(plain, limits))]
        except json.JSONDecodeError as error:
            if syntax == "json":
                refuse(f"not JSON: {error.msg}", line=error.lineno)
    # Submissions in JSON must not pay for the YAML reader.
    from jobyard.spec.yaml_reader import read_yaml

    return [document for document in read_yaml(plain, limits) if document.value is not None]


def refuse(
    message: str, *, line: int | None = None, path: str = "", code: str = "Invalid"
) -> NoReturn:
    """End the reading of a document that makes no sense from here on."""
    raise InvalidDocument([Problem(path, message, code, line)])


def _decode(text: str | bytes, limits: Limits) -> str:
    size = (
        len(text)
        if len(text) > limits.size or isinstance(text, bytes)
        else len(text.encode("utf-8", "replace"))
    )
    if size > limits.size:
        msg = f"the document has {size:,} bytes, more than {limits.size:,}"
        raise TooLarge(msg, hint="submit it in parts", size=size, limit=limits.size)
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        refuse(f"not UTF-8: byte 0x{text[error.start]:02x} at offset {error.start}", line=line)


def _read_json(text: str, limits: Limits) -> Any:
    try:
        value = json.loads(text, object_pairs_hook=_without_duplicates)
    except RecursionError:
        refuse(f"nested more than {limits.depth} levels deep", code="TooMany")
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        # Python refuses to convert integers of more than 4,300 digits.
        refuse(f"a number is too large: {error}")
    _Gate(limits).check(value, ())
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for at, name in enumerate(names) if name in names[:at])
        refuse(f"the name `{shown(twice)}` stands twice in one object", code="Duplicate")
    return members


class _Gate:
    """Count the values of a JSON document and refuse what no store can keep."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._nodes = 0

    def check(self, value: Any, steps: Steps) -> None:
        self._nodes += 1
        if self._nodes > self._limits.nodes:
            too_many_nodes(self._limits)
        if len(steps) > self._limits.depth:
            refuse(f"nested more than {self._limits.depth} levels deep", code="TooMany")
        if isinstance(value, dict):
            for name, member in value.items():
                self._scalar(name, steps)
                self.check(member, (*steps, name))
        elif isinstance(value, list):
            for position, element in enumerate(value):
                self.check(element, (*steps, position))
        else:
            self._scalar(value, steps)

    def _scalar(self, value: Any, steps: Steps) -> None:
        wrong = unstorable(value)
        if wrong:
            refuse(wrong, path=dotted(steps))


def too_many_nodes(limits: Limits, line: int | None = None) -> NoReturn:
    """Refuse a document with too many values, aliases expanded."""
    refuse(f"more than {limits.nodes:,} values in one document", line=line, code="TooMany")


def unstorable(value: Any) -> str | None:
    """Say why a scalar cannot be kept as JSON and as text in a database; None when it can."""
    if isinstance(value, str):
        if "\0" in value:
            return "text cannot hold the character U+0000"
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            return "text holds half of a surrogate pair, which is no character"
    elif isinstance(value, float) and not math.isfinite(value):
        return "numbers are finite"
    return None
