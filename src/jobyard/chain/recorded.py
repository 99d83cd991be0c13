"""Recorded blocks: files of JSON-RPC answers, one block a line, read without a network.

A line is ``{"block": …, "receipts": […]}`` (EVM; receipts may be absent) or ``{"slot": n, "block":
…}`` (Solana), in files named ``.ndjson``, ``.jsonl``, ``.ndjson.gz`` or ``.ndjson.zst``.
"""

from __future__ import annotations

import gzip
import heapq
import io
import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
import zstandard

from jobyard.chain.source import RawBlock, Traffic, evm_block, solana_block
from jobyard.errors import BlockUnparsable, InvalidProvider

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
    from pathlib import Path

    from jobyard.chain.source import BlockRef

SUFFIXES = tuple(
    f"{form}{packing}" for form in (".ndjson", ".jsonl") for packing in ("", ".gz", ".zst")
)
"""How files of recorded blocks are named."""

EVM_MAINNET = "1"
"""The chain id of Ethereum, which recorded EVM blocks are taken for."""
SOLANA_MAINNET = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d"
"""The hash of Solana's genesis, which recorded Solana blocks are taken for."""


class _Line(msgspec.Struct):
    block: msgspec.Raw
    receipts: msgspec.Raw = msgspec.Raw()
    slot: int | None = None


_line = msgspec.json.Decoder(_Line)


def files_in(path: Path) -> list[Path]:
    """List the files of recorded blocks at a path, in the order of their names.

    Raises:
        InvalidProvider: There is none.
    """
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.name.endswith(SUFFIXES))
    else:
        files = [path] if path.is_file() else []
    if not files:
        message = f"no recorded blocks at {path}"
        raise InvalidProvider(message, hint=f"files are named {', '.join(SUFFIXES)}")
    return files


def read_file(file: Path) -> Iterator[RawBlock]:
    """Give a file's blocks in the order of its lines.

    Raises:
        BlockUnparsable: A line is no recorded block; says which.
        InvalidProvider: The file cannot be read.
    """
    try:
        with _opened(file) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _read_line(line, file, number)
    except (OSError, EOFError, zstandard.ZstdError) as error:
        message = f"cannot read {file}: {error}"
        raise InvalidProvider(message) from error


@contextmanager
def _opened(file: Path) -> Iterator[Iterable[bytes]]:
    if file.name.endswith(".gz"):
        with gzip.open(file) as lines:
            yield lines
    elif file.name.endswith(".zst"):
        with zstandard.open(file, "rb") as unpacked, io.BufferedReader(unpacked) as lines:
            yield lines
    else:
        with file.open("rb") as lines:
            yield lines


def _read_line(line: bytes, file: Path, number: int) -> RawBlock:
    try:
        read = _line.decode(line)
        if read.slot is not None:
            return solana_block(read.slot, bytes(read.block))
        receipts = bytes(read.receipts)
        # An empty Raw is a member that is not there.
        return evm_block(bytes(read.block), None if receipts in {b"", b"null"} else receipts)
    except (BlockUnparsable, msgspec.DecodeError) as error:
        message = f"{file}, line {number}: {error}"
        raise BlockUnparsable(message) from error


class RecordedSource:
    """Blocks of a file or a folder, as a source like any other.

    What is not recorded is a gap, not an error: blocks are given in the order of their numbers,
    whatever the order of the lines. The files are looked through once when something is first
    asked; afterwards only those that hold blocks of a range are read.
    """

    def __init__(self, path: Path, *, identity: str | None = None) -> None:
        """Read from ``path``; ``identity`` is the chain, Ethereum's or Solana's if not given."""
        self._path = path
        self._identity = identity
        self._spans: list[_Span] = []
        self.traffic = Traffic()

    @property
    def kind(self) -> str:
        """Tell the shape of the blocks: ``evm`` or ``solana``."""
        return self._looked()[0].kind

    async def identity(self) -> str:
        """Name the chain as it was told, or by the shape of its blocks."""
        default = SOLANA_MAINNET if self.kind == "solana" else EVM_MAINNET
        return self._identity or default

    async def head(self, *, finalized: bool = False) -> int | None:
        """Tell the highest number; whatever is recorded is final."""
        del finalized
        return max(span.last for span in self._looked())

    async def first_available(self) -> int:
        """Tell the lowest number."""
        return min(span.first for span in self._looked())

    async def blocks(
        self, start: int, stop: int, *, known: Sequence[BlockRef] = ()
    ) -> AsyncGenerator[RawBlock, None]:
        """Give the recorded blocks of ``[start, stop)`` in the order of their numbers."""
        del known
        for block in _in_order([span for span in self._looked() if span.meets(start, stop)]):
            if start <= block.number < stop:
                self.traffic.bytes_received += block.size
                yield block

    async def close(self) -> None:
        """Do nothing: files are open only while they are read."""

    def _looked(self) -> list[_Span]:
        if not self._spans:
            spans = [_look(file) for file in files_in(self._path)]
            self._spans = sorted(filter(None, spans), key=lambda span: span.first)
            if not self._spans:
                message = f"no recorded blocks at {self._path}"
                raise InvalidProvider(message)
            if len({span.kind for span in self._spans}) > 1:
                message = f"{self._path} has both EVM and Solana blocks"
                raise InvalidProvider(message)
        return self._spans


class _Span(msgspec.Struct, frozen=True):
    """What one file holds."""

    file: Path
    kind: str
    first: int
    last: int
    ordered: bool

    def meets(self, start: int, stop: int) -> bool:
        return self.first < stop and start <= self.last

    def blocks(self) -> Iterator[RawBlock]:
        if self.ordered:
            return read_file(self.file)
        return iter(sorted(read_file(self.file), key=lambda block: block.number))


def _look(file: Path) -> _Span | None:
    first = last = None
    ordered, solana = True, False
    for block in read_file(file):
        solana = solana or not block.hash.startswith("0x")
        ordered = ordered and (last is None or block.number > last)
        first = block.number if first is None else min(first, block.number)
        last = block.number if last is None else max(last, block.number)
    if first is None or last is None:
        return None
    return _Span(file, "solana" if solana else "evm", first, last, ordered)


def _in_order(spans: list[_Span]) -> Iterator[RawBlock]:
    """Merge files: one after the other where they do not overlap, else by number."""
    last = None
    for block in _merged(spans):
        # The same block may be recorded twice: the first line wins.
        if last is None or block.number > last:
            yield block
            last = block.number


def _merged(spans: list[_Span]) -> Iterator[RawBlock]:
    apart = all(a.last < b.first for a, b in itertools.pairwise(spans))
    if apart:
        for span in spans:
            yield from span.blocks()
        return
    yield from heapq.merge(*(span.blocks() for span in spans), key=lambda block: block.number)
