"""Fields given beside a document (``--set backoff.base=0.1``), for every job of either shape."""

from __future__ import annotations

import json
from dataclasses import dataclass, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from jobyard.core.job import Backoff, FakeScript
from jobyard.spec.application import BACKOFF, FAKE, JOB
from jobyard.spec.kinds import MapOf
from jobyard.spec.program import Environment
from jobyard.spec.report import BROKEN, Place, Report
from jobyard.spec.scalars import scalar
from jobyard.spec.shape import Shape, closest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping

    from jobyard.spec.kinds import Kind
    from jobyard.spec.shape import Draft

FLAG = "--set"
_DEFAULTS: dict[str, Any] = {"backoff": Backoff(), "fake": FakeScript()}
_KINDS: dict[str, Kind] = {row.name: row.kind for row in JOB.fields if row.stored}


@dataclass(frozen=True, slots=True)
class Override:
    """One field, or (``partial``) some members of one, in place of what a document says."""

    field: str
    value: Any
    place: Place
    partial: bool = False

    def apply(self, draft: Draft, where: MutableMapping[str, Place]) -> None:
        """Put the value into a draft; the members that are not given stay as they are."""
        where[self.field] = self.place
        draft.broken.discard(self.field)
        if not self.partial:
            draft.values[self.field] = self.value
            return
        whole = draft.values.get(self.field, _DEFAULTS.get(self.field, {}))
        if is_dataclass(whole) and not isinstance(whole, type):
            draft.values[self.field] = replace(whole, **self.value)
        else:
            draft.values[self.field] = {**whole, **self.value}


def read_overrides(given: Mapping[str, Any], report: Report) -> list[Override]:
    """Read fields by dotted name or nested; text is resolved where text does not fit."""
    return [override for name, value in given.items() for override in _read(name, value, report)]


def _read(name: str, value: Any, report: Report) -> Iterator[Override]:
    field, dot, member = name.partition(".")
    place, kind = Place(report, (FLAG, field)), _KINDS.get(field)
    asked = {member: value} if dot else value
    if kind is None or (dot and not _has_members(kind)):
        at, legal = (place / member if dot else place), closest(field, list(_KINDS))
        at.problem("no field of a job that can be set", code="Unknown", value=value, legal=legal)
    elif isinstance(asked, dict) and _has_members(kind):
        for part, text in asked.items():
            sound = resolved(kind, text, place, part)
            if sound is not BROKEN:
                yield Override(field, sound, place, partial=True)
    else:
        sound = resolved(kind, asked, place)
        if sound is not BROKEN:
            yield Override(field, sound, place)


def _has_members(kind: Kind) -> bool:
    return kind in (BACKOFF, FAKE) or isinstance(kind, (MapOf, Environment))


def resolved(kind: Kind, value: Any, place: Place, part: str | None = None) -> Any:
    """Read the first meaning of a value that has no problem; report the problems of none."""
    for candidate in _meanings(value):
        asked = candidate if part is None else {part: candidate}
        trial = Report()
        read = _members(kind, asked, Place(trial))
        if not trial.problems:
            return read
    _members(kind, value if part is None else {part: value}, place)
    return BROKEN


def _members(kind: Kind, value: Any, place: Place) -> Any:
    if isinstance(kind, Shape) and _has_members(kind):
        return kind.draft(value, place).values
    return kind.read(value, place)


def _meanings(value: Any) -> Iterator[Any]:
    yield value
    if not isinstance(value, str):
        return
    try:
        yield scalar(value)
        yield json.loads(value)
    except (ValueError, RecursionError):
        return
