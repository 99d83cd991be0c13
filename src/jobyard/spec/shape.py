"""Objects as tables of fields: read all of them, find unknown ones, know where each one stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jobyard.spec.kinds import Choice, Dropped, Refused, Unread
from jobyard.spec.report import BROKEN, kind_of, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from jobyard.spec.kinds import Kind, Schema
    from jobyard.spec.report import Place, Steps


@dataclass(frozen=True)
class Field:
    """One row of a table: what a person writes, what may stand there, what the model calls it.

    ``target`` is the name in the draft, the person's name when left out. An ``inline`` field is
    an object whose fields belong to the object around it. ``aliases`` are other spellings.
    """

    name: str
    kind: Kind
    about: str = ""
    target: str = ""
    required: bool = False
    inline: bool = False
    aliases: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The name of its value in the draft."""
        return self.target or self.name

    @property
    def stored(self) -> bool:
        """Whether its value reaches the draft."""
        return not isinstance(self.kind, (Unread, Dropped, Refused))


@dataclass(slots=True)
class Draft:
    """What could be read of an object: sound values by target, and the targets that were not."""

    values: dict[str, Any] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)

    def absorb(self, other: Draft) -> None:
        """Take over the fields of an inline object."""
        self.values.update(other.values)
        self.broken.update(other.broken)


class Shape:
    """A kind of object; ``build`` makes the model's value from whatever could be read."""

    steps: Steps = ()
    """From an inline field that holds this shape to the object itself."""

    def __init__(
        self, what: str, *fields: Field, build: Callable[[dict[str, Any]], Any] | None = None
    ) -> None:
        """Name the object in words and list its fields in the order of the documentation."""
        self.what = what
        self.fields = fields
        self._build = build
        self._by_name = {spelling: row for row in fields for spelling in (row.name, *row.aliases)}
        self._required = tuple(row for row in fields if row.required)

    @cached_property
    def where(self) -> Mapping[str, Steps]:
        """Tell at which steps below the object each target stands."""
        return dict(_targets(self, ()))

    def read(self, value: Any, place: Place) -> Any:
        """Read an object and build the model's value; BROKEN when a required field is unusable."""
        draft = self.draft(value, place)
        if any(row.key in draft.broken for row in self._required):
            return BROKEN
        return self._build(draft.values) if self._build else draft.values

    def draft(self, value: Any, place: Place) -> Draft:
        """Read every field; unknown and missing ones are reported."""
        draft = Draft()
        if not isinstance(value, dict):
            place.problem(f"{self.what} is a mapping, not {kind_of(value)}", value=value)
            draft.broken.update(self.where)
            return draft
        given: set[str] = set()
        for name, member in value.items():
            row = self._by_name.get(name)
            if row is None:
                self._unknown(name, member, place)
            elif member is not None:
                self._twice(row, given, place / name)
                given.add(row.name)
                _read_field(row, member, place / name, draft)
        for row in self._required:
            if row.name not in given:
                self._missing(row, place, draft)
        return draft

    def schema(self) -> Schema:
        """Describe the object; fields that are always refused are left out."""
        described: Schema = {"type": "object", "additionalProperties": False}
        described["properties"] = {
            spelling: _described(row)
            for row in self.fields
            if not isinstance(row.kind, Refused)
            for spelling in (row.name, *row.aliases)
        }
        if self._required:
            described["required"] = [row.name for row in self._required]
        return described

    def _missing(self, row: Field, place: Place, draft: Draft) -> None:
        legal = ", ".join(row.kind.words) if isinstance(row.kind, Choice) else row.about
        (place / row.name).problem("missing", code="Required", legal=legal or None)
        if row.inline and isinstance(row.kind, Shape):
            draft.broken.update(row.kind.where)
        else:
            draft.broken.add(row.key)

    def _twice(self, row: Field, given: set[str], place: Place) -> None:
        if row.name in given:
            place.problem(f"the same as `{row.name}`, which is given too", code="Duplicate")

    def _unknown(self, name: str, value: Any, place: Place) -> None:
        legal = None if place.report.crowded else self._suggestion(name)
        message = f"{self.what} has no field `{shown(name)}`"
        (place / name).problem(message, code="Unknown", value=value, legal=legal)

    def _suggestion(self, name: str) -> str:
        names = [row.name for row in self.fields if not isinstance(row.kind, Refused)]
        return closest(name, names)


def closest(name: str, names: Sequence[str]) -> str:
    """Say which name was most likely meant, or else all there are."""
    # Loading it takes longer than checking a sound document.
    from difflib import get_close_matches

    folded = {_folded(legal): legal for legal in names}
    close = get_close_matches(_folded(name)[:64], folded, n=1, cutoff=0.7)
    return f"did you mean `{folded[close[0]]}`?" if close else ", ".join(names)


def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _read_field(row: Field, member: Any, place: Place, draft: Draft) -> None:
    if row.inline:
        draft.absorb(row.kind.draft(member, place))  # type: ignore[attr-defined]
        return
    value = row.kind.read(member, place)
    if value is BROKEN:
        draft.broken.add(row.key)
    elif row.stored:
        draft.values[row.key] = value


def _targets(shape: Any, above: Steps) -> Iterator[tuple[str, Steps]]:
    for row in shape.fields:
        if row.inline:
            below = (*above, row.name, *row.kind.steps)
            yield from _targets(row.kind, below)
        elif row.stored:
            yield row.key, (*above, row.name)


def _described(row: Field) -> Schema:
    described = row.kind.schema()
    if row.about:
        described = {**described, "description": row.about}
    return described
