"""Kubernetes manifests, camelCase: ``batch/v1`` Job, and List around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobyard import ids
from jobyard.core.job import CompletionMode, ReplacementPolicy
from jobyard.spec.application import ANNOTATIONS, IMAGE, LABELS, PRIORITY, RESOURCES, RESTART
from jobyard.spec.kinds import Anything, Choice, Dropped, Flag, ListOf, Text, Unread, Whole
from jobyard.spec.naming import (
    LABEL_RULE,
    SUBDOMAIN_RULE,
    is_domain_path,
    is_label,
    is_subdomain,
)
from jobyard.spec.policies import failure_rules, success_rules
from jobyard.spec.program import ARGUMENTS, Environment
from jobyard.spec.report import BROKEN, Places, kind_of
from jobyard.spec.shape import Draft, Field, Shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobyard.spec.report import Place

_LABEL = Text(is_label, LABEL_RULE)
_SUBDOMAIN = Text(is_subdomain, SUBDOMAIN_RULE)
_LONGEST_PREFIX = 58
_LONGEST_MANAGER = 63
_EMPTY = "emptyDir"
_GENERATED = ("controller-uid", "job-name")
"""Labels that a server puts on every attempt, with and without its domain."""
_BUILT_IN_MANAGER = "kubernetes.io/job-controller"


def _unread(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, Unread(), "Kept; nothing here uses it.") for name in names)


def _dropped(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, Dropped(), "Written by a server.") for name in names)


class _Named:
    """A mapping with a name, whatever else it holds; ``path`` asks for a mount path too."""

    def __init__(self, *, path: bool = False) -> None:
        self._path = path

    def read(self, value: Any, place: Place) -> Any:
        """Take the mapping as it stands once its name is one."""
        if not isinstance(value, dict):
            return place.problem(f"must be a mapping, not {kind_of(value)}", value=value)
        name = _required_text(value, "name", _LABEL, place)
        path = _required_text(value, "mountPath", Text(least=1), place) if self._path else ""
        return BROKEN if BROKEN in (name, path) else value

    def schema(self) -> dict[str, Any]:
        """Describe the names alone."""
        names = ["name", "mountPath"] if self._path else ["name"]
        properties = {name: {"type": "string"} for name in names}
        return {"type": "object", "required": names, "properties": properties}


def _required_text(value: Mapping[str, Any], name: str, kind: Text, place: Place) -> Any:
    if value.get(name) is None:
        return (place / name).problem("missing", code="Required", legal=kind.rule)
    return kind.read(value[name], place / name)


_METADATA = Shape(
    "metadata",
    Field("name", _SUBDOMAIN, "The job's name."),
    Field(
        "generateName", Text(), "The beginning of a name that gets a random end.", "generate_name"
    ),
    Field("namespace", _LABEL, "Where its name lives; `default` by default."),
    Field("labels", LABELS, "Words to find it by."),
    Field("annotations", ANNOTATIONS, "Notes that nothing here reads."),
    *_unread("finalizers", "ownerReferences"),
    *_dropped(
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
        "uid",
    ),
)

_MOUNTS = ListOf(_Named(path=True), unique=("mountPath",))

_CONTAINER = Shape(
    "a container",
    Field("name", _LABEL, "What failure rules call it.", "container", required=True),
    Field("image", IMAGE, "The container image."),
    Field("command", ARGUMENTS, "The program and its first arguments."),
    Field("args", ARGUMENTS, "Further arguments."),
    Field("workingDir", Text(least=1), "The folder it starts in.", "working_dir"),
    Field("env", Environment(), "Environment variables, in order."),
    Field("resources", RESOURCES, "What one attempt needs and may use."),
    Field("volumeMounts", _MOUNTS, "Where volumes are found.", "mounts"),
    Field("envFrom", Unread("variables come from a cluster that is not here")),
    Field("lifecycle", Unread("hooks run programs of their own")),
    Field("volumeDevices", Unread("devices come from a cluster that is not here")),
    *_unread(
        "imagePullPolicy", "livenessProbe", "ports", "readinessProbe", "resizePolicy",
        "restartPolicy", "restartPolicyRules", "securityContext", "startupProbe", "stdin",
        "stdinOnce", "terminationMessagePath", "terminationMessagePolicy", "tty",
    ),
)  # fmt: skip


class _Containers(Shape):
    """The list of a pod's containers, of which the first is the program."""

    steps = (0,)

    def draft(self, value: Any, place: Place) -> Draft:
        """Read the first container; others are kept, as essential to the program."""
        if not isinstance(value, list) or not value:
            legal = "a list of one container"
            what = f"must be a list, not {kind_of(value)}" if value != [] else "empty"
            place.problem(what, code="Required", value=value, legal=legal)
            return Draft(broken=set(self.where))
        for at, other in enumerate(value[1:], 1):
            (place / at).keep(other, "a second container is a second program")
        return super().draft(value[0], place / 0)

    def schema(self) -> dict[str, Any]:
        """Describe a list of containers."""
        return {"type": "array", "minItems": 1, "items": super().schema()}


_POD = Shape(
    "a pod's spec",
    Field("restartPolicy", RESTART, "Never or OnFailure.", "restart_policy", required=True),
    Field(
        "containers",
        _Containers("a container", *_CONTAINER.fields),
        "The program.",
        inline=True,
        required=True,
    ),
    Field("volumes", ListOf(_Named(), unique=("name",)), "Folders of the program.", "pod_volumes"),
    Field(
        "terminationGracePeriodSeconds",
        Whole(),
        "From SIGTERM to SIGKILL.",
        "termination_grace_period",
    ),
    Field(
        "activeDeadlineSeconds", Whole(1), "The longest one attempt may take.", "attempt_timeout"
    ),
    Field("serviceAccountName", _SUBDOMAIN, "Used on a cluster.", "service_account_name"),
    Field("priority", PRIORITY, "Higher first; 0 by default."),
    Field("initContainers", Unread("they are programs to run before it")),
    Field("ephemeralContainers", Unread("they are further programs")),
    *_unread(
        "affinity", "automountServiceAccountToken", "dnsConfig", "dnsPolicy", "enableServiceLinks",
        "hostAliases", "hostIPC", "hostNetwork", "hostPID", "hostUsers", "hostname",
        "hostnameOverride", "imagePullSecrets", "nodeName", "nodeSelector", "os", "overhead",
        "preemptionPolicy", "priorityClassName", "readinessGates", "resourceClaims", "resources",
        "runtimeClassName", "schedulerName", "schedulingGates", "securityContext",
        "serviceAccount", "setHostnameAsFQDN", "shareProcessNamespace", "subdomain",
        "tolerations", "topologySpreadConstraints", "workloadRef",
    ),
)  # fmt: skip

_TEMPLATE_METADATA = Shape(
    "a template's metadata",
    Field("labels", LABELS, "Labels of each attempt.", "pod_labels"),
    Field("annotations", ANNOTATIONS, "Notes on each attempt.", "pod_annotations"),
    *_unread("finalizers", "generateName", "name", "namespace"),
    *_dropped("creationTimestamp"),
)

_TEMPLATE = Shape(
    "a template",
    Field("metadata", _TEMPLATE_METADATA, inline=True),
    Field("spec", _POD, "What runs.", inline=True, required=True),
)

_SPEC = Shape(
    "a job's spec",
    Field("parallelism", Whole(), "Attempts at a time; 1 by default."),
    Field("completions", Whole(), "Successes needed; left out with a parallelism: a work queue."),
    Field("completionMode", Choice(CompletionMode), "NonIndexed by default.", "completion_mode"),
    Field("backoffLimit", Whole(), "Retries; 6 by default.", "backoff_limit"),
    Field("backoffLimitPerIndex", Whole(), "Retries of each index.", "backoff_limit_per_index"),
    Field("maxFailedIndexes", Whole(), "More than this end the job.", "max_failed_indexes"),
    Field(
        "podFailurePolicy",
        Shape(
            "a pod failure policy",
            Field("rules", failure_rules(camel_case=True), "", "pod_failure_policy", required=True),
        ),
        "What failures mean.",
        inline=True,
    ),
    Field(
        "successPolicy",
        Shape(
            "a success policy",
            Field("rules", success_rules(camel_case=True), "", "success_policy", required=True),
        ),
        "When some successes are enough.",
        inline=True,
    ),
    Field("podReplacementPolicy", Choice(ReplacementPolicy), "", "pod_replacement_policy"),
    Field("suspend", Flag(), "Wait for a resume before anything starts."),
    Field("activeDeadlineSeconds", Whole(), "The longest the job may take.", "active_deadline"),
    Field("ttlSecondsAfterFinished", Whole(), "Delete it so long after its end.", "ttl"),
    Field("selector", Anything(mapping=True), "Written by a server."),
    Field("manualSelector", Flag(), "Whether `selector` is meant.", "manual_selector"),
    Field(
        "managedBy", Text(is_domain_path, "domain/path", most=_LONGEST_MANAGER), "", "managed_by"
    ),
    Field("template", _TEMPLATE, "What runs.", inline=True, required=True),
    *_unread("scheduling"),
)

JOB = Shape(
    "a Job",
    Field("apiVersion", Dropped(), "batch/v1", required=True),
    Field("kind", Dropped(), "Job", required=True),
    Field("metadata", _METADATA, "Its name and labels.", inline=True, required=True),
    Field("spec", _SPEC, "What is to be done.", inline=True, required=True),
    *_dropped("status"),
)
"""A Job manifest; its targets are the names of the application document's fields."""


def read(value: Any, place: Place) -> Draft:
    """Read a Job manifest into a draft with the application document's names."""
    draft = JOB.draft(value, place)
    where = Places(place, JOB.where)
    _name(draft, where)
    _selector(draft, where)
    _volumes(draft, where)
    manager = draft.values.pop("managed_by", _BUILT_IN_MANAGER)
    if manager != _BUILT_IN_MANAGER:
        where["managed_by"].keep(manager)
    return draft


def _name(draft: Draft, where: Mapping[str, Place]) -> None:
    prefix = draft.values.get("generate_name")
    if "name" in draft.values or "name" in draft.broken:
        draft.values.pop("generate_name", None)
        return
    if not prefix:
        where["name"].problem("missing", code="Required", legal="a name, or generateName")
        draft.broken.add("name")
        return
    name = f"{prefix[:_LONGEST_PREFIX]}{ids.name_suffix()}"
    if is_subdomain(name):
        draft.values["name"] = name
    else:
        draft.broken.add("name")
        where["generate_name"].problem("cannot begin a name", value=prefix, legal=SUBDOMAIN_RULE)


def _selector(draft: Draft, where: Mapping[str, Place]) -> None:
    manual = draft.values.pop("manual_selector", False)
    selector = draft.values.pop("selector", None)
    labels = draft.values.pop("pod_labels", {})
    annotations = draft.values.pop("pod_annotations", {})
    if manual and selector is None and "selector" not in draft.broken:
        message = "missing, though manualSelector is true"
        where["selector"].problem(message, code="Required", legal="matchLabels of the template")
    elif selector is not None and not manual:
        legal = "leave it out, or set manualSelector: true"
        where["selector"].problem("is generated by the server", value=selector, legal=legal)
    elif selector is not None and not _selects(selector, labels):
        legal = "labels that the template carries"
        where["selector"].problem(
            "does not match the template's labels", value=selector, legal=legal
        )
    if not manual:
        _generated_labels(labels, draft.values.get("name"), where["pod_labels"])
    for target, value in (("pod_labels", labels), ("pod_annotations", annotations)):
        if value:
            where[target].keep(value)


def _generated_labels(labels: Mapping[str, str], name: str | None, where: Place) -> None:
    for key, value in labels.items():
        word = key.removeprefix("batch.kubernetes.io/")
        if word in _GENERATED and (word != "job-name" or value != name):
            legal = "leave it out, or set manualSelector: true"
            (where / key).problem("is generated by the server", value=value, legal=legal)


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    wanted = selector.get("matchLabels")
    if not isinstance(wanted, dict) or not wanted:
        return False
    return all(labels.get(name) == value for name, value in wanted.items())


def _volumes(draft: Draft, where: Mapping[str, Place]) -> None:
    """Turn volumes and mounts into scratch folders and, kept for containers, the others."""
    volumes = draft.values.pop("pod_volumes", ())
    mounts = draft.values.pop("mounts", ())
    named = {volume["name"]: _sources(volume) for volume in volumes}
    scratch: list[str] = []
    for at, mount in enumerate(mounts):
        if mount["name"] not in named and "pod_volumes" not in draft.broken:
            here, legal = where["mounts"] / at / "name", ", ".join(named) or "no volume is declared"
            here.problem("names no volume of the pod", value=mount["name"], legal=legal)
        elif _EMPTY in named.get(mount["name"], ()):
            scratch.append(mount["mountPath"])
    if scratch:
        draft.values["scratch_volumes"] = tuple(scratch)
    others = []
    for at, volume in enumerate(volumes):
        here, sources = where["pod_volumes"] / at, _sources(volume)
        if len(sources) > 1:
            here.problem("has more than one source", code="Forbidden", value=volume, legal="one")
        elif _EMPTY not in sources:
            others.append(_volume(volume, mounts))
            here.keep(volume, f"its volume comes from `{next(iter(sources))}`")
    if others:
        draft.values["volumes"] = tuple(others)


def _sources(volume: Mapping[str, Any]) -> dict[str, Any]:
    """Tell where a volume comes from; one that does not say is an empty folder, as there."""
    sources = {
        name: value for name, value in volume.items() if name != "name" and value is not None
    }
    return sources or {_EMPTY: {}}


def _volume(volume: Mapping[str, Any], mounts: tuple[Mapping[str, Any], ...]) -> dict[str, Any]:
    described = {"name": volume["name"]}
    for mount in mounts:
        if mount["name"] == volume["name"]:
            described["mount_path"] = mount["mountPath"]
    described["source"] = _sources(volume)
    return described
