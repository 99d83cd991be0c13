"""Proof of Solana's tables from their Parquet files alone, as `verify` does it with EVM tables."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from jobyard.chain import solana_verify
from jobyard.chain.solana_tables import TABLES
from jobyard.chain.source import BlockRef
from jobyard.chain.tables import arrow_schema
from jobyard.core.ranges import intersect, merge
from jobyard.data.reading import Cursor
from jobyard.data.verify import Verified, chain_of, tables_below

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobyard.core.ranges import Span
    from jobyard.data.folder import DataFolder
    from jobyard.data.reading import DataFile

STEP = 64
"""Slots proved at a time."""
HEADERS = "block_headers"
SIGNED = ("transactions", "messages", "instructions")


def is_solana(folder: DataFolder) -> bool:
    """Tell whether the first file below a folder that can be read is of a Solana table."""
    for below in folder.folders():
        for info in below.files():
            with contextlib.suppress(pa.ArrowException, OSError), below.open(info.name) as stream:
                return "slot" in pq.read_schema(stream).names
    return False


def verify_solana_folder(folder: DataFolder, *, full: bool = True) -> Verified:
    """Prove the Solana tables that lie below a folder.

    Raises:
        OSError: the folder cannot be read.
    """
    found = Verified()
    tables, rows = tables_below(folder, found, TABLES)
    chains: dict[str, list[DataFile]] = {}
    for name, files in tables.items():
        chain, rest = chain_of(files)
        chains[name] = chain
        found.covered[name] = [(start, stop - 1) for start, stop in _spans(chain)]
        found.rows[name] = sum(rows[file.name] for file in chain)
        found.superseded += [file.name for file in rest]
    names = [name for name in (HEADERS, *(SIGNED if full else ())) if name in chains]
    _prove(found, {name: chains[name] for name in names})
    return found


def _spans(chain: list[DataFile]) -> list[Span]:
    return merge((file.about.extent.start, file.about.extent.stop) for file in chain)


def _prove(found: Verified, chains: Mapping[str, list[DataFile]]) -> None:
    """Prove what all of the tables cover, a few slots at a time."""
    if not chains:
        return
    spans = _spans(next(iter(chains.values())))
    for chain in chains.values():
        spans = intersect(spans, _spans(chain))
    cursors = {name: Cursor(chain) for name, chain in chains.items()}
    previous: BlockRef | None = None
    for start, stop in spans:
        previous = None
        for cursor in cursors.values():
            cursor.below(start)  # rows of slots that not all tables have
        for at in range(start, stop, STEP):
            rows = {
                name: _table(name, cursor, min(at + STEP, stop)) for name, cursor in cursors.items()
            }
            report = solana_verify.verify(rows, previous=previous)
            found.report.add(report)
            headers = rows.get(HEADERS)
            if headers is not None and len(headers):
                last = headers.slice(len(headers) - 1).to_pylist()[0]
                previous = BlockRef(last["slot"], last["block_hash"])


def _table(name: str, cursor: Cursor, stop: int) -> pa.Table:
    batch = cursor.below(stop)
    schema = arrow_schema(TABLES[name])
    return pa.Table.from_batches([] if batch is None else [batch.cast(schema)], schema)
