"""The frozen model as canonical JSON and back: what stores keep and what the job object shows.

The shape is the application document's, so that what is shown can be submitted again. Reading
back checks nothing: only what ``encode`` wrote is ever read.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from jobyard.core.derived import read_derivation
from jobyard.core.extract import Extract
from jobyard.core.indexes import IndexSet
from jobyard.core.job import (
    Backoff,
    CompletionMode,
    Condition,
    Dependency,
    DependencyCondition,
    ExitCodes,
    FailureAction,
    FailureRule,
    FakeScript,
    JobSpec,
    Operator,
    Policy,
    Program,
    ReplacementPolicy,
    Resources,
    RestartPolicy,
    SuccessRule,
)
from jobyard.core.layout import FileLayout

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Rows = tuple[
    tuple[str, str, Any, "Callable[[Any], Any] | None", "Callable[[Any], Any] | None"], ...
]
"""A table of the model's fields: attribute, name in JSON, default, writer, reader."""


def encode(spec: JobSpec) -> dict[str, Any]:
    """Write a spec as a JSON-able dict in the application document's shape.

    Fields at their default are left out, except those whose default depends on others
    (``restart_policy``, ``backoff_limit``, ``executor`` beside an image, and both counts unless
    both are 1).
    """
    policy = spec.policy
    written: dict[str, Any] = {"name": spec.name}
    _write(spec, _JOB_ROWS, written)
    _write(spec.program, _PROGRAM_ROWS, written)
    _write(policy, _POLICY_ROWS, written)
    if spec.program.image is not None or spec.program.image_from_build is not None:
        # An image alone asks for a container.
        written["executor"] = spec.executor
    written["restart_policy"] = policy.restart_policy.value
    written["backoff_limit"] = policy.backoff_limit
    if policy.completions != 1 or policy.parallelism != 1 or policy.indexed:
        written["completions"] = policy.completions
        written["parallelism"] = policy.parallelism
    return written


def decode(written: Mapping[str, Any]) -> JobSpec:
    """Read back what ``encode`` wrote; nothing is checked."""
    return JobSpec(
        name=written["name"],
        program=Program(**_read(written, _PROGRAM_BY_NAME)),
        policy=Policy(**_read(written, _POLICY_BY_NAME)),
        **_read(written, _JOB_BY_NAME),
    )


@lru_cache(maxsize=1024)
def policy_json(policy: Policy) -> str:
    """Write a policy as compact canonical text, without the fields at their default."""
    written: dict[str, Any] = {}
    _write(policy, _POLICY_ROWS, written)
    return canonical(written)


@lru_cache(maxsize=4096)
def policy_from_json(text: str) -> Policy:
    """Read back what ``policy_json`` wrote; equal texts give the same object."""
    return Policy(**_read(json.loads(text), _POLICY_BY_NAME))


def encode_json(spec: JobSpec) -> str:
    """Write a spec as canonical text, the form in which it is stored."""
    return canonical(encode(spec))


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical(value: Any) -> str:
    """Write JSON so that equal values give equal text."""
    return _CANONICAL.encode(value)


def canonical_hash(spec: JobSpec) -> str:
    """Hash what a spec asks for, as SHA-256 in hexadecimal.

    The idempotency key is left out: it names the request and is no part of what is asked.
    """
    import hashlib

    written = encode(spec)
    written.pop("idempotency_key", None)
    return hashlib.sha256(canonical(written).encode()).hexdigest()


def _write(source: Any, rows: Rows, written: dict[str, Any]) -> None:
    for attribute, name, default, write, _ in rows:
        value = getattr(source, attribute)
        if value is not default and value != default:
            written[name] = write(value) if write else value


def _read(written: Mapping[str, Any], by_name: Mapping[str, tuple[str, Any]]) -> dict[str, Any]:
    found = {}
    for name, value in written.items():
        row = by_name.get(name)
        if row is not None:
            attribute, read = row
            found[attribute] = read(value) if read and value is not None else value
    return found


def _seconds(value: float | None) -> float | None:
    return int(value) if value is not None and float(value).is_integer() else value


def _word(value: Any) -> str:
    return str(value.value)


def _fields(kind: type, *rows: Any) -> tuple[Any, Any]:
    """Make the writer and the reader of a small frozen object from its rows."""
    table = _rows(kind(), *rows)
    by_name = _by_name(table)

    def write(value: Any) -> dict[str, Any]:
        written: dict[str, Any] = {}
        _write(value, table, written)
        return written

    def read(written: Mapping[str, Any]) -> Any:
        return kind(**_read(written, by_name))

    return write, read


def _rows(defaults: Any, *rows: Any) -> Rows:
    full = [(row, row, None, None) if isinstance(row, str) else row for row in rows]
    return tuple(
        (attribute, name, getattr(defaults, attribute), write, read)
        for attribute, name, write, read in full
    )


def _by_name(rows: Rows) -> dict[str, tuple[str, Any]]:
    return {name: (attribute, read) for attribute, name, _, _, read in rows}


def _write_failure_rule(rule: FailureRule) -> dict[str, Any]:
    written: dict[str, Any] = {"action": rule.action.value}
    codes = rule.exit_codes
    if codes is not None:
        matcher = {"operator": codes.operator.value, "values": list(codes.values)}
        if codes.container is not None:
            matcher["container_name"] = codes.container
        written["on_exit_codes"] = matcher
    if rule.conditions:
        written["on_conditions"] = [
            {"type": condition.type, "status": condition.status} for condition in rule.conditions
        ]
    return written


def _read_failure_rule(written: Mapping[str, Any]) -> FailureRule:
    matcher = written.get("on_exit_codes")
    codes = matcher and ExitCodes(
        Operator(matcher["operator"]), tuple(matcher["values"]), matcher.get("container_name")
    )
    conditions = tuple(
        Condition(condition["type"], condition["status"])
        for condition in written.get("on_conditions", ())
    )
    return FailureRule(FailureAction(written["action"]), codes, conditions)


def _write_success_rule(rule: SuccessRule) -> dict[str, Any]:
    written = {"succeeded_indexes": rule.indexes, "succeeded_count": rule.count}
    return {name: value for name, value in written.items() if value is not None}


def _read_success_rule(written: Mapping[str, Any]) -> SuccessRule:
    return SuccessRule(written.get("succeeded_indexes"), written.get("succeeded_count"))


def _write_env(env: Mapping[str, str]) -> list[dict[str, str]]:
    # A list, because later entries may refer to earlier ones and jsonb keeps no order of members.
    return [{"name": name, "value": value} for name, value in env.items()]


def _read_env(written: list[dict[str, str]]) -> Mapping[str, str]:
    return MappingProxyType({entry["name"]: entry["value"] for entry in written})


def _write_resources(resources: Resources) -> dict[str, Any]:
    requests = {"cpu": resources.request_cpu, "memory": resources.request_memory}
    limits = {"cpu": resources.limit_cpu, "memory": resources.limit_memory}
    written: dict[str, Any] = {"requests": requests}
    if resources.limit_cpu is not None or resources.limit_memory is not None:
        written["limits"] = {name: value for name, value in limits.items() if value is not None}
    return written


def _read_resources(written: Mapping[str, Any]) -> Resources:
    requests, limits = written["requests"], written.get("limits", {})
    cpu = limits.get("cpu")
    return Resources(
        float(requests["cpu"]),
        requests["memory"],
        None if cpu is None else float(cpu),
        limits.get("memory"),
    )


def _write_moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _write_dependencies(dependencies: tuple[Dependency, ...]) -> list[dict[str, str | int]]:
    return [{"job": edge.job, "condition": edge.condition.value} for edge in dependencies]


def _read_dependencies(written: list[dict[str, Any]]) -> tuple[Dependency, ...]:
    return tuple(
        Dependency(edge["job"], DependencyCondition(edge["condition"])) for edge in written
    )


def _write_extract(extract: Extract) -> dict[str, Any]:
    return {**asdict(extract), "tables": [*extract.tables], "providers": [*extract.providers]}


def _read_extract(written: Mapping[str, Any]) -> Extract:
    read = {name: tuple(written[name]) for name in ("tables", "providers")}
    layout = FileLayout(**written.get("layout", {}))
    derived = read_derivation(written.get("derived"))
    return Extract(**{**written, **read, "layout": layout, "derived": derived})


def _each(convert: Any, into: Any) -> Any:
    return lambda values: into(map(convert, values))


_MAPPING = (dict, MappingProxyType)
_TIME = (_seconds, float)
_BACKOFF = _fields(Backoff, *((name, name, *_TIME) for name in ("base", "factor", "cap", "jitter")))
_FAKE = _fields(
    FakeScript,
    ("run_for", "run_for", *_TIME),
    "exit_code",
    "fail_to_start",
    "ignore_stop",
    "output",
)

_POLICY_ROWS = _rows(
    Policy(),
    "completions",
    "parallelism",
    ("completion_mode", "completion_mode", _word, CompletionMode),
    ("indexes", "indexes", str, IndexSet.parse),
    "backoff_limit",
    "backoff_limit_per_index",
    "max_failed_indexes",
    ("backoff", "backoff", *_BACKOFF),
    (
        "failure_rules",
        "pod_failure_policy",
        _each(_write_failure_rule, list),
        _each(_read_failure_rule, tuple),
    ),
    (
        "success_rules",
        "success_policy",
        _each(_write_success_rule, list),
        _each(_read_success_rule, tuple),
    ),
    ("replacement_policy", "pod_replacement_policy", _word, ReplacementPolicy),
    ("restart_policy", "restart_policy", _word, RestartPolicy),
    ("active_deadline", "active_deadline", *_TIME),
    ("pending_timeout", "pending_timeout", *_TIME),
    "suspend",
    ("ttl", "ttl", *_TIME),
    ("completed_timeout", "completed_timeout", *_TIME),
    ("grace", "termination_grace_period", *_TIME),
)
_PROGRAM_ROWS = _rows(
    Program(),
    ("command", "command", list, tuple),
    ("args", "args", list, tuple),
    ("env", "env", _write_env, _read_env),
    "working_dir",
    "image",
    "image_from_build",
    "container",
    ("volumes", "volumes", _each(dict, list), tuple),
    ("secrets", "secrets", _each(dict, list), tuple),
    "service_account_name",
    ("resources", "resources", _write_resources, _read_resources),
    ("attempt_timeout", "attempt_timeout", *_TIME),
    ("fake", "fake", *_FAKE),
    ("scratch_volumes", "scratch_volumes", list, tuple),
)
_JOB_ROWS = _rows(
    JobSpec("", Program()),
    "namespace",
    ("labels", "labels", *_MAPPING),
    ("annotations", "annotations", *_MAPPING),
    "executor",
    "priority",
    ("depends_on", "depends_on", _write_dependencies, _read_dependencies),
    ("scheduled_at", "scheduled_at", _write_moment, datetime.fromisoformat),
    "idempotency_key",
    "worker_id",
    ("worker_selector", "worker_selector", *_MAPPING),
    ("unused", "unused", *_MAPPING),
    ("extract", "extract", _write_extract, _read_extract),
)
_POLICY_BY_NAME = _by_name(_POLICY_ROWS)
_PROGRAM_BY_NAME = _by_name(_PROGRAM_ROWS)
_JOB_BY_NAME = _by_name(_JOB_ROWS)
