"""Tables as they are kept: revisions, and the files of each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TableOf:
    """A table of a dataset's revision, which has one manifest; ``dataset`` is its full name."""

    dataset: str
    manifest_hash: str
    table: str
    network: str = ""


@dataclass(frozen=True, slots=True)
class TableRevision:
    """One generation of a table, in a folder of its own; times are microseconds since 1970.

    ``[start, stop)`` is its canonical chain, None while there is none; ``files``, ``size`` and
    ``rows`` are of that chain.
    """

    id: int
    path: str
    of: TableOf
    active: bool
    writer: int | None
    created_at: int
    updated_at: int
    start: int | None
    stop: int | None
    files: int
    size: int
    rows: int


@dataclass(frozen=True, slots=True)
class TableFile:
    """A file of a revision, blocks ``[start, stop)``; ``rows`` and ``created_at`` of none retired.

    ``chained`` tells whether it is part of the canonical chain. A retired one has ``retired_at``
    and a ``reason``.
    """

    id: int
    revision_id: int
    path: str
    name: str
    start: int
    stop: int
    size: int
    rows: int | None = None
    created_at: int | None = None
    chained: bool = False
    retired_at: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RetiredFile:
    """A file that was part of a table, in the folder ``path``, and is to be removed."""

    id: int
    path: str
    name: str
