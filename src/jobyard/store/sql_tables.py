"""Tables over any database: each promise is one transaction run by the database's driver."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from jobyard.store.transactions import compaction, segments, sources

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
    from jobyard.store.query import Driver
    from jobyard.store.tables import TableName


class SqlTables:
    """Keeps the promises of ``Tables`` (tables.py) with a driver's named queries."""

    _driver: Driver

    async def open_tables(
        self, session: str, attempt_id: int, job_id: int, extract: Extract, wishes: Sequence[Wish]
    ) -> list[Opened]:
        """Make a job the one writer of its tables."""
        step = partial(segments.open_tables, session, attempt_id, job_id, extract, wishes)
        return await self._driver.write(step)

    async def active_path(self, extract: Extract, table: str) -> str | None:
        """Tell where the active revision of a table lies."""
        return await self._driver.write(partial(segments.active_path, extract, table))

    async def restore(
        self,
        extract: Extract,
        table: str,
        path: str,
        found: Sequence[tuple[Segment, int]],
        delay_us: int,
    ) -> list[str] | None:
        """Make what lies in a folder the active revision of a table that has none."""
        step = partial(segments.restore, extract, table, path, found, delay_us)
        return await self._driver.write(step, durable=True)

    async def lacking(
        self, job_id: int, wanted: Span, mine: Share | None = None
    ) -> dict[str, Lacking]:
        """Find what each table of a job lacks of the blocks that are wanted, or of a share."""
        return await self._driver.read(partial(segments.lacking, job_id, wanted, mine))

    async def gaps(self, job_id: int, wanted: Span, most: int) -> dict[str, Gaps]:
        """Find the first gaps of each table of a job."""
        return await self._driver.read(partial(segments.gaps, job_id, wanted, most))

    async def table_files(self, job_id: int, table: str) -> list[tuple[str, int, int, int]]:
        """List the files of a job's table."""
        return await self._driver.read(partial(segments.files, job_id, table))

    async def retired_names(self, job_id: int, table: str) -> list[str]:
        """Name the files of a job's table that are not part of it any more."""
        return await self._driver.read(partial(segments.retired, job_id, table))

    async def publish(
        self, session: str, attempt_id: int, job_id: int, publication: Publication, delay_us: int
    ) -> list[str]:
        """Make a file part of its table."""
        step = partial(segments.publish, session, attempt_id, job_id, publication, delay_us)
        return await self._driver.write(step)

    async def chain_part(self, job_id: int, table: str, start: int) -> ChainPart:
        """Read a page of a table's chain."""
        return await self._driver.read(partial(compaction.chain_part, job_id, table, start))

    async def compact(
        self,
        session: str,
        attempt_id: int,
        job_id: int,
        merger: Merger,
        layout: FileLayout,
        delay_us: int,
    ) -> list[str] | None:
        """Put one file in the place of others."""
        fence = (session, attempt_id, job_id)
        return await self._driver.write(
            partial(compaction.compact, *fence, merger, layout, delay_us)
        )

    async def count_cost(self, session: str, attempt_id: int, job_id: int, cost: Cost) -> None:
        """Add what reading has cost."""
        await self._driver.write(partial(segments.count_cost, session, attempt_id, job_id, cost))

    async def note_failure(self, session: str, attempt_id: int, job_id: int, failure: str) -> None:
        """Keep what a program says of why it fails."""
        step = partial(segments.note_failure, session, attempt_id, job_id, failure)
        await self._driver.write(step)

    async def extraction(self, job_id: int) -> Extraction | None:
        """Read what an extraction has done."""
        return await self._driver.read(partial(segments.read, job_id))

    async def source(self, table: TableName) -> Source:
        """Tell how far a table is that others are made of."""
        return await self._driver.read(partial(sources.source, table))

    async def source_segments(
        self, table: TableName, revision: int, below: int, limit: int
    ) -> list[Segment] | None:
        """List segments of a table's chain that begin below a block."""
        step = partial(sources.source_segments, table, revision, below, limit)
        return await self._driver.read(step)
