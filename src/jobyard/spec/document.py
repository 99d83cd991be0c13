"""Read YAML 1.2 or JSON into plain values, each with its line, within bounds.

Values are what JSON has: None, bool, int, float, str, list, dict with text keys. Nothing of a
document is ever executed, and nothing of it is trusted before it is counted.
"""

from __future__ import annotations

import codecs
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from jobyard import config
from jobyard.errors import InvalidDocument, Problem, TooLarge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobyard.spec.report import Steps

MOST_DEPTH = 100
"""Levels of a document; a Job manifest has some fifteen."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a document may be, and how many of its problems are listed.

    ``size`` is in bytes, ``nodes`` counts values with aliases expanded, ``depth`` levels.
    """

    size: int = config.default("document_limit")
    nodes: int = config.default("node_limit")
    errors: int = config.default("errors_shown")
    depth: int = MOST_DEPTH

    @classmethod
    def of(cls, settings: config.Settings) -> Limits:
        """Take the limits that the settings name."""
        return cls(settings.document_limit, settings.node_limit, settings.errors_shown)


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file: its value and the line of each place in it."""

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
        from jobyard.spec.json_reader import NotJson, read_json

        try:
            return [read_json(plain, limits)]
        except NotJson as error:
            if syntax == "json":
                refuse(f"not JSON: {error}", line=error.line)
    # Submissions in JSON must not pay for the YAML reader.
    from jobyard.spec.yaml_reader import read_yaml

    return [document for document in read_yaml(plain, limits) if document.value is not None]


def refuse(
    message: str, *, line: int | None = None, path: str = "", code: str = "Invalid"
) -> NoReturn:
    """End the reading of a document that makes no sense from here on."""
    raise InvalidDocument([Problem(path, message, code, line)])


def too_large(limit: int) -> TooLarge:
    """Say that a document has more bytes than the limit."""
    return TooLarge(
        f"the document has more than {limit:,} bytes",
        hint="submit it in parts, or raise JOBYARD_DOCUMENT_LIMIT",
        limit=limit,
    )


def _decode(text: str | bytes, limits: Limits) -> str:
    size = (
        len(text)
        if len(text) > limits.size or isinstance(text, bytes)
        else len(text.encode("utf-8", "replace"))
    )
    if size > limits.size:
        raise too_large(limits.size)
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    if text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        refuse("UTF-16; a document is UTF-8", line=1)
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        refuse(f"not UTF-8: byte 0x{text[error.start]:02x} at offset {error.start}", line=line)


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
