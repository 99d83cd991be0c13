"""Reading the files of a table in the order of the chain: bounded in memory, damage named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobyard.chain.rows import numbers
from jobyard.data.footer import About, understand
from jobyard.errors import DataFileDamaged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobyard.data.folder import DataFolder

ROWS = 4096
"""Rows read at a time."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file, what it says of itself, and the names of its columns."""

    folder: DataFolder
    name: str
    about: About
    columns: list[str]
    rows: int

    @classmethod
    def read(cls, folder: DataFolder, name: str, size: int) -> DataFile:
        """Read a file's metadata.

        Raises:
            DataFileDamaged: it is no such file.

        """
        with _naming_damage(name), folder.open(name) as stream:
            footer = pq.read_metadata(stream)
            about = understand(footer.metadata, name, size)
            names = footer.schema.to_arrow_schema().names
            return cls(folder, name, about, names, footer.num_rows)

    def schema(self) -> pa.Schema:
        """Read the Arrow schema of the rows.

        Raises:
            DataFileDamaged: it cannot be read.
        """
        with _naming_damage(self.name), self.folder.open(self.name) as stream:
            return pq.read_schema(stream)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read the rows; every page's checksum is compared.

        Raises:
            DataFileDamaged: a page is not what was written.

        """
        with _naming_damage(self.name), self.folder.open(self.name) as stream:
            file = pq.ParquetFile(stream, page_checksum_verification=True)
            for group in range(file.num_row_groups):
                # A batch across row groups would be as large as its rows happen to be.
                yield from file.iter_batches(ROWS, row_groups=[group], use_threads=False)

    def check(self) -> int:
        """Read all of it once; return the number of its rows.

        Raises:
            DataFileDamaged: it cannot be read, or rows are outside of the blocks that it covers.

        """
        rows = 0
        extent = self.about.extent
        for batch in self.batches():
            rows += batch.num_rows
            found = numbers(batch.column("_block_num"))
            if len(found) and not extent.start <= found.min() <= found.max() < extent.stop:
                raise DataFileDamaged(self.name, "rows are outside of the blocks that it covers")
        return rows


class _naming_damage:  # noqa: N801 - reads as a phrase where it is used
    """Turns what the Parquet reader says of a broken file into an error that names the file."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        broken = (pa.ArrowException, OSError, KeyError, ValueError)
        if isinstance(error, broken) and not isinstance(error, FileNotFoundError):
            raise DataFileDamaged(self._name, str(error)) from error


class Cursor:
    """Goes through the rows of some files in order, block by block."""

    def __init__(self, files: Sequence[DataFile]) -> None:
        """Begin before the first row."""
        self._batches = (batch for file in files for batch in file.batches())
        self._rest: pa.RecordBatch | None = None

    def below(self, stop: int) -> pa.RecordBatch | None:
        """Take the rows of all blocks below ``stop`` that were not taken yet; None if none are."""
        taken: list[pa.RecordBatch] = []
        while True:
            batch = self._rest if self._rest is not None else next(self._batches, None)
            self._rest = None
            if batch is None:
                break
            cut = int(np.searchsorted(numbers(batch.column("_block_num")), stop))
            if cut:
                taken.append(batch.slice(0, cut))
            if cut < batch.num_rows:
                self._rest = batch.slice(cut)
                break
        if not taken:
            return None
        return pa.concat_batches(taken) if len(taken) > 1 else taken[0]
