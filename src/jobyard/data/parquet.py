"""Writing the files of one table: Parquet, bounded in memory, published whole.

Rows wait until they make a row group, which is then encoded and written beside the decoding of the
next; a file ends when it is full or when the chain was reorganised under it, so a file is always
one valid piece of the chain.
"""

from __future__ import annotations

from concurrent import futures
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobyard import clock, ids
from jobyard.chain.tables import Kind, Table, arrow_schema
from jobyard.core.segments import Segment
from jobyard.data.footer import describe

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jobyard.core.layout import FileLayout
    from jobyard.data.folder import DataFolder, Unpublished
    from jobyard.data.footer import Extent

BLOOM_FALSE_POSITIVES = 0.01
MEBIBYTE = 1 << 20
SMALL = 64 << 10
"""Bytes below which a batch is small."""
JOINED = 32
"""Small batches that wait one by one; so many are joined."""
_PRESS = futures.ThreadPoolExecutor(1, "parquet")
"""Writes the row groups of all tables, one at a time: faster than they are decoded, and without
Python's lock, so that another core can do it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How files are laid out.

    ``row_group_bytes`` are of Arrow memory; a writer holds two row groups at most, one that is
    written and one that is gathered. ``file_bytes`` are of the file and may be exceeded by two.
    Row groups of fewer rows than ``sought_from_rows`` get no Bloom filters: they would be larger
    than what they spare.
    ``time_unit`` is that of timestamps in files: Spark reads no nanoseconds, and blocks are made
    at whole seconds.
    """

    row_group_bytes: int = 16 * MEBIBYTE
    file_bytes: int = 256 * MEBIBYTE
    file_blocks: int = 1_000_000
    compression: str = "zstd"
    compression_level: int | None = 1
    sought_from_rows: int = 10_000
    time_unit: str = "us"


DEFAULT_LAYOUT = Layout()


def layout_of(files: FileLayout) -> Layout:
    """Lay files out as a job has it."""
    codec, level = files.codec
    return Layout(
        row_group_bytes=files.row_group_bytes,
        file_bytes=files.file_bytes,
        file_blocks=files.file_blocks,
        compression=codec,
        compression_level=level,
    )


@dataclass(frozen=True, slots=True)
class Published:
    """A file that is there now."""

    table: str
    segment: Segment
    extent: Extent
    rows: int


@dataclass(frozen=True, slots=True)
class Origin:
    """What a file was made of: files in the order of the chain, the newest of ``created_at``."""

    parents: Sequence[str]
    generation: int
    created_at: int


@dataclass(frozen=True, slots=True)
class MadeTable(Table):
    """A table that is made by a query: its columns are those of the result, not a chain's."""

    schema: pa.Schema = field(default_factory=lambda: pa.schema([]))

    @classmethod
    def of(cls, name: str, schema: pa.Schema) -> MadeTable:
        """Describe a table; all columns that are one value get dictionaries."""
        plain = frozenset(one.name for one in schema if not pa.types.is_nested(one.type))
        return cls(name, "", (), coded=plain, schema=schema)


def _comparable(schema: pa.Schema) -> list[str]:
    """Name the columns of which the least and the greatest value may tell something."""
    opaque = (pa.types.is_nested, pa.types.is_binary, pa.types.is_fixed_size_binary)
    return [one.name for one in schema if not any(test(one.type) for test in opaque)]


def _bounded(table: Table) -> list[str]:
    """Name the columns whose least and greatest values tell a reader what it may pass over.

    Those of hashes and byte strings tell nothing, unless a row group holds few different ones.
    """
    if isinstance(table, MadeTable):
        return _comparable(table.schema)
    blind = (Kind.BYTES, Kind.BYTES20, Kind.BYTES32)
    return [
        column.name
        for column in table.columns
        if isinstance(column.kind, Kind)
        and (column.kind not in blind or column.name in table.coded)
    ]


def stored_schema(table: Table, layout: Layout = DEFAULT_LAYOUT) -> pa.Schema:
    """Make the schema of a table's files: the table's own, where readers in use can read it.

    pandas reads no lists of fixed-size bytes; they are kept as byte strings.
    """
    if isinstance(table, MadeTable):
        return table.schema
    return pa.schema(
        [field.with_type(stored_type(field.type, layout)) for field in arrow_schema(table)]
    )


def stored_type(kind: pa.DataType, layout: Layout = DEFAULT_LAYOUT) -> pa.DataType:
    """Tell the type that files have in place of one that not all readers can read."""
    if pa.types.is_timestamp(kind):
        return pa.timestamp(layout.time_unit, kind.tz)
    if pa.types.is_list(kind):
        item = kind.value_field
        if pa.types.is_fixed_size_binary(item.type):
            return pa.list_(item.with_type(pa.binary()))
        return pa.list_(item.with_type(stored_type(item.type, layout)))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(stored_type(field.type, layout)) for field in kind])
    return kind


class TableWriter:
    """Writes the rows of one table, in the order of the chain, into files of a folder."""

    def __init__(
        self, table: Table, folder: DataFolder, network: str, layout: Layout = DEFAULT_LAYOUT
    ) -> None:
        """Begin without a file."""
        self.table = table
        self._folder = folder
        self._network = network
        self._layout = layout
        self._schema = stored_schema(table, layout)
        self._small: list[pa.RecordBatch] = []
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_bytes = 0
        self._rows = 0
        self._extent: Extent | None = None
        self._file: Unpublished | None = None
        self._parquet: pq.ParquetWriter | None = None
        self._writing: futures.Future[None] | None = None
        self._size = 0
        self._created_at = 0

    @property
    def schema(self) -> pa.Schema:
        """Tell the Arrow schema of its rows."""
        return self._schema

    @property
    def extent(self) -> Extent | None:
        """Tell which blocks the file in hand covers; None when there is none."""
        return self._extent

    def write(self, batch: pa.RecordBatch, extent: Extent) -> list[Published]:
        """Take the rows of some blocks; return files that were completed by that.

        Raises:
            OSError: the folder cannot be written, or the disk is full.

        """
        done = []
        if self._extent is not None and not extent.follows(self._extent):
            done += self.close()
        if self._extent is None:
            self._begin(extent)
        else:
            self._extent = self._extent.joined(extent)
        if batch.num_rows:
            self._keep(batch)
        if self._waiting_bytes >= self._layout.row_group_bytes:
            self._flush()
        if self._is_full():
            done += self.close()
        return done

    def rewrite(
        self, batches: Iterable[pa.RecordBatch], extent: Extent, origin: Origin
    ) -> Published:
        """Publish one file of rows that are in others already, however large it becomes.

        Raises:
            OSError: it cannot be written; nothing is left of it.
        """
        file = self._begin(extent)
        self._created_at = origin.created_at
        try:
            for batch in batches:
                self._keep(batch)
                if self._waiting_bytes >= self._layout.row_group_bytes:
                    self._flush()
            return self._publish(file, extent, origin)
        except BaseException:
            self.discard()
            raise

    def close(self) -> list[Published]:
        """Publish the file in hand, if there is one; a file without rows still covers blocks.

        Raises:
            OSError: it cannot be written; nothing is left of it.

        """
        if self._extent is None or self._file is None:
            return []
        try:
            return [self._publish(self._file, self._extent)]
        except BaseException:
            self.discard()
            raise

    def _publish(
        self, file: Unpublished, extent: Extent, origin: Origin | None = None
    ) -> Published:
        self._flush()
        self._settle()
        writer = self._parquet or self._open_parquet(0)
        name = self.table.name
        about = describe(
            name,
            file.name,
            self._network,
            extent,
            self._created_at,
            generation=origin.generation if origin else 0,
            parents=origin.parents if origin else (),
        )
        writer.add_key_value_metadata(about)
        writer.close()
        size = file.publish()
        segment = Segment(
            file.name,
            self._network,
            extent.start,
            extent.stop,
            extent.hash,
            extent.prev_hash,
            self._created_at,
            size,
        )
        published = Published(name, segment, extent, self._rows)
        self._forget()
        return published

    def discard(self) -> None:
        """Leave nothing of the file in hand."""
        if self._writing is not None:
            futures.wait([self._writing])
        if self._parquet is not None:
            self._parquet.is_open = False  # its footer is not wanted
        if self._file is not None:
            self._file.discard()
        self._forget()

    def _begin(self, extent: Extent) -> Unpublished:
        self._file = self._folder.create(f"{extent.start:09}-{ids.session()}.parquet")
        self._created_at = clock.now_us()
        self._extent = extent
        return self._file

    def _is_full(self) -> bool:
        if self._extent is None or self._file is None:
            return False
        blocks = self._extent.stop - self._extent.start
        return blocks >= self._layout.file_blocks or self._size >= self._layout.file_bytes

    def _flush(self) -> None:
        """Have what waits written as one row group, when the one before is."""
        self._join()
        if not self._waiting:
            return
        rows = pa.Table.from_batches(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        self._settle()
        writer = self._parquet or self._open_parquet(rows.num_rows)
        self._writing = _PRESS.submit(self._print, writer, rows)

    def _print(self, writer: pq.ParquetWriter, rows: pa.Table) -> None:
        writer.write_table(rows.cast(self._schema), row_group_size=rows.num_rows)

    def _settle(self) -> None:
        """Wait for the row group that is being written; raise what went wrong with it."""
        writing, self._writing = self._writing, None
        if writing is not None and self._file is not None:
            writing.result()
            self._size = self._file.size

    def _keep(self, batch: pa.RecordBatch) -> None:
        """Let rows wait; small batches are joined, as each has kilobytes of its own beside them."""
        size = batch.nbytes
        self._waiting_bytes += size
        self._rows += batch.num_rows
        if size < SMALL:
            self._small.append(batch)
            if len(self._small) >= JOINED:
                self._join()
        else:
            self._join()
            self._waiting.append(batch)

    def _join(self) -> None:
        if self._small:
            self._waiting.append(pa.concat_batches(self._small))
            self._small.clear()

    def _open_parquet(self, rows: int) -> pq.ParquetWriter:
        if self._file is None:
            raise AssertionError("no file is in hand")
        layout, table = self._layout, self.table
        blooms: dict[str, Any] = {}
        if rows >= layout.sought_from_rows:
            # The first row group tells how many rows the others will have.
            blooms = {
                name: {"ndv": rows // sharing, "fpp": BLOOM_FALSE_POSITIVES}
                for name, sharing in table.sought
            }
        self._parquet = pq.ParquetWriter(
            self._file.stream,
            self._schema,
            compression=layout.compression,
            compression_level=layout.compression_level,
            use_dictionary=sorted(table.coded),
            write_statistics=_bounded(table),
            write_page_index=True,
            write_page_checksum=True,
            sorting_columns=[pq.SortingColumn(0)],
            bloom_filter_options=blooms or None,
        )
        return self._parquet

    def _forget(self) -> None:
        self._small.clear()
        self._waiting.clear()
        self._waiting_bytes = self._rows = self._size = 0
        self._extent = self._file = self._parquet = self._writing = None
