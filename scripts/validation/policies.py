"""Rules about failure and success policies."""

from __future__ import annotations

from validation.catalogue import Row
from validation.counts import INDEXED, K_INDEXED, NEVER


def _failing(
    rule: str, message: str, matcher: str, below: tuple[str | int, ...], **more: object
) -> Row:
    """Make a row about an exit code matcher, which both shapes write alike but for its name."""
    camel = matcher.replace("container_name", "containerName")
    return Row(
        rule,
        message,
        (NEVER, f"pod_failure_policy: [{{action: FailJob, on_exit_codes: {matcher}}}]"),
        f"spec.podFailurePolicy.rules: [{{action: FailJob, onExitCodes: {camel}}}]",
        at=(0, "on_exit_codes", *below),
        kubernetes_at=(0, "onExitCodes", *(_camel(step) for step in below)),
        **more,  # type: ignore[arg-type]
    )


def _camel(step: str | int) -> str | int:
    return "containerName" if step == "container_name" else step


def _condition(
    rule: str, message: str, listed: str, below: tuple[str | int, ...], **more: object
) -> Row:
    return Row(
        rule,
        message,
        (NEVER, f"pod_failure_policy: [{{action: Ignore, on_conditions: {listed}}}]"),
        f"spec.podFailurePolicy.rules: [{{action: Ignore, onPodConditions: {listed}}}]",
        at=(0, "on_conditions", *below),
        kubernetes_at=(0, "onPodConditions", *below),
        **more,  # type: ignore[arg-type]
    )


_MANY = ", ".join(["{action: Count, on_conditions: [{type: A}]}"] * 21)

_CODES = ", ".join(str(number) for number in range(1, 257))

FAILURE_POLICY = (
    Row(
        "a failure policy needs new attempts",
        "Never",
        (
            "restart_policy: OnFailure",
            "pod_failure_policy: [{action: Count, on_conditions: [{type: A}]}]",
        ),
        (
            "pod.restartPolicy: OnFailure",
            "spec.podFailurePolicy.rules: [{action: Count, onPodConditions: [{type: A}]}]",
        ),
        value="OnFailure",
    ),
    Row(
        "at most 20 rules",
        "21 are too many",
        (NEVER, f"pod_failure_policy: [{_MANY}]"),
        f"spec.podFailurePolicy.rules: [{_MANY.replace('on_cond', 'onPodCond')}]",
        code="TooMany",
        legal="at most 20",
    ),
    Row(
        "a rule has an action",
        "missing",
        (NEVER, "pod_failure_policy: [{on_conditions: [{type: A}]}]"),
        "spec.podFailurePolicy.rules: [{onPodConditions: [{type: A}]}]",
        at=(0, "action"),
        code="Required",
    ),
    Row(
        "an action is not empty",
        "empty",
        (NEVER, 'pod_failure_policy: [{action: "", on_conditions: [{type: A}]}]'),
        'spec.podFailurePolicy.rules: [{action: "", onPodConditions: [{type: A}]}]',
        at=(0, "action"),
        code="Required",
        legal="FailJob, FailIndex, Ignore, Count",
    ),
    Row(
        "an action is one that is known",
        "not one of the legal words",
        (NEVER, "pod_failure_policy: [{action: Retry, on_conditions: [{type: A}]}]"),
        "spec.podFailurePolicy.rules: [{action: Retry, onPodConditions: [{type: A}]}]",
        at=(0, "action"),
        code="NotSupported",
        legal="FailJob, FailIndex, Ignore, Count",
    ),
    Row(
        "a rule has a matcher",
        "has neither of",
        (NEVER, "pod_failure_policy: [{action: Count}]"),
        "spec.podFailurePolicy.rules: [{action: Count}]",
        at=(0,),
        legal="exactly one of them",
        value=None,
    ),
    Row(
        "a rule has one matcher only",
        "has both",
        (
            NEVER,
            (
                "pod_failure_policy: [{action: Count, on_conditions: [{type: A}],"
                " on_exit_codes: {operator: In, values: [1]}}]"
            ),
        ),
        "spec.podFailurePolicy.rules: [{action: Count, onPodConditions: [{type: A}],"
        " onExitCodes: {operator: In, values: [1]}}]",
        at=(0,),
        legal="exactly one of them",
        value=None,
    ),
    Row(
        "failing an index needs a limit per index",
        "needs `backoff",
        (*INDEXED, NEVER, "pod_failure_policy: [{action: FailIndex, on_conditions: [{type: A}]}]"),
        (
            *K_INDEXED,
            "spec.podFailurePolicy.rules: [{action: FailIndex, onPodConditions: [{type: A}]}]",
        ),
        at=(0, "action"),
    ),
    _failing(
        "an operator is given",
        "missing",
        "{values: [1]}",
        ("operator",),
        code="Required",
    ),
    _failing(
        "an operator is one of two words",
        "not one of the legal words",
        "{operator: Is, values: [1]}",
        ("operator",),
        code="NotSupported",
        legal="In, NotIn",
    ),
    _failing(
        "there are exit codes",
        "empty",
        "{operator: In, values: []}",
        ("values",),
        code="Required",
        legal="at least 1",
        value=None,
    ),
    _failing(
        "there are at most 255 exit codes",
        "256 are too many",
        f"{{operator: NotIn, values: [{_CODES}]}}",
        ("values",),
        code="TooMany",
        legal="at most 255",
    ),
    _failing(
        "an exit code stands once",
        "stands in the list already",
        "{operator: In, values: [1, 1]}",
        ("values", 1),
        code="Duplicate",
    ),
    _failing(
        "exit codes ascend",
        "values must ascend",
        "{operator: In, values: [2, 1]}",
        ("values", 1),
        legal="ascending order",
    ),
    _failing(
        "0 is no failure",
        "0 is success",
        "{operator: In, values: [0, 1]}",
        ("values", 0),
        legal="1 to 255",
    ),
    _failing(
        "a container is one that there is",
        "no container is called so",
        "{operator: In, values: [1], container_name: other}",
        ("container_name",),
        legal="main",
    ),
    _condition(
        "at most 20 conditions",
        "21 are too many",
        f"[{', '.join(['{type: A}'] * 21)}]",
        (),
        code="TooMany",
        legal="at most 20",
    ),
    _condition(
        "a condition has a type",
        "missing",
        "[{status: 'True'}]",
        (0, "type"),
        code="Required",
    ),
    _condition(
        "a condition's type is a name",
        "not a legal text here",
        "[{type: 'a b'}]",
        (0, "type"),
        legal="[domain/]name",
    ),
    _condition(
        "a condition's status is one of three words",
        "not one of the legal words",
        "[{type: A, status: 'Yes'}]",
        (0, "status"),
        code="NotSupported",
        legal="True, False, Unknown",
    ),
)

_SUCCESS = "success_policy: [{succeeded_count: 1}]"

SUCCESS_POLICY = (
    Row(
        "a success policy needs indexes",
        "Indexed",
        _SUCCESS,
        "spec.successPolicy.rules: [{succeededCount: 1}]",
        value=None,
    ),
    Row(
        "a success policy has rules",
        "empty",
        (*INDEXED, "success_policy: []"),
        (*K_INDEXED, "spec.successPolicy.rules: []"),
        code="Required",
        legal="at least 1",
        value=None,
    ),
    Row(
        "at most 20 rules of success",
        "21 are too many",
        (*INDEXED, f"success_policy: [{', '.join(['{succeeded_count: 1}'] * 21)}]"),
        (*K_INDEXED, f"spec.successPolicy.rules: [{', '.join(['{succeededCount: 1}'] * 21)}]"),
        code="TooMany",
        legal="at most 20",
    ),
    Row(
        "a rule of success asks for something",
        "asks for nothing",
        (*INDEXED, "success_policy: [{}]"),
        (*K_INDEXED, "spec.successPolicy.rules: [{}]"),
        at=(0,),
        code="Required",
        value=None,
    ),
    *(
        Row(
            rule,
            message,
            (*INDEXED, f"success_policy: [{{succeeded_indexes: '{text}'}}]"),
            (*K_INDEXED, f"spec.successPolicy.rules: [{{succeededIndexes: '{text}'}}]"),
            at=(0, "succeeded_indexes"),
            kubernetes_at=(0, "succeededIndexes"),
            legal=legal,
        )
        for rule, message, text, legal in (
            ("indexes are numbers", "a", "a", "such as 0,2-4"),
            ("a range of indexes has two ends", "", "1-2-3", "such as 0,2-4"),
            ("a range of indexes goes up", "", "3-1", "such as 0,2-4"),
            ("an index is not too large", "", "99999999999", "such as 0,2-4"),
            ("indexes are those of the job", "an index that the job does not have", "4", "0 to 3"),
        )
    ),
    Row(
        "index text is at most 64 KiB long",
        "too long",
        (*INDEXED, f"success_policy: [{{succeeded_indexes: '{'1' * 65537}'}}]"),
        (*K_INDEXED, f"spec.successPolicy.rules: [{{succeededIndexes: '{'1' * 65537}'}}]"),
        at=(0, "succeeded_indexes"),
        kubernetes_at=(0, "succeededIndexes"),
        code="TooLong",
        legal="at most 65536 characters",
    ),
    Row(
        "not fewer than no successes",
        "must be 0 or more",
        (*INDEXED, "success_policy: [{succeeded_count: -1}]"),
        (*K_INDEXED, "spec.successPolicy.rules: [{succeededCount: -1}]"),
        at=(0, "succeeded_count"),
        kubernetes_at=(0, "succeededCount"),
        legal="0 or more",
    ),
    Row(
        "not more successes than indexes",
        "more than can succeed",
        (*INDEXED, "success_policy: [{succeeded_count: 5}]"),
        (*K_INDEXED, "spec.successPolicy.rules: [{succeededCount: 5}]"),
        at=(0, "succeeded_count"),
        kubernetes_at=(0, "succeededCount"),
        legal="at most 4",
    ),
    Row(
        "not more successes than the indexes named",
        "more than can succeed",
        (*INDEXED, "success_policy: [{succeeded_indexes: '0,2', succeeded_count: 3}]"),
        (*K_INDEXED, "spec.successPolicy.rules: [{succeededIndexes: '0,2', succeededCount: 3}]"),
        at=(0, "succeeded_count"),
        kubernetes_at=(0, "succeededCount"),
        legal="at most 2",
    ),
)
