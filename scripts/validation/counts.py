"""Rules about numbers: counts, indexes, limits, restarts."""

from __future__ import annotations

from validation.catalogue import Row

INDEXED = ("completion_mode: Indexed", "completions: 4")

K_INDEXED = ("spec.completionMode: Indexed", "spec.completions: 4")

PER_INDEX = (*INDEXED, "restart_policy: Never", "backoff_limit_per_index: 1")

K_PER_INDEX = (*K_INDEXED, "spec.backoffLimitPerIndex: 1")

NEVER = "restart_policy: Never"

_COUNTS = (
    ("parallelism", "parallelism"),
    ("completions", "completions"),
    ("backoff_limit", "backoffLimit"),
    ("backoff_limit_per_index", "backoffLimitPerIndex"),
    ("max_failed_indexes", "maxFailedIndexes"),
    ("active_deadline", "activeDeadlineSeconds"),
    ("ttl", "ttlSecondsAfterFinished"),
)

COUNTS = (
    *(
        Row(
            f"`{name}` is not negative",
            "must be 0 or more",
            f"{name}: -1",
            f"spec.{camel}: -1",
            legal="0 or more",
        )
        for name, camel in _COUNTS
    ),
    Row(
        "a count fits 31 bits",
        "must be at most 2147483647",
        "parallelism: 2147483648",
        "spec.parallelism: 2147483648",
        legal="at most 2147483647",
    ),
    Row(
        "a count has at most 64 bits to be shown",
        "must be at most 2147483647",
        "parallelism: 99999999999999999999999",
        "spec.parallelism: 99999999999999999999999",
        legal="at most 2147483647",
        value="a number of more than 64 bits",
    ),
    Row(
        "a count is whole",
        "must be a whole number, not a number",
        "completions: 1.5",
        "spec.completions: 1.5",
        legal="0 or more",
    ),
    Row(
        "true is no number",
        "must be a whole number, not true",
        "completions: true",
        "spec.completions: true",
        legal="0 or more",
    ),
    Row(
        "text is no number",
        "must be a whole number, not text",
        'completions: "4"',
        'spec.completions: "4"',
        legal="0 or more",
    ),
)

INDEXES = (
    Row(
        "chosen indexes need an Indexed job",
        "Indexed",
        "indexes: 0,2",
    ),
    Row(
        "chosen indexes are those of the job",
        "names an index that the job does not have",
        (*INDEXED, "indexes: 2-4"),
        legal="0 to 3",
    ),
    Row(
        "some indexes are chosen",
        "empty",
        (*INDEXED, 'indexes: ""'),
        code="Required",
    ),
    Row(
        "an Indexed job says its completions",
        "missing, though",
        ("completion_mode: Indexed", "completions: null"),
        ("spec.completionMode: Indexed", "spec.completions: null"),
        code="Required",
        legal="how many indexes there are",
    ),
    Row(
        "at most 100,000 indexes at a time",
        "too many at a time",
        (*INDEXED, "parallelism: 100001"),
        (*K_INDEXED, "spec.parallelism: 100001"),
        legal="at most 100000 when Indexed",
    ),
    Row(
        "a completion mode is one of two words",
        "not one of the legal words",
        "completion_mode: indexed",
        "spec.completionMode: indexed",
        code="NotSupported",
        legal="NonIndexed, Indexed",
    ),
    Row(
        "the last index can be a host's name",
        "which is no host name",
        (*INDEXED, f"name: {'a' * 62}"),
        (*K_INDEXED, f"metadata.name: {'a' * 62}"),
        legal="at most 63",
    ),
    Row(
        "a limit per index needs indexes",
        "Indexed",
        (NEVER, "backoff_limit_per_index: 1"),
        "spec.backoffLimitPerIndex: 1",
    ),
    Row(
        "a limit per index needs new attempts",
        "Never",
        (*INDEXED, "restart_policy: OnFailure", "backoff_limit_per_index: 1"),
        (*K_INDEXED, "pod.restartPolicy: OnFailure", "spec.backoffLimitPerIndex: 1"),
    ),
    Row(
        "a bound on failed indexes needs a limit per index",
        "needs `backoff",
        (*INDEXED, "max_failed_indexes: 1"),
        (*K_INDEXED, "spec.maxFailedIndexes: 1"),
        code="Required",
    ),
    Row(
        "no more failed indexes than indexes",
        "more than there are indexes",
        (*PER_INDEX, "max_failed_indexes: 5"),
        (*K_PER_INDEX, "spec.maxFailedIndexes: 5"),
        legal="at most 4",
    ),
    Row(
        "more than 100,000 indexes with a limit each need a bound on failed ones",
        "missing with",
        (*PER_INDEX, "completions: 100001", "max_failed_indexes: null"),
        (*K_PER_INDEX, "spec.completions: 100001", "spec.maxFailedIndexes: null"),
        code="Required",
        legal="0 to 10000",
    ),
    Row(
        "that bound is at most 10,000",
        "too large with",
        (*PER_INDEX, "completions: 100001", "max_failed_indexes: 10001"),
        (*K_PER_INDEX, "spec.completions: 100001", "spec.maxFailedIndexes: 10001"),
        legal="at most 10000",
    ),
    Row(
        "and so is their parallelism",
        "too large with",
        (*PER_INDEX, "completions: 100001", "max_failed_indexes: 1", "parallelism: 10001"),
        (
            *K_PER_INDEX,
            "spec.completions: 100001",
            "spec.maxFailedIndexes: 1",
            "spec.parallelism: 10001",
        ),
        legal="at most 10000",
    ),
)

RESTARTING = (
    Row(
        "a manifest names a restart policy",
        "missing",
        kubernetes="pod.restartPolicy: null",
        code="Required",
        legal="Never, OnFailure",
    ),
    Row(
        "a restart policy is not empty",
        "empty",
        'restart_policy: ""',
        'pod.restartPolicy: ""',
        code="Required",
        legal="Never, OnFailure",
    ),
    Row(
        "a job cannot always restart",
        "cannot always restart",
        "restart_policy: Always",
        "pod.restartPolicy: Always",
        code="NotSupported",
        legal="Never, OnFailure",
    ),
    Row(
        "a replacement policy is one of two words",
        "not one of the legal words",
        "pod_replacement_policy: Never",
        "spec.podReplacementPolicy: Never",
        code="NotSupported",
        legal="TerminatingOrFailed, Failed",
    ),
    Row(
        "with a failure policy only what has failed is replaced",
        "not possible with",
        (
            NEVER,
            "pod_failure_policy: [{action: Count, on_conditions: [{type: A}]}]",
            "pod_replacement_policy: TerminatingOrFailed",
        ),
        (
            "spec.podFailurePolicy.rules: [{action: Count, onPodConditions: [{type: A}]}]",
            "spec.podReplacementPolicy: TerminatingOrFailed",
        ),
        code="NotSupported",
        legal="Failed",
    ),
    Row(
        "a back-off does not shrink",
        "out of range",
        "backoff: {factor: 0.5}",
        at=("factor",),
        legal="1 to 1000",
    ),
    Row(
        "jitter is a share",
        "out of range",
        "backoff: {jitter: 2}",
        at=("jitter",),
        legal="0 to 1",
    ),
)
