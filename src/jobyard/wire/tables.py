"""Revisions of tables and their files as JSON; nulls are present, never omitted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobyard.clock import rfc3339
from jobyard.core.places import below

if TYPE_CHECKING:
    from jobyard.core.tables import TableFile, TableRevision

Object = dict[str, Any]


def url_of(place: str) -> str:
    """Write a folder or a file as a URL."""
    return place if "://" in place else Path(place).as_uri()


def table_revision_object(one: TableRevision) -> Object:
    """Write a revision; the numbers are of its canonical chain, whose blocks are inclusive."""
    namespace, _, name = one.of.dataset.partition("/")
    return {
        "id": one.id,
        "path": one.path,
        "url": url_of(one.path),
        "active": one.active,
        "writer": one.writer,
        "metadata": {
            "dataset_namespace": namespace,
            "dataset_name": name,
            "manifest_hash": one.of.manifest_hash,
            "table_name": one.of.table,
        },
        "start_block": one.start,
        "current_block": None if one.stop is None else one.stop - 1,
        "files_count": one.files,
        "total_size_bytes": one.size,
        "rows": one.rows,
        "created_at": rfc3339(one.created_at),
        "updated_at": rfc3339(one.updated_at),
    }


def table_file_object(one: TableFile) -> Object:
    """Write a file; blocks are inclusive, a retired one says since when and why."""
    return {
        "id": one.id,
        "location_id": one.revision_id,
        "file_name": one.name,
        "url": url_of(below(one.path, one.name)),
        "start_block": one.start,
        "end_block": one.stop - 1,
        "object_size": one.size,
        "rows": one.rows,
        "canonical": one.chained,
        "created_at": None if one.created_at is None else rfc3339(one.created_at),
        "retired_at": None if one.retired_at is None else rfc3339(one.retired_at),
        "reason": one.reason,
    }
