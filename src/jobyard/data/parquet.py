"""Writing the files of one table: Parquet, bounded in memory, published whole.

Rows wait until they make a row group; a file ends when it is full or when the chain was reorganised
under it, so a file is always one valid piece of the chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobyard import clock, ids
from jobyard.chain.tables import Kind, arrow_schema
from jobyard.core.segments import Segment
from jobyard.data.footer import describe

if TYPE_CHECKING:
    from jobyard.chain.tables import Table
    from jobyard.data.folder import DataFolder, Unpublished
    from jobyard.data.footer import Extent

BLOOM_FALSE_POSITIVES = 0.01
MEBIBYTE = 1 << 20
SMALL = 64 << 10
"""Bytes below which a batch is small."""
JOINED = 32
"""Small batches that wait one by one; so many are joined."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How files are laid out.

    ``row_group_bytes`` are of Arrow memory, which is what a writer holds at most; ``file_bytes``
    are of the file and may be exceeded by one row group. Row groups of fewer rows than
    ``sought_from_rows`` get no Bloom filters: they would be larger than what they spare.
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


@dataclass(frozen=True, slots=True)
class Published:
    """A file that is there now."""

    table: str
    segment: Segment
    extent: Extent
    rows: int


def _bounded(table: Table) -> list[str]:
    """Name the columns whose least and greatest values tell a reader what it may pass over.

    Those of hashes and byte strings tell nothing, unless a row group holds few different ones.
    """
    blind = (Kind.BYTES, Kind.BYTES20, Kind.BYTES32)
    return [
        column.name
        for column in table.columns
        if isinstance(column.kind, Kind)
        and (column.kind not in blind or column.name in table.coded)
    ]


def _comparable(schema: pa.Schema) -> list[str]:
    """Name the columns of which the least and the greatest value may tell something."""
    opaque = (pa.types.is_nested, pa.types.is_binary, pa.types.is_fixed_size_binary)
    return [one.name for one in schema if not any(test(one.type) for test in opaque)]


def stored_schema(table: Table, layout: Layout = DEFAULT_LAYOUT) -> pa.Schema:
    """Make the schema of a table's files: the table's own, where readers in use can read it.

    pandas reads no lists of fixed-size bytes; they are kept as byte strings.
    """
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
        self,
        table: Table,
        folder: DataFolder,
        network: str,
        layout: Layout = DEFAULT_LAYOUT,
        schema: pa.Schema | None = None,
    ) -> None:
        """Begin without a file; ``schema`` is given where a table's columns are no chain's."""
        self.table = table
        self._bounded = _bounded(table) if schema is None else _comparable(schema)
        self._folder = folder
        self._network = network
        self._layout = layout
        self._schema = stored_schema(table, layout) if schema is None else schema
        self._small: list[pa.RecordBatch] = []
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_bytes = 0
        self._rows = 0
        self._extent: Extent | None = None
        self._file: Unpublished | None = None
        self._parquet: pq.ParquetWriter | None = None
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

    def _publish(self, file: Unpublished, extent: Extent) -> Published:
        self._flush()
        writer = self._parquet or self._open_parquet(0)
        name = self.table.name
        about = describe(name, file.name, self._network, extent, self._created_at)
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
        if self._parquet is not None:
            self._parquet.is_open = False  # its footer is not wanted
        if self._file is not None:
            self._file.discard()
        self._forget()

    def _begin(self, extent: Extent) -> None:
        self._file = self._folder.create(f"{extent.start:09}-{ids.session()}.parquet")
        self._created_at = clock.now_us()
        self._extent = extent

    def _is_full(self) -> bool:
        if self._extent is None or self._file is None:
            return False
        blocks = self._extent.stop - self._extent.start
        return blocks >= self._layout.file_blocks or self._file.size >= self._layout.file_bytes

    def _flush(self) -> None:
        """Write what waits as one row group."""
        self._join()
        if not self._waiting:
            return
        rows = pa.Table.from_batches(self._waiting).cast(self._schema)
        self._waiting.clear()
        self._waiting_bytes = 0
        writer = self._parquet or self._open_parquet(rows.num_rows)
        writer.write_table(rows, row_group_size=rows.num_rows)

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
            write_statistics=self._bounded,
            write_page_index=True,
            write_page_checksum=True,
            sorting_columns=[pq.SortingColumn(0)],
            bloom_filter_options=blooms or None,
        )
        return self._parquet

    def _forget(self) -> None:
        self._small.clear()
        self._waiting.clear()
        self._waiting_bytes = 0
        self._rows = 0
        self._extent = self._file = self._parquet = None
