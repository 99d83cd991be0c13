"""What a store promises of datasets: manifests, the names that lead to them, providers, their jobs.

The rest of its promises is in ``base.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobyard.core.dataset import (
        DatasetRecord,
        ManifestLine,
        ManifestRecord,
        ProviderRecord,
        Revision,
    )
    from jobyard.core.extraction import Quarantined, Rematerialized
    from jobyard.core.job import JobSpec
    from jobyard.core.ranges import Span
    from jobyard.core.records import Job

Name = tuple[str, str]
"""Namespace and name of a dataset."""


class Datasets(Protocol):
    """Manifests by their hash, datasets by namespace and name, providers by name."""

    async def add_manifest(self, manifest: ManifestRecord) -> None:
        """Keep a manifest; one that is there already stays."""

    async def manifest(self, manifest_hash: str) -> ManifestRecord:
        """Read a manifest.

        Raises:
            ManifestNotFound: there is none of this hash.
        """

    async def manifests(self, *, after: str = "", limit: int = 1000) -> list[ManifestLine]:
        """List manifests with hashes above ``after``, in their order."""

    async def delete_manifest(self, manifest_hash: str) -> None:
        """Delete a manifest; one that is not there is deleted already.

        Raises:
            ManifestLinked: a dataset has it.
        """

    async def prune_manifests(self) -> int:
        """Delete all manifests that no dataset has; tell how many."""

    async def datasets_of_manifest(self, manifest_hash: str) -> list[tuple[str, str, str | None]]:
        """Name the datasets that have a manifest: namespace, name, a tag that means it or None.

        Raises:
            ManifestNotFound: there is none of this hash.
        """

    async def register_dataset(
        self, name: Name, manifest: ManifestRecord | str, version: str | None = None
    ) -> Revision:
        """Have a dataset mean a manifest as ``dev``, and as a version if one is given. Idempotent.

        A manifest that is given whole is kept too; a dataset that is not there is made.

        Raises:
            ManifestNotFound: it was given by its hash, and there is none.
        """

    async def datasets(self, *, after: Name = ("", ""), limit: int = 1000) -> list[DatasetRecord]:
        """List datasets with names above ``after``, in their order."""

    async def dataset(self, name: Name) -> DatasetRecord:
        """Read a dataset.

        Raises:
            DatasetNotFound: there is none of this name.
        """

    async def revision(self, name: Name, word: str) -> Revision:
        """Find a revision of a dataset: a version, a manifest's hash, ``latest`` or ``dev``.

        Raises:
            DatasetNotFound: there is no such dataset, or it has no such revision.
        """

    async def delete_dataset(self, name: Name) -> None:
        """Delete a dataset with its tags, and the manifests that no other one has; not its data."""

    async def delete_version(self, name: Name, version: str) -> None:
        """Delete a version of a dataset; one that is not there is deleted already.

        Raises:
            CannotDeleteLatest: it is the highest one.
        """

    async def put_provider(self, name: str, config: Mapping[str, Any]) -> None:
        """Keep a provider, in place of an older one of its name."""

    async def providers(self) -> list[ProviderRecord]:
        """List the providers that the store keeps, by name."""

    async def delete_provider(self, name: str) -> None:
        """Delete a provider; one that is not there is deleted already."""

    async def deploy(self, spec: JobSpec, *, trigger: str = "api") -> Job:
        """Make a job that extracts a dataset's revision, durably.

        A revision has one job at a time, also when two ask for one at once: if that job is the
        same, whatever the revision was called, it is the answer; if it is over, a new one is made.

        Raises:
            ActiveJobConflict: another job of the revision is not over, or this one is ending.
            WorkerNotAvailable: the worker that is to have it is not alive.
        """

    async def rematerialize(
        self, spec: JobSpec, wanted: Span, *, delay_us: int, trigger: str = "api"
    ) -> Rematerialized:
        """Take the files of some blocks out of a revision's tables, and have a job fetch them anew.

        All in one transaction, against which nothing is published. A job that is not over does it
        if it is sure to look at these blocks yet, else a new one, which waits for that one's end.

        Raises:
            ActiveJobConflict: the revision has a job that is ending.
            NothingToRematerialize: no table has such a block.
            WorkerNotAvailable: the worker that is to have the job is not alive.
        """

    async def quarantine(self, path: str, names: Sequence[str]) -> list[Quarantined]:
        """Take damaged files out of the table in a folder; tell of those that were part of it.

        They are never collected.
        """

    async def fix_stop(self, session: str, attempt_id: int, job_id: int, stop: int) -> int:
        """Note the block behind a job's last one, unless one is noted; tell the one that counts.

        Raises:
            LeaseLost: the worker does not speak for this attempt.
        """

    async def stop_of(self, job_id: int) -> int | None:
        """Tell the block behind a job's last one, None as long as nobody has found it out."""
