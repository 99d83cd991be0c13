"""Solana transactions in their own bytes, all of a block at a time.

One cursor a transaction moves over a shared buffer; each step is one operation on all cursors. The
format: signatures, then the message - an optional version, header, account keys, recent block hash,
instructions and (version 0) address table lookups; lists begin with their length as compact-u16.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobyard.chain.solana_base58 import Ragged, offsets_of
from jobyard.errors import BlockUnparsable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_MARGIN = 3
"""Zero bytes after the last transaction, so that reading a length never runs out of the buffer."""
LEGACY = -1


@dataclass(slots=True)
class Spans:
    """Byte strings inside a buffer: where each begins and how long it is."""

    buffer: NDArray[np.uint8]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def packed(self) -> Ragged:
        """Copy them behind each other."""
        offsets = offsets_of(self.lengths)
        places = np.arange(int(offsets[-1])) + np.repeat(self.starts - offsets[:-1], self.lengths)
        return Ragged(offsets, self.buffer[places])

    def chosen(self, order: NDArray[Any]) -> Spans:
        """Take some of them, in an order."""
        return Spans(self.buffer, self.starts[order], self.lengths[order])

    def rows(self, width: int) -> NDArray[np.uint8]:
        """Cut each into rows of ``width`` bytes, all behind each other."""
        return self.packed().data.reshape(-1, width)


@dataclass(slots=True)
class Instructions:
    """Instructions of many transactions, in order of transaction and place."""

    transaction: NDArray[np.int64]
    place: NDArray[np.int64]
    program: NDArray[np.uint8]
    accounts: Spans
    data: Spans


@dataclass(slots=True)
class Lookups:
    """Address table lookups of many transactions, in their order."""

    transaction: NDArray[np.int64]
    key: NDArray[np.uint8]
    writable: Spans
    readonly: Spans


@dataclass(slots=True)
class Wire:
    """What transactions say, column by column."""

    signatures: Spans
    version: NDArray[np.int64]
    """`LEGACY` or a number."""
    header: NDArray[np.uint8]
    keys: Spans
    recent: NDArray[np.uint8]
    instructions: Instructions
    lookups: Lookups


def parse(texts: Sequence[str]) -> Wire:
    """Read transactions, each in Base64.

    Raises:
        BlockUnparsable: One of them is no transaction.
    """
    try:
        transactions = [a2b_base64(text) for text in texts]
    except (Base64Error, ValueError) as error:
        message = f"not Base64: {error}"
        raise BlockUnparsable(message) from error
    lengths = np.fromiter(map(len, transactions), np.int64, len(transactions))
    buffer = np.frombuffer(b"".join(transactions) + bytes(_MARGIN), np.uint8)
    try:
        return _Cursors(buffer, offsets_of(lengths)).read()
    except IndexError:
        message = "a transaction that ends too early"
        raise BlockUnparsable(message) from None


class _Cursors:
    def __init__(self, buffer: NDArray[np.uint8], offsets: NDArray[np.int64]) -> None:
        self._buffer = buffer
        self._at = offsets[:-1].copy()
        self._ends = offsets[1:]
        self._all = np.arange(len(self._at))

    def read(self) -> Wire:
        signatures = self._list(self._all, 64)
        first = self._buffer[self._at].astype(np.int64)
        versioned = first >= 0x80  # noqa: PLR2004 - the bit that marks a version
        version = np.where(versioned, first & 0x7F, LEGACY)
        if (version > 0).any():
            message = f"a transaction of version {version.max()}"
            raise BlockUnparsable(message)
        self._at += versioned
        header = self._buffer[self._at[:, None] + np.arange(3)]
        self._at += 3
        keys = self._list(self._all, 32)
        recent = self._buffer[self._at[:, None] + np.arange(32)]
        self._at += 32
        instructions = self._instructions()
        lookups = self._lookups(np.flatnonzero(versioned))
        if (self._at != self._ends).any():
            message = "a transaction with more or fewer bytes than it says"
            raise BlockUnparsable(message)
        return Wire(signatures, version, header, keys, recent, instructions, lookups)

    def _instructions(self) -> Instructions:
        steps: list[tuple[Any, ...]] = []
        for place, who in self._rounds(self._all):
            program = self._buffer[self._at[who]]
            self._at[who] += 1
            accounts, data = self._list(who, 1), self._list(who, 1)
            steps.append((who, np.full(len(who), place), program, accounts, data))
        who, places, programs, accounts, data = _columns(steps, 5)
        order = np.lexsort((places, who))
        return Instructions(
            who[order],
            places[order],
            programs[order].astype(np.uint8),
            self._joined(accounts, order),
            self._joined(data, order),
        )

    def _lookups(self, versioned: NDArray[np.int64]) -> Lookups:
        steps: list[tuple[Any, ...]] = []
        for place, who in self._rounds(versioned):
            key = self._buffer[self._at[who][:, None] + np.arange(32)]
            self._at[who] += 32
            writable, readonly = self._list(who, 1), self._list(who, 1)
            steps.append((who, np.full(len(who), place), key, writable, readonly))
        who, places, key, writable, readonly = _columns(steps, 5)
        order = np.lexsort((places, who))
        keys = key.reshape(-1, 32)[order].astype(np.uint8)
        return Lookups(
            who[order], keys, self._joined(writable, order), self._joined(readonly, order)
        )

    def _rounds(self, who: NDArray[np.int64]) -> Any:
        """Read a count at each of these cursors; then name, round by round, those with one more."""
        counts = self._count(who)
        for place in range(int(counts.max(initial=0))):
            yield place, who[counts > place]

    def _list(self, who: NDArray[np.int64], width: int) -> Spans:
        """Read a list of items of ``width`` bytes at each of these cursors."""
        lengths = self._count(who) * width
        starts = self._at[who]
        self._at[who] += lengths
        if (self._at > self._ends).any():
            raise IndexError
        return Spans(self._buffer, starts, lengths)

    def _count(self, who: NDArray[np.int64]) -> NDArray[np.int64]:
        """Read a compact-u16 at each of these cursors: seven bits a byte, lowest first."""
        at = self._at[who]
        first = self._buffer[at].astype(np.int64)
        count = first & 0x7F
        longer = first > 0x7F  # noqa: PLR2004 - the bit that says that more follows
        self._at[who] += 1
        if longer.any():
            second = self._buffer[at + 1].astype(np.int64)
            third = self._buffer[at + 2].astype(np.int64)
            longest = longer & (second > 0x7F)  # noqa: PLR2004 - the same bit
            count = count + np.where(longer, (second & 0x7F) << 7, 0)
            count = count + np.where(longest, third << 14, 0)
            self._at[who] += longer.astype(np.int64) + longest
        return count

    def _joined(self, parts: list[Spans], order: NDArray[np.int64]) -> Spans:
        starts = np.concatenate([np.zeros(0, np.int64), *(part.starts for part in parts)])
        lengths = np.concatenate([np.zeros(0, np.int64), *(part.lengths for part in parts)])
        return Spans(self._buffer, starts[order], lengths[order])


def _columns(steps: list[tuple[Any, ...]], count: int) -> Any:
    """Turn rounds into columns: arrays are joined, spans stay lists."""
    columns: list[Any] = [[step[column] for step in steps] for column in range(count)]
    empty = np.zeros(0, np.int64)
    return [
        column
        if column and isinstance(column[0], Spans)
        else (np.concatenate(column) if column else empty)
        for column in columns
    ]
