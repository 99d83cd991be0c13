"""What a field may hold: each kind reads a value, reports what is wrong, and describes itself.

A kind is data in a table (see ``application.py``); the same table checks documents and makes the
JSON Schema, so that they cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from jobyard.core.job import MAX_COUNT
from jobyard.duration import DURATION_RULE, seconds
from jobyard.spec.report import BROKEN, kind_of, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from enum import StrEnum

    from jobyard.spec.report import Place

Schema = dict[str, Any]


class Kind(Protocol):
    """A set of legal values."""

    def read(self, value: Any, place: Place) -> Any:
        """Return the value as the model keeps it, or report at ``place`` and return BROKEN."""
        ...

    def schema(self) -> Schema:
        """Describe the legal values as JSON Schema 2020-12."""
        ...


@dataclass(frozen=True)
class Text:
    """Text, of a grammar if ``accepts`` says so."""

    accepts: Callable[[str], bool] | None = None
    rule: str = "text"
    least: int = 0
    most: int | None = None

    def read(self, value: Any, place: Place) -> Any:
        """Take text and nothing that would have to be turned into text first."""
        if not isinstance(value, str):
            return _wrong_type(value, place, "text")
        if self.most is not None and len(value) > self.most:
            legal = f"at most {self.most} characters"
            return place.problem("too long", code="TooLong", value=value, legal=legal)
        if len(value) < self.least:
            return place.problem("empty", code="Required", value=value, legal=self.rule)
        if self.accepts and not self.accepts(value):
            return place.problem("not a legal text here", value=value, legal=self.rule)
        return value

    def schema(self) -> Schema:
        """Describe length and, in words, grammar."""
        described: Schema = {"type": "string"}
        if self.least:
            described["minLength"] = self.least
        if self.most is not None:
            described["maxLength"] = self.most
        if self.accepts:
            described["description"] = self.rule
        return described


@dataclass(frozen=True)
class Whole:
    """A whole number within bounds."""

    least: int = 0
    most: int = MAX_COUNT

    def read(self, value: Any, place: Place) -> Any:
        """Take an integer; true, 1.5 and "1" are none."""
        legal = f"{self.least} to {self.most}" if self.least else f"0 or more, at most {self.most}"
        if isinstance(value, bool) or not isinstance(value, int):
            return _wrong_type(value, place, "a whole number", legal)
        if value < self.least:
            message = f"must be {self.least} or more"
            return place.problem(message, value=shown(value), legal=legal)
        if value > self.most:
            return place.problem(f"must be at most {self.most}", value=shown(value), legal=legal)
        return value

    def schema(self) -> Schema:
        """Describe the bounds."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True)
class Number:
    """A finite number within bounds."""

    least: float
    most: float

    def read(self, value: Any, place: Place) -> Any:
        """Take an integer or a float, as a float."""
        legal = f"{self.least:g} to {self.most:g}"
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return _wrong_type(value, place, "a number", legal)
        if not self.least <= value <= self.most:
            return place.problem("out of range", value=value, legal=legal)
        return float(value)

    def schema(self) -> Schema:
        """Describe the bounds."""
        return {"type": "number", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True)
class Seconds:
    """A length of time, as seconds or as text with units."""

    def read(self, value: Any, place: Place) -> Any:
        """Take ``90``, ``1.5`` or ``"1m30s"``, as a float of seconds."""
        length = seconds(value) if isinstance(value, str) else value
        if isinstance(length, bool) or not isinstance(length, (int, float)):
            return place.problem("not a length of time", value=value, legal=DURATION_RULE)
        if not 0 <= length <= MAX_COUNT:
            message = "must be 0 or more" if length < 0 else "too long"
            legal = f"0 or more, at most {MAX_COUNT} seconds"
            return place.problem(message, value=shown(value), legal=legal)
        return float(length)

    def schema(self) -> Schema:
        """Describe both ways to write it."""
        number = {"type": "number", "minimum": 0, "maximum": MAX_COUNT}
        text = {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"}
        return {"anyOf": [number, text]}


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def read(self, value: Any, place: Place) -> Any:
        """Take a boolean only; in YAML 1.2 ``yes`` and ``on`` are text."""
        if not isinstance(value, bool):
            return _wrong_type(value, place, "true or false")
        return value

    def schema(self) -> Schema:
        """Describe a boolean."""
        return {"type": "boolean"}


@dataclass(frozen=True)
class Choice:
    """One word of an enumeration; ``refused`` words get a sentence of their own."""

    words: type[StrEnum]
    refused: Mapping[str, str] | None = None

    def read(self, value: Any, place: Place) -> Any:
        """Take one of the words, spelled exactly."""
        words = [str(word) for word in self.words]
        legal = ", ".join(words)
        if not isinstance(value, str):
            return _wrong_type(value, place, "a word", legal)
        if not value:
            return place.problem("empty", code="Required", value=value, legal=legal)
        if value in words:
            return self.words(value)
        message = (self.refused or {}).get(value, "not one of the legal words")
        return place.problem(message, code="NotSupported", value=value, legal=legal)

    def schema(self) -> Schema:
        """Describe the words."""
        return {"enum": [str(word) for word in self.words]}


@dataclass(frozen=True)
class Anything:
    """Any value, kept as it is; ``mapping`` asks for a mapping."""

    mapping: bool = False

    def read(self, value: Any, place: Place) -> Any:
        """Take the value as it stands."""
        if self.mapping and not isinstance(value, dict):
            return _wrong_type(value, place, "a mapping")
        return value

    def schema(self) -> Schema:
        """Describe nothing, or a mapping of anything."""
        return {"type": "object"} if self.mapping else {}


@dataclass(frozen=True)
class ListOf:
    """A list whose elements are of one kind; ``broken`` stands in for an element with a problem.

    The stand-in keeps the positions of the others, so that later checks name the right ones.
    ``unique`` names members that no two elements may have alike.
    """

    kind: Kind
    least: int = 0
    most: int | None = None
    broken: Any = BROKEN
    hint: str | None = None
    unique: tuple[str, ...] = ()

    def read(self, value: Any, place: Place) -> Any:
        """Take a list, as a tuple."""
        if not isinstance(value, list):
            return _wrong_type(value, place, "a list", self.hint)
        if len(value) < self.least:
            return place.problem("empty", code="Required", legal=f"at least {self.least}")
        if self.most is not None and len(value) > self.most:
            legal = f"at most {self.most}"
            place.problem(f"{len(value)} are too many", code="TooMany", value=value, legal=legal)
        read = [self.kind.read(element, place / at) for at, element in enumerate(value)]
        for name in self.unique:
            _no_twins(read, name, place)
        if BROKEN in read and self.broken is BROKEN:
            return BROKEN
        return tuple(self.broken if element is BROKEN else element for element in read)

    def schema(self) -> Schema:
        """Describe the elements and their number."""
        described: Schema = {"type": "array", "items": self.kind.schema()}
        if self.least:
            described["minItems"] = self.least
        if self.most is not None:
            described["maxItems"] = self.most
        return described


def _no_twins(elements: list[Any], name: str, place: Place) -> None:
    seen = set()
    for at, element in enumerate(elements):
        member = element.get(name) if isinstance(element, dict) else None
        if member in seen:
            here = place.at(at, name)
            here.problem("stands in the list already", code="Duplicate", value=member)
        elif member is not None:
            seen.add(member)


@dataclass(frozen=True)
class MapOf:
    """A mapping from names of one grammar to values of one kind."""

    accepts: Callable[[str], bool]
    rule: str
    kind: Kind
    largest: int | None = None

    def read(self, value: Any, place: Place) -> Any:
        """Take a mapping; all of its names and values are checked."""
        if not isinstance(value, dict):
            return _wrong_type(value, place, "a mapping")
        members: dict[str, Any] = {}
        for name, member in value.items():
            if not self.accepts(name):
                (place / name).problem("not a legal name here", value=name, legal=self.rule)
            members[name] = self.kind.read(member, place / name)
        if any(member is BROKEN for member in members.values()):
            return BROKEN
        if self.largest is not None:
            size = sum(len(name) + len(str(member)) for name, member in members.items())
            if size > self.largest:
                legal = f"at most {self.largest} characters together"
                return place.problem("too long together", code="TooLong", value=size, legal=legal)
        return members

    def schema(self) -> Schema:
        """Describe the values and, in words, the names."""
        return {
            "type": "object",
            "additionalProperties": self.kind.schema(),
            "description": f"names: {self.rule}",
        }


@dataclass(frozen=True)
class Refused:
    """A field that people expect and that is not to be had here; the sentence says what is."""

    sentence: str
    code: str = "Forbidden"

    def read(self, value: Any, place: Place) -> Any:
        """Report whatever stands here."""
        return place.problem(self.sentence, code=self.code, value=value)

    def schema(self) -> Schema:
        """Describe that nothing is legal."""
        return {"not": {}, "description": self.sentence}


@dataclass(frozen=True)
class Unread:
    """A legal field that nothing here reads: kept and shown, never dropped.

    ``essential`` says why the program would be another one without it; then the process executor
    refuses it by name.
    """

    essential: str | None = None

    def read(self, value: Any, place: Place) -> Any:
        """Keep whatever stands here; an empty list or mapping changes nothing."""
        place.keep(value, self.essential if value not in ([], {}) else None)
        return value

    def schema(self) -> Schema:
        """Describe anything."""
        return {"description": self.essential} if self.essential else {}


@dataclass(frozen=True)
class Dropped:
    """A field that only a server writes; a person's copy of it is left out without a word."""

    def read(self, value: Any, place: Place) -> Any:  # noqa: ARG002 - the protocol's shape
        """Leave it out."""
        return None

    def schema(self) -> Schema:
        """Describe anything."""
        return {}


def _wrong_type(value: Any, place: Place, expected: str, legal: str | None = None) -> Any:
    message = f"must be {expected}, not {kind_of(value)}"
    if expected == "text" and isinstance(value, (bool, int, float)):
        legal = f'in quotes: "{shown(value)}"'
    return place.problem(message, value=value, legal=legal or expected)
