"""Where checks put what they find: one report per document, one place in it at a time."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from jobyard import config
from jobyard.errors import InvalidDocument, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Steps: TypeAlias = "tuple[str | int, ...]"
"""The way into a document: names of members and positions in lists."""

Finding: TypeAlias = "tuple[Steps, Problem]"
"""Something found, at its steps; its line is looked up when somebody wants to see it."""

_SHOWN_TEXT = 200


class _Broken:
    """The result of reading a value that has a problem."""

    def __repr__(self) -> str:
        return "BROKEN"


BROKEN: Final = _Broken()
"""What a check returns in place of a value it has reported; nothing else compares equal to it."""


@dataclass(slots=True)
class Kept:
    """A legal part of a document that nothing here reads.

    ``essential`` says why the program would be another one without it, None that it would not.
    """

    place: Place
    value: Any
    essential: str | None = None


@dataclass(slots=True)
class Report:
    """Everything found in one document: problems, warnings, and parts that are only kept.

    ``lines`` leads from steps to 1-based lines, if the document has any; of problems and warnings
    ``most`` are kept, the others are counted.
    """

    lines: Mapping[Steps, int] = field(default_factory=dict)
    most: int = field(default_factory=lambda: int(config.default("errors_shown")))
    problems: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    unlisted: int = 0

    @property
    def crowded(self) -> bool:
        """Whether further problems are only counted, so that suggestions are wasted."""
        return len(self.problems) >= self.most

    def listed(self, findings: Iterable[Finding]) -> list[Problem]:
        """Give findings their lines."""
        return [replace(problem, line=self._line(steps)) for steps, problem in findings]

    def _line(self, steps: Steps) -> int | None:
        # A missing member has no line of its own: the nearest place above it that has one.
        lines = self.lines
        return next((lines[above] for above in _upwards(steps) if above in lines), None)

    def raise_if_any(self, source: str | None = None) -> None:
        """End the reading with all problems in the order of the document.

        Raises:
            InvalidDocument: there is at least one problem.
        """
        if not self.problems:
            return
        found = self.listed(self.problems)
        last = max(problem.line or 0 for problem in found)
        found.sort(key=lambda problem: problem.line or last)
        raise InvalidDocument(found, source=source, more=self.unlisted)


class Place:
    """One place in a person's document, and the report that belongs to it."""

    __slots__ = ("report", "steps")

    def __init__(self, report: Report, steps: Steps = ()) -> None:
        """Stand at ``steps`` in the document of ``report``."""
        self.report = report
        self.steps = steps

    def __truediv__(self, step: str | int) -> Place:
        """Go one step down."""
        return Place(self.report, (*self.steps, step))

    def at(self, *steps: str | int) -> Place:
        """Go several steps down."""
        return Place(self.report, (*self.steps, *steps))

    def __str__(self) -> str:
        """Write the path as people do: ``jobs[2].backoff_limit``."""
        return dotted(self.steps)

    def problem(
        self, message: str, *, code: str = "Invalid", value: Any = None, legal: str | None = None
    ) -> _Broken:
        """Report that something is wrong here; returns BROKEN so that a check can end with it."""
        if self.report.crowded:
            self.report.unlisted += 1
        else:
            self.report.problems.append(self._finding(message, code, value, legal))
        return BROKEN

    def warning(
        self, message: str, *, code: str = "Warning", value: Any = None, legal: str | None = None
    ) -> None:
        """Report something legal here that is probably not meant."""
        if len(self.report.warnings) < self.report.most:
            self.report.warnings.append(self._finding(message, code, value, legal))

    def keep(self, value: Any, essential: str | None = None) -> None:
        """Note a legal part that is not read."""
        self.report.kept.append(Kept(self, value, essential))

    def _finding(self, message: str, code: str, value: Any, legal: str | None) -> Finding:
        return self.steps, Problem(dotted(self.steps), message, code, None, shown(value), legal)


class Places(MutableMapping[str, Place]):
    """Where the fields of an object stand; most are never asked for, so none is made before."""

    def __init__(self, root: Place, steps: Mapping[str, Steps]) -> None:
        """Stand at ``root``; ``steps`` lead from there to each field."""
        self._root = root
        self._steps = steps
        self._moved: dict[str, Place] = {}

    def __getitem__(self, name: str) -> Place:
        """Go to a field."""
        moved = self._moved.get(name)
        return moved or Place(self._root.report, self._root.steps + self._steps[name])

    def __setitem__(self, name: str, place: Place) -> None:
        """Let a field stand elsewhere."""
        self._moved[name] = place

    def __delitem__(self, name: str) -> None:
        """Let a field stand where it stood."""
        del self._moved[name]

    def __iter__(self) -> Iterator[str]:
        """Go through the names of the fields."""
        return iter(self._steps)

    def __len__(self) -> int:
        """Count the fields."""
        return len(self._steps)


def dotted(steps: Steps) -> str:
    """Write steps as a path; names that are no plain words stand in quotes."""
    path = ""
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step.startswith("--"):
            path = f"{step} "
        elif step.replace("_", "").replace("-", "").isalnum() and step.isascii():
            path += f".{step}" if path and not path.endswith(" ") else step
        else:
            path += f"[{shown(step)!r}]"
    return path


def shown(value: Any) -> Any:
    """Shorten a value to what fits a message; numbers, short texts and None stay themselves."""
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return value if -(2**64) < value < 2**64 else "a number of more than 64 bits"
    if isinstance(value, str):
        return value if len(value) <= _SHOWN_TEXT else f"{value[:_SHOWN_TEXT]}…"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    return "a mapping"


def kind_of(value: Any) -> str:
    """Name the type of a value in a document's words."""
    if isinstance(value, bool):
        return str(value).lower()
    names = {int: "a number", float: "a number", str: "text", list: "a list", dict: "a mapping"}
    return names.get(type(value), "null")


def _upwards(steps: Steps) -> Iterator[Steps]:
    for length in range(len(steps), -1, -1):
        yield steps[:length]
