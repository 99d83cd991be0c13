from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.spec.conftest import NOW

from jobyard.core.indexes import IndexSet
from jobyard.core.job import (
    MAX_COUNT,
    Backoff,
    CompletionMode,
    Dependency,
    DependencyCondition,
    ExitCodes,
    FakeScript,
    Operator,
    ReplacementPolicy,
    Resources,
    RestartPolicy,
)
from jobyard.errors import InvalidDocument
from jobyard.spec.document import Limits
from jobyard.spec.encode import decode, encode
from jobyard.spec.load import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobyard.core.job import JobSpec
    from jobyard.errors import Problem
    from jobyard.spec.load import Loaded

SEEDS = {
    "defining": """
jobs:
- name: db-migrate
  image_from_build: api-build
  command:
  - yarn
  - migrate
""",
    "restart policy": """
jobs:
- name: db-migrate
  image_from_build: api-build
  command:
  - yarn
  - migrate
  restart_policy: OnFailure
""",
    "back-off limit": """
jobs:
- name: db-migrate
  image_from_build: api-build
  command:
  - yarn
  - migrate
  backoff_limit: 3
""",
    "parallelism": """
jobs:
- name: batch-process
  image_from_build: worker-build
  command:
  - node
  - process.js
  parallelism: 4
  completions: 10
""",
    "suspend": """
jobs:
- name: manual-task
  image_from_build: api-build
  command:
  - node
  - one-off.js
  suspend: true
""",
    "ttl": """
jobs:
- name: db-migrate
  image_from_build: api-build
  command:
  - yarn
  - migrate
  ttl: 3600
  completed_timeout: 600
""",
    "common pattern": """
builds:
- name: api-build
  dockerfile: Dockerfile

jobs:
- name: db-migrate
  image_from_build: api-build
  command:
  - yarn
  - migrate

services:
- name: api
  image_from_build: api-build
  ports:
  - containerPort: 3000
""",
    "seed scripts": """
jobs:
- name: db-seed
  image_from_build: api-build
  command:
  - yarn
  - seed
  restart_policy: Never
""",
}

LEDGER = """
builds:
  - name: ledger
    dockerfile: docker/ledger.Dockerfile
    target: runtime
jobs:
  - name: ledger-schema
    image_from_build: ledger
    command: [ledgerctl, schema, upgrade]
    restart_policy: OnFailure
    backoff_limit: 2
    ttl: 1800
  - name: ledger-reindex
    image_from_build: ledger
    command: [ledgerctl, reindex, --shard-from-env]
    restart_policy: Never
    parallelism: 3
    completions: 12
    backoff_limit: 4
    completed_timeout: 120
    env:
      - name: LOG_FORMAT
        value: json
      - name: DB_URL
        valueFrom:
          secretKeyRef: {name: ledger-db, key: url}
  - name: ledger-wipe
    image_from_build: ledger
    command: [ledgerctl, wipe, --yes]
    suspend: true
services:
  - name: ledger-api
    image_from_build: ledger
    ports: [{containerPort: 8090}]
"""

TILES = """
jobs:
  - name: tile-render
    image_from_build: renderer
    command: [render, --tile-from-index]
    restart_policy: Never
    completion_mode: Indexed
    completions: 64
    parallelism: 8
    backoff_limit_per_index: 1
    max_failed_indexes: 5
    active_deadline: 5400
    ttl: 86400
    pod_failure_policy:
      - action: FailJob          # bad input, retry is pointless
        on_exit_codes: {operator: In, values: [64, 65]}
      - action: Ignore           # node was taken away
        on_conditions: [{type: DisruptionTarget}]
"""

FLEET = """
jobs:
  - name: search-fleet
    image: registry.example.net/search:7
    command: [search]
    restart_policy: Never
    completion_mode: Indexed
    completions: 5
    parallelism: 5
    success_policy:
      - succeeded_indexes: "0"       # index 0 is the leader
      - succeeded_count: 4
  - name: drain-queue
    image: registry.example.net/drainer:3
    command: [drain]
    restart_policy: OnFailure
    parallelism: 6
"""


@pytest.mark.parametrize("title", SEEDS)
def test_the_documents_own_examples_load_with_the_process_executor(
    loaded: Callable[..., Loaded], title: str
) -> None:
    (spec,) = loaded(SEEDS[title]).specs

    assert spec.executor == "process"
    assert spec.program.command
    assert spec.program.image_from_build


def test_an_application_loads_with_jobs_in_order(loaded: Callable[..., Loaded]) -> None:
    specs = loaded(LEDGER, executor="fake").specs

    assert [spec.name for spec in specs] == ["ledger-schema", "ledger-reindex", "ledger-wipe"]
    assert specs[0].policy.backoff_limit == 2
    assert (specs[1].policy.completions, specs[1].policy.parallelism) == (12, 3)
    assert specs[2].policy.suspend
    assert "env[1].valueFrom" in specs[1].unused


def test_a_value_from_elsewhere_is_refused_by_the_process_executor(
    problems: Callable[..., list[Problem]],
) -> None:
    (problem,) = problems(LEDGER)

    assert problem.path == "jobs[1].env[1].valueFrom"
    assert problem.line == 25
    assert "secretKeyRef" in problem.message


def test_the_example_with_a_failure_policy_loads(loaded: Callable[..., Loaded]) -> None:
    """kubernetes-jobs.md B.17; a per-index limit leaves the job's own limit out of the way."""
    policy = loaded(TILES).specs[0].policy

    assert policy.completion_mode is CompletionMode.INDEXED
    assert policy.backoff_limit == MAX_COUNT
    assert policy.replacement_policy is ReplacementPolicy.FAILED
    assert policy.failure_rules[0].exit_codes == ExitCodes(Operator.IN, (64, 65))
    assert policy.failure_rules[1].conditions[0].status == "True"
    assert (policy.active_deadline, policy.ttl) == (5400, 86400)


def test_the_example_with_a_success_policy_and_a_work_queue_loads(
    loaded: Callable[..., Loaded],
) -> None:
    fleet, queue = (spec.policy for spec in loaded(FLEET).specs)

    assert [rule.indexes for rule in fleet.success_rules] == ["0", None]
    assert fleet.success_rules[1].count == 4
    assert queue.completions is None
    assert queue.parallelism == 6


def test_a_bare_job_object_is_a_job(a_job: Callable[..., JobSpec]) -> None:
    spec = a_job()

    assert spec.name == "a"
    assert spec.executor == "process"
    assert spec.policy.restart_policy is RestartPolicy.ON_FAILURE


@pytest.mark.parametrize(
    ("given", "completions", "parallelism"),
    [
        ({}, 1, 1),
        ({"parallelism": 3}, None, 3),
        ({"completions": 3}, 3, 1),
        ({"completions": 3, "parallelism": 2}, 3, 2),
        ({"completions": None, "parallelism": 2}, None, 2),
        ({"completions": 0}, 0, 1),
    ],
)
def test_counts_follow_the_truth_table(
    a_job: Callable[..., JobSpec], given: Any, completions: int | None, parallelism: int
) -> None:
    """kubernetes-jobs.md B.2."""
    policy = a_job(**given).policy

    assert (policy.completions, policy.parallelism) == (completions, parallelism)


@pytest.mark.parametrize(
    ("given", "limit"),
    [
        ({}, 6),
        ({"restart_policy": "OnFailure"}, 6),
        ({"restart_policy": "Never"}, 0),
        ({"restart_policy": "Never", "backoff_limit": 4}, 4),
        (
            {
                "restart_policy": "Never",
                "completion_mode": "Indexed",
                "completions": 2,
                "backoff_limit_per_index": 1,
            },
            MAX_COUNT,
        ),
    ],
)
def test_never_means_no_retries_unless_a_limit_says_otherwise(
    a_job: Callable[..., JobSpec], given: Any, limit: int
) -> None:
    assert a_job(**given).policy.backoff_limit == limit


def test_every_field_of_ours_reaches_the_model(a_job: Callable[..., JobSpec]) -> None:
    spec = a_job(
        backoff={"base": "500ms", "factor": 3, "cap": "1h30m", "jitter": 0.5},
        pending_timeout="1d",
        attempt_timeout=90,
        scheduled_at="2026-03-02T13:00:00+01:00",
        priority=-5,
        idempotency_key="k",
        worker_id="abc*",
        worker_selector={"zone": "a"},
        executor="fake",
        fake={"run_for": "3s", "exit_code": 2, "ignore_stop": True, "output": "x"},
        env={"A": "1", "B": "$(A)"},
        working_dir="/tmp",
        resources={"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": 2**31}},
        labels={"example.com/team": "x"},
        annotations={"note": "any\ntext"},
        termination_grace_period=5,
        completed_timeout=10,
        volumes=[{"name": "t", "mount_path": "/t", "empty_dir": {}}],
    )

    assert spec.policy.backoff == Backoff(0.5, 3.0, 5400.0, 0.5)
    assert spec.policy.pending_timeout == 86400
    assert spec.policy.grace == 5
    assert spec.program.attempt_timeout == 90
    assert spec.scheduled_at == datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert spec.priority == -5
    assert spec.program.fake == FakeScript(3.0, 2, ignore_stop=True, output="x")
    assert list(spec.program.env.items()) == [("A", "1"), ("B", "$(A)")]
    assert spec.program.resources == Resources(0.5, 2**30, None, 2**31)
    assert spec.program.scratch_volumes == ("/t",)
    assert spec.program.volumes == ()
    assert spec.worker_id == "abc*"


def test_env_may_be_a_list_too(a_job: Callable[..., JobSpec]) -> None:
    assert a_job(env=[{"name": "A", "value": "1"}, {"name": "B"}]).program.env == {
        "A": "1",
        "B": "",
    }


def test_dependencies_go_by_name_with_or_without_a_condition(loaded: Callable[..., Loaded]) -> None:
    document = {
        "jobs": [
            {"name": "a", "command": ["true"]},
            {"name": "b", "command": ["true"], "depends_on": ["a"]},
            {
                "name": "c",
                "command": ["true"],
                "depends_on": [{"job": "a", "condition": "failed"}, {"job": "b"}],
            },
        ]
    }

    _, b, c = loaded(document).specs

    assert b.depends_on == (Dependency("a"),)
    assert c.depends_on == (Dependency("a", DependencyCondition.FAILED), Dependency("b"))


def test_unknown_dependencies_and_every_job_in_a_circle_are_named(
    problems: Callable[..., list[Problem]],
) -> None:
    names = {"a": ["b"], "b": ["c"], "c": ["b"], "d": ["c"], "e": ["nobody"], "f": ["f"]}
    jobs = [{"name": n, "command": ["true"], "depends_on": d} for n, d in names.items()]

    found = {problem.path: problem.message for problem in problems({"jobs": jobs})}

    assert found.keys() == {
        "jobs[1].depends_on",
        "jobs[2].depends_on",
        "jobs[4].depends_on[0]",
        "jobs[5].depends_on",
    }
    assert "circle" in found["jobs[5].depends_on"]
    assert "no job" in found["jobs[4].depends_on[0]"]


def test_dependencies_on_jobs_that_are_there_go_by_id(loaded: Callable[..., Loaded]) -> None:
    given = {"name": "a", "command": ["true"], "depends_on": [7, {"job": 8, "condition": "failed"}]}

    (spec,) = loaded(given).specs

    assert spec.depends_on == (Dependency(7), Dependency(8, DependencyCondition.FAILED))
    assert decode(encode(spec)) == spec


def test_names_in_another_namespace_are_other_jobs(
    problems: Callable[..., list[Problem]], loaded: Callable[..., Loaded]
) -> None:
    here, there = ({"name": "a", "command": ["true"], "namespace": n} for n in ("default", "other"))
    waits = {"name": "b", "command": ["true"], "depends_on": ["a"]}
    (problem,) = problems({"jobs": [there, waits]})

    assert "no job" in problem.message
    assert len(loaded({"jobs": [here, there, waits]}).specs) == 3


INDEXED = {"name": "a", "command": ["true"], "completion_mode": "Indexed", "completions": 10}


def test_the_indexes_that_run_are_read_as_a_set(loaded: Callable[..., Loaded]) -> None:
    (spec,) = loaded({**INDEXED, "indexes": "0-1,3-5"}).specs

    assert spec.policy.indexes == IndexSet.of([0, 1, 3, 4, 5])
    assert spec.policy.total == 5
    assert encode(spec)["indexes"] == "0,1,3-5"
    assert decode(encode(spec)) == spec


@pytest.mark.parametrize(
    ("fields", "path", "legal"),
    [
        ({"indexes": "9,10"}, "indexes", "0 to 9"),
        (
            {"indexes": "1-3", "success_policy": [{"succeeded_count": 4}]},
            "success_policy[0].succeeded_count",
            "at most 3",
        ),
        (
            {"indexes": "1-3", "success_policy": [{"succeeded_indexes": "0"}]},
            "success_policy[0].succeeded_indexes",
            "1 to 3",
        ),
        (
            {"indexes": "1,5", "success_policy": [{"succeeded_indexes": "1-5"}]},
            "success_policy[0].succeeded_indexes",
            "of 1,5",
        ),
    ],
)
def test_what_the_indexes_that_run_cannot_do_is_refused(
    problems: Callable[..., list[Problem]], fields: Any, path: str, legal: str
) -> None:
    (problem,) = problems({**INDEXED, **fields})

    assert (problem.path, problem.legal) == (path, legal)


def test_a_dependency_on_one_of_two_namesakes_is_refused(
    problems: Callable[..., list[Problem]],
) -> None:
    jobs = [{"name": n, "command": ["true"]} for n in ("a", "a")]
    jobs.append({"name": "b", "command": ["true"], "depends_on": ["a"]})

    (problem,) = problems({"jobs": jobs})

    assert "several jobs" in problem.message


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("ports", [80], "declare a service"),
        ("replicas", 2, "declare a service"),
        ("schedule", "* * * * *", "declare a workflow"),
        ("restart_policy", "Always", "declare a service"),
        ("comand", ["x"], "did you mean `command`?"),
        ("backoffLimit", 3, "did you mean `backoff_limit`?"),
        ("command", "echo hello", "[sh, -c"),
        ("command", [], "missing"),
        ("command", ["", "x"], "the program to run"),
        ("command", ["sleep", 5], 'in quotes: "5"'),
        ("env", {"A": 5}, 'in quotes: "5"'),
        ("env", [{"name": "A=B", "value": ""}], "except `=`"),
        ("env", [{"value": "x"}], "missing"),
        ("env", "A=5", "a mapping"),
        ("name", "a\nb", "lower-case"),
        ("name", "Ä", "lower-case"),
        ("name", "a" * 64, "at most 63"),
        ("name", None, "missing"),
        ("priority", 2**31, "2147483647"),
        ("parallelism", 2**31, "2147483647"),
        ("parallelism", True, "not true"),
        ("completions", 1.5, "whole number"),
        ("ttl", "soon", "1h30m"),
        ("ttl", -1, "0 or more"),
        ("ttl", "9" * 70 + "s", "1h30m"),
        ("backoff", {"factor": 0.5}, "1 to 1000"),
        ("backoff", {"jitter": 2}, "0 to 1"),
        ("backoff", 5, "mapping"),
        ("fake", {"exit_code": 256}, "255"),
        ("labels", {"a b": "c"}, "[domain/]name"),
        ("labels", {"a": "b c"}, "empty, or"),
        ("labels", {"a": 1}, "in quotes"),
        ("annotations", {"a": "x" * 300_000}, "262144"),
        ("resources", {"requests": {"cpu": "abc"}}, "suffix"),
        ("resources", {"requests": {"cpu": True}}, "suffix"),
        ("resources", {"requests": {"cpu": "1e99"}}, "too large"),
        ("resources", {"requests": {"cpu": -1}}, "0 or more"),
        ("resources", {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}, "the limit"),
        ("scheduled_at", "2026-03-02T13:00:00", "no time zone"),
        ("scheduled_at", "tomorrow", "RFC 3339"),
        ("scheduled_at", 5, "RFC 3339"),
        ("scheduled_at", "0001-01-01T00:00:00+14:00", "too far"),
        ("scheduled_at", "2026-02-28T12:00:00Z", "in the past"),
        ("scheduled_at", "2027-03-03T12:00:00Z", "a year ahead"),
        ("worker_id", "a*b*", "one `*`"),
        ("idempotency_key", "", "empty"),
        ("executor", "kubernetes", "fake, process"),
        ("volumes", [{"name": "v", "mount_path": "/v", "host_path": "/"}], "empty_dir"),
        ("suspend", "yes", "true or false"),
        ("depends_on", [{"job": "a", "condition": "done"}], "finished"),
        ("depends_on", [0], "1 to"),
        ("depends_on", [True], "must be text"),
        ("depends_on", [7, {"job": 7, "condition": "failed"}], "already"),
        ("indexes", "0", "Indexed"),
        ("indexes", 3, 'in quotes: "3"'),
        ("indexes", "", "empty"),
        ("indexes", "3-1", "increasing"),
    ],
)
def test_a_wrong_field_is_named_with_what_would_be_legal(
    problems: Callable[..., list[Problem]], field: str, value: Any, words: str
) -> None:
    given = {"name": "a", "command": ["true"], field: value}

    found = problems(given, executor=None)

    assert any(words in f"{problem}" for problem in found), found
    assert all(problem.path.startswith((field, "labels", "depends_on")) for problem in found), found


def test_twelve_mistakes_are_all_named_with_their_lines(
    problems: Callable[..., list[Problem]],
) -> None:
    text = """\
jobs:
- name: Batch_1
  comand: [run]
  command: run all
  parallelism: -1
  completions: many
  completion_mode: indexed
  restart_policy: Always
  ttl: 1 hour
  env: {A: 5}
  priority: 3000000000
  ports: [80]
  backoff: {base: 10s, cap: -1}
  scheduled_at: 2020-01-01T00:00:00Z
"""

    found = problems(text)

    assert [problem.line for problem in found] == list(range(2, 15))
    assert all(problem.value is not None for problem in found)
    assert all(problem.legal or problem.code == "Forbidden" for problem in found)


def test_an_image_without_a_container_executor_names_the_way_out(
    problems: Callable[..., list[Problem]], loaded: Callable[..., Loaded]
) -> None:
    job = {"name": "a", "image": "busybox", "command": ["true"]}

    (problem,) = problems(job, executor=None)

    assert problem.path == "image"
    assert "--executor process" in str(problem)
    assert loaded(job).specs[0].program.image == "busybox"
    assert loaded(job, executor=None, available=["container"]).specs[0].executor == "container"


def test_exactly_one_image_is_given(problems: Callable[..., list[Problem]]) -> None:
    job = {"name": "a", "image": "x", "image_from_build": "y", "command": ["true"]}

    (problem,) = problems(job)

    assert problem.path == "image_from_build"


def test_an_unknown_build_is_an_error_where_builds_are_declared(
    problems: Callable[..., list[Problem]],
) -> None:
    document = SEEDS["common pattern"].replace("image_from_build: api-build", "image_from_build: b")

    (problem,) = problems(document)

    assert problem.line == 8
    assert problem.legal == "api-build"


def test_an_image_without_a_command_cannot_run_on_this_host(
    problems: Callable[..., list[Problem]],
) -> None:
    (problem,) = problems({"name": "a", "image": "x"})

    assert "what an image would run is not known" in problem.message


def test_overrides_go_into_every_job_of_either_shape(
    loaded: Callable[..., Loaded], a_manifest: Callable[..., dict[str, Any]]
) -> None:
    overrides = {"backoff.base": "0.1", "env.B": "2", "ttl": "60", "name": "z"}
    bare = {"name": "a", "command": ["true"], "backoff": {"factor": 3}, "env": {"A": "1"}}

    for document in (bare, a_manifest(container={"env": [{"name": "A", "value": "1"}]})):
        (spec,) = loaded(document, overrides=overrides).specs
        assert spec.policy.backoff.base == 0.1
        assert spec.program.env == {"A": "1", "B": "2"}
        assert spec.policy.ttl == 60
        assert spec.name == "z"
    (spec,) = loaded(bare, overrides={"backoff": {"base": 1}}).specs
    assert spec.policy.backoff == Backoff(1.0, 3.0)


def test_an_override_mends_a_broken_field_only_if_it_is_sound_itself(
    problems: Callable[..., list[Problem]],
) -> None:
    job = {"name": "a", "command": ["true"]}

    found = problems(job, overrides={"backoff.bse": 1, "ttl": "x", "nothing.here": 1})

    assert [problem.path for problem in found] == [
        "--set backoff.bse",
        "--set ttl",
        "--set nothing.here",
    ]


def test_warnings_name_what_is_probably_not_meant(loaded: Callable[..., Loaded]) -> None:
    document = {"name": "a", "command": ["true"], "ttl": 5, "completed_timeout": 10}

    (warning,) = loaded(document).warnings

    assert warning.path == "completed_timeout"
    assert "longer than `ttl`" in warning.message


def test_a_job_that_is_kept_for_ever_is_mentioned(loaded: Callable[..., Loaded]) -> None:
    (note,) = loaded({"name": "a", "command": ["true"]}).warnings

    assert note.code == "Note"
    assert "kept" in note.message


@pytest.mark.parametrize(
    "text",
    ["", "---\n---\n", "5", "- a", "text", "{}", "jobs:", "jobs: []", "jobs: 5", "jobs: [null, 5]"],
)
def test_a_document_without_a_job_is_refused(
    problems: Callable[..., list[Problem]], text: str
) -> None:
    assert problems(text)


def test_a_schedule_may_be_a_little_late_for_the_way_it_took(
    a_job: Callable[..., JobSpec], now: datetime
) -> None:
    late = now - timedelta(seconds=30)

    assert a_job(scheduled_at=late.isoformat()).scheduled_at == late


def test_countless_problems_are_counted_and_the_first_ones_listed(
    problems: Callable[..., list[Problem]],
) -> None:
    document = {"name": "a", "command": ["true"], **{f"field{n}": n for n in range(50_000)}}

    found = problems(document)

    assert len(found) == 100
    with pytest.raises(InvalidDocument, match="50,000 problems") as caught:
        load(json.dumps(document), now=NOW, limits=Limits(errors=3))
    assert (len(caught.value.problems), caught.value.more) == (3, 49_997)


def test_several_documents_are_told_apart(problems: Callable[..., list[Problem]]) -> None:
    text = "name: a\ncommand: [x]\n---\nname: B\ncommand: [x]\n"

    (problem,) = problems(text)

    assert (problem.path, problem.line) == ("documents[1].name", 4)


def test_members_of_mappings_are_overridden_by_their_whole_name(
    loaded: Callable[..., Loaded],
) -> None:
    job = {"name": "a", "command": ["true"], "labels": {"x": "1"}}

    by_name = loaded(job, overrides={"labels.example.com/team": "ops"}).specs[0]
    nested = loaded(job, overrides={"labels": {"example.com/team": "ops"}}).specs[0]

    assert by_name.labels == nested.labels == {"x": "1", "example.com/team": "ops"}


def test_a_list_may_be_overridden_as_json(loaded: Callable[..., Loaded]) -> None:
    job = {"name": "a", "command": ["true"]}

    assert loaded(job, overrides={"command": '["sleep", "5"]'}).specs[0].program.command == (
        "sleep",
        "5",
    )


def test_orders_for_the_fake_executor_are_mentioned_when_another_one_runs(
    loaded: Callable[..., Loaded],
) -> None:
    job = {"name": "a", "command": ["true"], "fake": {"exit_code": 1}, "ttl": 1}

    assert [warning.path for warning in loaded(job).warnings] == ["fake"]
    assert loaded(job, executor="fake").warnings == ()


def test_a_problem_reads_as_one_line(problems: Callable[..., list[Problem]]) -> None:
    assert str(problems("5")[0]).startswith(
        "line 1: must be a mapping, not a number (found: 5; legal: "
    )


def test_a_limit_is_the_request_too_and_part_of_a_byte_is_a_byte(
    a_job: Callable[..., JobSpec],
) -> None:
    given = {"limits": {"cpu": 2, "memory": "1.5Ki"}, "requests": {"memory": "100m"}}

    assert a_job(resources=given).program.resources == Resources(2.0, 1, 2.0, 1536)
