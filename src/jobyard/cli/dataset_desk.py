"""Whom commands of datasets, tables and providers ask; objects are those of the HTTP API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Unpack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobyard.client.calls import Deployment, Repair

    Object = Mapping[str, Any]


class DatasetDesk(Protocol):
    """What these commands ask; a dataset is `namespace/name`, or `namespace/name@revision`."""

    async def manifests_page(self, *, after: str = "", limit: int = 1000) -> Object:
        """List manifests."""

    async def register_manifest(self, manifest: Mapping[str, Any]) -> Object:
        """Keep a manifest."""

    async def schema(
        self,
        tables: Mapping[str, str],
        *,
        dependencies: Mapping[str, str] | None = None,
        functions: Mapping[str, Any] | None = None,
    ) -> Object:
        """Tell the columns of tables by their SQL."""

    async def manifest(self, manifest_hash: str) -> Object:
        """Read a manifest."""

    async def delete_manifest(self, manifest_hash: str) -> None:
        """Delete a manifest."""

    async def prune_manifests(self) -> Object:
        """Delete the manifests that no dataset has."""

    async def datasets_of_manifest(self, manifest_hash: str) -> Object:
        """Name the datasets that have a manifest."""

    async def datasets_page(self, *, after: str = "", limit: int = 1000) -> Object:
        """List datasets."""

    async def register_dataset(
        self, dataset: str, manifest: Mapping[str, Any] | str, *, version: str | None = None
    ) -> Object:
        """Have a dataset mean a manifest."""

    async def dataset(self, dataset: str) -> Object:
        """Read a revision."""

    async def versions(self, dataset: str) -> Object:
        """List a dataset's versions."""

    async def manifest_of_dataset(self, dataset: str) -> Object:
        """Read a revision's manifest."""

    async def delete_dataset(self, dataset: str) -> None:
        """Delete a dataset."""

    async def delete_version(self, dataset: str) -> None:
        """Delete a version."""

    async def deploy(self, dataset: str, /, **options: Unpack[Deployment]) -> Object:
        """Have a revision extracted."""

    async def rematerialize(
        self, dataset: str, /, *, start_block: int, end_block: int, **options: Unpack[Repair]
    ) -> Object:
        """Have blocks of a revision extracted anew."""

    async def dataset_jobs(
        self,
        dataset: str,
        *,
        status: str = "all",
        last_job_id: int | None = None,
        limit: int = 50,
    ) -> Object:
        """List a revision's jobs."""

    async def revisions(
        self, *, active: bool | None = None, limit: int = 100, after: int = 0
    ) -> Sequence[Object]:
        """List revisions of tables."""

    async def revision(self, revision_id: int) -> Object:
        """Read a revision of a table."""

    async def revision_files(
        self, revision_id: int, *, limit: int = 1000, after: str = ""
    ) -> Object:
        """List the files of a revision."""

    async def file(self, file_id: int) -> Object:
        """Read a file of a table."""

    async def register_revision(self, dataset: str, table_name: str, path: str) -> Object:
        """Keep a folder as a revision of a table."""

    async def activate_revision(self, revision_id: int, dataset: str, table_name: str) -> Object:
        """Have a revision be the active one."""

    async def deactivate_revision(self, dataset: str, table_name: str) -> None:
        """Have a table have no active revision."""

    async def delete_revision(self, revision_id: int) -> None:
        """Forget a revision."""

    async def truncate_revision(self, revision_id: int, *, concurrency: int = 10) -> Object:
        """Forget a revision and remove its files."""

    async def prune_revision(
        self, revision_id: int, *, before_block: int | None = None, gc_delay_secs: int = 3600
    ) -> Object:
        """Have files beside the canonical chain removed later."""

    async def restore_revision(self, revision_id: int) -> Object:
        """Make a revision have the files of its folder."""

    async def restore_dataset(self, dataset: str) -> Object:
        """Make the newest revisions in storage the active ones."""

    async def restore_table(
        self, dataset: str, table_name: str, *, location_id: int | None = None
    ) -> Object:
        """Do the same with one table."""

    async def providers(self) -> Object:
        """List providers."""

    async def provider(self, name: str) -> Object:
        """Read a provider."""

    async def register_provider(self, name: str, config: Mapping[str, Any]) -> Object:
        """Keep a provider."""

    async def delete_provider(self, name: str) -> None:
        """Delete a provider."""
