"""Rows of kubernetes-job-cases.md section 12 that are about documents; numbers are the rows'."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from jobyard.core.job import MAX_COUNT, ReplacementPolicy, RestartPolicy
from jobyard.spec import kubernetes
from jobyard.spec.encode import encode_json
from jobyard.spec.kinds import Unread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobyard.errors import Problem
    from jobyard.spec.load import Loaded

PI = """
apiVersion: batch/v1
kind: Job
metadata:
  name: pi
  namespace: math
  labels: {app: pi}
spec:
  backoffLimit: 4
  ttlSecondsAfterFinished: 100
  template:
    spec:
      containers:
      - name: pi
        image: perl:5.34.0
        command: ["perl",  "-Mbignum=bpi", "-wle", "print bpi(2000)"]
        resources:
          limits: {cpu: 500m, memory: 1Gi, nvidia.com/gpu: 1}
      nodeSelector: {disk: ssd}
      restartPolicy: Never
status:
  active: 1
"""


def paths(found: Any) -> Any:
    return [problem.path for problem in found]


def test_a_manifest_loads_with_all_it_says(loaded: Callable[..., Loaded]) -> None:
    """Row 220: a status in a create request is dropped."""
    result = loaded(PI)
    (spec,) = result.specs

    assert (spec.name, spec.namespace, spec.labels) == ("pi", "math", {"app": "pi"})
    assert spec.policy.backoff_limit == 4
    assert spec.policy.ttl == 100
    assert spec.policy.restart_policy is RestartPolicy.NEVER
    assert spec.program.container == "pi"
    assert spec.program.resources.request_cpu == 0.5
    assert "status" not in spec.unused
    assert spec.unused == {
        "spec.template.spec.nodeSelector": {"disk": "ssd"},
        "spec.template.spec.containers[0].resources.limits['nvidia.com/gpu']": 1,
    }
    assert any("not used by the process executor" in w.message for w in result.warnings)


def test_a_manifest_keeps_the_limit_of_six(
    loaded: Callable[..., Loaded], a_manifest: Callable[..., dict[str, Any]]
) -> None:
    assert loaded(a_manifest()).specs[0].policy.backoff_limit == 6


def test_a_limit_per_index_lifts_the_limit_of_the_job(
    loaded: Callable[..., Loaded], a_manifest: Callable[..., dict[str, Any]]
) -> None:
    manifest = a_manifest(completionMode="Indexed", completions=3, backoffLimitPerIndex=1)

    assert loaded(manifest).specs[0].policy.backoff_limit == MAX_COUNT


def test_a_failure_policy_replaces_only_what_has_failed(
    loaded: Callable[..., Loaded], a_manifest: Callable[..., dict[str, Any]]
) -> None:
    rule = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}
    manifest = a_manifest(podFailurePolicy={"rules": [rule]})

    policy = loaded(manifest).specs[0].policy

    assert policy.replacement_policy is ReplacementPolicy.FAILED
    assert policy.failure_rules[0].conditions[0].type == "DisruptionTarget"


def test_generate_name_draws_a_name(
    loaded: Callable[..., Loaded], a_manifest: Callable[..., dict[str, Any]]
) -> None:
    manifest = a_manifest()
    manifest["metadata"] = {"generateName": "pi-"}

    name = loaded(manifest).specs[0].name

    assert name.startswith("pi-")
    assert len(name) == 8


@pytest.mark.parametrize("metadata", [{}, {"generateName": "Pi_"}, {"name": "a_b"}, {"name": 5}])
def test_a_manifest_without_a_usable_name_is_refused(
    problems: Callable[..., list[Problem]], a_manifest: Callable[..., dict[str, Any]], metadata: Any
) -> None:
    manifest = {**a_manifest(), "metadata": metadata}

    (problem,) = problems(manifest)

    assert problem.path.startswith("metadata.")


def test_a_name_that_is_no_label_only_warns(
    loaded: Callable[..., Loaded], a_manifest: Callable[..., dict[str, Any]]
) -> None:
    warnings = loaded(a_manifest(name="a.b")).warnings

    assert any(warning.path == "metadata.name" for warning in warnings)


def test_lists_and_several_documents_are_read(
    loaded: Callable[..., Loaded],
    problems: Callable[..., list[Problem]],
    a_manifest: Callable[..., dict[str, Any]],
) -> None:
    jobs = [a_manifest(name="a"), a_manifest(name="b")]
    listed = {"apiVersion": "v1", "kind": "List", "items": jobs}

    assert [spec.name for spec in loaded(listed).specs] == ["a", "b"]
    assert len(loaded(f"{PI}\n---\n{PI.replace('name: pi', 'name: pj')}").specs) == 2
    jobs[1]["spec"]["parallelism"] = -1
    assert paths(problems(listed)) == ["items[1].spec.parallelism"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"kind": "CronJob"}, "kind"),
        ({"kind": "Jobb"}, "kind"),
        ({"kind": None}, "kind"),
        ({"kind": ["Job"]}, "kind"),
        ({"apiVersion": "batch/v2"}, "apiVersion"),
        ({"apiVersion": None}, "apiVersion"),
        ({"spec": None}, "spec"),
        ({"spec": 5}, "spec"),
        ({"spec": {}}, "spec.template"),
        ({"metadata": None}, "metadata"),
        ({"sepc": {}}, "sepc"),
        ({"kind": "List", "apiVersion": "v1"}, "items"),
    ],
)
def test_a_manifest_of_another_form_is_refused(
    problems: Callable[..., list[Problem]],
    a_manifest: Callable[..., dict[str, Any]],
    change: Any,
    path: str,
) -> None:
    assert paths(problems({**a_manifest(), **change})) == [path]


@pytest.mark.parametrize(
    ("pod", "container", "path", "word"),
    [
        ({"initContainers": [{"name": "i"}]}, {}, "initContainers", "before it"),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, {}, "volumes[0]", "hostPath"),
        ({}, {"envFrom": [{"secretRef": {"name": "s"}}]}, "containers[0].envFrom", "cluster"),
        ({}, {"lifecycle": {"preStop": {}}}, "containers[0].lifecycle", "hooks"),
        (
            {},
            {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
            "containers[0].env[0].valueFrom",
            "fieldRef",
        ),
        ({}, {"command": None}, "containers[0].command", "what an image would run"),
    ],
)
def test_what_would_change_the_program_is_refused_by_name(
    problems: Callable[..., list[Problem]],
    loaded: Callable[..., Loaded],
    a_manifest: Callable[..., dict[str, Any]],
    pod: Any,
    container: Any,
    path: str,
    word: str,
) -> None:
    manifest = a_manifest(pod=pod, container=container)

    (problem,) = problems(manifest)

    assert problem.path == f"spec.template.spec.{path}"
    assert word in problem.message
    assert loaded(manifest, executor="fake").specs


def unread(shape: Any) -> Iterator[str]:
    """Name the legal fields of a shape that nothing here reads."""
    for row in shape.fields:
        if isinstance(row.kind, Unread) and row.kind.essential is None:
            yield row.name


def test_every_field_that_nothing_reads_is_kept_shown_and_submitted_again(
    loaded: Callable[..., Loaded], a_manifest: Callable[..., dict[str, Any]]
) -> None:
    def given(shape: Any) -> dict[str, Any]:
        return {name: {"is": [name]} for name in unread(shape)}

    manifest = a_manifest(pod=given(kubernetes._POD), container=given(kubernetes._CONTAINER))
    manifest["spec"].update(given(kubernetes._SPEC))
    manifest["spec"]["template"]["metadata"] = given(kubernetes._TEMPLATE_METADATA)
    manifest["metadata"].update(given(kubernetes._METADATA))
    below = {
        "metadata": kubernetes._METADATA,
        "spec": kubernetes._SPEC,
        "spec.template.metadata": kubernetes._TEMPLATE_METADATA,
        "spec.template.spec": kubernetes._POD,
        "spec.template.spec.containers[0]": kubernetes._CONTAINER,
    }
    wanted = {
        f"{place}.{name}": {"is": [name]}
        for place, shape in below.items()
        for name in unread(shape)
    }

    result = loaded(manifest)

    (spec,) = result.specs
    assert len(wanted) > 50
    assert spec.unused == wanted
    told = {w.path for w in result.warnings if w.message == "not used by the process executor"}
    assert told == wanted.keys()
    shown = json.loads(encode_json(spec))
    assert shown["unused"] == wanted
    assert loaded(shown, executor=None).specs == (spec,)


def test_a_failure_rule_may_name_any_container_of_the_pod(
    loaded: Callable[..., Loaded], a_manifest: Callable[..., dict[str, Any]]
) -> None:
    rules = [
        {"action": "Count", "onExitCodes": {"operator": "In", "values": [1], "containerName": name}}
        for name in ("main", "side", "first")
    ]
    pod = {
        "initContainers": [{"name": "first", "image": "x"}],
        "containers": [{"name": name, "image": "x"} for name in ("main", "side")],
    }

    assert loaded(
        a_manifest(pod=pod, podFailurePolicy={"rules": rules}),
        executor="container",
        available=["container"],
    ).specs


def test_a_second_container_is_refused(
    problems: Callable[..., list[Problem]], a_manifest: Callable[..., dict[str, Any]]
) -> None:
    containers = [{"name": n, "command": ["true"]} for n in ("a", "b")]

    (problem,) = problems(a_manifest(pod={"containers": containers}))

    assert problem.path == "spec.template.spec.containers[1]"


@pytest.mark.parametrize("source", [{"emptyDir": {}}, {"emptyDir": None}, {}, {"hostPath": None}])
def test_an_empty_dir_becomes_a_scratch_folder(
    loaded: Callable[..., Loaded], a_manifest: Callable[..., dict[str, Any]], source: Any
) -> None:
    manifest = a_manifest(
        pod={"volumes": [{"name": "v", **source}]},
        container={"volumeMounts": [{"name": "v", "mountPath": "/work"}]},
    )

    program = loaded(manifest).specs[0].program

    assert program.scratch_volumes == ("/work",)
    assert program.volumes == ()


def test_a_mount_of_nothing_is_refused(
    problems: Callable[..., list[Problem]], a_manifest: Callable[..., dict[str, Any]]
) -> None:
    manifest = a_manifest(container={"volumeMounts": [{"name": "v", "mountPath": "/work"}]})

    (problem,) = problems(manifest)

    assert problem.path.endswith("volumeMounts[0].name")


def test_the_index_from_the_downward_interface_is_honoured(
    loaded: Callable[..., Loaded], a_manifest: Callable[..., dict[str, Any]]
) -> None:
    field = "metadata.annotations['batch.kubernetes.io/job-completion-index']"
    env = [{"name": "I", "valueFrom": {"fieldRef": {"fieldPath": field}}}]

    spec = loaded(a_manifest(container={"env": env})).specs[0]

    assert spec.program.env == {"I": "$(JOB_COMPLETION_INDEX)"}


@pytest.mark.parametrize(
    "field",
    [
        "parallelism",
        "completions",
        "backoffLimit",
        "activeDeadlineSeconds",
        "ttlSecondsAfterFinished",
        "maxFailedIndexes",
        "backoffLimitPerIndex",
    ],
)
def test_negative_counts_are_invalid(
    problems: Callable[..., list[Problem]], a_manifest: Callable[..., dict[str, Any]], field: str
) -> None:
    """Row 195."""
    (problem,) = problems(a_manifest(**{field: -1}))

    assert (problem.path, problem.code, problem.value) == (f"spec.{field}", "Invalid", -1)
    assert problem.message == "must be 0 or more"


def test_an_indexed_job_says_its_completions(
    problems: Callable[..., list[Problem]], a_manifest: Callable[..., dict[str, Any]]
) -> None:
    """Row 196."""
    (problem,) = problems(a_manifest(completionMode="Indexed", parallelism=2))

    assert (problem.path, problem.code) == ("spec.completions", "Required")


def test_an_unknown_completion_mode_lists_the_legal_ones(
    problems: Callable[..., list[Problem]], a_manifest: Callable[..., dict[str, Any]]
) -> None:
    (problem,) = problems(a_manifest(completionMode="indexed"))

    assert (problem.code, problem.legal) == ("NotSupported", "NonIndexed, Indexed")


def test_an_indexed_job_is_not_too_parallel(
    problems: Callable[..., list[Problem]],
    loaded: Callable[..., Loaded],
    a_manifest: Callable[..., dict[str, Any]],
) -> None:
    """Row 197."""
    indexed = {"completionMode": "Indexed", "completions": 200_000}

    (problem,) = problems(a_manifest(**indexed, parallelism=100_001))

    assert problem.path == "spec.parallelism"
    assert loaded(a_manifest(**indexed, parallelism=100_000)).specs


def test_the_last_index_of_a_job_has_a_host_name(
    problems: Callable[..., list[Problem]],
    loaded: Callable[..., Loaded],
    a_manifest: Callable[..., dict[str, Any]],
) -> None:
    """Row 198."""
    indexed = {"completionMode": "Indexed", "completions": 101}

    (problem,) = problems(a_manifest(name="a" * 60, **indexed))

    assert problem.path == "metadata.name"
    assert loaded(a_manifest(name="a" * 59, **indexed)).specs
    assert loaded(a_manifest(name="a" * 60, **{**indexed, "completions": 100})).specs
    assert paths(problems(a_manifest(name="a.b", **indexed))) == ["metadata.name"]


@pytest.mark.parametrize(
    ("policy", "code"), [("Always", "NotSupported"), ("", "Required"), (None, "Required")]
)
def test_a_manifest_names_a_restart_policy_that_ends(
    problems: Callable[..., list[Problem]],
    a_manifest: Callable[..., dict[str, Any]],
    policy: str | None,
    code: str,
) -> None:
    """Row 199."""
    (problem,) = problems(a_manifest(pod={"restartPolicy": policy}))

    assert (problem.path, problem.code) == ("spec.template.spec.restartPolicy", code)


def test_a_selector_is_only_given_by_hand(
    problems: Callable[..., list[Problem]],
    loaded: Callable[..., Loaded],
    a_manifest: Callable[..., dict[str, Any]],
) -> None:
    """Row 200."""
    selector = {"matchLabels": {"app": "x"}}
    labelled = a_manifest(selector=selector, manualSelector=True)
    labelled["spec"]["template"]["metadata"] = {"labels": {"app": "x"}}

    assert paths(problems(a_manifest(selector=selector))) == ["spec.selector"]
    assert paths(problems(a_manifest(selector=selector, manualSelector=True))) == ["spec.selector"]
    assert problems(a_manifest(manualSelector=True))[0].code == "Required"
    assert loaded(labelled).specs


def a_failure_policy(**rule: Any) -> Any:
    return {"rules": [{"action": "FailJob", **rule}]}


def exit_codes(*values: Any, operator: Any = "In", **more: Any) -> Any:
    return {"onExitCodes": {"operator": operator, "values": list(values), **more}}


def test_a_failure_policy_needs_new_attempts(
    problems: Callable[..., list[Problem]], a_manifest: Callable[..., dict[str, Any]]
) -> None:
    """Row 201."""
    manifest = a_manifest(
        pod={"restartPolicy": "OnFailure"}, podFailurePolicy=a_failure_policy(**exit_codes(1))
    )

    assert paths(problems(manifest)) == ["spec.podFailurePolicy.rules"]


@pytest.mark.parametrize(
    ("values", "operator", "codes"),
    [
        ([], "In", ["Required"]),
        (range(1, 257), "In", ["TooMany"]),
        ([1, 1], "In", ["Duplicate"]),
        ([2, 1], "In", ["Invalid"]),
        ([0, 1], "In", ["Invalid"]),
        ([0, 1], "NotIn", []),
        (range(1, 256), "NotIn", []),
        (["x"], "In", ["Invalid"]),
        ([1], "Between", ["NotSupported"]),
        ([1], "", ["Required"]),
    ],
)
def test_exit_codes_are_some_ascending_and_never_success(
    problems: Callable[..., list[Problem]],
    loaded: Callable[..., Loaded],
    a_manifest: Callable[..., dict[str, Any]],
    values: Any,
    operator: Any,
    codes: Any,
) -> None:
    """Row 202."""
    policy = a_failure_policy(**exit_codes(*values, operator=operator))
    manifest = a_manifest(podFailurePolicy=policy)

    if not codes:
        assert loaded(manifest).specs
        return
    found = problems(manifest)
    assert [problem.code for problem in found] == codes
    assert found[0].path.startswith("spec.podFailurePolicy.rules[0].onExitCodes")


@pytest.mark.parametrize(
    "rule", [{}, {**exit_codes(1), "onPodConditions": [{"type": "DisruptionTarget"}]}]
)
def test_a_failure_rule_has_one_matcher(
    problems: Callable[..., list[Problem]], a_manifest: Callable[..., dict[str, Any]], rule: Any
) -> None:
    """Row 203."""
    (problem,) = problems(a_manifest(podFailurePolicy=a_failure_policy(**rule)))

    assert problem.path == "spec.podFailurePolicy.rules[0]"
    assert "`onExitCodes` and `onPodConditions`" in problem.message


def test_a_failure_rule_names_a_container_there_is(
    problems: Callable[..., list[Problem]],
    loaded: Callable[..., Loaded],
    a_manifest: Callable[..., dict[str, Any]],
) -> None:
    """Row 204."""
    wrong = a_failure_policy(**exit_codes(1, containerName="nobody"))
    right = a_failure_policy(**exit_codes(1, containerName="main"))

    (problem,) = problems(a_manifest(podFailurePolicy=wrong))

    assert problem.path == "spec.podFailurePolicy.rules[0].onExitCodes.containerName"
    assert problem.legal == "main"
    assert loaded(a_manifest(podFailurePolicy=right)).specs


def test_rules_and_conditions_are_at_most_twenty(
    problems: Callable[..., list[Problem]], a_manifest: Callable[..., dict[str, Any]]
) -> None:
    """Row 205."""
    rules = [{"action": "Count", **exit_codes(1)}] * 21
    conditions = {"onPodConditions": [{"type": "DisruptionTarget"}] * 21}

    (many_rules,) = problems(a_manifest(podFailurePolicy={"rules": rules}))
    (many_conditions,) = problems(a_manifest(podFailurePolicy=a_failure_policy(**conditions)))

    assert many_rules.code == many_conditions.code == "TooMany"


def test_failing_an_index_needs_a_limit_per_index(
    problems: Callable[..., list[Problem]], a_manifest: Callable[..., dict[str, Any]]
) -> None:
    """Row 206."""
    rule = {"action": "FailIndex", **exit_codes(1)}

    (problem,) = problems(a_manifest(podFailurePolicy={"rules": [rule]}))

    assert problem.path == "spec.podFailurePolicy.rules[0].action"
    assert "`backoffLimitPerIndex`" in problem.message


@pytest.mark.parametrize(("action", "code"), [(None, "Required"), ("Retry", "NotSupported")])
def test_a_failure_rule_has_a_legal_action(
    problems: Callable[..., list[Problem]],
    a_manifest: Callable[..., dict[str, Any]],
    action: Any,
    code: str,
) -> None:
    policy = {"rules": [{"action": action, **exit_codes(1)}]}

    (problem,) = problems(a_manifest(podFailurePolicy=policy))

    assert (problem.path, problem.code) == ("spec.podFailurePolicy.rules[0].action", code)


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ({"status": "True"}, "Required"),
        ({"type": ""}, "Required"),
        ({"type": "a b"}, "Invalid"),
        ({"type": "Ready", "status": "Maybe"}, "NotSupported"),
    ],
)
def test_a_condition_is_named_and_has_a_legal_status(
    problems: Callable[..., list[Problem]],
    a_manifest: Callable[..., dict[str, Any]],
    condition: Any,
    code: str,
) -> None:
    policy = a_failure_policy(onPodConditions=[condition])

    (problem,) = problems(a_manifest(podFailurePolicy=policy))

    assert problem.code == code
    assert problem.path.startswith("spec.podFailurePolicy.rules[0].onPodConditions[0]")


def test_a_limit_per_index_needs_indexes_and_new_attempts(
    problems: Callable[..., list[Problem]], a_manifest: Callable[..., dict[str, Any]]
) -> None:
    """Row 207."""
    plain = problems(a_manifest(backoffLimitPerIndex=1))
    in_place = problems(
        a_manifest(
            pod={"restartPolicy": "OnFailure"},
            backoffLimitPerIndex=1,
            completionMode="Indexed",
            completions=2,
        )
    )

    assert paths(plain) == paths(in_place) == ["spec.backoffLimitPerIndex"]


def test_failed_indexes_are_bounded_by_indexes_with_a_limit(
    problems: Callable[..., list[Problem]], a_manifest: Callable[..., dict[str, Any]]
) -> None:
    """Row 208."""
    indexed = {"completionMode": "Indexed", "completions": 3}

    (no_limit,) = problems(a_manifest(**indexed, maxFailedIndexes=1))
    (too_many,) = problems(a_manifest(**indexed, maxFailedIndexes=4, backoffLimitPerIndex=1))

    assert (no_limit.code, too_many.code) == ("Required", "Invalid")
    assert too_many.legal == "at most 3"


@pytest.mark.parametrize(
    ("spec", "path", "code"),
    [
        ({}, "spec.maxFailedIndexes", "Required"),
        ({"maxFailedIndexes": 10_001}, "spec.maxFailedIndexes", "Invalid"),
        ({"maxFailedIndexes": 1, "parallelism": 10_001}, "spec.parallelism", "Invalid"),
    ],
)
def test_a_very_large_job_bounds_its_failed_indexes(
    problems: Callable[..., list[Problem]],
    a_manifest: Callable[..., dict[str, Any]],
    spec: Any,
    path: str,
    code: str,
) -> None:
    """Row 209."""
    large = {"completionMode": "Indexed", "completions": 100_001, "backoffLimitPerIndex": 1}

    (problem,) = problems(a_manifest(**large, **spec))

    assert (problem.path, problem.code) == (path, code)


@pytest.mark.parametrize(
    ("rules", "path"),
    [
        ([], ""),
        ([{}], "[0]"),
        ([{"succeededIndexes": "0-5"}], "[0].succeededIndexes"),
        ([{"succeededCount": 6}], "[0].succeededCount"),
        ([{"succeededIndexes": "0-1", "succeededCount": 3}], "[0].succeededCount"),
        ([{"succeededCount": -1}], "[0].succeededCount"),
        ([{"succeededIndexes": "1-2-3"}], "[0].succeededIndexes"),
        ([{"succeededIndexes": "3-1"}], "[0].succeededIndexes"),
        ([{"succeededIndexes": "a"}], "[0].succeededIndexes"),
        ([{"succeededIndexes": "9" * 5000}], "[0].succeededIndexes"),
        ([{"succeededIndexes": "0," * 40_000}], "[0].succeededIndexes"),
        ([{"succeededCount": 1}] * 21, ""),
    ],
)
def test_a_success_rule_asks_for_what_can_be(
    problems: Callable[..., list[Problem]],
    a_manifest: Callable[..., dict[str, Any]],
    rules: Any,
    path: str,
) -> None:
    """Row 210."""
    manifest = a_manifest(completionMode="Indexed", completions=5, successPolicy={"rules": rules})

    assert paths(problems(manifest)) == [f"spec.successPolicy.rules{path}"]


def test_a_success_policy_needs_indexes(
    problems: Callable[..., list[Problem]], a_manifest: Callable[..., dict[str, Any]]
) -> None:
    """Row 210."""
    manifest = a_manifest(completions=5, successPolicy={"rules": [{"succeededCount": 1}]})

    assert paths(problems(manifest)) == ["spec.successPolicy.rules"]


def test_a_failure_policy_waits_for_the_end_of_attempts(
    problems: Callable[..., list[Problem]], a_manifest: Callable[..., dict[str, Any]]
) -> None:
    """Row 211."""
    manifest = a_manifest(
        podFailurePolicy=a_failure_policy(**exit_codes(1)),
        podReplacementPolicy="TerminatingOrFailed",
    )

    (problem,) = problems(manifest)

    assert (problem.path, problem.code) == ("spec.podReplacementPolicy", "NotSupported")
    assert problem.legal == "Failed"


def test_an_unknown_replacement_policy_lists_the_legal_ones(
    problems: Callable[..., list[Problem]], a_manifest: Callable[..., dict[str, Any]]
) -> None:
    (problem,) = problems(a_manifest(podReplacementPolicy="Never"))

    assert problem.legal == "TerminatingOrFailed, Failed"


@pytest.mark.parametrize(
    ("manager", "code"),
    [("acme", "Invalid"), (f"a.io/{'x' * 60}", "TooLong"), ("a.io/", "Invalid")],
)
def test_a_manager_is_a_short_path_under_a_domain(
    problems: Callable[..., list[Problem]],
    a_manifest: Callable[..., dict[str, Any]],
    manager: Any,
    code: str,
) -> None:
    """Row 212."""
    (problem,) = problems(a_manifest(managedBy=manager))

    assert (problem.path, problem.code) == ("spec.managedBy", code)


def test_a_foreign_manager_is_kept_and_mentioned(
    loaded: Callable[..., Loaded], a_manifest: Callable[..., dict[str, Any]]
) -> None:
    result = loaded(a_manifest(managedBy="acme.io/queue"))

    assert result.specs[0].unused == {"spec.managedBy": "acme.io/queue"}
    assert loaded(a_manifest(managedBy="kubernetes.io/job-controller")).specs[0].unused == {}


def test_twelve_mistakes_of_a_manifest_are_all_named_with_their_lines(
    problems: Callable[..., list[Problem]],
) -> None:
    text = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: Pi_1
  labels: {app: "a b"}
spec:
  paralellism: 2
  completions: -4
  completionMode: indexed
  backoffLimit: many
  managedBy: me
  podReplacementPolicy: Never
  template:
    spec:
      restartPolicy: Always
      terminationGracePeriodSeconds: 1.5
      initContainers: [{name: i}]
      containers:
      - name: pi
        image: perl
        command: perl -v
        env: [{name: A, value: 5}]
        resources: {limits: {memory: 1Gb}}
"""

    found = problems(text)

    assert [problem.line for problem in found] == [
        4,
        5,
        7,
        8,
        9,
        10,
        11,
        12,
        15,
        16,
        17,
        21,
        22,
        23,
    ]
    assert found[2].legal == "did you mean `parallelism`?"
