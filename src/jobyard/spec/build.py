"""From a draft to the frozen model: the defaults of both shapes, in one place."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from jobyard.core.job import (
    MAX_COUNT,
    CompletionMode,
    JobSpec,
    Policy,
    Program,
    ReplacementPolicy,
    RestartPolicy,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

RETRIES = 6
"""The back-off limit where nothing says otherwise, as in Kubernetes."""

_POLICY = {
    "completion_mode": "completion_mode",
    "indexes": "indexes",
    "backoff_limit_per_index": "backoff_limit_per_index",
    "max_failed_indexes": "max_failed_indexes",
    "backoff": "backoff",
    "pod_failure_policy": "failure_rules",
    "success_policy": "success_rules",
    "active_deadline": "active_deadline",
    "pending_timeout": "pending_timeout",
    "suspend": "suspend",
    "ttl": "ttl",
    "completed_timeout": "completed_timeout",
    "termination_grace_period": "grace",
}
_PROGRAM = (
    "command", "args", "env", "working_dir", "image", "image_from_build", "container", "volumes",
    "secrets", "service_account_name", "resources", "attempt_timeout", "fake", "scratch_volumes",
)  # fmt: skip
_JOB = (
    "namespace", "labels", "annotations", "priority", "depends_on", "scheduled_at",
    "idempotency_key", "worker_id", "worker_selector",
)  # fmt: skip


def build(
    values: Mapping[str, Any], *, manifest: bool, executor: str, unused: Mapping[str, Any]
) -> JobSpec:
    """Make the model of a job from what its draft holds; what it does not hold gets its default."""
    return JobSpec(
        name=values.get("name", ""),
        program=program_of(values),
        policy=policy_of(values, manifest=manifest),
        executor=executor,
        unused=frozen({**values.get("unused", {}), **unused}),
        **{name: frozen(values[name]) for name in _JOB if name in values},
    )


def program_of(values: Mapping[str, Any]) -> Program:
    """Make the program of a job from its draft's values.

    A volume with an empty folder is a scratch folder; the list of volumes holds the others.
    """
    given = {name: frozen(values[name]) for name in _PROGRAM if name in values}
    volumes = values.get("volumes", ())
    scratch = [volume["mount_path"] for volume in volumes if is_scratch(volume)]
    if scratch:
        given["scratch_volumes"] = (*values.get("scratch_volumes", ()), *scratch)
        given["volumes"] = tuple(volume for volume in volumes if not is_scratch(volume))
    return Program(**given)


def is_scratch(volume: Mapping[str, Any]) -> bool:
    """Tell whether a volume is an empty folder with a place."""
    return "empty_dir" in volume and "mount_path" in volume


def policy_of(values: Mapping[str, Any], *, manifest: bool) -> Policy:
    """Make the policy of a job from its draft's values, with the defaults of its shape."""
    given = {name: values[written] for written, name in _POLICY.items() if written in values}
    default = RestartPolicy.NEVER if manifest else RestartPolicy.ON_FAILURE
    completions, parallelism = _counts(values)
    return Policy(
        completions=completions,
        parallelism=parallelism,
        restart_policy=values.get("restart_policy", default),
        backoff_limit=_backoff_limit(values, manifest=manifest),
        replacement_policy=values.get("pod_replacement_policy", _replacement(values)),
        **given,
    )


def _counts(values: Mapping[str, Any]) -> tuple[int | None, int]:
    """Apply the truth table of kubernetes-jobs.md B.2; Indexed must always say its completions."""
    indexed = values.get("completion_mode") is CompletionMode.INDEXED
    single = None if "parallelism" in values or indexed else 1
    return values.get("completions", single), values.get("parallelism", 1)


def _backoff_limit(values: Mapping[str, Any], *, manifest: bool) -> int:
    if "backoff_limit" in values:
        return int(values["backoff_limit"])
    if "backoff_limit_per_index" in values:
        return MAX_COUNT
    never = values.get("restart_policy") is RestartPolicy.NEVER
    return 0 if never and not manifest else RETRIES


def _replacement(values: Mapping[str, Any]) -> ReplacementPolicy:
    if values.get("pod_failure_policy"):
        return ReplacementPolicy.FAILED
    return ReplacementPolicy.TERMINATING_OR_FAILED


def frozen(value: Any) -> Any:
    """Wrap a mapping so that nobody changes it; anything else is returned as it is."""
    return MappingProxyType(value) if isinstance(value, dict) else value
