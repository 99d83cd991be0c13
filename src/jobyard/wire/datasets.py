"""Manifests, datasets, revisions and providers as JSON; nulls are present, never omitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobyard.clock import rfc3339
from jobyard.spec.manifest import manifest_of
from jobyard.spec.providers import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobyard.core.dataset import (
        DatasetRecord,
        ManifestLine,
        ProviderRecord,
        Revision,
        Tag,
    )

Object = dict[str, Any]


def manifest_line(line: ManifestLine) -> Object:
    """Write a manifest as lists show it."""
    return {"hash": line.hash, "kind": line.kind, "dataset_count": line.datasets}


def users_object(manifest_hash: str, users: Iterable[tuple[str, str, str | None]]) -> Object:
    """Write which datasets have a manifest, once for each tag that means it."""
    named = [
        {"namespace": namespace, "name": name, "version": tag} for namespace, name, tag in users
    ]
    return {"hash": manifest_hash, "datasets": named}


def dataset_object(record: DatasetRecord) -> Object:
    """Write a dataset as lists show it; versions from the highest down."""
    return {
        "namespace": record.namespace,
        "name": record.name,
        "versions": [tag.name for tag in record.versions],
        "latest_version": record.versions[0].name if record.versions else None,
    }


def versions_object(record: DatasetRecord) -> Object:
    """Write a dataset's versions, from the highest down, and what its other tags mean."""
    return {
        "namespace": record.namespace,
        "name": record.name,
        "versions": [_version(tag) for tag in record.versions],
        "special_tags": {
            "latest": record.versions[0].name if record.versions else None,
            "dev": record.dev and record.dev.hash,
        },
    }


def _version(tag: Tag) -> Object:
    return {
        "version": tag.name,
        "manifest_hash": tag.hash,
        "created_at": rfc3339(tag.created_at),
        "updated_at": rfc3339(tag.updated_at),
    }


def revision_object(revision: Revision) -> Object:
    """Write a revision of a dataset, and what its manifest says."""
    manifest = manifest_of(revision.manifest.value)
    return {
        "namespace": revision.dataset.namespace,
        "name": revision.dataset.name,
        "revision": revision.revision,
        "version": revision.dataset.version_of(revision.manifest.hash),
        "manifest_hash": revision.manifest.hash,
        "kind": manifest.kind,
        "network": manifest.network,
        "start_block": manifest.start,
        "finalized_blocks_only": manifest.finalized_only,
        "tables": list(manifest.tables),
    }


def provider_object(record: ProviderRecord) -> Object:
    """Write a provider without its secrets; ``source`` says whether the store or a file has it."""
    return {
        "name": record.name,
        "source": "store" if record.file is None else "file",
        **{key: value for key, value in shown(record.config).items() if key != "source"},
    }
