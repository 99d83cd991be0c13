"""What is known of an extraction: the tables that it writes, how far they are, what it cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobyard.core.ranges import Span
    from jobyard.core.segments import Segment


@dataclass(frozen=True, slots=True)
class Wish:
    """A table that a job wants to write; ``path`` is where it would begin a new revision."""

    table: str
    path: str


@dataclass(frozen=True, slots=True)
class Opened:
    """The revision that a job writes as one of its tables."""

    table: str
    path: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What reading has cost since it was last told, and the newest block that was seen."""

    requests: int = 0
    retries: int = 0
    bytes_fetched: int = 0
    head: int | None = None


@dataclass(frozen=True, slots=True)
class TableProgress:
    """How far a table is: its canonical chain ``[start, stop)``, None while there is none."""

    table: str
    path: str
    start: int | None
    stop: int | None
    files: int
    size: int
    rows: int


@dataclass(frozen=True, slots=True)
class Lacking:
    """What a table lacks of the blocks that are wanted: all, or the lowest of one writer's share.

    ``repairs`` are covered, but by files that do not belong together: the chain was reorganised
    between them. ``known`` are the ends of its newest segments as (last block, hash), ascending: a
    source compares them with its chain.
    """

    spans: Sequence[Span]
    repairs: Sequence[Span] = ()
    known: Sequence[tuple[int, str]] = ()


@dataclass(frozen=True, slots=True)
class Gaps:
    """Blocks that a table lacks below the highest that it has: the first gaps, and how many.

    ``beyond`` is the contiguous range that begins with the first block wanted, where that lies
    above the end of the table's chain.
    """

    spans: Sequence[Span] = ()
    count: int = 0
    beyond: TableProgress | None = None


@dataclass(frozen=True, slots=True)
class Extraction:
    """What an extraction job has found out and done so far."""

    stop: int | None = None
    head: int | None = None
    blocks: int = 0
    """Blocks published by this job, those of each table counted."""
    requests: int = 0
    retries: int = 0
    bytes_fetched: int = 0
    failure: str | None = None
    """JSON of the last error that a program told."""
    tables: Mapping[str, TableProgress] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TakenOut:
    """Files that are not part of a table any more; they lie in the folder ``path``."""

    table: str
    path: str
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A damaged file that is not part of its table any more, and the blocks that it had."""

    dataset: str
    manifest_hash: str
    table: str
    name: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Rematerialized:
    """The job that extracts some blocks once more, and what it finds missing."""

    job_id: int
    span: Span
    taken: Sequence[TakenOut]
    is_new: bool


@dataclass(frozen=True, slots=True)
class Publication:
    """A file that is to become part of its table, with what fetching it cost."""

    table: str
    segment: Segment
    rows: int
    cost: Cost = Cost()
