"""Datasets over any database: each promise is one transaction run by the database's driver."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from jobyard.store.transactions import datasets, repair

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
    from jobyard.store.datasets import Name
    from jobyard.store.query import Driver


class SqlDatasets:
    """Keeps the promises of ``Datasets`` (datasets.py) with a driver's named queries."""

    _driver: Driver

    async def add_manifest(self, manifest: ManifestRecord) -> None:
        """Keep a manifest."""
        await self._driver.write(partial(datasets.add_manifest, manifest), durable=True)

    async def manifest(self, manifest_hash: str) -> ManifestRecord:
        """Read a manifest."""
        return await self._driver.read(partial(datasets.manifest, manifest_hash))

    async def manifests(self, *, after: str = "", limit: int = 1000) -> list[ManifestLine]:
        """List manifests."""
        return await self._driver.read(partial(datasets.manifests, after, limit))

    async def delete_manifest(self, manifest_hash: str) -> None:
        """Delete a manifest."""
        await self._driver.write(partial(datasets.delete_manifest, manifest_hash))

    async def prune_manifests(self) -> int:
        """Delete all manifests that no dataset has."""
        deleted = 0
        while gone := await self._driver.write(datasets.prune_manifests):
            deleted += gone
        return deleted

    async def datasets_of_manifest(self, manifest_hash: str) -> list[tuple[str, str, str | None]]:
        """Name the datasets that have a manifest."""
        return await self._driver.read(partial(datasets.datasets_of_manifest, manifest_hash))

    async def register_dataset(
        self, name: Name, manifest: ManifestRecord | str, version: str | None = None
    ) -> Revision:
        """Have a dataset mean a manifest."""
        step = partial(datasets.register, name, manifest, version)
        return await self._driver.write(step, durable=True)

    async def datasets(self, *, after: Name = ("", ""), limit: int = 1000) -> list[DatasetRecord]:
        """List datasets."""
        return await self._driver.read(partial(datasets.datasets, after, limit))

    async def dataset(self, name: Name) -> DatasetRecord:
        """Read a dataset."""
        return await self._driver.read(partial(datasets.dataset, name))

    async def revision(self, name: Name, word: str) -> Revision:
        """Find a revision of a dataset."""
        return await self._driver.read(partial(datasets.revision, name, word))

    async def delete_dataset(self, name: Name) -> None:
        """Delete a dataset."""
        await self._driver.write(partial(datasets.delete_dataset, name))

    async def delete_version(self, name: Name, version: str) -> None:
        """Delete a version of a dataset."""
        await self._driver.write(partial(datasets.delete_version, name, version))

    async def put_provider(self, name: str, config: Mapping[str, Any]) -> None:
        """Keep a provider."""
        await self._driver.write(partial(datasets.put_provider, name, config), durable=True)

    async def providers(self) -> list[ProviderRecord]:
        """List the providers that the store keeps."""
        return await self._driver.read(datasets.providers)

    async def delete_provider(self, name: str) -> None:
        """Delete a provider."""
        await self._driver.write(partial(datasets.delete_provider, name))

    async def deploy(self, spec: JobSpec, *, trigger: str = "api") -> Job:
        """Make a job that extracts a dataset's revision, unless it is there."""
        step = partial(datasets.deploy, spec, trigger)
        job, claimable = await self._driver.write(step, durable=True)
        if claimable:
            self._driver.hint()
        return job

    async def rematerialize(
        self, spec: JobSpec, wanted: Span, *, delay_us: int, trigger: str = "api"
    ) -> Rematerialized:
        """Take the files of some blocks out, and have a job fetch them anew."""
        step = partial(repair.rematerialize, spec, wanted, trigger, delay_us)
        done, claimable = await self._driver.write(step, durable=True)
        if claimable:
            self._driver.hint()
        return done

    async def quarantine(self, path: str, names: Sequence[str]) -> list[Quarantined]:
        """Take damaged files out of the table in a folder."""
        return await self._driver.write(partial(repair.quarantine, path, names), durable=True)

    async def fix_stop(self, session: str, attempt_id: int, job_id: int, stop: int) -> int:
        """Note the block behind a job's last one, unless one is noted."""
        step = partial(datasets.fix_stop, session, attempt_id, job_id, stop)
        return await self._driver.write(step)

    async def stop_of(self, job_id: int) -> int | None:
        """Tell the block behind a job's last one."""
        return await self._driver.read(partial(datasets.stop_of, job_id))
