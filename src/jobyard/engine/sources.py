"""What programs of derived datasets are told of the tables that they read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobyard.core.derived import SELF
from jobyard.errors import InvalidRequest

if TYPE_CHECKING:
    from jobyard.core.extract import Extract
    from jobyard.engine.extraction import Asked
    from jobyard.store.base import Store
    from jobyard.store.tables import TableName

PAGE = 2000
"""Segments that one answer tells of: less than half a megabyte of JSON."""


async def sources(store: Store, asked: Asked) -> Any:
    """Tell how far the tables are that a program asks for."""
    told = []
    for alias, table in asked.get("tables", list):
        one = await store.source(_name(asked.extract, alias, table))
        told.append(
            {
                "alias": alias,
                "table": table,
                "revision": one.revision,
                "path": one.path,
                "network": one.network,
                "start": one.start,
                "stop": one.stop,
                "hash": one.hash,
                "files": one.files,
                "changed_at": one.changed_at,
                "active": one.active,
            }
        )
    return {"sources": told}


async def links(store: Store, asked: Asked) -> Any:
    """List the files of a table's chain below a block, the last one first, as many as fit."""
    name = _name(asked.extract, asked.get("alias", str), asked.get("table", str))
    revision, below = asked.get("revision", int), asked.get("below", int)
    found = await store.source_segments(name, revision, below, PAGE)
    if found is None:
        return {"segments": None}
    return {
        "segments": [
            (one.name, one.start, one.stop, one.hash, one.prev_hash, one.size) for one in found
        ]
    }


def _name(extract: Extract, alias: str, table: str) -> TableName:
    """Find what a program may read: its own tables, and those of its dataset's dependencies."""
    if alias == SELF and table in extract.tables:
        return extract.dataset, extract.manifest_hash, table
    origin = extract.derived.origin(alias) if extract.derived is not None else None
    if origin is None or table not in origin.tables:
        raise InvalidRequest(f"{extract.dataset} is not made of `{alias}.{table}`")
    return origin.dataset, origin.manifest_hash, table
