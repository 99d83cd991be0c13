"""What a store promises of the tables that extractions write: revisions, segments, progress.

The rest of its promises is in ``base.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.core.compaction import ChainPart, Merger
    from jobyard.core.derived import Source
    from jobyard.core.extract import Extract
    from jobyard.core.extraction import (
        Cost,
        Extraction,
        Gaps,
        Lacking,
        Opened,
        Publication,
        Wish,
    )
    from jobyard.core.layout import FileLayout
    from jobyard.core.ranges import Span
    from jobyard.core.segments import Segment
    from jobyard.core.shares import Share


TableName = tuple[str, str, str]
"""A dataset as ``namespace/name``, the hash of its manifest, and one of its tables."""


class Tables(Protocol):
    """Tables by the dataset that they are of; each has one writer at a time."""

    async def open_tables(
        self, session: str, attempt_id: int, job_id: int, extract: Extract, wishes: Sequence[Wish]
    ) -> list[Opened]:
        """Make a job the one writer of the active revisions of its tables, made if need be.

        Raises:
            LeaseLost: the worker does not speak for this attempt.
            ActiveWriter: another job that is not over writes one of the tables.
        """

    async def active_path(self, extract: Extract, table: str) -> str | None:
        """Tell where the active revision of a table lies; None when it has none."""

    async def restore(
        self,
        extract: Extract,
        table: str,
        path: str,
        found: Sequence[tuple[Segment, int]],
        delay_us: int,
    ) -> list[str] | None:
        """Make what lies in a folder the active revision of a table that has none.

        ``found`` are the folder's files, with the number of rows of each. None when the table has
        a revision, which it keeps; else the names of the files that others take the place of.
        """

    async def lacking(
        self, job_id: int, wanted: Span, mine: Share | None = None
    ) -> dict[str, Lacking]:
        """Find what each table of a job lacks of the blocks that are wanted.

        All of it, or of a writer's share the lowest, the same blocks of all tables: what is above
        is told when that is there.

        The cost depends on the files beside the canonical chain, not on those in it.
        """

    async def gaps(self, job_id: int, wanted: Span, most: int) -> dict[str, Gaps]:
        """Find the first ``most`` gaps of each table of a job that begin among the wanted blocks.

        A gap ends where blocks are; what is missing above the highest of them is none. The cost
        depends on the files beside the canonical chain, not on those in it.
        """

    async def table_files(self, job_id: int, table: str) -> list[tuple[str, int, int, int]]:
        """List the files of a job's table: name, size, first block and the one behind the last."""

    async def retired_names(self, job_id: int, table: str) -> list[str]:
        """Name the files of a job's table that are not part of it any more, nor collected yet."""

    async def publish(
        self, session: str, attempt_id: int, job_id: int, publication: Publication, delay_us: int
    ) -> list[str]:
        """Make a file part of its table, and tell which files are not part of it any more.

        The same file twice counts once. A file of the very same blocks is not needed: its own name
        is the answer, and its writer removes it. Other names are of files that it takes the place
        of: they are retired, to be collected after the delay.

        Raises:
            LeaseLost: the worker does not speak for this attempt.
            Unusable: the job does not write this table.
        """

    async def chain_part(self, job_id: int, table: str, start: int) -> ChainPart:
        """Read a page of the canonical chain of a job's table, from a block on.

        Raises:
            Unusable: the job does not write this table.
        """

    async def compact(
        self,
        session: str,
        attempt_id: int,
        job_id: int,
        merger: Merger,
        layout: FileLayout,
        delay_us: int,
    ) -> list[str] | None:
        """Put one file in the place of others of the chain, which are retired; tell their names.

        Neither the chain's ends nor its hashes nor its rows change by that. None, and nothing
        done, when the others are not exactly what the file was made of, or are not cold.

        Raises:
            LeaseLost: the worker does not speak for this attempt.
            Unusable: the job does not write this table.
        """

    async def count_cost(self, session: str, attempt_id: int, job_id: int, cost: Cost) -> None:
        """Add what reading has cost to a job's sums.

        Raises:
            LeaseLost: the worker does not speak for this attempt.
        """

    async def note_failure(self, session: str, attempt_id: int, job_id: int, failure: str) -> None:
        """Keep what a program says of why it fails, as JSON.

        Raises:
            LeaseLost: the worker does not speak for this attempt.
        """

    async def extraction(self, job_id: int) -> Extraction | None:
        """Read what an extraction job has done and how far its tables are.

        None when the job is none, or has done nothing yet; the cost depends on the number of its
        tables alone.
        """

    async def source(self, table: TableName) -> Source:
        """Tell how far a table is that others are made of; the cost is always the same."""

    async def source_segments(
        self, table: TableName, revision: int, below: int, limit: int
    ) -> list[Segment] | None:
        """List segments of a table's chain that begin below a block, the last one first.

        None when the table has another active revision. The cost depends on ``limit`` alone.
        """
