"""Small files of tables, as an extraction would leave them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from jobyard.data.footer import Extent, describe

if TYPE_CHECKING:
    from pathlib import Path


def put(
    folder: Path, start: int, stop: int, *, table: str = "blocks", at: int = 1, own: str = ""
) -> str:
    """Write a file of blocks; `own` is what tells its branch from another one."""
    name = f"{start:09}-{at:016x}.parquet"
    extent = Extent(start, stop, f"h{start - 1}", f"h{stop - 1}{own}", 7)
    schema = pa.schema([("_block_num", pa.uint64())])
    rows = pa.table({"_block_num": range(start, stop)}, schema=schema)
    folder.mkdir(parents=True, exist_ok=True)
    metadata = describe(table, name, "mainnet", extent, at)
    pq.write_table(rows.replace_schema_metadata(metadata), folder / name)
    return name


def left(folder: Path) -> list[str]:
    """Name what lies in a folder."""
    return sorted(path.name for path in folder.iterdir())
