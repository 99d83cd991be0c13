"""Prove Solana's tables from themselves: links, order, signatures, and that no lamport gets lost.

Signatures are checked over the message as it is put together again from columns, so they prove
every column of ``messages``, and of ``instructions`` and ``transactions`` what the message holds. A
message is its instructions in the order of their rows, so that order is proved with it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobyard.chain import solana_base58, solana_order
from jobyard.chain.report import Report
from jobyard.errors import BlockUnparsable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from jobyard.chain.solana_base58 import Ragged
    from jobyard.chain.source import BlockRef
    from jobyard.core.ranges import Span


class Check(StrEnum):
    """What is checked of Solana's tables."""

    PARENT_LINK = "parent_link"
    SKIPPED_SLOTS = "skipped_slots"
    PLACES = "places"
    LAMPORTS = "lamports"
    SIGNATURES = "signatures"
    BLOCK_HASH = "block_hash"
    COMPLETENESS = "completeness"
    REWARDS = "height_time_rewards"
    OUTCOMES = "outcomes"


ABOUT = {
    Check.PARENT_LINK: "each block names slot and hash of the block before",
    Check.SKIPPED_SLOTS: "no block was left out: the slots between two linked blocks had none",
    Check.PLACES: "rows stand in the order of slots, transactions are numbered 0, 1, 2 …,"
    " instructions stand in their transaction, each call behind the instruction that made it",
    Check.LAMPORTS: "a transaction leaves as many lamports as it found, but for its fee;"
    " transactions are counted",
    Check.SIGNATURES: "every signature over its message, put together from columns: all of"
    " `messages`, the instructions and their order; signatures are counted",
}
"""What passes when a check passes."""
UNPROVED = {
    Check.BLOCK_HASH: "it covers the entries, which getBlock does not give; links only show that"
    " blocks belong together",
    Check.COMPLETENESS: "nothing shows that a block's transactions are all here, in this order",
    Check.REWARDS: "nothing that is given covers block height, time and rewards",
    Check.OUTCOMES: "nobody signs err, logs, calls, token balances, return data or compute"
    " units; of balances only their sum is checked",
}
"""What the data of ``getBlock`` cannot prove, whoever gives it, and why."""
FIRST = "the block before is not there"
NO_BLOCK_BEHIND = "no block behind them is there"
NO_BALANCES = "the source has no balances"
NEEDED = "it needs the tables transactions, messages and instructions"
_AT_ONCE = 256
"""Transactions that one thread checks at a time."""

Rows: TypeAlias = "pa.RecordBatch | pa.Table"


def verify(
    tables: Mapping[str, Rows], *, previous: BlockRef | None = None, threads: int = 2
) -> Report:
    """Check tables that hold the same whole blocks, sorted by slot and place, in full.

    What is not there is not checked. ``previous`` is the block before the first one, where it is
    known.
    """
    verifier = SolanaVerifier(full=True, threads=threads)
    slots = next(iter(tables.values()))["slot"]
    if not len(slots):
        return verifier.report
    start, stop = pc.min(slots).as_py(), pc.max(slots).as_py() + 1
    if previous is not None:
        verifier.follow(previous, start)
    verifier.check(tables, (start, stop))
    return verifier.report


class SolanaVerifier:
    """Checks whole blocks in the order of the chain, and keeps the report.

    Without ``full`` it leaves out what is dear: signatures.
    """

    def __init__(self, *, full: bool, report: Report | None = None, threads: int = 2) -> None:
        """Begin before the first block."""
        self.report = report or Report()
        self._full = full
        self._threads = threads
        self._last: tuple[int, str] | None = None
        self._stop: int | None = None

    def follow(self, block: BlockRef, start: int) -> None:
        """Know the block before what is checked next, which begins at ``start``."""
        self._last, self._stop = (block.number, block.hash), start

    def check(self, tables: Mapping[str, Rows | None], span: Span) -> None:
        """Check some blocks with all rows of theirs; ``span`` are the slots that they cover.

        Where it does not begin at the end of what was checked before, nothing is known of the
        block before it.
        """
        there = {name: _as_table(rows) for name, rows in tables.items() if rows is not None}
        for check, reason in UNPROVED.items():
            self.report.leave_open(check, span[0], reason, span[1] - 1)
        if "block_headers" in there:
            self._check_links(there["block_headers"], span)
        orderly = solana_order.check_places(there, self.report, Check.PLACES, span)
        if "transactions" in there:
            check_lamports(there["transactions"], self.report)
        if self._full and orderly:
            self._check_signatures(there, span)

    def finish(self) -> None:
        """Say what is left open at the end."""
        if self._last is not None and self._stop is not None and self._last[0] + 1 < self._stop:
            first = self._last[0] + 1
            self.report.leave_open(Check.SKIPPED_SLOTS, first, NO_BLOCK_BEHIND, self._stop - 1)

    def _check_links(self, headers: pa.Table, span: Span) -> None:
        """Check that each block names the one before it, by slot and hash.

        Slots between the two were skipped: no block of theirs is in this chain. A block that
        follows a later one than the one before it is a finding of its own: blocks between them
        are missing.
        """
        if span[0] != self._stop:
            self.finish()
            self._last = None
        self._stop = span[1]
        report = self.report
        names = ("slot", "parent_slot", "block_hash", "previous_block_hash")
        for slot, named, block_hash, parent_hash in zip(
            *(headers[name].to_pylist() for name in names), strict=True
        ):
            # The first block of all names itself.
            parent = named if slot else -1
            last = self._last
            # Of slots before those that are covered nothing is claimed.
            known = span[0] - 1 if last is None else last[0]
            if parent > known:
                before = "" if last is None else f" but {last[0]}"
                cause = f"follows {parent}, before it there is none{before}"
                report.fail(Check.SKIPPED_SLOTS, slot, cause)
            elif last is None:
                report.leave_open(Check.PARENT_LINK, slot, FIRST)
            elif (parent, parent_hash) != last:
                cause = f"follows {parent} {parent_hash}, not {last[0]} {last[1]}"
                report.fail(Check.PARENT_LINK, slot, cause)
            else:
                report.prove(Check.PARENT_LINK)
            if parent <= known < slot - 1:
                report.prove(Check.SKIPPED_SLOTS, slot - known - 1)
            self._last = (slot, block_hash)

    def _check_signatures(self, tables: Mapping[str, pa.Table], span: Span) -> None:
        if not {"transactions", "messages", "instructions"} <= tables.keys():
            self.report.leave_open(Check.SIGNATURES, span[0], NEEDED, span[1] - 1)
            return
        try:
            check_signatures(tables, self.report, self._threads)
        except (BlockUnparsable, ValueError) as error:
            cause = f"a message cannot be put together: {error}"
            self.report.fail(Check.SIGNATURES, span[0], cause)


def _as_table(rows: Rows) -> pa.Table:
    return pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows


def check_lamports(transactions: pa.Table, report: Report) -> None:
    """Check that a transaction leaves as many lamports as it found, but for its fee."""
    columns = [transactions[name].combine_chunks() for name in ("pre_balances", "post_balances")]
    known = np.ones(len(transactions), bool)
    sums = []
    for column in columns:
        known &= column.is_valid().to_numpy(zero_copy_only=False)
        sums.append(_sums(column))
    fee = pc.fill_null(transactions["fee"], 0).to_numpy().astype(np.int64)
    wrong = known & (sums[0] != sums[1] + fee)
    report.prove(Check.LAMPORTS, int((known & ~wrong).sum()))
    slots, places = transactions["slot"].to_numpy(), transactions["tx_index"].to_numpy()
    for row in np.flatnonzero(wrong):
        sums_said = f"{sums[0][row]} before, {sums[1][row]} after, fee {fee[row]}"
        report.fail(Check.LAMPORTS, int(slots[row]), f"transaction {places[row]}: {sums_said}")
    for slot in np.unique(slots[~known]):
        report.leave_open(Check.LAMPORTS, int(slot), NO_BALANCES)


def _sums(column: pa.ListArray) -> NDArray[np.int64]:
    values = np.append(column.values.to_numpy(zero_copy_only=False).astype(np.int64), 0)
    totals = np.concatenate([[0], np.cumsum(values)])
    offsets = column.offsets.to_numpy()
    return np.asarray(totals[offsets[1:]] - totals[offsets[:-1]])


def check_signatures(tables: Mapping[str, pa.Table], report: Report, threads: int = 2) -> None:
    """Check every signature over its message, put together again from columns."""
    jobs = list(_signed(tables))
    parts = [jobs[at : at + _AT_ONCE] for at in range(0, len(jobs), _AT_ONCE)]
    with ThreadPoolExecutor(threads) as pool:
        for held, wrong in pool.map(_check_some, parts):
            report.prove(Check.SIGNATURES, held)
            for slot, cause in wrong:
                report.fail(Check.SIGNATURES, slot, cause)


_Signed = tuple[int, int, bytes, list[bytes], list[bytes]]
"""Slot and place of a transaction, its message, signatures and the keys of those who signed."""


def _check_some(jobs: list[_Signed]) -> tuple[int, list[tuple[int, str]]]:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    held = 0
    wrong: list[tuple[int, str]] = []
    for slot, place, message, signatures, keys in jobs:
        for number, (signature, key) in enumerate(zip(signatures, keys, strict=False)):
            try:
                Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
            except (InvalidSignature, ValueError):
                wrong.append((slot, f"transaction {place}: signature {number} does not fit"))
            else:
                held += 1
        if len(signatures) != len(keys) or not keys:
            said = f"{len(signatures)} signatures where {len(keys)} are required"
            wrong.append((slot, f"transaction {place}: {said}"))
    return held, wrong


def _signed(tables: Mapping[str, pa.Table]) -> Iterator[_Signed]:
    messages, transactions = tables["messages"], tables["transactions"]
    where = solana_order.places(transactions)
    serial = _Serial(messages, transactions, tables["instructions"], where)
    signatures, signature_ends = _base58_list(transactions["signatures"])
    for row, (slot, place) in enumerate(where.tolist()):
        first, last = signature_ends[row], signature_ends[row + 1]
        given = [signatures[index] for index in range(first, last)]
        yield slot, place, serial.message(row), given, serial.signers(row)


def _base58_list(column: pa.ChunkedArray) -> tuple[Ragged, list[int]]:
    """Read a column of List<Utf8> of Base58: all texts, and where each row's begin."""
    lists = column.combine_chunks()
    return solana_base58.decode(lists.flatten().to_pylist()), _ends(lists)


def _ends(lists: Any) -> list[int]:
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    return [0, *np.cumsum(lengths).tolist()]


class _Serial:
    """Puts messages together again from columns."""

    def __init__(
        self, messages: pa.Table, transactions: pa.Table, instructions: pa.Table, where: Any
    ) -> None:
        self._keys, self._key_ends = _base58_list(messages["account_keys"])
        self._recent = solana_base58.decode(messages["recent_block_hash"].to_pylist())
        self._headers = messages["header"].to_pylist()
        self._lookups = messages["address_table_lookups"].to_pylist()
        self._versions = transactions["tx_version"].to_pylist()
        outer = instructions.filter(pc.is_null(instructions["inner_index"]))
        self._programs = outer["program_id_index"].to_pylist()
        self._accounts, self._account_ends = _bytes_list(outer["accounts"])
        self._data, self._data_ends = _bytes_list(outer["data"])
        # Rows are sorted by slot and place: a transaction's instructions stand together.
        keys = {tuple(each): row for row, each in enumerate(where.tolist())}
        rows = [keys.get(tuple(each), -1) for each in solana_order.places(outer).tolist()]
        counts = np.bincount(
            np.array([row for row in rows if row >= 0], np.int64), minlength=len(where)
        )
        self._ends = [0, *np.cumsum(counts).tolist()]

    def signers(self, row: int) -> list[bytes]:
        first = self._key_ends[row]
        count = self._headers[row]["num_required_signatures"]
        return [
            self._keys[index] for index in range(first, min(first + count, self._key_ends[row + 1]))
        ]

    def message(self, row: int) -> bytes:
        version = self._versions[row]
        first, last = self._key_ends[row], self._key_ends[row + 1]
        parts = [
            b"" if version == "legacy" else bytes([0x80 | int(version)]),
            bytes(self._headers[row].values()),
            _count(last - first),
            *(self._keys[index] for index in range(first, last)),
            self._recent[row],
            _count(self._ends[row + 1] - self._ends[row]),
        ]
        for index in range(self._ends[row], self._ends[row + 1]):
            parts += [
                bytes([self._programs[index]]),
                _counted(self._accounts[self._account_ends[index] : self._account_ends[index + 1]]),
                _counted(self._data[self._data_ends[index] : self._data_ends[index + 1]]),
            ]
        if version != "legacy":
            parts.append(self._looked_up(row))
        return b"".join(parts)

    def _looked_up(self, row: int) -> bytes:
        lookups = self._lookups[row] or []
        keys = solana_base58.decode([each["account_key"] for each in lookups])
        parts = [_count(len(lookups))]
        for index, each in enumerate(lookups):
            indexes = [
                _counted(bytes(each[name])) for name in ("writable_indexes", "readonly_indexes")
            ]
            parts += [keys[index], *indexes]
        return b"".join(parts)


def _bytes_list(column: pa.ChunkedArray) -> tuple[bytes, list[int]]:
    lists = column.combine_chunks()
    return lists.flatten().to_numpy().tobytes(), _ends(lists)


def _counted(data: bytes) -> bytes:
    return _count(len(data)) + data


def _count(number: int) -> bytes:
    """Write a compact-u16."""
    written = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
