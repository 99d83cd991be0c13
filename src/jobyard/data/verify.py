"""Proof of Parquet files from their columns alone, without any source.

All files below a folder are looked at; which table a file belongs to, it says itself. Of each table
the canonical chain is proved, block by block. A damaged file is named and left out; what needed it
is then told as not provable, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jobyard.chain.evm_tables import BLOCKS, EVM_TABLES, LOGS, TRANSACTIONS
from jobyard.chain.report import Report
from jobyard.chain.tables import arrow_schema
from jobyard.chain.verify_evm import Check, EvmVerifier
from jobyard.core.ranges import intersect, merge, subtract
from jobyard.core.segments import canonical
from jobyard.data.reading import Cursor, DataFile
from jobyard.errors import DataFileDamaged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from jobyard.chain.tables import Table
    from jobyard.core.ranges import Span
    from jobyard.data.folder import DataFolder

FILES = "files"
"""The check that files can be read, hold the blocks that they cover, and link to each other."""
NO_BLOCKS = "there is no table of blocks"
STEP = 64
"""Blocks proved at a time."""


@dataclass(slots=True)
class Verified:
    """What was found in a folder; ranges are inclusive."""

    report: Report = field(default_factory=Report)
    damaged: dict[str, str] = field(default_factory=dict)
    superseded: list[str] = field(default_factory=list)
    covered: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        """Tell whether nothing is damaged and nothing failed."""
        return not self.damaged and self.report.sound

    def as_json(self) -> dict[str, Any]:
        """Write it as JSON has it."""
        return {
            **self.report.as_json(),
            "sound": self.sound,
            "damaged": self.damaged,
            "superseded": self.superseded,
            "tables": {
                name: {"blocks": [list(pair) for pair in self.covered[name]], "rows": rows}
                for name, rows in self.rows.items()
            },
        }


def verify_folder(folder: DataFolder, *, full: bool = True) -> Verified:
    """Prove the EVM tables that lie below a folder; see `Verified` for what becomes known.

    Raises:
        OSError: the folder cannot be read.

    """
    found = Verified()
    tables, rows = tables_below(folder, found, EVM_TABLES)
    chains = {name: chain_of(files) for name, files in tables.items()}
    for name, (chain, rest) in chains.items():
        spans = merge((file.about.extent.start, file.about.extent.stop) for file in chain)
        found.covered[name] = [(start, stop - 1) for start, stop in spans]
        found.rows[name] = sum(rows[file.name] for file in chain)
        found.superseded += [file.name for file in rest]
    _prove(found, {name: chain for name, (chain, _) in chains.items()}, full=full)
    return found


def tables_below(
    folder: DataFolder, found: Verified, known: Mapping[str, Table]
) -> tuple[dict[str, list[DataFile]], dict[str, int]]:
    """Find the files of each table and the rows of each file, which is read from end to end."""
    tables: dict[str, list[DataFile]] = {}
    rows: dict[str, int] = {}
    for below in folder.folders():
        for info in below.files():
            try:
                file = DataFile.read(below, info.name, info.size)
                count = file.check()
            except DataFileDamaged as error:
                found.damaged[info.name] = error.fields["cause"]
                continue
            if file.about.table in known:
                rows[file.name] = count
                tables.setdefault(file.about.table, []).append(file)
    return tables, rows


def chain_of(files: Sequence[DataFile]) -> tuple[list[DataFile], list[DataFile]]:
    """Part the files of the canonical chain from the others.

    Where a gap is left by files that are not there, each piece has a chain of its own.
    """
    by_name = {file.about.segment.name: file for file in files}
    chain: list[DataFile] = []
    rest = [file.about.segment for file in files]
    while rest:
        piece = canonical(rest)
        kept = {segment.name for segment in piece}
        chain += [by_name[segment.name] for segment in piece]
        end = piece[-1].stop
        rest = [segment for segment in rest if segment.name not in kept and segment.start >= end]
    names = {file.name for file in chain}
    return chain, [file for file in files if file.name not in names]


def _prove(found: Verified, chains: dict[str, list[DataFile]], *, full: bool) -> None:
    blocks = chains.get(BLOCKS.name, [])
    spans = {
        name: merge((file.about.extent.start, file.about.extent.stop) for file in chain)
        for name, chain in chains.items()
    }
    for name in (TRANSACTIONS.name, LOGS.name):
        for start, stop in subtract(spans.get(name, ()), spans.get(BLOCKS.name, ())):
            found.report.leave_open(Check.HEADER_HASH, start, NO_BLOCKS, stop - 1)
    verifier = EvmVerifier(full=full, report=found.report)
    cursors = {name: Cursor(chain) for name, chain in chains.items()}
    edges = _Edges(found.report, chains)
    for start, stop in _steps(blocks, spans):
        rows = cursors[BLOCKS.name].below(stop)
        header = _or_empty(rows, BLOCKS.name)
        edges.look_at(header, start, stop)
        others = {}
        for name in (TRANSACTIONS.name, LOGS.name):
            there = bool(intersect([(start, stop)], spans.get(name, ())))
            if there:
                cursors[name].below(start)  # rows of blocks that are not there
            others[name] = _or_empty(cursors[name].below(stop), name) if there else None
        verifier.check(header, others[TRANSACTIONS.name], others[LOGS.name])


def _or_empty(rows: pa.RecordBatch | None, name: str) -> pa.RecordBatch:
    if rows is None:
        return pa.RecordBatch.from_pylist([], schema=arrow_schema(EVM_TABLES[name]))
    return rows


def _steps(blocks: Iterable[DataFile], spans: dict[str, list[Span]]) -> Iterator[Span]:
    """Cut the blocks into small pieces, none across an edge of what another table covers."""
    cuts = sorted({edge for table in spans.values() for span in table for edge in span})
    for file in blocks:
        start, end = file.about.extent.start, file.about.extent.stop
        inner = [cut for cut in cuts if start < cut < end]
        for edge in (*inner, end):
            while start < edge:
                stop = min(edge, start + STEP)
                yield start, stop
                start = stop


class _Edges:
    """Compares what files say of their first and last blocks with the blocks themselves."""

    def __init__(self, report: Report, chains: dict[str, list[DataFile]]) -> None:
        self._report = report
        self._wanted: dict[int, list[tuple[str, str, str]]] = {}
        for chain in chains.values():
            for file in chain:
                extent = file.about.extent
                first = (file.name, "parent_hash", extent.prev_hash)
                self._wanted.setdefault(extent.start, []).append(first)
                last = (file.name, "hash", extent.hash)
                self._wanted.setdefault(extent.stop - 1, []).append(last)

    def look_at(self, blocks: pa.RecordBatch, start: int, stop: int) -> None:
        """Check that all blocks are there, and those at the edges of files."""
        numbers = blocks.column("_block_num").to_pylist()
        if numbers == [*range(start, stop)]:
            self._report.prove(FILES, stop - start)
        else:
            lost = sorted(set(range(start, stop)) - set(numbers))
            cause = f"{len(lost)} blocks have no row" if lost else "rows are out of order"
            self._report.fail(FILES, lost[0] if lost else start, cause)
        for place, number in enumerate(numbers):
            for name, column, said in self._wanted.pop(number, ()):
                found = f"0x{blocks.column(column)[place].as_py().hex()}"
                if found != said:
                    cause = f"`{name}` says {column} {said}, found {found}"
                    self._report.fail(FILES, number, cause)
