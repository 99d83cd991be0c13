"""Joining small files of a table's chain into larger ones, row by row and bounded in memory.

`core.compaction` says which; the store has the last word, under the attempt's fence. The new file
is there before it takes the place of the others. Whatever goes wrong with that is no reason to end
an extraction: the small files are as good as the large one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jobyard import log
from jobyard.chain.rows import numbers
from jobyard.core.compaction import plan
from jobyard.data.footer import Extent
from jobyard.data.parquet import Origin, TableWriter, layout_of, stored_schema
from jobyard.data.reading import DataFile
from jobyard.errors import DataFileDamaged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from jobyard.chain.tables import Table
    from jobyard.core.layout import FileLayout
    from jobyard.core.segments import Segment
    from jobyard.data.extract import Folders
    from jobyard.data.folder import DataFolder
    from jobyard.data.link import Link
    from jobyard.data.parquet import Published


class Interrupted(Exception):
    """Whoever joins files is to stop."""


class Compaction:
    """Joins the small files of one writer's tables, one group at a time."""

    def __init__(
        self,
        link: Link,
        folders: Folders,
        tables: Sequence[Table],
        layout: FileLayout,
        *,
        is_mine: Callable[[Segment], bool],
        stopping: Callable[[], bool],
    ) -> None:
        """Join what ``is_mine``, until ``stopping``."""
        self._link = link
        self._folders = folders
        self._layout = layout
        self._is_mine = is_mine
        self._stopping = stopping
        self._from = dict.fromkeys(tables, 0)
        self._left: set[str] = set()

    async def step(self) -> bool:
        """Join one group; tell whether there may be more.

        Raises:
            ChannelError: the worker does not answer.
        """
        for table in self._from:
            while not self._stopping():
                group, more = await self._next(table)
                if group:
                    await self._join(table, group)
                    return True
                if not more:
                    break
        return False

    async def _next(self, table: Table) -> tuple[Sequence[Segment], bool]:
        """Find the next group of a table; tell also whether its chain goes on behind it."""
        start = self._from[table]
        part = await self._link.chain(table.name, start)
        found = plan(
            part.segments,
            self._layout,
            now=part.now,
            head=part.head,
            is_mine=lambda one: one.name not in self._left and self._is_mine(one),
        )
        if found.groups:
            self._from[table] = min(found.resume, found.groups[0][0].start)
            return found.groups[0], True
        self._from[table] = max(start, found.resume)
        if part.more and found.resume <= start:
            # A whole page that nothing can be made of: go on behind it.
            self._from[table] = part.segments[-1].start
        return (), part.more

    async def _join(self, table: Table, group: Sequence[Segment]) -> None:
        folder = self._folders.below(table.name)
        try:
            done = await asyncio.to_thread(self._write, table, folder, group)
        except Interrupted:
            return
        except (DataFileDamaged, OSError) as error:
            self._leave(table, group, str(error))
            return
        parents = [one.name for one in group]
        gone = await self._link.compact(done, parents)
        if gone is None:
            await asyncio.to_thread(folder.remove, done.segment.name)
            self._leave(table, group, "they are not part of the chain as they were")
            return
        for name in gone:
            await asyncio.to_thread(folder.retire, name)
        log.info(
            "joined small files", table=table.name, files=len(gone), into=done.segment.name,
            rows=done.rows,
        )  # fmt: skip

    def _leave(self, table: Table, group: Sequence[Segment], cause: str) -> None:
        """Do not try these again."""
        self._left.update(one.name for one in group)
        log.warning(
            "small files are not joined", table=table.name, first=group[0].name,
            files=len(group), cause=cause,
        )  # fmt: skip

    def _write(self, table: Table, folder: DataFolder, group: Sequence[Segment]) -> Published:
        files = [_read(folder, one) for one in group]
        extents = [file.about.extent for file in files]
        extent = Extent(
            extents[0].start,
            extents[-1].stop,
            extents[0].prev_hash,
            extents[-1].hash,
            extents[-1].timestamp,
        )
        origin = Origin(
            [file.name for file in files],
            1 + max(file.about.generation for file in files),
            max(file.about.segment.created_at for file in files),
        )
        layout = layout_of(self._layout)
        writer = TableWriter(table, folder, group[0].network, layout)
        schema = stored_schema(table, layout)
        return writer.rewrite(self._rows(files, schema), extent, origin)

    def _rows(self, files: Sequence[DataFile], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Give the rows of files in their order; what is not as it should be is an error."""
        for file in files:
            if not file.schema().equals(schema):
                raise DataFileDamaged(file.name, "its columns are those of another version")
            last = file.about.extent.start
            for batch in file.batches():
                if self._stopping():
                    raise Interrupted
                found = numbers(batch.column("_block_num"))
                if not len(found):
                    continue
                if found[0] < last or (found[1:] < found[:-1]).any():
                    raise DataFileDamaged(file.name, "rows are not in the order of the chain")
                last = int(found[-1])
                yield batch
            if last >= file.about.extent.stop:
                raise DataFileDamaged(file.name, "rows are outside of the blocks that it covers")


def _read(folder: DataFolder, segment: Segment) -> DataFile:
    """Open a file of the chain.

    Raises:
        DataFileDamaged: it says something else of itself than the store does.
    """
    file = DataFile.read(folder, segment.name, segment.size)
    told = file.about.segment
    if (told.start, told.stop, told.hash, told.prev_hash) != (
        segment.start,
        segment.stop,
        segment.hash,
        segment.prev_hash,
    ):
        raise DataFileDamaged(segment.name, "it is of other blocks than the table says")
    return file
