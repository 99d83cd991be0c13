"""Datasets, manifests and providers, for programs that run an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from jobyard.client import calls
from jobyard.client.async_link import AsyncLink
from jobyard.client.shapes import (
    DatasetRevision,
    Datasets,
    Deployed,
    Jobs,
    ManifestDatasets,
    Manifests,
    Provider,
    Providers,
    Pruned,
    RegisteredManifest,
    Rematerialized,
    Schemas,
    Versions,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobyard.client.calls import Deployment, Object, Repair


class AsyncDatasetCalls(AsyncLink):
    """The part of the client that keeps datasets and deploys them.

    A dataset is called ``namespace/name``, a revision of it ``namespace/name@revision``: a version,
    a manifest's hash, ``latest`` or ``dev``. Without a revision the latest is meant, without a
    namespace ``_``.
    """

    async def manifests_page(self, *, after: str = "", limit: int = 1000) -> Manifests:
        """Read one page: ``manifests`` by hash, and ``next_cursor`` unless it is the last."""
        return await self._ask(calls.read("/manifests", after=after, limit=limit), Manifests)

    async def register_manifest(self, manifest: Mapping[str, Any]) -> RegisteredManifest:
        """Keep a manifest, and tell its ``hash``.

        Raises:
            InvalidManifest: it is none; all problems are in it.
        """
        return await self._ask(calls.post("/manifests", manifest), RegisteredManifest)

    async def schema(
        self,
        tables: Mapping[str, str],
        *,
        dependencies: Mapping[str, str] | None = None,
        functions: Mapping[str, Any] | None = None,
    ) -> Schemas:
        """Tell the columns of tables by their SQL: ``schemas``, by table; nothing is kept.

        ``dependencies`` are the datasets that SQL speaks of, by what it calls them, each as
        ``namespace/name@version``; ``self.table`` is another one of the tables.

        Raises:
            TableRefused: a table cannot be made by its SQL.
            DependencyNotFound: a dependency is not registered.
        """
        body = {
            "tables": tables,
            "dependencies": dependencies or {},
            "functions": functions or {},
        }
        return await self._ask(calls.post("/schema", body), Schemas)

    async def manifest(self, manifest_hash: str) -> Object:
        """Read a manifest as it was registered.

        Raises:
            ManifestNotFound: there is none of this hash.
        """
        return await self._ask(calls.read(calls.below("/manifests", manifest_hash)), dict)

    async def delete_manifest(self, manifest_hash: str) -> None:
        """Delete a manifest; none is none.

        Raises:
            ManifestLinked: a dataset has it.
        """
        calls.told(await self._send(calls.removal(calls.below("/manifests", manifest_hash))))

    async def prune_manifests(self) -> Pruned:
        """Delete all manifests that no dataset has; tell the ``deleted_count``."""
        return await self._ask(calls.removal("/manifests"), Pruned)

    async def datasets_of_manifest(self, manifest_hash: str) -> ManifestDatasets:
        """Name the ``datasets`` that have a manifest.

        Raises:
            ManifestNotFound: there is none of this hash.
        """
        path = calls.below("/manifests", manifest_hash)
        return await self._ask(calls.read(f"{path}/datasets"), ManifestDatasets)

    async def datasets_page(self, *, after: str = "", limit: int = 1000) -> Datasets:
        """Read one page: ``datasets`` by name, and ``next_cursor`` unless it is the last."""
        return await self._ask(calls.read("/datasets", after=after, limit=limit), Datasets)

    async def register_dataset(
        self, dataset: str, manifest: Mapping[str, Any] | str, *, version: str | None = None
    ) -> DatasetRevision:
        """Have a dataset mean a manifest, or the one of a hash, from now on.

        It is then ``dev``, and ``version`` if one is given.

        Raises:
            InvalidManifest: it is none; all problems are in it.
            ManifestNotFound: there is none of this hash.
        """
        call = calls.registration(dataset, manifest, version)
        return await self._ask(call, DatasetRevision)

    async def dataset(self, dataset: str) -> DatasetRevision:
        """Read a revision of a dataset.

        Raises:
            DatasetNotFound: there is no such dataset, or no such revision of it.
        """
        return await self._ask(calls.read(calls.of_revision(dataset)), DatasetRevision)

    async def versions(self, dataset: str) -> Versions:
        """List a dataset's ``versions``, from the highest down, and its ``special_tags``.

        Raises:
            DatasetNotFound: there is no such dataset.
        """
        return await self._ask(calls.read(f"{calls.of_dataset(dataset)}/versions"), Versions)

    async def manifest_of_dataset(self, dataset: str) -> Object:
        """Read the manifest of a revision as it was registered.

        Raises:
            DatasetNotFound: there is no such dataset, or no such revision of it.
        """
        return await self._ask(calls.read(calls.of_revision(dataset, "manifest")), dict)

    async def delete_dataset(self, dataset: str) -> None:
        """Delete a dataset with its versions; its data stay."""
        calls.told(await self._send(calls.removal(calls.of_dataset(dataset))))

    async def delete_version(self, dataset: str) -> None:
        """Delete a version of a dataset; none is none.

        Raises:
            CannotDeleteLatest: it is the highest one.
        """
        calls.told(await self._send(calls.removal(calls.of_revision(dataset))))

    async def deploy(self, dataset: str, /, **options: Unpack[Deployment]) -> Deployed:
        """Have a revision of a dataset extracted; tell the ``job_id``.

        The same again, while that job is not over, is that job.

        Raises:
            InvalidBody: an option is wrong; all problems are in it.
            ActiveJobConflict: the revision has another job that is not over.
        """
        call = calls.post(calls.of_revision(dataset, "deploy"), options)
        return await self._ask(call, Deployed)

    async def rematerialize(
        self, dataset: str, /, *, start_block: int, end_block: int, **options: Unpack[Repair]
    ) -> Rematerialized:
        """Have blocks of a revision extracted anew, both ends included.

        Raises:
            InvalidBody: the range or an option is wrong; all problems are in it.
            NothingToRematerialize: no table has such a block.
            ActiveJobConflict: the revision has a job that is ending.
        """
        body = {"start_block": start_block, "end_block": end_block, **options}
        call = calls.post(calls.of_revision(dataset, "rematerialize"), body)
        return await self._ask(call, Rematerialized)

    async def dataset_jobs(
        self,
        dataset: str,
        *,
        status: str = "all",
        last_job_id: int | None = None,
        limit: int = 50,
    ) -> Jobs:
        """Read one page of a revision's ``jobs``, newest first; ``next_cursor`` if there are more.

        Raises:
            DatasetNotFound: there is no such dataset, or no such revision of it.
        """
        path = calls.of_revision(dataset, "jobs")
        call = calls.read(path, status=status, last_job_id=last_job_id, limit=limit)
        return await self._ask(call, Jobs)

    async def providers(self) -> Providers:
        """List all ``providers`` by name, without their secrets."""
        return await self._ask(calls.read("/providers"), Providers)

    async def provider(self, name: str) -> Provider:
        """Read one provider without its secrets.

        Raises:
            ProviderNotFound: there is none of this name.
        """
        return await self._ask(calls.read(calls.below("/providers", name)), Provider)

    async def register_provider(self, name: str, config: Mapping[str, Any]) -> Provider:
        """Keep a provider, in place of an older one of its name.

        Raises:
            DataConversion: it has a key that its kind does not have, or a wrong value.
        """
        return await self._ask(calls.post("/providers", {**config, "name": name}), Provider)

    async def delete_provider(self, name: str) -> None:
        """Delete a provider; none is none."""
        calls.told(await self._send(calls.removal(calls.below("/providers", name))))
