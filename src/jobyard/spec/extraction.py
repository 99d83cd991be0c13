"""From a dataset and what somebody wants of it to the job that extracts it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobyard.core.dataset import DERIVED_KIND
from jobyard.core.derived import MOST_BATCH
from jobyard.core.extract import (
    END_RULE,
    FATAL_EXIT,
    MOST_BLOCK,
    MOST_WRITERS,
    Extract,
    end_of,
    is_relative,
)
from jobyard.core.job import (
    MAX_COUNT,
    Backoff,
    CompletionMode,
    ExitCodes,
    FailureAction,
    FailureRule,
    JobSpec,
    Operator,
    Policy,
    Program,
    ReplacementPolicy,
)
from jobyard.core.layout import DEFAULT_LAYOUT
from jobyard.errors import InvalidBody
from jobyard.spec.derived import check_options, derivation, derived_from
from jobyard.spec.kinds import Kind, ListOf, Text, Whole
from jobyard.spec.layout import LAYOUT
from jobyard.spec.manifest import manifest_of
from jobyard.spec.naming import (
    LABEL_LENGTH,
    PROVIDER_RULE,
    WORKER_RULE,
    is_provider,
    is_worker_pattern,
)
from jobyard.spec.report import BROKEN, Place, Report
from jobyard.spec.shape import Field, Shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobyard.core.dataset import Revision
    from jobyard.core.derived import Ancestor
    from jobyard.core.ranges import Span
    from jobyard.spec.kinds import Schema

BACKOFF = Backoff(base=1.0, cap=60.0, jitter=0.2)
"""Between tries of a provider that fails: soon at first, then often enough to notice that it is
back."""
GRACE = 60.0
"""Seconds to publish the complete blocks in hand after a stop."""
COMMAND = ("$(JOBYARD_PYTHON)", "-m", "jobyard.data", "extract")
"""The program, in the worker's own Python."""


class _End(Kind):
    """The last block: a text, or a number for those who would write one."""

    def read(self, value: Any, place: Place) -> Any:
        """Take what ``end_of`` does, and whole numbers."""
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            return place.problem("not a last block", value=value, legal=END_RULE)
        try:
            return end_of(str(value))
        except ValueError:
            return place.problem("not a last block", value=value, legal=END_RULE)

    def schema(self) -> Schema:
        """Describe both ways to write it."""
        text = {"type": "string", "pattern": r"^([Ll]atest|none|-?[0-9]{1,18})$"}
        return {"anyOf": [text, {"type": "integer", "minimum": -(10**18), "maximum": 10**18}]}


class _Share(Kind):
    """How much is proved in full: all, nothing, or a share of the blocks."""

    def read(self, value: Any, place: Place) -> Any:
        """Take true, false, ``full`` or a number from 0 to 1, as a float."""
        if value == "full":
            return 1.0
        if not isinstance(value, (bool, int, float)) or not 0 <= value <= 1:
            legal = "true, false, full, or the share of blocks from 0 to 1"
            return place.problem("not a share of blocks", value=value, legal=legal)
        return float(value)

    def schema(self) -> Schema:
        """Describe the ways to write it."""
        number = {"type": "number", "minimum": 0, "maximum": 1}
        return {"anyOf": [{"type": "boolean"}, number, {"const": "full"}]}


BLOCK_END = _End()
SHARE = _Share()
DEPLOYMENT = Shape(
    "a deployment",
    Field(
        "start_block",
        Whole(0, MOST_BLOCK),
        "the first block; that of the manifest if nobody says, and never one below it",
    ),
    Field("end_block", BLOCK_END, "the last block; without one the job follows the head for ever"),
    Field("parallelism", Whole(1, MOST_WRITERS), "attempts that extract at the same time"),
    Field("worker_id", Text(is_worker_pattern, WORKER_RULE), "who is to have the job"),
    Field("verify", SHARE, "whether everything is proved that can be, or of which share"),
    Field(
        "providers",
        ListOf(Text(is_provider, PROVIDER_RULE)),
        "the only providers to read from; all of the kind and the network otherwise",
    ),
    Field(
        "batch_blocks",
        Whole(1, MOST_BATCH),
        "blocks that SQL is evaluated for at once; by their size if nobody says",
    ),
    Field("layout", LAYOUT, "how files are laid out"),
)


REMATERIALIZATION = Shape(
    "a rematerialization",
    Field("start_block", Whole(0, MOST_BLOCK), "the first block to extract anew", required=True),
    Field("end_block", Whole(0, MOST_BLOCK), "the last one", required=True),
    *(row for row in DEPLOYMENT.fields if row.name not in {"start_block", "end_block"}),
)


def rematerialization(
    revision: Revision, options: Any, ancestors: Sequence[Ancestor] = ()
) -> tuple[JobSpec, Span]:
    """Make the job that extracts or makes blocks of a revision anew, and tell which are meant.

    All that can be proved of what is extracted is proved if nobody says otherwise: something was
    wrong.

    Raises:
        InvalidBody: an option is wrong; all problems are listed.
        Unusable: nothing here can extract this kind of dataset.
    """
    proof = {} if revision.manifest.kind == DERIVED_KIND else {"verify": True}
    report = Report()
    place = Place(report)
    read = REMATERIALIZATION.read({} if options is None else options, place)
    if read is not BROKEN and not report.problems:
        first = manifest_of(revision.manifest.value).start or 0
        if read["start_block"] < first:
            message, legal = "before the dataset's first block", f"{first} or more"
            (place / "start_block").problem(message, value=read["start_block"], legal=legal)
        if read["end_block"] < read["start_block"]:
            message, legal = "before the first block", f"{read['start_block']} or more"
            (place / "end_block").problem(message, value=read["end_block"], legal=legal)
    if report.problems:
        raise InvalidBody(report.listed(report.problems), more=report.unlisted)
    start, end = options["start_block"], options["end_block"]
    rest = {name: value for name, value in options.items() if name != "start_block"}
    spec = deployment(revision, {**proof, **rest, "end_block": end}, ancestors)
    return spec, (start, end + 1)


def deployment(revision: Revision, options: Any, ancestors: Sequence[Ancestor] = ()) -> JobSpec:
    """Make the job that extracts a revision of a dataset, or makes it of its ``ancestors``.

    Raises:
        InvalidBody: an option is wrong; all problems are listed.
        Unusable: nothing here can make this dataset.
    """
    record, manifest = revision.dataset, manifest_of(revision.manifest.value)
    derived = manifest.kind == DERIVED_KIND
    if derived:
        manifest = derived_from(record.full_name, revision.manifest.value, manifest, ancestors)
    report = Report()
    place = Place(report)
    read = DEPLOYMENT.read({} if options is None else options, place)
    start, end = _range(manifest.start or 0, {} if read is BROKEN else read, place)
    if read is not BROKEN:
        check_options(read, place, derived=derived)
    if report.problems:
        raise InvalidBody(report.listed(report.problems), more=report.unlisted)
    extract = Extract(
        namespace=record.namespace,
        name=record.name,
        version=record.version_of(revision.manifest.hash) or revision.revision,
        manifest_hash=revision.manifest.hash,
        kind=manifest.kind,
        chain=manifest.chain or "",
        network=manifest.network or "",
        tables=manifest.tables,
        start=start,
        end=end,
        parallelism=read.get("parallelism", 1),
        verify=read.get("verify", 0.0),
        finalized_only=manifest.finalized_only,
        providers=read.get("providers", ()),
        layout=read.get("layout", DEFAULT_LAYOUT),
        derived=derivation(revision.manifest.value, ancestors, read.get("batch_blocks"))
        if derived
        else None,
    )
    return job_of(extract, read.get("worker_id"))


def _range(first: int, read: Mapping[str, Any], place: Place) -> tuple[int, str | None]:
    """Find the first and the last block of a deployment; ``first`` is the dataset's."""
    given, end = read.get("start_block"), read.get("end_block")
    start = first if given is None else given
    for name, number in (("start_block", given), ("end_block", end)):
        if number is None or is_relative(str(number)):
            continue
        least = first if name == "start_block" else start
        if int(number) < least:
            message = f"before the {'dataset' if least == first else 'range'}'s first block"
            (place / name).problem(message, value=number, legal=f"{least} or more")
    return start, end


def job_of(extract: Extract, worker_id: str | None = None) -> JobSpec:
    """Make the job of an extraction: an index for each of those that extract at the same time."""
    fatal = FailureRule(FailureAction.FAIL_JOB, ExitCodes(Operator.IN, (FATAL_EXIT,)))
    return JobSpec(
        extract.name.strip("_").replace("_", "-")[:LABEL_LENGTH].strip("-") or "dataset",
        Program(command=COMMAND),
        Policy(
            completions=extract.parallelism,
            parallelism=extract.parallelism,
            completion_mode=CompletionMode.INDEXED,
            backoff_limit=MAX_COUNT,
            backoff=BACKOFF,
            failure_rules=(fatal,),
            replacement_policy=ReplacementPolicy.FAILED,
            grace=GRACE,
        ),
        worker_id=worker_id,
        extract=extract,
    )
