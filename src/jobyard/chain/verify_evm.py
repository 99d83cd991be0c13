"""Proof of EVM tables by the chain's own hashes, from columns alone.

The same checks serve an extraction, before it writes, and files that lie there. What a check needs
and is not there makes it "not provable", with the reason; it never makes it pass.
"""

from __future__ import annotations

from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from jobyard.chain import rlp, trie
from jobyard.chain.evm_hashing import (
    BLOOM_BYTES,
    LEGACY,
    SET_CODE,
    NotProvable,
    columns,
    header_hash,
    receipt,
    strays,
    transaction,
)
from jobyard.chain.evm_senders import sender
from jobyard.chain.keccak import keccak
from jobyard.chain.order import in_order
from jobyard.chain.report import Report
from jobyard.chain.rows import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from jobyard.chain.evm_hashing import Columns
    from jobyard.chain.evm_json import Withdrawal

NO_RECEIPTS = "the source has no receipts"
NO_LOGS = "there is no table of logs"
NO_TRANSACTIONS = "there is no table of transactions"
FIRST = "the block before is not there"


class Check(StrEnum):
    """What is checked of every block."""

    HEADER_HASH = "header_hash"
    PARENT_LINK = "parent_link"
    TOTAL_DIFFICULTY = "total_difficulty"
    PLACES = "places"
    TX_INDEXES = "tx_indexes"
    LOG_INDEXES = "log_indexes"
    GAS = "gas"
    GAS_PRICES = "gas_prices"
    TX_HASHES = "tx_hashes"
    SENDERS = "senders"
    TRANSACTIONS_ROOT = "transactions_root"
    RECEIPTS_ROOT = "receipts_root"
    BLOOM = "logs_bloom"
    WITHDRAWALS_ROOT = "withdrawals_root"


ABOUT = {
    Check.HEADER_HASH: "the hash of the header, of every column that is part of it",
    Check.PARENT_LINK: "`parent_hash` is the hash of the block before",
    Check.TOTAL_DIFFICULTY: "the sum of the block before plus `difficulty`",
    Check.PLACES: "rows repeat number, hash and time of their block and hash of their transaction",
    Check.TX_INDEXES: "transactions are numbered 0, 1, 2 …",
    Check.LOG_INDEXES: "logs are numbered 0, 1, 2 … and stand in the order of transactions",
    Check.GAS: "the gas of the transactions adds up to that of the block",
    Check.GAS_PRICES: "the price paid follows from base fee and what the transaction offers",
    Check.TX_HASHES: "the hash of every transaction, of every column that is part of it",
    Check.SENDERS: "`from` is who signed, of every transaction; needs `jobyard[senders]`",
    Check.TRANSACTIONS_ROOT: "the root of the trie of transactions",
    Check.RECEIPTS_ROOT: "the root of the trie of receipts: status, gas, every log",
    Check.BLOOM: "the Bloom filter of all logs",
    Check.WITHDRAWALS_ROOT: "the root of the trie of withdrawals, while extracting",
}
"""What passes when a check passes."""


class EvmVerifier:
    """Checks batches of blocks in the order of the chain, and keeps the report.

    Without ``full`` it leaves out what is dear: hashes of transactions, roots, blooms.
    """

    def __init__(self, *, full: bool, report: Report | None = None) -> None:
        """Begin before the first block."""
        self.full = full
        self.report = report or Report()
        self._last: tuple[int, bytes, int | None] | None = None

    def check(
        self,
        blocks: pa.RecordBatch,
        transactions: pa.RecordBatch | None,
        logs: pa.RecordBatch | None,
        withdrawals: Sequence[list[Withdrawal] | None] | None = None,
    ) -> None:
        """Check some blocks with all rows of theirs; ``withdrawals`` are those of the JSON."""
        header = columns(blocks)
        for number, after in pairwise(header["_block_num"]):
            if after <= number:
                self.report.fail(Check.PLACES, after, f"it stands behind block {number}")
        tx_places = self._split(header, transactions)
        log_places = self._split(header, logs)
        orderly = in_order(blocks, transactions, logs, tx_places, log_places)
        txs = None if transactions is None else columns(transactions)
        events = None if logs is None else columns(logs)
        for at, number in enumerate(header["block_num"]):
            self._check_header(header, at, number)
            block = _Block(self.report, header, at, number, txs, tx_places[at])
            if orderly:
                block.prove_order(logs is not None)
            else:
                block.check_order(events, log_places[at])
            block.check_gas()
            if self.full:
                block.check_gas_prices()
                block.check_hashes(events, log_places[at])
                block.check_withdrawals(None if withdrawals is None else withdrawals[at])

    def _split(self, header: Columns, table: pa.RecordBatch | None) -> list[range]:
        """Find the rows of each block; rows of no block fail."""
        wanted = header["_block_num"]
        if table is None or not table.num_rows:
            return [range(0)] * len(wanted)
        rows = numbers(table.column("_block_num"))
        starts = [0, *(np.flatnonzero(np.diff(rows)) + 1).tolist(), len(rows)]
        places: dict[int, range] = {}
        for start, end in pairwise(starts):
            number = int(rows[start])
            if number in places:
                self.report.fail(Check.PLACES, number, "its rows do not stand together")
            places[number] = range(start, end)
        for number in places.keys() - set(wanted):
            self.report.fail(Check.PLACES, number, "there are rows of it but no block")
        return [places.get(number, range(0)) for number in wanted]

    def _check_header(self, header: Columns, at: int, number: int) -> None:
        report, own = self.report, header["hash"][at]
        computed = _computed(lambda: header_hash(header, at))
        if computed == own:
            report.prove(Check.HEADER_HASH)
        else:
            report.fail(Check.HEADER_HASH, number, _differs(computed, own))
        total, last = header["total_difficulty"][at], self._last
        if last is None or last[0] + 1 != number:
            report.leave_open(Check.PARENT_LINK, number, FIRST)
        elif last[1] == header["parent_hash"][at]:
            report.prove(Check.PARENT_LINK)
        else:
            report.fail(Check.PARENT_LINK, number, _differs(last[1], header["parent_hash"][at]))
        if last is not None and last[0] + 1 == number and None not in {total, last[2]}:
            if last[2] + header["difficulty"][at] == total:
                report.prove(Check.TOTAL_DIFFICULTY)
            else:
                report.fail(Check.TOTAL_DIFFICULTY, number, f"{total} does not add up")
        else:
            reason = "the source has none" if total is None else FIRST
            report.leave_open(Check.TOTAL_DIFFICULTY, number, reason)
        self._last = (number, own, total)


_OF_TRANSACTIONS = (Check.TX_INDEXES, Check.GAS, Check.LOG_INDEXES)
_OF_HASHES = (Check.TX_HASHES, Check.TRANSACTIONS_ROOT)
_OF_TRANSACTIONS_IN_FULL = (*_OF_HASHES, Check.SENDERS)
_OF_RECEIPTS = (Check.RECEIPTS_ROOT, Check.BLOOM)


class _Block:
    """One block and its transactions."""

    def __init__(
        self,
        report: Report,
        header: Columns,
        at: int,
        number: int,
        txs: Columns | None,
        places: range,
    ) -> None:
        self._report = report
        self._header = header
        self._at = at
        self._number = number
        self._txs: Columns = {} if txs is None else txs
        self._has_transactions = txs is not None
        self._places = places

    def leave_open(self, checks: Sequence[Check], reason: str) -> None:
        for check in checks:
            self._report.leave_open(check, self._number, reason)

    def _decide(self, check: Check, causes: Sequence[str]) -> None:
        if causes:
            self._report.fail(check, self._number, causes[0])
        else:
            self._report.prove(check)

    def _strange_places(self, table: Columns, places: range) -> list[str]:
        causes: list[str] = []
        if not places:
            return causes
        for name, own in (
            ("block_hash", self._header["hash"][self._at]),
            ("block_num", self._number),
            ("timestamp", self._header["timestamp"][self._at]),
        ):
            column = table[name]
            causes += [
                f"{name} of row {row - places.start}" for row in places if column[row] != own
            ]
        return causes

    def prove_order(self, has_logs: bool) -> None:
        """Take over that all rows of the batch stand where they should."""
        self._report.prove(Check.PLACES)
        if not self._has_transactions:
            self.leave_open(_OF_TRANSACTIONS, NO_TRANSACTIONS)
            return
        self._report.prove(Check.TX_INDEXES)
        if has_logs:
            self._report.prove(Check.LOG_INDEXES)
        else:
            self.leave_open((Check.LOG_INDEXES,), NO_LOGS)

    def check_order(self, logs: Columns | None, log_places: range) -> None:
        """Look row by row for what does not stand where it should."""
        own = self._header["_block_num"][self._at]
        causes = [] if own == self._number else ["_block_num of the block"]
        causes += self._strange_places(self._txs, self._places)
        if logs is not None:
            causes += self._strange_places(logs, log_places)
        if not self._has_transactions:
            self._decide(Check.PLACES, causes)
            self.leave_open(_OF_TRANSACTIONS, NO_TRANSACTIONS)
            return
        if logs is not None:
            causes += self._strange_owners(logs, log_places)
        self._decide(Check.PLACES, causes)
        self._check_indexes(Check.TX_INDEXES, self._txs["tx_index"], self._places)
        if logs is None:
            self.leave_open((Check.LOG_INDEXES,), NO_LOGS)
        else:
            self._check_indexes(Check.LOG_INDEXES, logs["log_index"], log_places)

    def _strange_owners(self, logs: Columns, places: range) -> list[str]:
        hashes = [self._txs["tx_hash"][place] for place in self._places]
        causes, last = [], 0
        for row in places:
            index = logs["tx_index"][row]
            if not last <= index < len(hashes) or logs["tx_hash"][row] != hashes[index]:
                causes.append(f"transaction of log {row - places.start}")
            last = index
        return causes

    def _check_indexes(self, check: Check, indexes: Sequence[int], places: range) -> None:
        found = [indexes[place] for place in places]
        wrong = [f"{index} stands at {at}" for at, index in enumerate(found) if index != at]
        self._decide(check, wrong)

    def check_gas(self) -> None:
        if not self._has_transactions:
            return
        gas = [self._txs["gas_used"][place] for place in self._places]
        if None in gas:
            self.leave_open((Check.GAS,), NO_RECEIPTS)
            return
        said = self._header["gas_used"][self._at]
        self._decide(Check.GAS, [] if sum(gas) == said else [f"{sum(gas)} is not {said}"])

    def check_gas_prices(self) -> None:
        """Recompute what EIP-1559 makes of the two offers; legacy prices are part of a hash."""
        if not self._has_transactions:
            self.leave_open((Check.GAS_PRICES,), NO_TRANSACTIONS)
            return
        base = self._header["base_fee_per_gas"][self._at]
        txs = self._txs
        wrong = []
        for place in self._places:
            if txs["type"][place] <= 1:
                continue
            if txs["type"][place] > SET_CODE or base is None:
                self.leave_open((Check.GAS_PRICES,), "prices of such transactions are not known")
                return
            most, tip = txs["max_fee_per_gas"][place], txs["max_priority_fee_per_gas"][place]
            if None in {most, tip} or txs["gas_price"][place] != min(most, base + tip):
                wrong.append(f"that of transaction {place - self._places.start}")
        self._decide(Check.GAS_PRICES, wrong)

    def check_hashes(self, logs: Columns | None, log_places: range) -> None:
        if not self._has_transactions:
            self.leave_open((*_OF_TRANSACTIONS_IN_FULL, *_OF_RECEIPTS), NO_TRANSACTIONS)
            return
        self._check_transaction_hashes()
        self._check_senders()
        if logs is None and len(self._places):
            self.leave_open(_OF_RECEIPTS, NO_LOGS)
        else:
            self._check_receipts({} if logs is None else logs, log_places)

    def _check_transaction_hashes(self) -> None:
        txs = self._txs
        written, wrong = [], []
        for at, place in enumerate(self._places):
            try:
                text = transaction(txs, place)
            except NotProvable as open_:
                self.leave_open(_OF_HASHES, str(open_))
                return
            except (ValueError, OverflowError, TypeError, AttributeError) as error:
                wrong.append(f"transaction {at} cannot be written: {error}")
                text = b""
            written.append(text)
            if keccak(text) != txs["tx_hash"][place]:
                wrong.append(f"that of transaction {at}")
            wrong += [f"transaction {at} has no {name}" for name in strays(txs, place)]
        self._decide(Check.TX_HASHES, wrong)
        self._compare(Check.TRANSACTIONS_ROOT, written, "transactions_root")

    def _check_senders(self) -> None:
        txs = self._txs
        wrong = []
        for at, place in enumerate(self._places):
            try:
                found = sender(txs, place)
            except NotProvable as open_:
                self.leave_open((Check.SENDERS,), str(open_))
                return
            except (ValueError, OverflowError, TypeError, AttributeError) as error:
                wrong.append(f"nobody signed transaction {at}: {error}")
            else:
                if found != txs["from"][place]:
                    wrong.append(f"0x{found.hex()} signed transaction {at}")
        self._decide(Check.SENDERS, wrong)

    def _check_receipts(self, logs: Columns, log_places: range) -> None:
        txs = self._txs
        groups: list[list[int]] = [[] for _ in self._places]
        for row in log_places:
            index = logs["tx_index"][row]
            if index < len(groups):
                groups[index].append(row)
        written, bloom, gas = [], 0, 0
        for place, rows in zip(self._places, groups, strict=True):
            kind, used = txs["type"][place], txs["gas_used"][place]
            if used is None or txs["status"][place] is txs["state_root"][place] is None:
                self.leave_open(_OF_RECEIPTS, NO_RECEIPTS)
                return
            if not LEGACY <= kind <= SET_CODE:
                self.leave_open(_OF_RECEIPTS, f"receipts of type {kind} are not known")
                return
            gas += used
            try:
                text, bits = receipt(txs, place, gas, logs, rows)
            except ValueError as error:
                self._report.fail(Check.RECEIPTS_ROOT, self._number, str(error))
                return
            written.append(text)
            bloom |= bits
        self._compare(Check.RECEIPTS_ROOT, written, "receipt_root")
        said = self._header["logs_bloom"][self._at]
        same = bloom.to_bytes(BLOOM_BYTES, "big") == said
        self._decide(Check.BLOOM, [] if same else ["its bits are others"])

    def check_withdrawals(self, withdrawals: list[Withdrawal] | None) -> None:
        if self._header["withdrawals_root"][self._at] is None:
            return
        if withdrawals is None:
            reason = "withdrawals are in no table, and the source gave none"
            self.leave_open((Check.WITHDRAWALS_ROOT,), reason)
            return
        written = [
            rlp.of_list(
                (
                    rlp.of_int(int(one.index, 16)),
                    rlp.of_int(int(one.validator_index, 16)),
                    rlp.of_bytes(bytes.fromhex(one.address[2:])),
                    rlp.of_int(int(one.amount, 16)),
                )
            )
            for one in withdrawals
        ]
        self._compare(Check.WITHDRAWALS_ROOT, written, "withdrawals_root")

    def _compare(self, check: Check, written: Sequence[bytes], name: str) -> None:
        computed, said = trie.root(written), self._header[name][self._at]
        self._decide(check, [] if computed == said else [_differs(computed, said)])


def _computed(compute: Any) -> bytes | str:
    """Compute a hash; a value that has no encoding (negative, a fraction) is told as text."""
    try:
        result: bytes = compute()
    except (ValueError, OverflowError, TypeError, AttributeError) as error:
        return str(error)
    return result


def _differs(computed: bytes | str, said: bytes) -> str:
    shown = computed if isinstance(computed, str) else f"0x{computed.hex()}"
    return f"computed {shown}, found 0x{said.hex()}"
