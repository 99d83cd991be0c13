"""A job to run again: the spec of the new one, and which indexes' checkpoints go with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from jobyard.core.indexes import IndexSet
from jobyard.core.job import SuccessRule
from jobyard.errors import NothingToRetry

if TYPE_CHECKING:
    from jobyard.core.job import JobSpec, Policy
    from jobyard.core.state import JobState


class Which(StrEnum):
    """What of a finished job runs again."""

    ALL = "all"
    FAILED = "failed"
    REMAINING = "remaining"


@dataclass(frozen=True, slots=True)
class Again:
    """What runs again: its spec, and the indexes that go on from their checkpoints.

    ``resumed`` None means none; a job whose attempts are interchangeable has one checkpoint, -1.
    """

    spec: JobSpec
    resumed: tuple[tuple[int, int], ...] = ()
    """Half-open ranges."""


def run_again(spec: JobSpec, state: JobState, which: Which, tried: IndexSet) -> Again:
    """Make the spec of a job that runs a finished one, or a part of it, again.

    Dropped are the idempotency key, the schedule, the edges to other jobs, and a suspend: they
    were about the old job. Whatever is left out because it is done starts where its checkpoint
    says; ``all`` starts from nothing.

    Args:
        spec: what the finished job was asked as.
        state: how it ended.
        which: what of it runs again.
        tried: indexes of which an attempt failed or was lost.

    Raises:
        NothingToRetry: nothing of the job is left to run, or it cannot be told what.
    """
    fresh = replace(
        spec,
        policy=replace(spec.policy, suspend=False),
        depends_on=(),
        scheduled_at=None,
        idempotency_key=None,
    )
    if which is Which.ALL:
        return Again(fresh)
    if spec.policy.completions is None:
        raise NothingToRetry(
            state.id,
            which,
            f"job {state.id} is a work queue: nobody knows which part of it is left",
            hint="`--indexes all` runs it again",
        )
    if spec.policy.indexed:
        chosen = _indexes(spec.policy, state, which, tried)
        policy = replace(
            fresh.policy,
            indexes=chosen,
            success_rules=_rest_of_rules(spec.policy, state.completed, chosen),
        )
        resumed = chosen.ranges
    else:
        left = spec.policy.completions - state.succeeded
        policy = replace(fresh.policy, completions=left)
        resumed = ((-1, 0),) if left > 0 else ()
    if not resumed:
        raise NothingToRetry(state.id, which)
    return Again(replace(fresh, policy=policy), resumed)


def _indexes(policy: Policy, state: JobState, which: Which, tried: IndexSet) -> IndexSet:
    own = policy.indexes
    if own is None:
        own = IndexSet.upto(policy.completions or 0)
    if which is Which.FAILED:
        own &= state.failed_indexes | tried
    return own - state.completed


def _rest_of_rules(
    policy: Policy, completed: IndexSet, chosen: IndexSet
) -> tuple[SuccessRule, ...]:
    """Ask of the chosen indexes what the old job's completions leave of its success rules.

    A rule that is met already, or that these indexes cannot meet, is left out: then all of them
    must complete.
    """
    rest = []
    for rule in policy.success_rules:
        own = None if rule.indexes is None else IndexSet.parse(rule.indexes)
        done = completed if own is None else own & completed
        wanted = chosen if own is None else own & chosen
        asked = len(own or ()) if rule.count is None else rule.count
        needed = asked - len(done)
        if 0 < needed <= len(wanted):
            rest.append(SuccessRule(None if own is None else str(wanted), needed))
    return tuple(rest)
