"""Which fields of a stored spec may change, and into what (kubernetes-jobs.md B.13)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jobyard.spec.application import JOB
from jobyard.spec.build import frozen
from jobyard.spec.encode import decode, encode
from jobyard.spec.report import BROKEN, Place, Places, Report, kind_of
from jobyard.spec.shape import closest
from jobyard.spec.validate import Case, check

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from jobyard.core.job import JobSpec

_POLICY = {
    "parallelism": "parallelism",
    "completions": "completions",
    "backoff_limit": "backoff_limit",
    "max_failed_indexes": "max_failed_indexes",
    "pod_replacement_policy": "replacement_policy",
    "active_deadline": "active_deadline",
    "suspend": "suspend",
    "ttl": "ttl",
}
_NULLABLE = ("max_failed_indexes", "active_deadline", "ttl", "worker_id")
_MAPS = ("labels", "annotations", "worker_selector")

MUTABLE = (*_POLICY, "labels", "annotations", "priority")
"""Fields that may change at any time, ``completions`` only in tandem with ``parallelism``."""

MUTABLE_BEFORE_START = ("worker_id", "worker_selector", "resources")
"""Fields that may change too while a job is suspended and no worker ever had an attempt of it."""

MUTABLE_WHEN_OVER = ("labels", "annotations", "ttl")
"""Fields of a finished job that still mean something."""

_RETRY_DROPS = ("depends_on", "indexes", "scheduled_at", "success_policy", "suspend")
"""What a job that runs another one again has otherwise than its document (``spec.again``)."""


def patch(spec: JobSpec, changes: Any, *, started: bool, now: datetime) -> JobSpec:
    """Change fields of a spec; names and values are those of the application document.

    A field that is set to what it is already counts as unchanged. Null removes a deadline, a ttl,
    a limit or a worker. Labels, annotations and the selector are merged name by name, and null
    removes a name (RFC 7396).

    Raises:
        InvalidDocument: a field is unknown, immutable, or would make the spec invalid.
    """
    report = Report()
    root = Place(report)
    if not isinstance(changes, dict):
        root.problem(f"must be a mapping, not {kind_of(changes)}", value=changes)
        report.raise_if_any()
    changed = _apply(spec, _read(spec, changes, root), root, started=started)
    return _checked(spec, changed, root, now=now)


def differing(old: JobSpec, new: JobSpec, *, retried: bool = False) -> tuple[str, ...]:
    """Name the fields of the application document in which two specs differ.

    The idempotency key names a request, not a job, and is left out. What a retry drops says
    nothing if ``old`` is ``retried``.
    """
    before, after = _written(old), _written(new)
    left_out = {"idempotency_key"}
    if retried:
        left_out.update(_RETRY_DROPS)
        if not old.policy.indexed:
            left_out.add("completions")
    names = sorted((before.keys() | after.keys()) - left_out)
    return tuple(name for name in names if before.get(name) != after.get(name))


def immutable(
    old: JobSpec, new: JobSpec, names: Sequence[str], *, started: bool
) -> tuple[str, ...]:
    """Choose from the names of differing fields those that may not change (so)."""
    mutable = {*MUTABLE}
    if _malleable(old, started=started):
        mutable.update(MUTABLE_BEFORE_START)
    elastic = (
        old.policy.indexed
        and old.extract is None
        and new.policy.completions == new.policy.parallelism
    )
    if not elastic:
        mutable.discard("completions")
    return tuple(name for name in names if name not in mutable)


def take_over(old: JobSpec, new: JobSpec, names: Sequence[str]) -> JobSpec:
    """Put these fields of one spec in the place of another's."""
    written, given = _written(old), _written(new)
    for name in names:
        written.pop(name, None)
        if name in given:
            written[name] = given[name]
    return decode(written)


def _written(spec: JobSpec) -> dict[str, Any]:
    """Write a spec with both counts, which ``encode`` leaves out when both are 1."""
    return {"completions": 1, "parallelism": 1, **encode(spec)}


def _read(spec: JobSpec, changes: Mapping[str, Any], root: Place) -> dict[str, Any]:
    kinds = {row.name: row.kind for row in JOB.fields if row.stored}
    read: dict[str, Any] = {}
    for name, value in changes.items():
        if name not in kinds:
            legal = closest(name, MUTABLE)
            (root / name).problem("no field of a job", code="Unknown", value=value, legal=legal)
        elif value is None and name in _NULLABLE:
            read[name] = None
        elif name in _MAPS and isinstance(value, dict):
            sound = kinds[name].read(
                {key: member for key, member in value.items() if member is not None}, root / name
            )
            if sound is not BROKEN:
                kept = {k: v for k, v in _current(spec, name).items() if k not in value}
                read[name] = {**kept, **sound}
        elif value is None:
            (root / name).problem("cannot be removed", code="Required")
        elif (sound := kinds[name].read(value, root / name)) is not BROKEN:
            read[name] = sound
    return read


def _apply(spec: JobSpec, read: Mapping[str, Any], root: Place, *, started: bool) -> JobSpec:
    changed = spec
    for name, value in read.items():
        if name in _POLICY:
            policy = replace(changed.policy, **{_POLICY[name]: value})
            changed = replace(changed, policy=policy)
        elif _current(spec, name) == value:
            continue
        elif name not in MUTABLE and not (
            name in MUTABLE_BEFORE_START and _malleable(spec, started=started)
        ):
            _immutable(root / name, value)
        elif name == "resources":
            changed = replace(changed, program=replace(changed.program, resources=value))
        else:
            changed = replace(changed, **{name: frozen(value)})
    _tandem(spec, changed, root)
    return changed


def _current(spec: JobSpec, name: str) -> Any:
    names = {
        "pod_failure_policy": "failure_rules",
        "success_policy": "success_rules",
        "termination_grace_period": "grace",
    }
    attribute = names.get(name, name)
    owner = next(part for part in (spec, spec.policy, spec.program) if hasattr(part, attribute))
    return getattr(owner, attribute)


def _malleable(spec: JobSpec, *, started: bool) -> bool:
    return spec.policy.suspend and not started


def _immutable(place: Place, value: Any) -> None:
    legal = f"may change: {', '.join(MUTABLE)}"
    place.problem("field is immutable", code="Immutable", value=value, legal=legal)


def _tandem(old: JobSpec, new: JobSpec, root: Place) -> None:
    """Let an Indexed job grow and shrink only with its parallelism (elastic, B.3)."""
    before, after = old.policy, new.policy
    if before.completions == after.completions:
        return
    here = root / "completions"
    if old.extract is not None:
        # Which blocks are whose is told by how many indexes there are.
        _immutable(here, after.completions)
        return
    if not before.indexed or after.completions is None:
        _immutable(here, after.completions)
    elif after.completions != after.parallelism:
        here.problem(
            "can only be modified in tandem with `parallelism`",
            code="Immutable",
            value=after.completions,
            legal=f"equal to `parallelism`, {after.parallelism}",
        )


def _checked(old: JobSpec, new: JobSpec, root: Place, *, now: datetime) -> JobSpec:
    if new == old and not root.report.problems:
        return old
    where = Places(root, JOB.where)
    # A schedule was in time when it was given, and is no longer asked about.
    timeless = replace(new, scheduled_at=None)
    check(Case(timeless, where, now))
    root.report.raise_if_any()
    return new
