"""Edges between the jobs of one document: every name known, no circle."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.spec.validate import Case

_MOST_NAMES = 20


def check_dependencies(cases: Sequence[Case]) -> None:
    """Report dependencies on unknown or ambiguous names, and every job in a circle."""
    if not any(case.spec.depends_on for case in cases):
        return
    names = Counter(case.spec.name for case in cases)
    for case in cases:
        for at, dependency in enumerate(case.spec.depends_on):
            here = case.at("depends_on", at)
            if names[dependency.job] == 1:
                continue
            legal = ", ".join(list(names)[:_MOST_NAMES])
            what = "several jobs are" if names[dependency.job] else "no job of this document is"
            here.problem(f"{what} called so", value=dependency.job, legal=legal)
    for case in _in_circles(cases):
        awaited = ", ".join(dependency.job for dependency in case.spec.depends_on)
        case.at("depends_on").problem("waits for itself in a circle", value=awaited)


def _in_circles(cases: Sequence[Case]) -> list[Case]:
    """Take away jobs that wait for nothing until none is left to take, from both ends."""
    waits = {
        case.spec.name: {dependency.job for dependency in case.spec.depends_on} for case in cases
    }
    known = set(waits)
    edges = {name: others & known for name, others in waits.items()}
    awaited_by: dict[str, set[str]] = {name: set() for name in edges}
    for name, others in edges.items():
        for other in others:
            awaited_by[other].add(name)
    left = _core(_core(known, edges, awaited_by), awaited_by, edges)
    return [case for case in cases if case.spec.name in left]


def _core(names: set[str], edges: dict[str, set[str]], back: dict[str, set[str]]) -> set[str]:
    """Leave out, again and again, the names without an edge to a name that is left."""
    left = set(names)
    degree = {name: len(edges[name] & left) for name in left}
    free = [name for name, count in degree.items() if count == 0]
    while free:
        name = free.pop()
        left.discard(name)
        for other in back[name] & left:
            degree[other] -= 1
            if degree[other] == 0:
                free.append(other)
    return left
