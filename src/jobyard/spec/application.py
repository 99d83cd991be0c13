"""The application document, snake_case: `builds:`, `jobs:`, and one job object on its own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jobyard.core.job import (
    Backoff,
    CompletionMode,
    Dependency,
    DependencyCondition,
    FakeScript,
    ReplacementPolicy,
    RestartPolicy,
)
from jobyard.spec.kinds import (
    Anything,
    Choice,
    Flag,
    ListOf,
    MapOf,
    Number,
    Refused,
    Schema,
    Seconds,
    Text,
    Unread,
    Whole,
)
from jobyard.spec.naming import (
    ANNOTATIONS_SIZE,
    IMAGE_RULE,
    KEY_RULE,
    LABEL_RULE,
    QUALIFIED_RULE,
    WORKER_RULE,
    is_image,
    is_label,
    is_label_value,
    is_qualified_name,
    is_worker_pattern,
)
from jobyard.spec.policies import INDEX_TEXT_LENGTH, Indexes, failure_rules, success_rules
from jobyard.spec.program import ARGUMENTS, Environment, ResourceList, resources
from jobyard.spec.report import BROKEN
from jobyard.spec.shape import Field, Shape

if TYPE_CHECKING:
    from jobyard.spec.report import Place

NAME = Text(is_label, LABEL_RULE)
LABELS = MapOf(is_qualified_name, KEY_RULE, Text(is_label_value, f"empty, or {QUALIFIED_RULE}"))
ANNOTATIONS = MapOf(is_qualified_name, KEY_RULE, Text(), ANNOTATIONS_SIZE)
PRIORITY = Whole(-(2**31), 2**31 - 1)
LONGEST_KEY = 255
KEY = Text(str.isprintable, "printable characters", 1, LONGEST_KEY)
IMAGE = Text(is_image, IMAGE_RULE, 1)

INDEXES = Indexes(least=1, most=INDEX_TEXT_LENGTH)

RESTART = Choice(
    RestartPolicy, {"Always": "a job ends, so it cannot always restart; declare a service"}
)


class Moment:
    """A point in time, RFC 3339 with its zone."""

    def read(self, value: Any, place: Place) -> Any:
        """Take text with a date, a time and a zone, as an aware time in UTC."""
        legal = "RFC 3339 with a zone, such as 2030-01-31T08:00:00Z"
        try:
            moment = datetime.fromisoformat(value)
        except (TypeError, ValueError):
            return place.problem("not a point in time", value=value, legal=legal)
        if moment.tzinfo is None:
            return place.problem("has no time zone", value=value, legal=legal)
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            return place.problem("too far away", value=value, legal=legal)

    def schema(self) -> Schema:
        """Describe the format."""
        return {"type": "string", "format": "date-time"}


class Awaited:
    """The job that another one waits for: a name in the same document, or the id of any job."""

    _name = Text(least=1)
    _id = Whole(1, 2**63 - 1)

    def read(self, value: Any, place: Place) -> Any:
        """Take a name or an id."""
        if isinstance(value, int) and not isinstance(value, bool):
            return self._id.read(value, place)
        return self._name.read(value, place)

    def schema(self) -> Schema:
        """Describe both."""
        return {"anyOf": [self._name.schema(), self._id.schema()]}


class DependsOn:
    """Another job, alone or with the condition it must reach."""

    _awaited = Awaited()
    _shape = Shape(
        "a dependency",
        Field("job", _awaited, "A job's name in this document, or its id.", required=True),
        Field("condition", Choice(DependencyCondition), "What must have become of it."),
        build=lambda values: Dependency(**values),
    )

    def read(self, value: Any, place: Place) -> Any:
        """Take ``{job, condition}``, or a name or an id alone, which means completed."""
        if not isinstance(value, (str, int)):
            return self._shape.read(value, place)
        job = self._awaited.read(value, place)
        return job if job is BROKEN else Dependency(job)

    def schema(self) -> Schema:
        """Describe both forms."""
        return {"anyOf": [*self._awaited.schema()["anyOf"], self._shape.schema()]}


def _volume(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


_SOURCES = ("source", "config_map", "csi", "host_path", "persistent_volume_claim", "secret")

VOLUME = Shape(
    "a volume",
    Field("name", NAME, "Its name.", required=True),
    Field("mount_path", Text(least=1), "Where the program finds it.", aliases=("mountPath",)),
    Field("read_only", Flag(), "Whether it may not be written.", aliases=("readOnly",)),
    Field("empty_dir", Anything(mapping=True), "A scratch folder.", aliases=("emptyDir",)),
    *(Field(name, Anything(), "Needs the container executor.") for name in _SOURCES),
    build=_volume,
)

SECRET = Shape(
    "a secret",
    Field("secret_name", NAME, "Its name.", aliases=("secretName", "name"), required=False),
    Field("mount_path", Text(least=1), "Where the program finds it.", aliases=("mountPath",)),
    build=_volume,
)

BACKOFF = Shape(
    "a back-off",
    Field("base", Seconds(), "The delay after the first failure; 10s by default."),
    Field("factor", Number(1, 1000), "What each further failure multiplies it by; 2 by default."),
    Field("cap", Seconds(), "The longest delay; 6m by default."),
    Field("jitter", Number(0, 1), "The share of the delay that is random; 0 by default."),
    build=lambda values: Backoff(**values),
)

FAKE = Shape(
    "a fake program",
    Field("run_for", Seconds(), "How long it would run."),
    Field("exit_code", Whole(0, 255), "How it would end."),
    Field("fail_to_start", Flag(), "Whether it would not even start."),
    Field("ignore_stop", Flag(), "Whether it would ignore SIGTERM."),
    Field("output", Text(), "What it would print."),
    build=lambda values: FakeScript(**values),
)

RESOURCES = Shape(
    "resources",
    Field("requests", ResourceList(), "What one attempt needs: cpu, memory."),
    Field("limits", ResourceList(), "What one attempt may use: cpu, memory."),
    build=resources,
)

SERVICE = Refused("a job has none: it ends; declare a service")

JOB = Shape(
    "a job",
    Field("name", NAME, "Its name inside the document.", required=True),
    Field("namespace", NAME, "Where its name lives; `default` by default."),
    Field("labels", LABELS, "Words to find it by."),
    Field("annotations", ANNOTATIONS, "Notes that nothing here reads."),
    Field("image", IMAGE, "The container image; exactly one of image and image_from_build."),
    Field("image_from_build", NAME, "The build of this document that makes the image."),
    Field("container", NAME, "What failure rules call its one container; `main` by default."),
    Field("command", ARGUMENTS, "The program and its first arguments; no shell is involved."),
    Field("args", ARGUMENTS, "Further arguments."),
    Field("working_dir", Text(least=1), "The folder it starts in; the worker's own by default."),
    Field("env", Environment(mapping=True), "Environment variables, in order."),
    Field("volumes", ListOf(VOLUME, unique=("name", "mount_path")), "Folders of the program."),
    Field("scratch_volumes", ListOf(Text(least=1)), "Mount paths that become scratch folders."),
    Field("secrets", ListOf(SECRET), "Secrets; used by the container executor."),
    Field("service_account_name", NAME, "Used on a cluster."),
    Field("resources", RESOURCES, "What one attempt needs and may use."),
    Field("restart_policy", RESTART, "Never: a new attempt; OnFailure (default): in place."),
    Field("backoff_limit", Whole(), "Retries; 6 by default, 0 with restart_policy Never."),
    Field("parallelism", Whole(), "Attempts at a time; 1 by default."),
    Field("completions", Whole(), "Successes needed; left out with a parallelism: a work queue."),
    Field("completion_mode", Choice(CompletionMode), "NonIndexed by default."),
    Field("indexes", INDEXES, "The indexes that run, such as 0,2-4; all when left out."),
    Field("backoff_limit_per_index", Whole(), "Retries of each index."),
    Field("max_failed_indexes", Whole(), "More failed indexes than this end the job."),
    Field("pod_failure_policy", failure_rules(camel_case=False), "What failures mean."),
    Field("success_policy", success_rules(camel_case=False), "When some successes are enough."),
    Field("pod_replacement_policy", Choice(ReplacementPolicy), "When to replace an attempt."),
    Field("suspend", Flag(), "Wait for a resume before anything starts."),
    Field("active_deadline", Seconds(), "The longest the job may take."),
    Field("ttl", Seconds(), "Delete it so long after its end; kept when left out."),
    Field("completed_timeout", Seconds(), "What still runs after success may go on so long."),
    Field("termination_grace_period", Seconds(), "From SIGTERM to SIGKILL; 30s by default."),
    Field("backoff", BACKOFF, "The delay between retries."),
    Field("pending_timeout", Seconds(), "The longest it may wait for its first start."),
    Field("attempt_timeout", Seconds(), "The longest one attempt may take."),
    Field("scheduled_at", Moment(), "Not before this time, at most a year ahead."),
    Field("priority", PRIORITY, "Higher first; 0 by default."),
    Field("depends_on", ListOf(DependsOn()), "Jobs that must have ended first."),
    Field("idempotency_key", KEY, "The same key makes one job."),
    Field("worker_id", Text(is_worker_pattern, WORKER_RULE), "Run on this worker only."),
    Field("worker_selector", LABELS, "Run on workers with these labels only."),
    Field("executor", Text(least=1), "What runs it: process, container, fake."),
    Field("fake", FAKE, "Orders for the fake executor."),
    Field("unused", Anything(mapping=True), "Fields of another shape that are kept, not used."),
    Field("ports", SERVICE),
    Field("replicas", SERVICE),
    Field("schedule", Refused("a job runs once; declare a workflow")),
)
"""One job as the application document writes it; the names of all drafts are these."""

BUILD = Shape(
    "a build",
    Field("name", NAME, "What jobs refer to.", required=True),
    Field("dockerfile", Text(least=1), "The recipe."),
    Field("context", Text(least=1), "The folder it is built in."),
    Field("target", Text(least=1), "The stage to build."),
    Field("service_account_name", NAME, "Used on a cluster."),
    Field("env", Environment(mapping=True), "Variables of the build."),
    Field("secrets", ListOf(SECRET), "Secrets of the build."),
    Field("resources", RESOURCES, "What the build needs."),
    Field("args", Anything(), "Build arguments."),
)

APPLICATION = Shape(
    "an application document",
    Field("jobs", ListOf(Anything()), "Jobs, in order."),
    Field(
        "builds", ListOf(BUILD, unique=("name",)), "Images to build before the jobs that use them."
    ),
    Field("services", Unread(), "Kept; nothing here runs them yet."),
)
