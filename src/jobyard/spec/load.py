"""Load a document of either shape: specs and warnings, or everything wrong with it at once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from jobyard.core.dataset import RAW_KINDS
from jobyard.errors import InvalidDocument
from jobyard.spec import application, kubernetes
from jobyard.spec.build import build
from jobyard.spec.dependencies import check_dependencies, check_names
from jobyard.spec.document import DEFAULT_LIMITS, read
from jobyard.spec.executors import HERE, check_program, choose, part_unused, unavailable
from jobyard.spec.extraction_file import is_extraction, read_extraction
from jobyard.spec.overrides import read_overrides
from jobyard.spec.report import Place, Places, Report, dotted, kind_of
from jobyard.spec.validate import Case, check

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import Literal

    from jobyard.core.job import JobSpec
    from jobyard.errors import Problem
    from jobyard.spec.document import Document, Limits
    from jobyard.spec.extraction_file import Wanted
    from jobyard.spec.overrides import Override
    from jobyard.spec.report import Steps
    from jobyard.spec.shape import Draft


@dataclass(frozen=True, slots=True)
class Loaded:
    """The jobs of a document, in its order, and what is legal in it but probably not meant."""

    specs: tuple[JobSpec, ...]
    report: Report
    extractions: tuple[Wanted, ...] = ()

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is legal and probably not meant; lines are looked up now, not before."""
        return tuple(self.report.listed(self.report.warnings))


_WHERE_IN_A_MANIFEST = {**application.JOB.where, **kubernetes.JOB.where}


class Purpose(StrEnum):
    """What a document is read for."""

    SUBMIT = "submit"
    """Its jobs are new: a schedule must lie ahead, a name may be generated."""
    APPLY = "apply"
    """Its jobs may be there by their names: each stands once, and schedules may have passed."""
    RUN = "run"
    """Its jobs run here and now, as new ones, and so do its extractions."""


@dataclass(frozen=True, slots=True)
class _Choices:
    """What is decided beside the document."""

    now: datetime
    purpose: Purpose
    executor: str | None
    available: Collection[str]
    overrides: Sequence[Override]


@dataclass(slots=True)
class _Job:
    """One job on its way: its draft and the places of its fields."""

    draft: Draft
    root: Place
    where: Places
    manifest: bool
    builds: frozenset[str] | None = None


def load(
    text: str | bytes,
    *,
    now: datetime,
    executor: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    available: Collection[str] = HERE,
    syntax: Literal["auto", "json", "yaml"] = "auto",
    limits: Limits = DEFAULT_LIMITS,
    source: str | None = None,
    purpose: Purpose = Purpose.SUBMIT,
) -> Loaded:
    """Read a text, check it whole, and build the jobs in it.

    Args:
        text: YAML or JSON, of one or several documents.
        now: The time against which ``scheduled_at`` is checked.
        executor: Runs every job in place of what the document says; an image is then only kept.
        overrides: Fields of the application document by dotted name, put into every job.
        available: The executors that there are.
        syntax: How the text is written; ``auto`` looks.
        limits: How large the document may be.
        source: The name of the file, for messages.
        purpose: What is asked of names and schedules.

    Raises:
        InvalidDocument: it cannot be read or has problems; all of them are in it.
        TooLarge: it is larger than the limits allow.
    """
    try:
        documents = read(text, syntax=syntax, limits=limits)
    except InvalidDocument as error:
        raise InvalidDocument(error.problems, source=source) from error
    return load_documents(
        documents,
        now=now,
        executor=executor,
        overrides=overrides,
        available=available,
        limits=limits,
        source=source,
        purpose=purpose,
    )


def load_documents(
    documents: Sequence[Document],
    *,
    now: datetime,
    executor: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    available: Collection[str] = HERE,
    limits: Limits = DEFAULT_LIMITS,
    source: str | None = None,
    purpose: Purpose = Purpose.SUBMIT,
) -> Loaded:
    """Check documents that are read already, and build the jobs in them; see ``load``."""
    report = Report(_lines(documents), limits.errors)
    roots = _roots(documents, report)
    given = overrides or {}
    wanted = [
        _extraction(value, root, given, source, purpose)
        for value, root in roots
        if is_extraction(value)
    ]
    jobs = [(value, root) for value, root in roots if not is_extraction(value)]
    fields = read_overrides(given, report) if jobs else []
    choices = _Choices(now, purpose, executor, available, fields)
    if executor is not None and executor not in available:
        unavailable(Place(report, ("--executor",)), executor, available)
    if not documents:
        Place(report).problem("the document is empty", code="Required", legal="a job, or `jobs:`")
    cases = [_case(job, choices) for value, root in jobs for job in _jobs_of(value, root)]
    check_dependencies(cases)
    if purpose is Purpose.APPLY:
        check_names(cases)
    report.raise_if_any(source)
    _notes(cases, Place(report))
    found = tuple(one for one in wanted if one is not None)
    return Loaded(tuple(case.spec for case in cases), report, found)


def _lines(documents: Sequence[Document]) -> Mapping[Steps, int]:
    if len(documents) == 1:
        return documents[0].lines
    return {
        ("documents", at, *steps): line
        for at, document in enumerate(documents)
        for steps, line in document.lines.items()
    }


def _roots(documents: Sequence[Document], report: Report) -> list[tuple[Any, Place]]:
    if len(documents) == 1:
        return [(documents[0].value, Place(report))]
    return [(one.value, Place(report, ("documents", at))) for at, one in enumerate(documents)]


def _extraction(
    value: Mapping[str, Any],
    root: Place,
    overrides: Mapping[str, Any],
    source: str | None,
    purpose: Purpose,
) -> Wanted | None:
    if purpose is Purpose.RUN:
        return read_extraction(value, root, overrides, source)
    legal = "Job, List; `jobyard run` extracts here, `jobyard dataset deploy` has workers do it"
    kind = value["kind"]
    (root / "kind").problem("an extraction", code="NotSupported", value=kind, legal=legal)
    return None


def _jobs_of(value: Any, root: Place) -> Iterator[_Job]:
    if not isinstance(value, dict):
        legal = "a job object, a mapping with `jobs:`, a Kubernetes manifest, or an extraction"
        root.problem(f"must be a mapping, not {kind_of(value)}", value=value, legal=legal)
    elif "apiVersion" in value or "kind" in value:
        yield from _manifests(value, root)
    elif not value.keys().isdisjoint(("jobs", "builds", "services")):
        yield from _application(value, root)
    else:
        yield _bare(value, root)


def _application(value: dict[str, Any], root: Place) -> Iterator[_Job]:
    draft = application.APPLICATION.draft(value, root)
    root.report.kept.clear()
    if "services" in value:
        (root / "services").warning("kept; this version runs jobs only")
    if not draft.values.get("jobs") and "jobs" not in draft.broken:
        (root / "jobs").problem("missing", code="Required", legal="a list of jobs")
    # Documents are often shown in parts: without `builds:` nothing is known about names in it.
    builds = None
    if "builds" in value:
        builds = frozenset(build["name"] for build in draft.values.get("builds", ()))
        if "builds" in draft.broken:
            builds = None
    for at, job in enumerate(draft.values.get("jobs", ())):
        yield _bare(job, root.at("jobs", at), builds)


def _bare(value: Any, root: Place, builds: frozenset[str] | None = None) -> _Job:
    draft = application.JOB.draft(value, root)
    where = Places(root, application.JOB.where)
    return _Job(draft, root, where, manifest=False, builds=builds)


def _manifests(value: dict[str, Any], root: Place) -> Iterator[_Job]:
    version, kind = value.get("apiVersion"), value.get("kind")
    if kind == "List" and version in ("v1", "batch/v1", None):
        items = value.get("items")
        if not isinstance(items, list):
            (root / "items").problem(
                "missing", code="Required", value=items, legal="a list of Jobs"
            )
            return
        for at, item in enumerate(items):
            yield from _jobs_of(item, root.at("items", at))
    elif kind == "Job" and version == "batch/v1":
        yield _manifest(value, root)
    elif kind is None:
        (root / "kind").problem("missing", code="Required", legal="Job, List")
    elif kind in ("Job", "List"):
        legal = "batch/v1" if kind == "Job" else "v1"
        (root / "apiVersion").problem(
            "not one that is known", code="NotSupported", value=version, legal=legal
        )
    else:
        legal = "Job, List" if version is not None else f"Job, List, {', '.join(RAW_KINDS)}"
        (root / "kind").problem(
            "not one that runs here", code="NotSupported", value=kind, legal=legal
        )


def _manifest(value: dict[str, Any], root: Place) -> _Job:
    draft = kubernetes.read(value, root)
    where = Places(root, _WHERE_IN_A_MANIFEST)
    return _Job(draft, root, where, manifest=True)


def _case(job: _Job, choices: _Choices) -> Case:
    """Build one job from its draft and examine it."""
    kept, job.root.report.kept = job.root.report.kept, []
    for override in choices.overrides:
        override.apply(job.draft, job.where)
    executor = choices.executor or choose(job.draft.values, job.where, choices.available)
    depth = len(job.root.steps)
    unused = {
        dotted(part.place.steps[depth:]): part.value for part in kept if part_unused(part, executor)
    }
    spec = build(job.draft.values, manifest=job.manifest, executor=executor, unused=unused)
    case = Case(spec, job.where, choices.now, job.manifest, frozenset(job.draft.broken))
    check(_as_applied(case, job) if choices.purpose is Purpose.APPLY else case)
    check_program(case, job.builds)
    return case


def _as_applied(case: Case, job: _Job) -> Case:
    """Report a name that would be another one each time; let a schedule have passed."""
    if "generate_name" in job.draft.values:
        job.where["generate_name"].problem(
            "makes a new name each time, so there is nothing to compare it with",
            code="Forbidden",
            value=job.draft.values["generate_name"],
            legal="a `name`; or submit the document instead of applying it",
        )
    moment = case.spec.scheduled_at
    if moment is not None and moment < case.now:
        # It lay ahead when the document was first applied.
        return replace(case, spec=replace(case.spec, scheduled_at=None))
    return case


def _notes(cases: Sequence[Case], root: Place) -> None:
    """Mention what is legal and worth knowing."""
    for name, count in Counter((case.spec.namespace, case.spec.name) for case in cases).items():
        if count > 1:
            root.warning(f"{count} jobs are called so", value=name[1])
    forever = [case.spec.name for case in cases if case.policy.ttl is None]
    if forever:
        message = "without a ttl a finished job is kept under the retention settings"
        root.warning(message, code="Note", value=", ".join(forever[:20]))
    for case in cases:
        if "." in case.spec.name:
            case.at("name").warning(
                "no DNS label, so it cannot be a host name", value=case.spec.name
            )
