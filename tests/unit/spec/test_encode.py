from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from jobyard.core.extract import Extract
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
from jobyard.spec.encode import (
    canonical,
    canonical_hash,
    decode,
    encode,
    policy_from_json,
    policy_json,
)
from jobyard.spec.load import load

NOW = datetime(2026, 3, 1, tzinfo=UTC)

words = st.text("abc$()=\n", max_size=8)
counts = st.integers(0, 2**31 - 1)
lengths = st.one_of(st.integers(0, 2**31 - 1).map(float), st.floats(0, 1e6, allow_subnormal=False))
mappings = st.dictionaries(words, words, max_size=3).map(MappingProxyType)
tuples = st.lists(words, max_size=3).map(tuple)
objects = st.lists(st.dictionaries(words, words, max_size=2), max_size=2).map(tuple)


def maybe(strategy: Any) -> Any:
    return st.none() | strategy


exit_codes = st.builds(
    ExitCodes, st.sampled_from(Operator), st.lists(counts, min_size=1).map(tuple), maybe(words)
)
conditions = st.builds(Condition, words, st.sampled_from(["True", "False", "Unknown"]))
failure_rules = st.builds(
    FailureRule,
    st.sampled_from(FailureAction),
    maybe(exit_codes),
    st.lists(conditions, max_size=2).map(tuple),
)
policies = st.builds(
    Policy,
    completions=maybe(counts),
    parallelism=counts,
    completion_mode=st.sampled_from(CompletionMode),
    backoff_limit=counts,
    backoff_limit_per_index=maybe(counts),
    max_failed_indexes=maybe(counts),
    backoff=st.builds(Backoff, lengths, lengths, lengths, st.floats(0, 1)),
    failure_rules=st.lists(failure_rules, max_size=3).map(tuple),
    success_rules=st.lists(st.builds(SuccessRule, maybe(words), maybe(counts)), max_size=3).map(
        tuple
    ),
    replacement_policy=st.sampled_from(ReplacementPolicy),
    restart_policy=st.sampled_from(RestartPolicy),
    active_deadline=maybe(lengths),
    pending_timeout=maybe(lengths),
    suspend=st.booleans(),
    ttl=maybe(lengths),
    completed_timeout=lengths,
    grace=lengths,
)
programs = st.builds(
    Program,
    command=tuples,
    args=tuples,
    env=mappings,
    working_dir=maybe(words),
    image=maybe(words),
    image_from_build=maybe(words),
    container=words,
    volumes=objects,
    secrets=objects,
    service_account_name=maybe(words),
    resources=st.builds(
        Resources,
        st.floats(0, 100, allow_subnormal=False),
        counts,
        maybe(st.floats(0, 100, allow_subnormal=False)),
        maybe(counts),
    ),
    attempt_timeout=maybe(lengths),
    fake=maybe(
        st.builds(FakeScript, lengths, st.integers(0, 255), st.booleans(), st.booleans(), words)
    ),
    scratch_volumes=tuples,
)
extracts = st.builds(
    Extract, words, words, words, words, words, words, words, tuples, counts, maybe(words), counts,
    st.floats(0, 1), st.booleans(), tuples,
)  # fmt: skip
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
specs = st.builds(
    JobSpec,
    name=words,
    program=programs,
    policy=policies,
    namespace=words,
    labels=mappings,
    annotations=mappings,
    executor=words,
    priority=st.integers(-(2**31), 2**31 - 1),
    depends_on=st.lists(
        st.builds(Dependency, words, st.sampled_from(DependencyCondition)), max_size=2
    ).map(tuple),
    scheduled_at=maybe(moments),
    idempotency_key=maybe(words),
    worker_id=maybe(words),
    worker_selector=mappings,
    unused=mappings,
    extract=maybe(extracts),
)


@given(specs)
def test_a_spec_survives_its_json(spec: JobSpec) -> None:
    written = json.loads(canonical(encode(spec)))

    again = decode(written)

    assert again == spec
    assert list(again.program.env) == list(spec.program.env)
    assert canonical_hash(again) == canonical_hash(spec)


@given(policies)
def test_a_policy_survives_its_json(policy: Policy) -> None:
    text = policy_json(policy)

    assert policy_from_json(text) == policy
    assert policy_json(policy_from_json(text)) == text


def test_the_default_policy_is_an_empty_object() -> None:
    assert policy_json(Policy()) == "{}"
    assert policy_from_json("{}") is policy_from_json("{}")


def test_what_is_shown_is_readable_and_short() -> None:
    spec = JobSpec("a", Program(command=("true",), env={"A": "1"}), Policy(ttl=60.0))

    assert encode(spec) == {
        "name": "a",
        "command": ["true"],
        "env": [{"name": "A", "value": "1"}],
        "restart_policy": "Never",
        "backoff_limit": 6,
        "ttl": 60,
    }


def test_what_is_shown_can_be_submitted_again() -> None:
    documents: list[dict[str, Any]] = [
        {"parallelism": 3},
        {"completions": 3},
        {"restart_policy": "Never"},
        {
            "completion_mode": "Indexed",
            "completions": 1,
            "backoff_limit_per_index": 2,
            "restart_policy": "Never",
        },
        {
            "restart_policy": "Never",
            "pod_failure_policy": [
                {"action": "Ignore", "on_conditions": [{"type": "DisruptionTarget"}]},
                {
                    "action": "FailJob",
                    "on_exit_codes": {"operator": "In", "values": [3], "container_name": "main"},
                },
            ],
        },
        {
            "env": {"A": "1"},
            "backoff": {"base": 0.1},
            "fake": {"run_for": 0.5},
            "scheduled_at": "2026-05-01T00:00:00.5+02:00",
            "resources": {"limits": {"cpu": "100m", "memory": "1Gi"}},
            "volumes": [{"name": "v", "mount_path": "/v", "empty_dir": {}}],
            "labels": {"a": "b"},
            "worker_selector": {"zone": "a"},
            "executor": "fake",
            "image": "x",
            "idempotency_key": "k",
            "completed_timeout": "1m",
            "unused": {"x": [1]},
        },
    ]

    for document in documents:
        text = json.dumps({"name": "a", "command": ["true"], **document})
        spec = load(text, now=NOW).specs[0]
        assert load(json.dumps(encode(spec)), now=NOW).specs[0] == spec


def test_the_hash_is_of_what_is_asked_for() -> None:
    spec = JobSpec("a", Program(command=("true",)))

    with_key = JobSpec("a", Program(command=("true",)), idempotency_key="k")
    other = JobSpec("a", Program(command=("false",)))

    assert canonical_hash(spec) == canonical_hash(with_key)
    assert canonical_hash(spec) != canonical_hash(other)
    assert len(canonical_hash(spec)) == 64


def test_the_order_of_variables_is_part_of_the_hash_and_that_of_labels_is_not() -> None:
    def hashed(order: Any) -> Any:
        return canonical_hash(
            JobSpec("a", Program(env=dict.fromkeys(order, "x")), labels=dict.fromkeys("ab", "x"))
        )

    one = JobSpec("a", Program(), labels={"a": "1", "b": "2"})
    two = JobSpec("a", Program(), labels={"b": "2", "a": "1"})

    assert hashed("ab") != hashed("ba")
    assert canonical_hash(one) == canonical_hash(two)


def test_a_default_spec_is_written_and_read_in_microseconds() -> None:
    """The engine does both on its hot path; the bound is wide, the figure is 7 microseconds."""
    spec = JobSpec("a", Program(command=("true",)))
    start = time.process_time()

    for _ in range(2000):
        decode(encode(spec))

    assert (time.process_time() - start) / 2000 < timedelta(microseconds=60).total_seconds()


def test_a_thousand_jobs_load_quickly() -> None:
    """A bound for a slow machine; the figure is about 30 ms."""
    jobs = [{"name": f"a{n}", "command": ["true", str(n)]} for n in range(1000)]
    text = json.dumps({"jobs": jobs})
    start = time.process_time()

    assert len(load(text, now=NOW).specs) == 1000

    assert time.process_time() - start < 1
