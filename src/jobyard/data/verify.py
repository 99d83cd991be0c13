"""Proof of Parquet files from their columns alone, without any source.

All files below a folder are looked at; which table a file belongs to, it says itself. Of each table
the canonical chain is proved, block by block. A damaged file is named and left out; what needed it
is then told as not provable, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jobyard.chain.report import Report
from jobyard.chain.tables import arrow_schema
from jobyard.core.ranges import intersect, merge, subtract
from jobyard.core.segments import canonical
from jobyard.data.chains import CHAINS, Decoded
from jobyard.data.edges import FILES, Edges
from jobyard.data.reading import Cursor, DataFile
from jobyard.errors import DataFileDamaged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from jobyard.core.ranges import Span
    from jobyard.data.chains import ChainKind
    from jobyard.data.folder import DataFolder, FileInfo

NO_BLOCKS = "there is no table of blocks"


@dataclass(slots=True)
class Verified:
    """What was found in a folder; ranges are inclusive.

    ``foreign`` are files of other tables than those of a chain: that they can be read is all.
    """

    report: Report = field(default_factory=Report)
    damaged: dict[str, str] = field(default_factory=dict)
    damaged_in: dict[str, DataFolder] = field(default_factory=dict)
    superseded: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    covered: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)

    def note_damage(self, name: str, folder: DataFolder, cause: str) -> None:
        """Keep what is wrong with a file, and where it is, or should be."""
        self.damaged[name] = cause
        self.damaged_in[name] = folder

    def forget_damage(self, name: str) -> None:
        """Take back what was said of a file."""
        del self.damaged[name], self.damaged_in[name]

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
            "foreign": self.foreign,
            "tables": {
                name: {"blocks": [list(pair) for pair in self.covered[name]], "rows": rows}
                for name, rows in self.rows.items()
            },
        }


def verify_folder(folder: DataFolder, *, full: bool = True) -> Verified:
    """Prove the tables of chains that lie below a folder; see `Verified` for what becomes known.

    Raises:
        OSError: the folder cannot be read.

    """
    return verify_files(
        ((below, info) for below in folder.folders() for info in below.files()), full=full
    )


def verify_files(given: Iterable[tuple[DataFolder, FileInfo]], *, full: bool = True) -> Verified:
    """Prove the tables of chains that some files make; see `Verified` for what becomes known.

    Raises:
        OSError: a folder cannot be read.

    """
    found = Verified()
    read = list(_files(given, found))
    files = [(kind, file, count) for kind, file, count in read if kind is not None]
    _list_made(found, [(file, count) for kind, file, count in read if kind is None])
    kinds = {kind.name for kind, _, _ in files}
    for kind in CHAINS.values():
        tables: dict[str, list[DataFile]] = {}
        rows: dict[str, int] = {}
        for _, file, count in (each for each in files if each[0] is kind):
            rows[file.name] = count
            tables.setdefault(file.about.table, []).append(file)
        chains = {}
        for name, found_files in tables.items():
            chains[name], rest = _chain(found_files)
            # Two kinds in one folder may have tables of the same name.
            label = name if len(kinds) == 1 else f"{kind.name}.{name}"
            found.covered[label] = [(start, stop - 1) for start, stop in _spans(chains[name])]
            found.rows[label] = sum(rows[file.name] for file in chains[name])
            found.superseded += [file.name for file in rest]
        if chains:
            _prove(kind, found, chains, full=full)
    return found


def _list_made(found: Verified, files: Sequence[tuple[DataFile, int]]) -> None:
    """Tell of tables that are made by queries: that their files can be read, and are linked."""
    tables: dict[str, list[DataFile]] = {}
    for file, _ in files:
        tables.setdefault(file.about.table, []).append(file)
    rows = {file.name: count for file, count in files}
    for name, given in tables.items():
        chain, rest = _chain(given)
        spans = _spans(chain)
        found.foreign += [file.name for file in given]
        found.covered[name] = [(start, stop - 1) for start, stop in spans]
        found.rows[name] = sum(rows[file.name] for file in chain)
        found.superseded += [file.name for file in rest]
        found.report.prove(FILES, sum(stop - start for start, stop in spans))


def _files(
    given: Iterable[tuple[DataFolder, FileInfo]], found: Verified
) -> Iterator[tuple[ChainKind | None, DataFile, int]]:
    """Find files and their rows, with the kind of chain if they are of one; each is read whole."""
    for below, info in given:
        try:
            file = DataFile.read(below, info.name, info.size)
            count = file.check()
        except DataFileDamaged as error:
            found.note_damage(info.name, below, error.fields["cause"])
            continue
        except FileNotFoundError:
            found.note_damage(info.name, below, f"is not in {below.path}")
            continue
        yield _kind_of(file), file, count


def _kind_of(file: DataFile) -> ChainKind | None:
    """Tell the kind of chain by the columns: tables of several kinds have the same names."""
    for kind in CHAINS.values():
        table = kind.tables.get(file.about.table)
        if table is not None and arrow_schema(table).names == file.columns:
            return kind
    return None


def _chain(files: Sequence[DataFile]) -> tuple[list[DataFile], list[DataFile]]:
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


def _spans(chain: Iterable[DataFile]) -> list[Span]:
    return merge((file.about.extent.start, file.about.extent.stop) for file in chain)


def _prove(
    kind: ChainKind, found: Verified, chains: dict[str, list[DataFile]], *, full: bool
) -> None:
    header = kind.header.name
    blocks = chains.get(header, [])
    spans = {name: _spans(chain) for name, chain in chains.items()}
    others = [name for name in kind.tables if name != header]
    for name in others:
        for start, stop in subtract(spans.get(name, ()), spans.get(header, ())):
            found.report.leave_open(kind.first_check, start, NO_BLOCKS, stop - 1)
    prover = kind.prover(found.report, full)
    cursors = {name: Cursor(chain) for name, chain in chains.items()}
    edges = Edges(kind, found.report, [file for chain in chains.values() for file in chain])
    for start, stop in _steps(blocks, spans, kind.step):
        rows = _or_empty(cursors[header].below(stop), kind, header)
        tables: dict[str, pa.RecordBatch | None] = {header: rows}
        edges.look_at(rows, (start, stop))
        for name in others:
            there = bool(intersect([(start, stop)], spans.get(name, ())))
            if there:
                cursors[name].below(start)  # rows of blocks that are not there
            tables[name] = _or_empty(cursors[name].below(stop), kind, name) if there else None
        prover.check(Decoded(tables), (start, stop))
    prover.finish()
    if blocks:
        edges.finish(cursors[header])


def _or_empty(rows: pa.RecordBatch | None, kind: ChainKind, name: str) -> pa.RecordBatch:
    if rows is None:
        return pa.RecordBatch.from_pylist([], schema=arrow_schema(kind.tables[name]))
    return rows


def _steps(blocks: Iterable[DataFile], spans: dict[str, list[Span]], step: int) -> Iterator[Span]:
    """Cut the blocks into small pieces, none across an edge of what another table covers."""
    cuts = sorted({edge for table in spans.values() for span in table for edge in span})
    for file in blocks:
        start, end = file.about.extent.start, file.about.extent.stop
        inner = [cut for cut in cuts if start < cut < end]
        for edge in (*inner, end):
            while start < edge:
                stop = min(edge, start + step)
                yield start, stop
                start = stop
