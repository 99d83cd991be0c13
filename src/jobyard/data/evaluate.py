"""A table's query, answered by DataFusion for some blocks from the files of other tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds
from datafusion import RuntimeEnvBuilder, SessionConfig, SessionContext

from jobyard.data.incremental import BLOCK
from jobyard.errors import TableNotMade

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from jobyard.data.incremental import Leaf
    from jobyard.data.plan import PlannedTable
    from jobyard.data.sources import SourceTable

_MISSING = ("FileNotFoundError", "No such file", "NOT_FOUND")
"""What errors say of a file that is not there, whoever tells of it."""


MOST_BYTES = 128 << 20
"""Bytes of rows that one evaluation may give; more blocks than that are taken in parts."""
WORKING = 1 << 30
"""Bytes that DataFusion may work with; what can be put on disk goes there before."""


class TooMuch(Exception):
    """Some blocks have more rows than are taken at once."""


def evaluate(
    table: PlannedTable, sources: Mapping[Leaf, SourceTable], start: int, stop: int
) -> pa.RecordBatch:
    """Make the rows of blocks ``[start, stop)``, by block and then as the sources have them.

    Raises:
        FileNotFoundError: a file of a source is not where it was.
        TooMuch: they are more than fit into memory; fewer blocks may do.
        TableNotMade: DataFusion cannot work with these rows.
    """
    runtime = RuntimeEnvBuilder().with_disk_manager_os().with_fair_spill_pool(WORKING)
    context = SessionContext(SessionConfig(), runtime)
    low = start if table.query.local else 0
    for leaf in table.query.leaves:
        context.register_dataset(leaf.name, _dataset(sources[leaf], low, stop))
    try:
        batches = list(_bounded(context.sql(table.query.query(start, stop)).execute_stream()))
    except TooMuch:
        raise
    except Exception as error:
        text = str(error).removeprefix("DataFusion error: ")
        if any(word in text for word in _MISSING):
            raise FileNotFoundError(text) from error
        raise TableNotMade(table.name, text).at(start, stop) from error
    if not batches:
        return pa.RecordBatch.from_pylist([], schema=table.schema)
    # What is planned never to be null may turn out to be, and the other way round.
    loose = pa.schema([one.with_nullable(True) for one in batches[0].schema])  # noqa: FBT003
    rows = pa.Table.from_batches([batch.cast(loose) for batch in batches])
    sorted_rows = rows.sort_by(BLOCK).cast(table.schema)
    return pa.concat_batches(sorted_rows.to_batches())


def _bounded(stream: Iterable[Any]) -> Iterator[pa.RecordBatch]:
    """Give the batches of a result that have rows.

    Raises:
        TooMuch: they are too large together.
    """
    size = 0
    for part in stream:
        batch = part.to_pyarrow()
        size += batch.nbytes
        if size > MOST_BYTES:
            raise TooMuch
        if batch.num_rows:
            yield batch


def _dataset(source: SourceTable, low: int, stop: int) -> ds.Dataset:
    """Open the files of a table that have some blocks."""
    files = source.files(low, stop)
    folder = source.folder
    if not files:
        # None of its blocks is among them; any file tells the columns.
        one = ds.dataset(f"{folder.path}/{source.chain[0].name}", filesystem=folder.filesystem)
        return ds.dataset(one.schema.empty_table())
    paths = [f"{folder.path}/{file.name}" for file in files]
    return ds.dataset(paths, format="parquet", filesystem=folder.filesystem)
