"""Rules between the fields of one job, on the frozen model; both shapes obey the same ones.

The catalogue is kubernetes-jobs.md B.16. Rules about a single field stand in the shapes' tables.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from jobyard.core.indexes import IndexSet
from jobyard.core.job import FailureAction, ReplacementPolicy, RestartPolicy
from jobyard.spec.naming import LABEL_RULE, is_label
from jobyard.spec.policies import camel
from jobyard.spec.report import shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from jobyard.core.job import JobSpec, Policy, SuccessRule
    from jobyard.spec.report import Place

MOST_PARALLEL_INDEXES = 100_000
LARGE_JOB = 100_000
LARGE_JOB_LIMIT = 10_000
FURTHEST = timedelta(days=366)
LATENESS = timedelta(minutes=1)
"""How far in the past a schedule may lie: what a request needs to arrive."""


@dataclass(frozen=True, slots=True)
class Case:
    """One job under examination, and the way from its fields back to the person's document.

    ``where`` leads from the application document's names to places; ``broken`` names the fields
    that have a problem already, about which nothing more can be said.
    """

    spec: JobSpec
    where: Mapping[str, Place]
    now: datetime
    manifest: bool = False
    broken: frozenset[str] = field(default=frozenset())

    @property
    def policy(self) -> Policy:
        """The part that most rules are about."""
        return self.spec.policy

    def sound(self, *names: str) -> bool:
        """Tell whether all of these fields could be read."""
        return self.broken.isdisjoint(names)

    def at(self, name: str, *below: str | int) -> Place:
        """Find the place of a field, or of a part of it, in the person's spelling."""
        place = self.where[name]
        for step in below:
            place /= camel(step) if self.manifest and isinstance(step, str) else step
        return place

    def called(self, name: str) -> str:
        """Spell a field's name as this document does."""
        steps = [step for step in self.where[name].steps if isinstance(step, str)]
        return f"`{steps[-2]}`" if steps[-1] == "rules" else f"`{steps[-1]}`"


def check(case: Case) -> None:
    """Apply every rule; what is wrong is reported at its place."""
    for rule in RULES:
        rule(case)


def _indexed_needs_completions(case: Case) -> None:
    if case.policy.indexed and case.policy.completions is None and case.sound("completions"):
        message = f"missing, though {case.called('completion_mode')} is Indexed"
        case.at("completions").problem(message, code="Required", legal="how many indexes there are")


def _indexed_parallelism(case: Case) -> None:
    parallelism = case.policy.parallelism
    if case.policy.indexed and parallelism > MOST_PARALLEL_INDEXES:
        legal = f"at most {MOST_PARALLEL_INDEXES} when Indexed"
        case.at("parallelism").problem("too many at a time", value=parallelism, legal=legal)


def _chosen_indexes(case: Case) -> None:
    policy, chosen = case.policy, case.policy.indexes
    if chosen is None:
        return
    here = case.at("indexes")
    if not policy.indexed:
        if case.sound("completion_mode"):
            here.problem(f"needs {case.called('completion_mode')} Indexed", value=str(chosen))
    elif policy.completions is not None and chosen.below(policy.completions) != chosen:
        here.problem(
            "names an index that the job does not have",
            value=str(chosen),
            legal=_ranges(IndexSet.upto(policy.completions)),
        )


def _indexed_name(case: Case) -> None:
    name, completions = case.spec.name, case.policy.completions
    if not (case.policy.indexed and completions and case.sound("name")):
        return
    host = f"{name}-{completions - 1}"
    if not is_label(host):
        message = f"the last index would be called `{host}`, which is no host name"
        case.at("name").problem(message, value=name, legal=LABEL_RULE)


def _per_index_limit(case: Case) -> None:
    policy = case.policy
    if policy.backoff_limit_per_index is None:
        return
    here = case.at("backoff_limit_per_index")
    value = policy.backoff_limit_per_index
    if not policy.indexed and case.sound("completion_mode"):
        here.problem(f"needs {case.called('completion_mode')} Indexed", value=value)
    if policy.restart_policy is not RestartPolicy.NEVER and case.sound("restart_policy"):
        here.problem(f"needs {case.called('restart_policy')} Never", value=value)
    _large_job(case)


def _large_job(case: Case) -> None:
    """Bound what has to be kept about single indexes of a very large job."""
    policy = case.policy
    if policy.completions is None or policy.completions <= LARGE_JOB:
        return
    why = f"with more than {LARGE_JOB} completions and {case.called('backoff_limit_per_index')}"
    if policy.max_failed_indexes is None and case.sound("max_failed_indexes"):
        legal = f"0 to {LARGE_JOB_LIMIT}"
        case.at("max_failed_indexes").problem(f"missing {why}", code="Required", legal=legal)
    for name in ("max_failed_indexes", "parallelism"):
        value = getattr(policy, name)
        if value is not None and value > LARGE_JOB_LIMIT:
            legal = f"at most {LARGE_JOB_LIMIT}"
            case.at(name).problem(f"too large {why}", value=value, legal=legal)


def _max_failed_indexes(case: Case) -> None:
    policy, value = case.policy, case.policy.max_failed_indexes
    if value is None:
        return
    here = case.at("max_failed_indexes")
    if policy.backoff_limit_per_index is None and case.sound("backoff_limit_per_index"):
        here.problem(
            f"needs {case.called('backoff_limit_per_index')}", code="Required", value=value
        )
    if not policy.indexed and case.sound("completion_mode"):
        here.problem(f"needs {case.called('completion_mode')} Indexed", value=value)
    most = min(LARGE_JOB, LARGE_JOB if policy.completions is None else policy.completions)
    if value > most and case.sound("completions"):
        here.problem("more than there are indexes", value=value, legal=f"at most {most}")


def _failure_policy(case: Case) -> None:
    policy = case.policy
    if not policy.failure_rules:
        return
    here = case.at("pod_failure_policy")
    if policy.restart_policy is not RestartPolicy.NEVER and case.sound("restart_policy"):
        here.problem(f"needs {case.called('restart_policy')} Never", value=policy.restart_policy)
    if policy.replacement_policy is not ReplacementPolicy.FAILED:
        case.at("pod_replacement_policy").problem(
            f"not possible with {case.called('pod_failure_policy')}",
            code="NotSupported",
            value=policy.replacement_policy,
            legal=ReplacementPolicy.FAILED,
        )
    for at in range(len(policy.failure_rules)):
        _failure_rule(case, at)


def _failure_rule(case: Case, at: int) -> None:
    rule = case.policy.failure_rules[at]
    fails_index = rule.action is FailureAction.FAIL_INDEX
    if (
        fails_index
        and case.policy.backoff_limit_per_index is None
        and case.sound("backoff_limit_per_index")
    ):
        case.at("pod_failure_policy", at, "action").problem(
            f"needs {case.called('backoff_limit_per_index')}", value=rule.action
        )
    container = rule.exit_codes.container if rule.exit_codes else None
    names = _containers(case.spec)
    if container is not None and container not in names and case.sound("container"):
        case.at("pod_failure_policy", at, "on_exit_codes", "container_name").problem(
            "no container is called so", value=container, legal=", ".join(names)
        )


def _containers(spec: JobSpec) -> list[str]:
    """Name the program's container, and those of its pod that are only kept."""
    names = [spec.program.container]
    for path, kept in spec.unused.items():
        last = path.rpartition(".")[2].partition("[")[0]
        if last in ("containers", "initContainers"):
            others = kept if isinstance(kept, list) else [kept]
            names += [str(other.get("name")) for other in others if isinstance(other, dict)]
    return names


def _success_policy(case: Case) -> None:
    rules = case.policy.success_rules
    if not rules:
        return
    if not case.policy.indexed and case.sound("completion_mode"):
        message = f"needs {case.called('completion_mode')} Indexed"
        case.at("success_policy").problem(message)
    if case.sound("completions", "indexes") and case.policy.completions is not None:
        own = IndexSet.upto(case.policy.completions)
        for at, rule in enumerate(rules):
            _success_rule(
                case, at, rule, own if case.policy.indexes is None else case.policy.indexes
            )


def _success_rule(case: Case, at: int, rule: SuccessRule, own: IndexSet) -> None:
    """Refuse what can never be met by the ``own`` indexes, those that run."""
    most = len(own)
    if rule.indexes is not None:
        indexes = IndexSet.parse(rule.indexes)
        most = min(most, len(indexes))
        if indexes - own:
            case.at("success_policy", at, "succeeded_indexes").problem(
                "names an index that the job does not have",
                value=rule.indexes,
                legal=_ranges(own),
            )
    if rule.count is not None and rule.count > most:
        case.at("success_policy", at, "succeeded_count").problem(
            "more than can succeed", value=rule.count, legal=f"at most {most}"
        )


def _ranges(indexes: IndexSet) -> str:
    """Write indexes as people say them, shortened."""
    if len(indexes.ranges) == 1:
        return f"{indexes.ranges[0][0]} to {indexes.ranges[0][1] - 1}"
    return f"of {shown(str(indexes))}"


def _requests_within_limits(case: Case) -> None:
    resources = case.spec.program.resources
    for name in ("cpu", "memory"):
        asked, allowed = getattr(resources, f"request_{name}"), getattr(resources, f"limit_{name}")
        if allowed is not None and asked > allowed:
            case.at("resources", "requests", name).problem(
                "more than the limit", value=asked, legal=f"at most {allowed}"
            )


def _scheduled_within_a_year(case: Case) -> None:
    moment = case.spec.scheduled_at
    if moment is None or case.now - LATENESS <= moment <= case.now + FURTHEST:
        return
    side = "in the past" if moment < case.now else "too far ahead"
    here = case.at("scheduled_at")
    here.problem(side, value=moment.isoformat(), legal="from now to a year ahead")


def _lingering_outlives_the_job(case: Case) -> None:
    timeout, ttl = case.policy.completed_timeout, case.policy.ttl
    if ttl is not None and timeout > ttl:
        message = f"longer than {case.called('ttl')}, which ends it first"
        case.at("completed_timeout").warning(message, value=timeout, legal=f"at most {ttl:g}")


def _first_delay_within_the_longest(case: Case) -> None:
    backoff = case.policy.backoff
    if backoff.base > backoff.cap:
        case.at("backoff", "base").warning(
            "longer than `cap`, which bounds it",
            value=backoff.base,
            legal=f"at most {backoff.cap:g}",
        )


def _first_word_of_the_command(case: Case) -> None:
    command = case.spec.program.command
    if command and not command[0]:
        here: Any = case.at("command", 0)
        here.problem("empty", code="Required", value="", legal="the program to run")


RULES = (
    _indexed_needs_completions,
    _indexed_parallelism,
    _chosen_indexes,
    _indexed_name,
    _per_index_limit,
    _max_failed_indexes,
    _failure_policy,
    _success_policy,
    _requests_within_limits,
    _scheduled_within_a_year,
    _lingering_outlives_the_job,
    _first_delay_within_the_longest,
    _first_word_of_the_command,
)
