"""SQL over tables as they lie, in folders, object stores or of datasets, answered by DataFusion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobyard.core.places import is_address
from jobyard.data.folder import DataFolder
from jobyard.data.places import Kept, tables_below
from jobyard.errors import InvalidQuery, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from datafusion import SessionContext
    from pyarrow.dataset import Dataset


def answer(sql: str, places: Sequence[tuple[str | None, str | Sequence[Kept]]]) -> pa.Table:
    """Answer a query; ``places`` are folders of tables or tables, in a schema if it has a name.

    Raises:
        NotFound: there is no table in any of them.
        InvalidQuery: the query is wrong; says what DataFusion says.
    """
    import pyarrow as pa
    from datafusion import SessionConfig, SessionContext, SQLOptions

    config = SessionConfig().with_information_schema(enabled=True)
    # A table's files lie in folders below it, one for each revision.
    config = config.set("datafusion.execution.listing_table_ignore_subdirectory", "false")
    context = SessionContext(config)
    count = 0
    for schema, place in places:
        if schema is not None:
            context.sql(f'CREATE SCHEMA "{schema}"')
        count += _register(context, schema, place)
    if not count:
        named = ", ".join(place for _, place in places if isinstance(place, str))
        raise NotFound(f"there are no tables below {named}")
    try:
        # Whoever may ask may not write: no COPY, no CREATE, no SET.
        only_reading = SQLOptions()
        for allow in ("ddl", "dml", "statements"):
            only_reading = getattr(only_reading, f"with_allow_{allow}")(False)  # noqa: FBT003
        found = context.sql_with_options(sql, only_reading)
        batches = found.collect()
        # What is planned to be null may turn out not to be, and the other way round.
        return pa.Table.from_batches(batches) if batches else found.schema().empty_table()
    except Exception as error:
        raise InvalidQuery(str(error).removeprefix("DataFusion error: ")) from error


def _register(context: SessionContext, schema: str | None, place: str | Sequence[Kept]) -> int:
    """Make tables known; tell how many."""
    into = context.catalog().schema("public" if schema is None else schema)
    count = 0
    if not isinstance(place, str):
        for one in place:
            into.register_table(one.table, _dataset(one.folder, list(one.files)))
            count += 1
        return count
    for name, path in tables_below(place):
        if is_address(path):
            into.register_table(name, _dataset(DataFolder.at(path)))
        else:
            full = f'"{name}"' if schema is None else f'"{schema}"."{name}"'
            quoted = path.replace("'", "''")
            context.sql(f"CREATE EXTERNAL TABLE {full} STORED AS PARQUET LOCATION '{quoted}/'")
        count += 1
    return count


def _dataset(folder: DataFolder, names: Sequence[str] | None = None) -> Dataset:
    """Name files for DataFusion to read through pyarrow, which knows the way to them."""
    import pyarrow.dataset

    whole = folder.path if names is None else [f"{folder.path}/{name}" for name in names]
    return pyarrow.dataset.dataset(whole, format="parquet", filesystem=folder.filesystem)
