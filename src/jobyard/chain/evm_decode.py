"""Blocks and receipts to Arrow record batches of the three EVM tables.

The fast way: the records of some blocks together, column by column. Use it with 1-8 blocks at a
time: more keep so many objects alive that the processor's caches no longer hold them. When a batch
does not decode, its blocks are tried one by one, so that the error names the block.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pyarrow as pa

from jobyard.chain.columns import (
    Remembered,
    booleans,
    decimals,
    fixed,
    fixed_or_null,
    matrix,
    nanoseconds,
    offsets,
    padded,
    quantities,
    there,
    uint32,
    uint64,
    uint64_or_null,
    validity,
    variable,
)
from jobyard.chain.evm_json import parse, unparsable
from jobyard.chain.evm_tables import BLOCKS, LOGS, TRANSACTIONS
from jobyard.chain.tables import arrow_schema, arrow_type
from jobyard.errors import BlockDisproved

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from jobyard.chain.columns import Bytes, Mask, Numbers
    from jobyard.chain.evm_json import (
        Access,
        Authorization,
        Block,
        Log,
        ParsedBlock,
        Receipt,
        Transaction,
    )

Item = TypeVar("Item")

LEGACY, TYPED = 0, 4
"""The first and the last type of transaction whose hash can be recomputed."""
TOPICS = 4
"""A log has at most as many topics (LOG4)."""
PROTECTED = 35
"""From here on a legacy `v` carries the chain id (EIP-155)."""
UNPROTECTED = (27, 28)
"""The values of a legacy `v` without a chain id."""
_UINT64_END = 1 << 64


@dataclass(frozen=True, slots=True)
class EvmBatch:
    """Some blocks as Arrow batches; `logs` is None when a block's receipts are missing."""

    blocks: pa.RecordBatch
    transactions: pa.RecordBatch
    logs: pa.RecordBatch | None

    def table(self, name: str) -> pa.RecordBatch | None:
        """Get the batch of a table."""
        batch: pa.RecordBatch | None = getattr(self, name)
        return batch


def read(
    given: Iterable[tuple[bytes, bytes | None]],
) -> tuple[list[ParsedBlock], EvmBatch]:
    """Parse and decode some blocks, each the JSON of a block and of its receipts if there are any.

    Meanwhile Python's collector of cycles rests: none can arise here, and it would walk thousands
    of small objects that are gone in a moment.

    Raises:
        BlockUnparsable: one of them is not a block.
        BlockDisproved: receipts belong to other transactions, or indexes are out of order.

    """
    collects = gc.isenabled()
    gc.disable()
    try:
        raws = [parse(block, receipts) for block, receipts in given]
        return raws, decode(raws)
    finally:
        if collects:
            gc.enable()


def decode(raws: Sequence[ParsedBlock]) -> EvmBatch:
    """Make the batches of some blocks, which stand in the order of the chain.

    Raises:
        BlockUnparsable: a value is not what its column holds.
        BlockDisproved: receipts belong to other transactions, or indexes are out of order.

    """
    try:
        return _decode(raws)
    except (ValueError, OverflowError, TypeError, IndexError, AttributeError) as error:
        if len(raws) == 1:
            raise unparsable(_number(raws[0].block), _reason(error)) from error
    for raw in raws:
        decode([raw])
    raise AssertionError("blocks that decode one by one decode together")


def _number(block: Block) -> int | None:
    try:
        return int(block.number, 16)
    except ValueError:
        return None


def _reason(error: Exception) -> str:
    return f"{error}" or type(error).__name__


def _decode(raws: Sequence[ParsedBlock]) -> EvmBatch:
    blocks = [raw.block for raw in raws]
    place = _Place.of(blocks)
    counts = np.fromiter((len(block.transactions) for block in blocks), np.int64, len(blocks))
    transactions = list(chain.from_iterable([block.transactions for block in blocks]))
    whole = all(raw.receipts is not None or not raw.block.transactions for raw in raws)
    receipts = _receipts(raws)
    batch, hashes = _transactions(transactions, receipts, place, counts)
    return EvmBatch(
        blocks=_blocks(blocks, place),
        transactions=batch,
        logs=_logs(receipts, place, counts, hashes) if whole else None,
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """What the rows of all tables repeat of their block."""

    numbers: Numbers
    hashes: Bytes
    seconds: Numbers

    @classmethod
    def of(cls, blocks: Sequence[Block]) -> _Place:
        return cls(
            quantities([block.number for block in blocks]),
            matrix([block.hash for block in blocks], 32),
            quantities([block.timestamp for block in blocks]),
        )

    def columns(self, counts: NDArray[np.int64]) -> list[pa.Array]:
        """Make `_block_num`, `block_hash`, `block_num` and `timestamp` of so many rows a block."""
        rows = np.repeat(np.arange(len(counts)), counts)
        number = uint64(self.numbers.take(rows))
        hashes = fixed(self.hashes.take(rows, axis=0))
        return [number, hashes, number, nanoseconds(self.seconds.take(rows))]


def _blocks(blocks: Sequence[Block], place: _Place) -> pa.RecordBatch:
    number = uint64(place.numbers)
    return pa.RecordBatch.from_arrays(
        [
            number,
            number,
            nanoseconds(place.seconds),
            fixed(place.hashes),
            fixed(matrix([block.parent_hash for block in blocks], 32)),
            fixed(matrix([block.sha3_uncles for block in blocks], 32)),
            fixed(matrix([block.miner for block in blocks], 20)),
            fixed(matrix([block.state_root for block in blocks], 32)),
            fixed(matrix([block.transactions_root for block in blocks], 32)),
            fixed(matrix([block.receipts_root for block in blocks], 32)),
            variable([block.logs_bloom for block in blocks]),
            decimals([block.difficulty for block in blocks]),
            decimals([block.total_difficulty for block in blocks]),
            uint64(quantities([block.gas_limit for block in blocks])),
            uint64(quantities([block.gas_used for block in blocks])),
            variable([block.extra_data for block in blocks]),
            fixed(matrix([block.mix_hash for block in blocks], 32)),
            uint64(quantities([block.nonce for block in blocks])),
            decimals([block.base_fee_per_gas for block in blocks]),
            fixed_or_null([block.withdrawals_root for block in blocks], 32),
            uint64_or_null([block.blob_gas_used for block in blocks]),
            uint64_or_null([block.excess_blob_gas for block in blocks]),
            fixed_or_null([block.parent_beacon_block_root for block in blocks], 32),
            fixed_or_null([block.requests_hash for block in blocks], 32),
        ],
        schema=arrow_schema(BLOCKS),
    )


_INDEX_TEXTS = [hex(number) for number in range(65536)]
"""Indexes as nodes write them, so that a whole column is compared without reading a number."""


def _check_indexes(texts: Sequence[str], block: Block, check: str) -> None:
    if texts == _INDEX_TEXTS[: len(texts)] or [int(t, 16) for t in texts] == [*range(len(texts))]:
        return
    wrong = next(place for place, text in enumerate(texts) if int(text, 16) != place)
    raise BlockDisproved(int(block.number, 16), check, f"{texts[wrong]} stands at {wrong}")


def _receipts(raws: Sequence[ParsedBlock]) -> list[Receipt | None]:
    """Line up the receipts with the transactions, and check what their places say."""
    lined: list[Receipt | None] = []
    for raw in raws:
        block = raw.block
        _check_indexes([tx.transaction_index for tx in block.transactions], block, "tx_indexes")
        if raw.receipts is None:
            lined.extend([None] * len(block.transactions))
            continue
        receipts = raw.receipts
        wanted = [tx.hash for tx in block.transactions]
        if [receipt.transaction_hash for receipt in receipts] != wanted:
            receipts = _put_in_order(receipts, wanted, block)
        logs = [log.log_index for receipt in receipts for log in receipt.logs]
        _check_indexes(logs, block, "log_indexes")
        lined.extend(receipts)
    return lined


def _put_in_order(receipts: list[Receipt], wanted: list[str], block: Block) -> list[Receipt]:
    by_hash = {receipt.transaction_hash.lower(): receipt for receipt in receipts}
    try:
        ordered = [by_hash[name.lower()] for name in wanted]
    except KeyError as missing:
        cause = f"no receipt of transaction {missing.args[0]}"
        raise BlockDisproved(int(block.number, 16), "receipts", cause) from None
    if len(receipts) != len(wanted):
        cause = f"{len(receipts)} receipts of {len(wanted)} transactions"
        raise BlockDisproved(int(block.number, 16), "receipts", cause)
    return ordered


def _transactions(
    txs: Sequence[Transaction],
    receipts: Sequence[Receipt | None],
    place: _Place,
    counts: NDArray[np.int64],
) -> tuple[pa.RecordBatch, Bytes]:
    hashes = matrix([tx.hash for tx in txs], 32)
    signs = [_SIGNS[tx.type, tx.v, tx.y_parity, tx.chain_id] for tx in txs]
    kinds = [kind for kind, _, _ in signs]
    number, block_hash, same_number, timestamp = place.columns(counts)
    batch = pa.RecordBatch.from_arrays(
        [
            number,
            block_hash,
            same_number,
            timestamp,
            uint32(_count_up(counts)),
            fixed(hashes),
            fixed_or_null([tx.to for tx in txs], 20),
            uint64(quantities([tx.nonce for tx in txs])),
            decimals([tx.gas_price for tx in txs]),
            uint64(quantities([tx.gas for tx in txs])),
            pa.array([_DECIMAL_TEXTS[tx.value] for tx in txs], pa.string()),
            variable([tx.input for tx in txs]),
            fixed(padded([tx.r for tx in txs], 32)),
            fixed(padded([tx.s for tx in txs], 32)),
            booleans([parity for _, parity, _ in signs]),
            pa.array([chain_id for _, _, chain_id in signs], pa.uint64()),
            uint64_or_null([None if receipt is None else receipt.gas_used for receipt in receipts]),
            pa.array(kinds, pa.int32()),
            decimals([tx.max_fee_per_gas for tx in txs]),
            decimals([tx.max_priority_fee_per_gas for tx in txs]),
            decimals([tx.max_fee_per_blob_gas for tx in txs]),
            fixed(matrix([tx.sender for tx in txs], 20)),
            booleans(
                [_STATUSES[None if receipt is None else receipt.status] for receipt in receipts]
            ),
            _state_roots(receipts),
            _access_lists(_owned([tx.access_list for tx in txs], kinds, _WITH_ACCESS)),
            _hash_lists(_owned([tx.blob_versioned_hashes for tx in txs], kinds, _WITH_BLOBS)),
            _authorization_lists(
                _owned([tx.authorization_list for tx in txs], kinds, _WITH_AUTHORIZATIONS)
            ),
        ],
        schema=arrow_schema(TRANSACTIONS),
    )
    return batch, hashes


def _count_up(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count from 0 anew in each group of so many rows."""
    starts = np.cumsum(counts) - counts
    return np.arange(counts.sum()) - np.repeat(starts, counts)


def _type(text: str | None) -> int:
    return LEGACY if text is None else int(text, 16)


def _status(text: str | None) -> bool | None:
    if text is None:
        return None
    number = int(text, 16)
    if number not in {0, 1}:
        raise ValueError(f"a receipt has the status {text}")
    return bool(number)


def _sign(
    key: tuple[str | None, str | None, str | None, str | None],
) -> tuple[int, bool, int | None]:
    """Make type, parity and chain id of a signature out of what the node says of it."""
    kind = _type(key[0])
    return (kind, *_parity_and_chain(kind, *key[1:]))


def _parity_and_chain(
    kind: int, v: str | None, y_parity: str | None, chain_id: str | None
) -> tuple[bool, int | None]:
    if kind == LEGACY:
        if v is None:
            raise ValueError("a transaction has no `v`")
        number = int(v, 16)
        if number >= PROTECTED:
            return bool((number - PROTECTED) & 1), (number - PROTECTED) >> 1
        if number in UNPROTECTED:
            return number == UNPROTECTED[1], None
        # Chains without signatures of their own give 0 or 1.
        return bool(number & 1), None
    if y_parity is None:
        y_parity = v
    if y_parity is None:
        raise ValueError("a transaction has neither `yParity` nor `v`")
    parity = int(y_parity, 16)
    if parity not in {0, 1}:
        raise ValueError(f"a transaction of type {kind} has the parity {parity}")
    if chain_id is None:
        if kind <= TYPED:
            raise ValueError(f"a transaction of type {kind} has no `chainId`")
        return bool(parity), None
    return bool(parity), int(chain_id, 16)


_STATUSES = Remembered(_status)
_SIGNS = Remembered(_sign)
_DECIMAL_TEXTS = Remembered(lambda text: str(int(text, 16)))


_ACCESS_LIST = arrow_type(TRANSACTIONS.column("access_list").kind)
_HASH_LIST = arrow_type(TRANSACTIONS.column("blob_versioned_hashes").kind)
_AUTHORIZATION_LIST = arrow_type(TRANSACTIONS.column("authorization_list").kind)


def _state_roots(receipts: Sequence[Receipt | None]) -> pa.Array:
    roots = [None if receipt is None else receipt.root for receipt in receipts]
    # Some nodes write an empty root where there is a status.
    return fixed_or_null([None if root == "0x" else root for root in roots], 32)


_WITH_ACCESS, _WITH_BLOBS, _WITH_AUTHORIZATIONS = (frozenset({1, 2, 3, 4}), frozenset({3}),
                                                   frozenset({4}))  # fmt: skip
"""The types of transactions that have such a list."""


def _owned(
    lists: list[list[Item] | None], kinds: Sequence[int], owners: frozenset[int]
) -> list[list[Item] | None]:
    """Give a list, if only an empty one, to transactions whose type has one, and to no other.

    Nodes differ in what they write there. What an unknown type has is left alone.
    """
    if [items is None for items in lists] == [kind not in owners for kind in kinds]:
        return lists
    return [
        (items or []) if kind in owners else None if LEGACY <= kind <= TYPED else items
        for items, kind in zip(lists, kinds, strict=True)
    ]


def _access_lists(lists: Sequence[list[Access] | None]) -> pa.Array:
    column = _ACCESS_LIST
    if lists.count(None) == len(lists):
        return pa.nulls(len(lists), column)
    mask, ends, entries = _flat(lists)
    addresses = fixed(matrix([entry.address for entry in entries], 20))
    keys = _hash_lists([entry.storageKeys for entry in entries])
    struct = pa.StructArray.from_arrays([addresses, keys], type=column.value_type)
    return pa.Array.from_buffers(column, len(lists), [validity(mask), ends], children=[struct])


def _hash_lists(lists: Sequence[list[str] | None]) -> pa.Array:
    column = _HASH_LIST
    if lists.count(None) == len(lists):
        return pa.nulls(len(lists), column)
    mask, ends, hashes = _flat(lists)
    child = fixed(matrix(hashes, 32))
    return pa.Array.from_buffers(column, len(lists), [validity(mask), ends], children=[child])


def _authorization_lists(lists: Sequence[list[Authorization] | None]) -> pa.Array:
    column = _AUTHORIZATION_LIST
    if lists.count(None) == len(lists):
        return pa.nulls(len(lists), column)
    mask, ends, entries = _flat(lists)
    chains = [int(entry.chain_id, 16) for entry in entries]
    parities = [int(_parity_text(entry), 16) for entry in entries]
    children = [
        # An authorization may carry any number here; one that is not valid is skipped by the
        # chain, but stays in the transaction.
        pa.array([chain if chain < _UINT64_END else None for chain in chains], pa.uint64()),
        fixed(matrix([entry.address for entry in entries], 20)),
        uint64(quantities([entry.nonce for entry in entries])),
        booleans([{0: False, 1: True}.get(parity) for parity in parities]),
        fixed(padded([entry.r for entry in entries], 32)),
        fixed(padded([entry.s for entry in entries], 32)),
    ]
    struct = pa.StructArray.from_arrays(children, type=column.value_type)
    return pa.Array.from_buffers(column, len(lists), [validity(mask), ends], children=[struct])


def _parity_text(entry: Authorization) -> str:
    text = entry.v if entry.y_parity is None else entry.y_parity
    if text is None:
        raise ValueError("an authorization has no `yParity`")
    return text


def _flat(lists: Sequence[list[Item] | None]) -> tuple[Mask, pa.Buffer, list[Item]]:
    """Lay lists end to end: which are there, where each ends, and their items."""
    mask = there(lists)
    lengths = np.fromiter((len(items) if items else 0 for items in lists), np.int64, len(lists))
    return mask, offsets(lengths), [item for items in lists if items for item in items]


def _logs(
    receipts: Sequence[Receipt | None],
    place: _Place,
    counts: NDArray[np.int64],
    hashes: Bytes,
) -> pa.RecordBatch:
    lists = [receipt.logs for receipt in receipts if receipt is not None]
    lengths = np.fromiter(map(len, lists), np.int64, len(lists))
    logs: list[Log] = list(chain.from_iterable(lists))
    ends = np.zeros(len(lists) + 1, np.int64)
    np.cumsum(lengths, out=ends[1:])
    block_ends = ends[np.cumsum(counts)]
    block_counts = np.diff(block_ends, prepend=0)
    number, block_hash, same_number, timestamp = place.columns(block_counts)
    rows = np.repeat(np.arange(len(lists)), lengths)
    return pa.RecordBatch.from_arrays(
        [
            number,
            block_hash,
            same_number,
            timestamp,
            fixed(hashes.take(rows, axis=0)),
            uint32(_count_up(counts).take(rows)),
            uint32(_count_up(block_counts)),
            fixed(matrix([log.address for log in logs], 20)),
            *_topics([log.topics for log in logs]),
            variable([log.data for log in logs]),
        ],
        schema=arrow_schema(LOGS),
    )


def _topics(lists: Sequence[list[str]]) -> list[pa.Array]:
    counts = np.fromiter(map(len, lists), np.int64, len(lists))
    if len(counts) and counts.max() > TOPICS:
        raise ValueError("a log has more than four topics")
    flat = matrix(list(chain.from_iterable(lists)), 32)
    starts = np.cumsum(counts) - counts
    columns = []
    for place in range(TOPICS):
        mask = counts > place
        if not mask.any():
            columns.append(pa.nulls(len(lists), pa.binary(32)))
        else:
            # Under a null stands some other topic; nobody reads it.
            columns.append(fixed(flat.take(np.where(mask, starts + place, 0), axis=0), mask))
    return columns
