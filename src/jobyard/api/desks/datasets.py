"""The desk of datasets: manifests, the names that lead to them, and the jobs that extract them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jobyard.api.desks.ancestors import ancestors_of
from jobyard.api.desks.counter import MOST_ROWS, Counter, Object, bounded
from jobyard.api.desks.filters import Filters, query_of
from jobyard.api.desks.planning import columns, problems_of
from jobyard.core.dataset import DERIVED_KIND, ManifestRecord
from jobyard.engine.supply import Suppliers
from jobyard.errors import (
    DatasetNotFound,
    InvalidHash,
    InvalidPayloadFormat,
    InvalidProvider,
    InvalidQueryParam,
    ManifestContradicts,
    Problem,
)
from jobyard.spec import naming
from jobyard.spec.extraction import deployment, rematerialization
from jobyard.spec.manifest import load_manifest, manifest_hash, manifest_of
from jobyard.spec.references import Reference, check_version, reference
from jobyard.wire.datasets import (
    dataset_object,
    manifest_line,
    revision_object,
    users_object,
    versions_object,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobyard.core.dataset import Manifest, Revision
    from jobyard.core.derived import Ancestor
    from jobyard.core.extraction import Rematerialized
    from jobyard.store.datasets import Name

MOST_DEPENDENCIES = 1000
"""Datasets that a derived one is followed through, in search of a circle."""


class DatasetDesk(Counter):
    """Keeps manifests, gives them names, and deploys them.

    A dataset is called ``namespace/name``, a revision of it ``namespace/name@revision``.
    """

    async def manifests_page(self, *, after: str = "", limit: int = MOST_ROWS) -> Object:
        """List manifests by hash: ``manifests``, and ``next_cursor`` if there are more."""
        bounded(limit, MOST_ROWS)
        found = await self.store.manifests(after=after, limit=limit + 1)
        page: Object = {"manifests": [manifest_line(line) for line in found[:limit]]}
        if len(found) > limit:
            page["next_cursor"] = found[limit - 1].hash
        return page

    async def register_manifest(self, manifest: Mapping[str, Any]) -> Object:
        """Keep a manifest, and tell its ``hash``; idempotent.

        Raises:
            InvalidManifest: it is none; all problems are in it.
            ManifestContradicts: it is at odds with itself, or builds on what is not there.
        """
        record = await self._checked(manifest)
        await self.store.add_manifest(record)
        return {"hash": record.hash}

    async def schema(
        self,
        tables: Mapping[str, str],
        *,
        dependencies: Mapping[str, str] | None = None,
        functions: Mapping[str, Any] | None = None,
    ) -> Object:
        """Tell the columns of tables by their SQL: ``schemas``, by table.

        ``dependencies`` are the datasets that SQL speaks of, by what it calls them, each as
        ``namespace/name@version``; ``self.table`` is another one of the tables.

        Raises:
            InvalidPayloadFormat: a dependency may mean something else tomorrow.
            TableRefused: a table cannot be made by its SQL.
            DependencyNotFound: a dependency is not registered.
        """
        body = {"tables": tables, "dependencies": dependencies, "functions": functions}
        return await columns(self.store, body)

    async def manifest(self, manifest_hash: str) -> Object:
        """Read a manifest as it was registered.

        Raises:
            ManifestNotFound: there is none of this hash.
        """
        return dict((await self.store.manifest(_hash(manifest_hash))).value)

    async def delete_manifest(self, manifest_hash: str) -> None:
        """Delete a manifest; one that is not there is deleted already.

        Raises:
            ManifestLinked: a dataset has it.
        """
        await self.store.delete_manifest(_hash(manifest_hash))

    async def prune_manifests(self) -> Object:
        """Delete all manifests that no dataset has; tell the ``deleted_count``."""
        return {"deleted_count": await self.store.prune_manifests()}

    async def datasets_of_manifest(self, manifest_hash: str) -> Object:
        """Name the ``datasets`` that have a manifest, once for each tag that means it.

        Raises:
            ManifestNotFound: there is none of this hash.
        """
        users = await self.store.datasets_of_manifest(_hash(manifest_hash))
        return users_object(manifest_hash, users)

    async def datasets_page(self, *, after: str = "", limit: int = MOST_ROWS) -> Object:
        """List datasets by name: ``datasets``, and ``next_cursor`` if there are more."""
        bounded(limit, MOST_ROWS)
        namespace, _, name = after.partition("/")
        found = await self.store.datasets(after=(namespace, name), limit=limit + 1)
        page: Object = {"datasets": [dataset_object(record) for record in found[:limit]]}
        if len(found) > limit:
            page["next_cursor"] = found[limit - 1].full_name
        return page

    async def register_dataset(
        self, dataset: str, manifest: Mapping[str, Any] | str, *, version: str | None = None
    ) -> Object:
        """Have a dataset mean a manifest, or the one of a hash, from now on. Idempotent.

        It is then ``dev``, and ``version`` if one is given.

        Raises:
            InvalidManifest: it is none; all problems are in it.
            ManifestContradicts: it is at odds with itself, or with what it builds on.
            ManifestNotFound: there is none of this hash.
        """
        place = reference(dataset)
        name = place[:2]
        if version is not None:
            check_version(version)
        if isinstance(manifest, str):
            given: ManifestRecord | str = _hash(manifest)
            value = (await self.store.manifest(manifest)).value
            await self._check_dependencies(manifest_of(value), name)
        else:
            given = await self._checked(manifest, name)
        return revision_object(await self.store.register_dataset(name, given, version))

    async def dataset(self, dataset: str) -> Object:
        """Read a revision of a dataset, the latest if none is named.

        Raises:
            DatasetNotFound: there is no such dataset, or no such revision of it.
        """
        return revision_object(await self._revision(dataset))

    async def versions(self, dataset: str) -> Object:
        """List a dataset's ``versions``, from the highest down, and its ``special_tags``.

        Raises:
            DatasetNotFound: there is no such dataset.
        """
        return versions_object(await self.store.dataset(reference(dataset)[:2]))

    async def manifest_of_dataset(self, dataset: str) -> Object:
        """Read the manifest of a revision as it was registered.

        Raises:
            DatasetNotFound: there is no such dataset, or no such revision of it.
        """
        return dict((await self._revision(dataset)).manifest.value)

    async def delete_dataset(self, dataset: str) -> None:
        """Delete a dataset with its versions, and manifests that no other has; not its data."""
        await self.store.delete_dataset(reference(dataset)[:2])

    async def delete_version(self, dataset: str) -> None:
        """Delete a version of a dataset; one that is not there is deleted already.

        Raises:
            CannotDeleteLatest: it is the highest one.
        """
        place = reference(dataset)
        await self.store.delete_version(place[:2], check_version(place.revision))

    async def deploy(self, dataset: str, /, **options: Any) -> Object:
        """Have a revision of a dataset extracted; tell the ``job_id``, and ``warnings`` if any.

        ``options`` are those of a deployment: ``end_block``, ``parallelism``, ``worker_id``,
        ``verify``, ``providers``, ``layout``, ``batch_blocks``. A job that is not over and is the
        same is the answer. A warning is that no provider is known here: workers may have files of
        their own.

        Raises:
            DatasetNotFound: there is no such dataset, or no such revision of it.
            InvalidBody: an option is wrong; all problems are in it.
            ActiveJobConflict: the revision has another job that is not over.
            WorkerNotAvailable: the worker that is to have it is not alive.
        """
        revision = await self._revision(dataset)
        ancestors = await self._ancestors(manifest_of(revision.manifest.value))
        spec = deployment(revision, options, ancestors)
        made: Object = {"job_id": (await self.store.deploy(spec, trigger=self._trigger)).id}
        if spec.extract is not None and spec.extract.derived is None:
            try:
                await Suppliers(self.store, self._providers_dir, {}).fitting(spec.extract)
            except InvalidProvider as error:
                made["warnings"] = [": ".join(filter(None, (error.detail, error.hint)))]
        return made

    async def rematerialize(self, dataset: str, /, **options: Any) -> Object:
        """Have blocks of a revision extracted anew: ``start_block`` to ``end_block``.

        The files that have them leave their tables. Tells the ``job_id`` of the job that fetches
        them, whether it is a new one (``new_job_created``), how many ``files`` it takes the place
        of, and the blocks that are missing now. The other options are those of a deployment.

        Raises:
            DatasetNotFound: there is no such dataset, or no such revision of it.
            InvalidBody: the range or an option is wrong; all problems are in it.
            NothingToRematerialize: no table has such a block.
            ActiveJobConflict: the revision has a job that is ending.
        """
        revision = await self._revision(dataset)
        ancestors = await self._ancestors(manifest_of(revision.manifest.value))
        spec, wanted = rematerialization(revision, options, ancestors)
        delay_us = int(self._collect_after * 1_000_000)
        done = await self.store.rematerialize(
            spec, wanted, delay_us=delay_us, trigger=self._trigger
        )
        await asyncio.to_thread(_hide, done)
        start, stop = done.span
        return {
            "job_id": done.job_id,
            "new_job_created": done.is_new,
            "start_block": start,
            "end_block": stop - 1,
            "files": sum(len(one.names) for one in done.taken),
        }

    async def dataset_jobs(
        self,
        dataset: str,
        *,
        status: str = "all",
        last_job_id: int | None = None,
        limit: int = 50,
    ) -> Object:
        """List the jobs of a revision, newest first, each once: ``jobs``, ``next_cursor``.

        Raises:
            DatasetNotFound: there is no such dataset, or no such revision of it.
        """
        bounded(limit, MOST_ROWS)
        revision = await self._revision(dataset)
        filters = Filters(status, dataset=revision.dataset.full_name)
        query = replace(
            query_of(filters, InvalidQueryParam),
            manifest_hash=revision.manifest.hash,
            after=last_job_id,
            limit=limit + 1,
        )
        found = await self.store.jobs(query)
        page: Object = {"jobs": await self._told(found[:limit])}
        if len(found) > limit:
            page["next_cursor"] = found[limit - 1].id
        return page

    async def _revision(self, dataset: str) -> Revision:
        place = reference(dataset)
        return await self.store.revision(place[:2], place.revision)

    async def _checked(self, value: Mapping[str, Any], name: Name | None = None) -> ManifestRecord:
        """Check a manifest, and what it builds on."""
        from jobyard.chain.catalogue import schemas

        manifest = load_manifest(value, schemas())
        await self._check_dependencies(manifest, name)
        if manifest.kind == DERIVED_KIND:
            problems = await problems_of(value, await self._ancestors(manifest))
            if problems:
                raise ManifestContradicts(problems)
        return ManifestRecord(manifest_hash(value), manifest.kind, value)

    async def _check_dependencies(self, manifest: Manifest, name: Name | None) -> None:
        """Report what a derived manifest builds on and is not there, or builds on ``name``."""
        problems = []
        for alias, text in manifest.dependencies:
            place = f"dependencies.{alias}"
            try:
                if await self._builds_on(reference(text), name):
                    message = "builds on this dataset, in a circle"
                    problems.append(Problem(place, message, "Cyclic", None, text))
            except DatasetNotFound as error:
                message, legal = error.detail, "a dataset that is registered"
                problems.append(Problem(place, message, "NotFound", None, text, legal))
        if problems:
            raise ManifestContradicts(problems)

    async def _ancestors(self, manifest: Manifest) -> tuple[Ancestor, ...]:
        """Find what a dataset builds on, and what that builds on."""
        return await ancestors_of(self.store, manifest.dependencies)

    async def _builds_on(self, first: Reference, name: Name | None) -> bool:
        """Tell whether a dataset builds on another one, be it through others."""
        left, seen = [first], {first}
        while left and len(seen) < MOST_DEPENDENCIES:
            place = left.pop()
            if place[:2] == name:
                return True
            found = await self.store.revision(place[:2], place.revision)
            below = manifest_of(found.manifest.value).dependencies
            fresh = {reference(text) for _, text in below} - seen
            seen |= fresh
            left += fresh
        return False


def _hide(done: Rematerialized) -> None:
    """Hide files that left their tables, if they lie where this process can see them.

    If not, the next one that extracts into their folder does it.
    """
    try:
        from jobyard.data.upkeep import hide
    except ImportError:
        return
    for one in done.taken:
        hide(one.path, one.names)


def registration(body: Mapping[str, Any]) -> tuple[str, Mapping[str, Any] | str, str | None]:
    """Take the name, the manifest and the version out of the body of a registration.

    Raises:
        InvalidPayloadFormat: one of them is missing, or is nothing of the kind.
    """
    legal = ("namespace", "name", "version", "manifest")
    unknown = sorted(set(body) - set(legal))
    if unknown:
        raise _payload(f"a registration has no `{unknown[0]}`", f"it has {', '.join(legal)}")
    namespace, name = (_text(body, key) for key in ("namespace", "name"))
    manifest, version = body.get("manifest"), body.get("version")
    if not naming.is_dataset_space(namespace):
        raise _payload(f"the namespace is `{namespace}`", naming.DATASET_SPACE_RULE)
    if not naming.is_dataset(name):
        raise _payload(f"the name is `{name}`", naming.DATASET_RULE)
    if version is not None and not (isinstance(version, str) and naming.is_version(version)):
        raise _payload(f"the version is `{version}`", naming.VERSION_RULE)
    if isinstance(manifest, str) and not naming.is_manifest_hash(manifest):
        raise _payload(f"the manifest is `{manifest}`", "a manifest, or the hash of one")
    if not isinstance(manifest, (str, dict)):
        raise _payload("the manifest is missing", "a manifest, or the hash of one")
    return f"{namespace}/{name}", manifest, version


def _text(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str):
        raise _payload(f"the {key} is missing", f"`{key}` is text")
    return value


def _payload(detail: str, hint: str) -> InvalidPayloadFormat:
    return InvalidPayloadFormat(detail, hint=hint)


def _hash(text: str) -> str:
    if not naming.is_manifest_hash(text):
        raise InvalidHash(text)
    return text
