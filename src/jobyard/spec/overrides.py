"""Fields given beside a document (``--set backoff.base=0.1``), for every job of either shape."""

from __future__ import annotations

import json
from dataclasses import dataclass, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from jobyard.core.job import Backoff, FakeScript
from jobyard.spec.application import JOB, kind_at
from jobyard.spec.kinds import Anything, MapOf
from jobyard.spec.program import Environment
from jobyard.spec.report import BROKEN, Place, Report
from jobyard.spec.scalars import scalar
from jobyard.spec.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jobyard.spec.kinds import Kind
    from jobyard.spec.shape import Draft

FLAG = "--set"
_DEFAULTS: dict[str, Any] = {"backoff": Backoff(), "fake": FakeScript()}


@dataclass(frozen=True, slots=True)
class Override:
    """One field to be put in place of whatever a document says."""

    field: str
    below: str | None
    value: Any
    place: Place

    def apply(self, draft: Draft, where: dict[str, Place]) -> None:
        """Put the value into a draft; a part of an object leaves its other parts as they are."""
        where[self.field] = self.place
        draft.broken.discard(self.field)
        if self.below is None:
            draft.values[self.field] = self.value
            return
        whole = draft.values.get(self.field, _DEFAULTS.get(self.field, {}))
        if is_dataclass(whole) and not isinstance(whole, type):
            draft.values[self.field] = replace(whole, **{self.below: self.value})
        else:
            draft.values[self.field] = {**whole, self.below: self.value}


def read_overrides(given: Mapping[str, Any], report: Report) -> list[Override]:
    """Read dotted names or nested mappings; text is resolved where text does not fit."""
    read = []
    for name, value in _flat(given, ""):
        kind, unknown = kind_at(name)
        place = Place(report, (FLAG, *name.split(".", 1)))
        if kind is None or (isinstance(kind, Shape) and not isinstance(value, dict)):
            legal = ", ".join(row.name for row in JOB.fields if row.stored)
            message = f"a job has no field `{unknown or name}` that can be set"
            place.problem(message, code="Unknown", value=value, legal=legal)
            continue
        sound = _resolved(value, kind, place)
        if sound is not BROKEN:
            field, _, below = name.partition(".")
            read.append(Override(field, below or None, sound, place))
    return read


def _flat(given: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for name, value in given.items():
        path = f"{above}{name}"
        kind, _ = kind_at(path)
        if (
            isinstance(value, dict)
            and isinstance(kind, (Shape, MapOf, Environment))
            and _mergeable(kind)
        ):
            yield from _flat(value, f"{path}.")
        else:
            yield path, value


def _mergeable(kind: Kind) -> bool:
    # Resources are built from two lists at once, so they are only replaced as a whole.
    return not isinstance(kind, Shape) or kind.what in ("a back-off", "a fake program")


def _resolved(value: Any, kind: Kind, place: Place) -> Any:
    if not isinstance(value, str) or isinstance(kind, Anything):
        return kind.read(value, place)
    for candidate in _meanings(value):
        trial = Report()
        read = kind.read(candidate, Place(trial))
        if not trial.problems:
            return read
    return kind.read(value, place)


def _meanings(text: str) -> Iterator[Any]:
    yield text
    try:
        yield scalar(text)
        yield json.loads(text)
    except ValueError:
        return
