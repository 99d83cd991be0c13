"""SQL over tables as they lie in folders, answered by DataFusion."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jobyard.errors import InvalidQuery, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa


def answer(sql: str, places: Sequence[tuple[str | None, str]]) -> pa.Table:
    """Answer a query; ``places`` are folders of tables, each in a schema if it has a name.

    Raises:
        NotFound: there is no table in any of the folders.
        InvalidQuery: the query is wrong; says what DataFusion says.
    """
    import pyarrow as pa
    from datafusion import SessionConfig, SessionContext, SQLOptions

    config = SessionConfig().with_information_schema(enabled=True)
    # A table's files lie in folders below it, one for each revision.
    config = config.set("datafusion.execution.listing_table_ignore_subdirectory", "false")
    context = SessionContext(config)
    count = 0
    for schema, folder in places:
        if schema is not None:
            context.sql(f'CREATE SCHEMA "{schema}"')
        for name, path in tables_in(Path(folder)):
            full = f'"{name}"' if schema is None else f'"{schema}"."{name}"'
            context.sql(f"CREATE EXTERNAL TABLE {full} STORED AS PARQUET LOCATION '{path}/'")
            count += 1
    if not count:
        raise NotFound(f"there are no tables below {', '.join(path for _, path in places)}")
    try:
        # Whoever may ask may not write: no COPY, no CREATE.
        only_reading = SQLOptions().with_allow_ddl(False).with_allow_dml(False)  # noqa: FBT003
        found = context.sql_with_options(sql, only_reading)
        batches = found.collect()
        # What is planned to be null may turn out not to be, and the other way round.
        return pa.Table.from_batches(batches) if batches else found.schema().empty_table()
    except Exception as error:
        raise InvalidQuery(str(error).removeprefix("DataFusion error: ")) from error


def tables_in(folder: Path) -> Iterator[tuple[str, str]]:
    """Find the tables below a folder: what has Parquet files, by the name of its folder."""
    for table in sorted(below for below in folder.iterdir() if below.is_dir()):
        if next(table.rglob("*.parquet"), None) is not None:
            yield table.name, str(table.resolve())
