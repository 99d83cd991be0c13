"""Prove Solana's tables from themselves: links, signatures, and that no lamport gets lost.

Signatures are checked over the message as it is put together again from columns, so they prove
every column of ``messages``, and of ``instructions`` and ``transactions`` what the message holds.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobyard.chain import solana_base58
from jobyard.chain.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from jobyard.chain.solana_base58 import Ragged
    from jobyard.chain.source import BlockRef

UNPROVED = {
    "block hash": "it covers the entries, which getBlock does not give; links only show that"
    " blocks belong together",
    "completeness": "nothing shows that a block's transactions are all here, in this order",
    "block height, time and rewards": "nothing that is given covers them",
    "outcomes": "nobody signs err, logs, inner instructions, token balances, return data or compute"
    " units; of balances only their sum is checked",
}
"""What the data of ``getBlock`` cannot prove, whoever gives it, and why."""
_AT_ONCE = 256
"""Transactions that one thread checks at a time."""


def verify(
    tables: Mapping[str, pa.Table], *, previous: BlockRef | None = None, threads: int = 2
) -> Report:
    """Check tables that hold the same whole blocks, sorted by slot and place.

    ``block_headers`` proves links, ``transactions`` lamports, and with ``messages`` and
    ``instructions`` signatures; what is not there is not checked. ``previous`` is the block before
    the first one, where it is known.
    """
    report = Report()
    slots = next(iter(tables.values()))["slot"]
    if len(slots):
        first, last = pc.min(slots).as_py(), pc.max(slots).as_py()
        for what, reason in UNPROVED.items():
            report.leave_open(what, first, reason, last)
    if "block_headers" in tables:
        check_links(tables["block_headers"], report, previous)
    if "transactions" in tables:
        check_lamports(tables["transactions"], report)
    if {"transactions", "messages", "instructions"} <= tables.keys():
        check_signatures(tables, report, threads)
    return report


def check_links(headers: pa.Table, report: Report, previous: BlockRef | None = None) -> None:
    """Check that each block names the one before it, by slot and hash.

    Slots between the two were skipped: no block of theirs is in this chain. A block that follows a
    later one than the one before it is a finding of its own: blocks between them are missing.
    """
    names = ("slot", "parent_slot", "block_hash", "previous_block_hash")
    before = None if previous is None else (previous.number, previous.hash)
    for slot, parent, block_hash, parent_hash in zip(
        *(headers[name].to_pylist() for name in names), strict=True
    ):
        if before is not None and (parent, parent_hash) != before:
            check = "gap" if parent > before[0] else "parent link"
            report.fail(check, slot, f"follows {parent} {parent_hash}, not {before[0]} {before[1]}")
        elif before is not None:
            report.prove("parent link")
            if slot - parent > 1:
                report.prove("skipped slot", slot - parent - 1)
        before = (slot, block_hash)


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
    report.prove("lamports", int((known & ~wrong).sum()))
    slots, places = transactions["slot"].to_numpy(), transactions["tx_index"].to_numpy()
    for row in np.flatnonzero(wrong):
        sums_said = f"{sums[0][row]} before, {sums[1][row]} after, fee {fee[row]}"
        report.fail("lamports", int(slots[row]), f"transaction {places[row]}: {sums_said}")
    for slot in np.unique(slots[~known]):
        report.leave_open("lamports", int(slot), "the source has no balances")


def _sums(column: pa.ListArray) -> NDArray[np.int64]:
    values = np.append(column.values.to_numpy(zero_copy_only=False).astype(np.int64), 0)
    totals = np.concatenate([[0], np.cumsum(values)])
    offsets = column.offsets.to_numpy()
    return np.asarray(totals[offsets[1:]] - totals[offsets[:-1]])


def check_signatures(tables: Mapping[str, pa.Table], report: Report, threads: int = 2) -> None:
    """Check every signature over its message, put together again from columns."""
    jobs = list(_signed(tables, report))
    parts = [jobs[at : at + _AT_ONCE] for at in range(0, len(jobs), _AT_ONCE)]
    with ThreadPoolExecutor(threads) as pool:
        for held, wrong in pool.map(_check_some, parts):
            report.prove("signature", held)
            for slot, cause in wrong:
                report.fail("signature", slot, cause)


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
        if len(signatures) != len(keys):
            said = f"{len(signatures)} signatures where {len(keys)} are required"
            wrong.append((slot, f"transaction {place}: {said}"))
    return held, wrong


def _signed(tables: Mapping[str, pa.Table], report: Report) -> Iterator[_Signed]:
    messages, transactions = tables["messages"], tables["transactions"]
    where = [_where(tables[name]) for name in ("messages", "transactions")]
    if len(where[0]) != len(where[1]) or (where[0] != where[1]).any():
        first = int(min((each[0, 0] for each in where if len(each)), default=0))
        report.fail("signature", first, "transactions and messages are not of the same blocks")
        return
    serial = _Serial(messages, transactions, tables["instructions"], where[0])
    signatures, signature_ends = _base58_list(transactions["signatures"])
    for row, (slot, place) in enumerate(where[0].tolist()):
        first, last = signature_ends[row], signature_ends[row + 1]
        given = [signatures[index] for index in range(first, last)]
        yield slot, place, serial.message(row), given, serial.signers(row)


def _where(table: pa.Table) -> NDArray[np.int64]:
    slot, place = (table[name].to_numpy().astype(np.int64) for name in ("slot", "tx_index"))
    return np.stack([slot, place], axis=1)


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
        rows = [keys.get(tuple(each), -1) for each in _where(outer).tolist()]
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
