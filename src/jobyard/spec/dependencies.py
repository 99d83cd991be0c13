"""Edges between the jobs of one document: every name known, no circle.

Edges to jobs that are there already go by id; whether there is such a job, only a store can tell.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.spec.validate import Case

_MOST_NAMES = 20

_Name = tuple[str, str]
"""Namespace and name."""


def check_dependencies(cases: Sequence[Case]) -> None:
    """Report dependencies on unknown or ambiguous names, and every job in a circle."""
    if not any(case.spec.depends_on for case in cases):
        return
    names = Counter((case.spec.namespace, case.spec.name) for case in cases)
    for case in cases:
        _check_names(case, names)
        _check_repeats(case)
    for case in _in_circles(cases):
        awaited = ", ".join(str(dependency.job) for dependency in case.spec.depends_on)
        case.at("depends_on").problem("waits for itself in a circle", value=awaited)


def check_names(cases: Sequence[Case]) -> None:
    """Report names that stand for two jobs of one document, where each is to mean one job."""
    seen: set[_Name] = set()
    for case in cases:
        name = case.spec.namespace, case.spec.name
        if name in seen and case.sound("name", "namespace"):
            message = "stands in the document already, and a job is applied by its name"
            case.at("name").problem(message, code="Duplicate", value=name[1])
        seen.add(name)


def _check_names(case: Case, names: Counter[_Name]) -> None:
    space = case.spec.namespace
    for at, dependency in enumerate(case.spec.depends_on):
        job = dependency.job
        if isinstance(job, int) or names[space, job] == 1:
            continue
        others = [name for group, name in names if group == space and name != case.spec.name]
        legal = [*others[:_MOST_NAMES], "the id of a job that is there"]
        what = "several jobs are" if names[space, job] else "no job of this document is"
        case.at("depends_on", at).problem(f"{what} called so", value=job, legal=" or ".join(legal))


def _check_repeats(case: Case) -> None:
    seen = set()
    for at, dependency in enumerate(case.spec.depends_on):
        if dependency.job in seen:
            case.at("depends_on", at).problem(
                "stands in the list already", code="Duplicate", value=dependency.job
            )
        seen.add(dependency.job)


def _in_circles(cases: Sequence[Case]) -> list[Case]:
    """Take away jobs that wait for nothing until none is left to take, from both ends."""
    waits: dict[_Name, set[_Name]] = {
        (case.spec.namespace, case.spec.name): {
            (case.spec.namespace, dependency.job)
            for dependency in case.spec.depends_on
            if isinstance(dependency.job, str)
        }
        for case in cases
    }
    known = set(waits)
    edges = {name: others & known for name, others in waits.items()}
    awaited_by: dict[_Name, set[_Name]] = {name: set() for name in edges}
    for name, others in edges.items():
        for other in others:
            awaited_by[other].add(name)
    left = _core(_core(known, edges, awaited_by), awaited_by, edges)
    return [case for case in cases if (case.spec.namespace, case.spec.name) in left]


def _core(
    names: set[_Name], edges: dict[_Name, set[_Name]], back: dict[_Name, set[_Name]]
) -> set[_Name]:
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
