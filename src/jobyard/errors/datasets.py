"""Errors of datasets, manifests, providers and their jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobyard.errors.conflicts import Conflict
from jobyard.errors.documents import InvalidDocument
from jobyard.errors.missing import NotFound
from jobyard.errors.requests import InvalidRequest

if TYPE_CHECKING:
    from jobyard.errors.documents import Problem


class InvalidManifest(InvalidDocument):
    """What is to be a manifest is none; all problems are listed."""

    slug = "invalid-manifest"
    title = "The manifest is not valid"
    code = "INVALID_MANIFEST"


class ManifestContradicts(InvalidManifest):
    """A manifest that is at odds with itself, or with the datasets that it builds on."""

    slug = "manifest-validation-error"
    title = "The manifest contradicts itself or what it builds on"
    code = "MANIFEST_VALIDATION_ERROR"


class InvalidBody(InvalidDocument):
    """What a dataset is to be deployed with is wrong in one or many places; all are listed."""

    slug = "invalid-body"
    title = "The deployment is not valid"
    code = "INVALID_BODY"

    @classmethod
    def at(cls, problem: Problem) -> InvalidBody:
        """Carry one problem."""
        return cls([problem])


class InvalidPayloadFormat(InvalidRequest):
    """A body that is no JSON object, or lacks what it must have."""

    slug = "invalid-payload-format"
    title = "The body is not what it must be"
    code = "INVALID_PAYLOAD_FORMAT"


class InvalidPath(InvalidRequest):
    """What stands in the place of a dataset's name, or of a revision, is none."""

    slug = "invalid-path"
    title = "Not the name of a dataset or of a revision"
    code = "INVALID_PATH"


class InvalidHash(InvalidRequest):
    """What stands in the place of a manifest's hash is none."""

    slug = "invalid-hash"
    title = "Not the hash of a manifest"
    code = "INVALID_HASH"

    def __init__(self, text: str) -> None:
        """Show what was given."""
        super().__init__(
            f"`{text}` is not the hash of a manifest",
            hint="it has 64 digits from 0 to 9 and a to f: the SHA-256 of its canonical JSON",
            value=text,
        )


class InvalidRequestBody(InvalidRequest):
    """A provider that has no name or no kind, or is no mapping."""

    slug = "invalid-request-body"
    title = "Not a provider"
    code = "INVALID_REQUEST_BODY"


class DataConversion(InvalidRequest):
    """A provider with a key that its kind does not have, or with a value that it cannot have."""

    slug = "data-conversion-error"
    title = "The provider is not valid"
    code = "DATA_CONVERSION_ERROR"


class InvalidProviderName(InvalidRequest):
    """What stands in the place of a provider's name is none."""

    slug = "invalid-provider-name"
    title = "Not the name of a provider"
    code = "INVALID_PROVIDER_NAME"


class CannotDeleteLatest(InvalidRequest):
    """The highest version of a dataset cannot be deleted alone."""

    slug = "cannot-delete-latest-version"
    title = "The latest version cannot be deleted"
    code = "CANNOT_DELETE_LATEST_VERSION"

    def __init__(self, dataset: str, version: str) -> None:
        """Name the dataset and the version."""
        super().__init__(
            f"{version} is the latest version of {dataset}",
            hint="register a higher version first, or delete the dataset",
            version=version,
        )


class WorkerNotAvailable(InvalidRequest):
    """The worker that is to have the job is not there."""

    slug = "worker-not-available"
    title = "No such worker is alive"
    code = "WORKER_NOT_AVAILABLE"

    def __init__(self, worker_id: str) -> None:
        """Name the worker, or the beginning of workers."""
        super().__init__(
            f"no live worker is called `{worker_id}`",
            hint="`jobyard worker list` shows all workers; without one named, any takes the job",
            worker_id=worker_id,
        )


class DatasetNotFound(NotFound):
    """No dataset has this name, or it has no such revision."""

    slug = "dataset-not-found"
    title = "No such dataset"
    code = "DATASET_NOT_FOUND"

    def __init__(self, dataset: str, revision: str | None = None) -> None:
        """Name the dataset, and the revision if that is what is missing."""
        what = f"dataset {dataset}" if revision is None else f"revision {dataset}@{revision}"
        super().__init__(
            f"there is no {what}",
            hint="`jobyard dataset list` shows all datasets",
            dataset=dataset,
            revision=revision,
        )


class ManifestNotFound(NotFound):
    """No manifest has this hash."""

    slug = "manifest-not-found"
    title = "No such manifest"
    code = "MANIFEST_NOT_FOUND"

    def __init__(self, manifest_hash: str) -> None:
        """Name the hash."""
        super().__init__(
            f"no manifest has the hash {manifest_hash}",
            hint="`jobyard manifest list` shows all manifests",
            hash=manifest_hash,
        )


class ProviderNotFound(NotFound):
    """No provider has this name."""

    slug = "provider-not-found"
    title = "No such provider"
    code = "PROVIDER_NOT_FOUND"

    def __init__(self, name: str) -> None:
        """Name it."""
        super().__init__(
            f"no provider is called `{name}`",
            hint="`jobyard provider list` shows all providers",
            name=name,
        )


class NothingToRematerialize(NotFound):
    """No table of a dataset's revision has, or had, any of these blocks."""

    slug = "nothing-to-rematerialize"
    title = "No table has these blocks"
    code = "NOTHING_TO_REMATERIALIZE"

    def __init__(self, dataset: str, start: int, end: int) -> None:
        """Name the dataset and the blocks."""
        super().__init__(
            f"no table of {dataset} has a block from {start} to {end}",
            hint="`jobyard dataset deploy` extracts what was never there",
            dataset=dataset,
            start_block=start,
            end_block=end,
        )


class ManifestLinked(Conflict):
    """A manifest that a dataset has cannot be deleted."""

    slug = "manifest-linked"
    title = "A dataset has this manifest"
    code = "MANIFEST_LINKED"

    def __init__(self, manifest_hash: str) -> None:
        """Name the hash."""
        super().__init__(
            f"a dataset has the manifest {manifest_hash}",
            hint="delete the dataset first",
            hash=manifest_hash,
        )


class ActiveJobConflict(Conflict):
    """A dataset's revision has an active job already, and it is another one."""

    slug = "active-job-conflict"
    title = "The dataset has another active job"
    code = "ACTIVE_JOB_CONFLICT"

    def __init__(self, dataset: str, job_id: int, actual: str, fields: list[str]) -> None:
        """Name the job, its status, and in what it differs; nothing when it is ending."""
        differs = f" and differs in {', '.join(fields)}" if fields else ""
        super().__init__(
            f"job {job_id} of {dataset} is {actual}{differs}",
            hint=f"wait until it is over, or `jobyard job stop {job_id}`, then deploy again",
            job_id=job_id,
            actual=actual,
            fields=fields,
        )


class ActiveWriter(Conflict):
    """A table has one writer, and another job that is not over is it."""

    slug = "active-writer"
    title = "Another job writes this table"
    code = "ACTIVE_WRITER"

    def __init__(self, table: str, job_id: int) -> None:
        """Name the table and the job."""
        super().__init__(
            f"job {job_id} writes the table `{table}` and is not over",
            hint=f"wait for it, or stop it: jobyard job stop {job_id}",
            table=table,
            job_id=job_id,
        )


class InvalidQuery(InvalidRequest):
    """An SQL query that cannot be answered: wrong, or of tables that are not there."""

    slug = "invalid-query"
    title = "The query is not valid"
    code = "INVALID_QUERY"
