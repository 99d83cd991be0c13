"""What a benchmark is: lines of a table, each a figure beside its floor and its target."""

from __future__ import annotations

import gc
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ground import Ground

T = TypeVar("T")

STORES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
"""Where jobs are kept, by the names that benchmarks carry."""


class Sample(NamedTuple):
    """One measured figure, and its floor measured beside it."""

    value: float
    floor: float | None = None


Samples = dict[str, Sample]


@dataclass(frozen=True, slots=True)
class Goal:
    """What a target demands, of the figure itself or of its ratio to the floor."""

    at_least: float | None = None
    at_most: float | None = None
    of_ratio: bool = False

    def missed_by(self, value: float, ratio: float | None) -> float:
        """Tell by which share of the goal it is missed; 0 when it is met."""
        measured = ratio if self.of_ratio else value
        if measured is None:
            return 1.0
        if self.at_least is not None and measured < self.at_least:
            return 1 - measured / self.at_least
        if self.at_most is not None and measured > self.at_most:
            return measured / self.at_most - 1
        return 0.0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table.

    ``goals`` are the parts of ``target``, the issue's words; none for orientation only. ``holds``
    says what keeps the figure from being better.
    """

    name: str
    what: str
    unit: str
    floor: str
    target: str = ""
    goals: tuple[Goal, ...] = ()
    holds: str = ""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A subject's measurement: yields one sample for each of its lines, once a run."""

    lines: Sequence[Line]
    measure: Callable[[Ground, int], Iterator[Samples]]


@dataclass(slots=True)
class Figure:
    """What the runs of one line came to."""

    line: Line
    samples: list[Sample] = field(default_factory=list)

    @property
    def value(self) -> float:
        """The median figure."""
        return statistics.median(sample.value for sample in self.samples)

    @property
    def floor(self) -> float | None:
        """The median floor, if the line has one."""
        floors = [sample.floor for sample in self.samples if sample.floor is not None]
        return statistics.median(floors) if floors else None

    @property
    def ratio(self) -> float | None:
        """The median of the runs' ratios: figure and floor of one run saw the same machine."""
        ratios = [sample.value / sample.floor for sample in self.samples if sample.floor]
        return statistics.median(ratios) if ratios else None

    @property
    def verdict(self) -> str:
        """Tell whether the target is met, or by how much it is missed."""
        if not self.line.goals:
            return ""
        missed = max(goal.missed_by(self.value, self.ratio) for goal in self.line.goals)
        return f"missed by {missed:.0%}" if missed else "met"


def in_turn(run: int, measures: Mapping[str, Callable[[], T]]) -> dict[str, T]:
    """Measure each once, in an order that turns with the run, so that none always goes first."""
    names = list(measures)
    if run % 2:
        names.reverse()
    taken = {}
    for name in names:
        gc.collect()
        taken[name] = measures[name]()
    return taken
