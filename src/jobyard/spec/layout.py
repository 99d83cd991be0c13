"""The layout of an extraction's files as people write it: sizes, numbers, a compression."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobyard.core.layout import MEBIBYTE, FileLayout
from jobyard.duration import DURATION_RULE, seconds
from jobyard.errors import InvalidBody
from jobyard.spec.kinds import Flag, Kind, Whole
from jobyard.spec.quantity import quantity
from jobyard.spec.report import BROKEN, Place, Report
from jobyard.spec.shape import Field, Shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobyard.spec.kinds import Schema

GIBIBYTE = 1024 * MEBIBYTE
_MOST_LEVEL = 22
"""The highest level of zstd."""
_ZSTD = re.compile(r"zstd(?::(\d{1,2}))?", re.ASCII)
_COMPRESSIONS = f"zstd, zstd:1 to zstd:{_MOST_LEVEL}, snappy or none"


@dataclass(frozen=True)
class _Size(Kind):
    """A number of bytes within bounds, or text with a unit such as ``64Mi``."""

    least: int
    most: int

    def read(self, value: Any, place: Place) -> Any:
        """Take whole bytes, as a number or as a Kubernetes quantity."""
        rule = f"{shown_size(self.least)} to {shown_size(self.most)}"
        given = quantity(value.strip()) if isinstance(value, str) else value
        if isinstance(given, bool) or given is None or not isinstance(value, (int, str)):
            return place.problem("not a size", value=value, legal=f"a size such as 64Mi; {rule}")
        if not self.least <= given <= self.most or given != int(given):
            return place.problem("out of range", value=value, legal=rule)
        return int(given)

    def schema(self) -> Schema:
        """Describe both ways to write it."""
        number = {"type": "integer", "minimum": self.least, "maximum": self.most}
        text = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?([kMG]|[KMG]i)?$"}
        return {"anyOf": [number, text]}


@dataclass(frozen=True)
class _Span(Kind):
    """A length of time within bounds, in seconds or as text with units."""

    least: float
    most: float

    def read(self, value: Any, place: Place) -> Any:
        """Take a number of seconds or a duration, as a float."""
        length = seconds(value) if isinstance(value, str) else value
        if isinstance(length, bool) or not isinstance(length, (int, float)):
            return place.problem("not a length of time", value=value, legal=DURATION_RULE)
        if not self.least <= length <= self.most:
            legal = f"{self.least:g} to {self.most:g} seconds"
            return place.problem("out of range", value=value, legal=legal)
        return float(length)

    def schema(self) -> Schema:
        """Describe both ways to write it."""
        number = {"type": "number", "minimum": self.least, "maximum": self.most}
        text = {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"}
        return {"anyOf": [number, text]}


class _Compression(Kind):
    """A way of compression, and of zstd the level."""

    def read(self, value: Any, place: Place) -> Any:
        """Take a word; zstd without a level is level 1."""
        word = value.strip().lower() if isinstance(value, str) else ""
        if word in {"snappy", "none"}:
            return word
        match = _ZSTD.fullmatch(word)
        level = int(match[1] or 1) if match else 0
        if not 1 <= level <= _MOST_LEVEL:
            return place.problem("not a compression", value=value, legal=_COMPRESSIONS)
        return f"zstd:{level}"

    def schema(self) -> Schema:
        """Describe the words."""
        return {"type": "string", "pattern": "^(zstd(:[0-9]{1,2})?|snappy|none)$"}


LAYOUT = Shape(
    "a layout",
    Field("file_bytes", _Size(64 << 10, 64 * GIBIBYTE), "a file of about this size is complete"),
    Field("file_blocks", Whole(1, 1_000_000), "and so is one of so many blocks"),
    Field(
        "row_group_bytes",
        _Size(64 << 10, GIBIBYTE),
        "memory that rows fill before they are written",
    ),
    Field("compression", _Compression(), _COMPRESSIONS),
    Field("flush_after", _Span(0.1, 3600), "how long blocks may wait to be published"),
    Field("compact", Flag(), "whether small files are joined"),
    Field("compact_files", Whole(2, 1000), "the least number of files that are joined"),
    Field("compact_after", _Span(0, 30 * 86_400), "the age of a file that may be joined"),
    Field("compact_distance", Whole(0, 1_000_000), "how far below the head such a file ends"),
    build=lambda values: FileLayout(**values),
)


def shown_size(size: int) -> str:
    """Write a size as people do: ``64Ki``, ``1Gi``."""
    for unit, each in (("Gi", GIBIBYTE), ("Mi", MEBIBYTE), ("Ki", 1024)):
        if size >= each and size % each == 0:
            return f"{size // each}{unit}"
    return str(size)


def read_layout(options: Mapping[str, Any]) -> FileLayout:
    """Read a layout on its own.

    Raises:
        InvalidBody: an option is wrong; all problems are listed.
    """
    report = Report()
    layout = LAYOUT.read(dict(options), Place(report))
    if layout is BROKEN or report.problems:
        raise InvalidBody(report.listed(report.problems), more=report.unlisted)
    assert isinstance(layout, FileLayout)  # noqa: S101 - a shape builds what it is told to
    return layout
