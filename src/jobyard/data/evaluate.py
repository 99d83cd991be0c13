"""A table's query, answered by DataFusion for some blocks from the files of other tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.dataset as ds
from datafusion import SessionConfig, SessionContext

from jobyard.data.incremental import BLOCK
from jobyard.errors import TableNotMade

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobyard.data.incremental import Leaf
    from jobyard.data.plan import PlannedTable
    from jobyard.data.sources import SourceTable

_MISSING = ("FileNotFoundError", "No such file", "NOT_FOUND")
"""What errors say of a file that is not there, whoever tells of it."""


def evaluate(
    table: PlannedTable, sources: Mapping[Leaf, SourceTable], start: int, stop: int
) -> pa.RecordBatch:
    """Make the rows of blocks ``[start, stop)``, by block and then as the sources have them.

    Raises:
        FileNotFoundError: a file of a source is not where it was.
        TableNotMade: DataFusion cannot work with these rows.
    """
    context = SessionContext(SessionConfig())
    low = start if table.query.local else 0
    for leaf in table.query.leaves:
        context.register_dataset(leaf.name, _dataset(sources[leaf], low, stop))
    try:
        parts = context.sql(table.query.query(start, stop)).collect_partitioned()
    except Exception as error:
        text = str(error).removeprefix("DataFusion error: ")
        if any(word in text for word in _MISSING):
            raise FileNotFoundError(text) from error
        raise TableNotMade(table.name, text).at(start, stop) from error
    batches = [batch for part in parts for batch in part if batch.num_rows]
    if not batches:
        return pa.RecordBatch.from_pylist([], schema=table.schema)
    # What is planned never to be null may turn out to be, and the other way round.
    loose = pa.schema([one.with_nullable(True) for one in batches[0].schema])  # noqa: FBT003
    rows = pa.Table.from_batches([batch.cast(loose) for batch in batches])
    sorted_rows = rows.sort_by(BLOCK).cast(table.schema)
    return pa.concat_batches(sorted_rows.to_batches())


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
