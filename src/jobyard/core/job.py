"""The job as a person asked for it: one frozen model, whatever document it was written in."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from jobyard.core.extract import Extract
    from jobyard.core.indexes import IndexSet

MAX_COUNT = 2**31 - 1
"""The largest number that any counter of a spec may hold."""

_EMPTY: Mapping[str, Any] = MappingProxyType({})


def _empty() -> Mapping[str, Any]:
    # Before Python 3.12 a mapping proxy has no hash, and dataclasses refuse it as a default.
    return _EMPTY


class CompletionMode(StrEnum):
    """Whether the successes of a job are interchangeable or each belongs to an index."""

    NON_INDEXED = "NonIndexed"
    INDEXED = "Indexed"


class RestartPolicy(StrEnum):
    """Who retries: the job with a new attempt (Never), or the attempt in place (OnFailure)."""

    NEVER = "Never"
    ON_FAILURE = "OnFailure"


class ReplacementPolicy(StrEnum):
    """When to replace an attempt that is going away."""

    TERMINATING_OR_FAILED = "TerminatingOrFailed"
    FAILED = "Failed"


class FailureAction(StrEnum):
    """What a matching rule of a failure policy makes of a failed attempt."""

    FAIL_JOB = "FailJob"
    FAIL_INDEX = "FailIndex"
    IGNORE = "Ignore"
    COUNT = "Count"


class Operator(StrEnum):
    """How an exit code relates to a rule's values."""

    IN = "In"
    NOT_IN = "NotIn"


class DependencyCondition(StrEnum):
    """What must have become of the other job before this one may start."""

    COMPLETED = "completed"
    FAILED = "failed"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Backoff:
    """The delay before the next try.

    Try n+1 waits ``base * factor**(n-1)`` seconds, at most ``cap``; ``jitter`` (a share of the
    delay, 0 to 1) only lengthens it.
    """

    base: float = 10.0
    factor: float = 2.0
    cap: float = 360.0
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class ExitCodes:
    """Match a failed attempt by its exit code; exit code 0 never matches."""

    operator: Operator
    values: tuple[int, ...]
    container: str | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """Match a failed attempt by a condition it carries, such as ``DisruptionTarget``."""

    type: str
    status: str = "True"


@dataclass(frozen=True, slots=True)
class FailureRule:
    """One rule of a failure policy: exactly one of ``exit_codes`` and ``conditions`` is set."""

    action: FailureAction
    exit_codes: ExitCodes | None = None
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class SuccessRule:
    """Early success: this many of these indexes (either may be left out, not both).

    ``indexes`` is index text as Kubernetes writes it, ``"0,2-4"``.
    """

    indexes: str | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything of a spec that decides; all that ``decide`` may look at.

    Times are seconds. ``completions`` None means a work queue (kubernetes-jobs.md B.2). ``indexes``
    are those of an Indexed job that run at all, None for all of them.
    """

    completions: int | None = 1
    parallelism: int = 1
    completion_mode: CompletionMode = CompletionMode.NON_INDEXED
    indexes: IndexSet | None = None
    backoff_limit: int = 6
    backoff_limit_per_index: int | None = None
    max_failed_indexes: int | None = None
    backoff: Backoff = Backoff()
    failure_rules: tuple[FailureRule, ...] = ()
    success_rules: tuple[SuccessRule, ...] = ()
    replacement_policy: ReplacementPolicy = ReplacementPolicy.TERMINATING_OR_FAILED
    restart_policy: RestartPolicy = RestartPolicy.NEVER
    active_deadline: float | None = None
    pending_timeout: float | None = None
    suspend: bool = False
    ttl: float | None = None
    completed_timeout: float = 0.0
    grace: float = 30.0

    @property
    def indexed(self) -> bool:
        """Whether every success belongs to an index."""
        return self.completion_mode is CompletionMode.INDEXED

    @property
    def total(self) -> int | None:
        """How many successes make the job complete; None for a work queue."""
        return self.completions if self.indexes is None else len(self.indexes)


@dataclass(frozen=True, slots=True)
class FakeScript:
    """Orders for the ``fake`` executor: what the program would have done."""

    run_for: float = 0.0
    exit_code: int = 0
    fail_to_start: bool = False
    ignore_stop: bool = False
    output: str = ""


@dataclass(frozen=True, slots=True)
class Resources:
    """What one attempt asks for and may use: CPU in cores, memory in bytes."""

    request_cpu: float = 0.0
    request_memory: int = 0
    limit_cpu: float | None = None
    limit_memory: int | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """What an attempt runs.

    ``command`` and ``args`` follow Kubernetes: together they are the argument vector, no shell is
    involved, and ``$(VAR)`` in them and in ``env`` is expanded when the attempt starts.
    """

    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=_empty)
    working_dir: str | None = None
    image: str | None = None
    image_from_build: str | None = None
    container: str = "main"
    volumes: tuple[Mapping[str, Any], ...] = ()
    secrets: tuple[Mapping[str, Any], ...] = ()
    service_account_name: str | None = None
    resources: Resources = Resources()
    attempt_timeout: float | None = None
    fake: FakeScript | None = None
    scratch_volumes: tuple[str, ...] = ()
    """Mount paths of emptyDir volumes; in a process they become folders in the scratch folder."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """An edge to another job: by name to one of the same document, by id to one that is there."""

    job: str | int
    condition: DependencyCondition = DependencyCondition.COMPLETED


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One job as asked for. Immutable; a change of a mutable field makes a new spec."""

    name: str
    program: Program
    policy: Policy = Policy()
    namespace: str = "default"
    labels: Mapping[str, str] = field(default_factory=_empty)
    annotations: Mapping[str, str] = field(default_factory=_empty)
    executor: str = "process"
    priority: int = 0
    depends_on: tuple[Dependency, ...] = ()
    scheduled_at: datetime | None = None
    idempotency_key: str | None = None
    worker_id: str | None = None
    worker_selector: Mapping[str, str] = field(default_factory=_empty)
    unused: Mapping[str, Any] = field(default_factory=_empty)
    """Legal fields of the document that the executor does not use: kept and shown, not dropped."""
    extract: Extract | None = None
    """What its program extracts, if it is an extraction's."""
