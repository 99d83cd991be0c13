"""Headers, transactions and receipts as EVM chains write them to hash them, from table columns."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jobyard.chain import rlp
from jobyard.chain.keccak import keccak
from jobyard.chain.rows import values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    Row = Mapping[str, Any]
    Columns = Mapping[str, Sequence[Any]]

LEGACY, ACCESS_LIST, DYNAMIC_FEE, BLOB, SET_CODE = range(5)
"""The types of transactions whose form is known (EIP-2718, 2930, 1559, 4844, 7702)."""
BLOOM_BYTES = 256
_BLOOM_BITS = 8 * BLOOM_BYTES
_NONCE_BYTES = 8
_ADDRESSES_AND_TOPICS_KEPT = 16384
"""Bloom bits of that many addresses and topics are remembered: about 6 MB."""


class NotProvable(Exception):
    """A hash that cannot be recomputed from what the tables hold; the message says why."""


class LazyColumns(dict[str, list[Any]]):
    """The columns of a batch as Python values; each is made when it is first asked for."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        """Look at a batch."""
        super().__init__()
        self._batch = batch

    def __missing__(self, name: str) -> list[Any]:
        """Make the values of a column."""
        found = self[name] = values(self._batch.column(name))
        return found


def columns(batch: pa.RecordBatch) -> LazyColumns:
    """Get the columns of a batch as Python values, by name."""
    return LazyColumns(batch)


# The fields of a header in the order in which it is hashed; the nonce has eight bytes always.
_HEADER = (
    "parent_hash", "ommers_hash", "miner", "state_root", "transactions_root", "receipt_root",
    "logs_bloom", "difficulty", "block_num", "gas_limit", "gas_used", "timestamp", "extra_data",
    "mix_hash",
)  # fmt: skip
_LATER = (
    "base_fee_per_gas", "withdrawals_root", "blob_gas_used", "excess_blob_gas",
    "parent_beacon_root", "requests_hash",
)  # fmt: skip
"""What forks added; a header ends where its fork did."""


def header_hash(blocks: Columns, at: int) -> bytes:
    """Compute the hash of the header in a row of the table of blocks."""
    items = [_item(blocks[name][at]) for name in _HEADER]
    items.append(rlp.of_bytes(blocks["nonce"][at].to_bytes(_NONCE_BYTES, "big")))
    later = [blocks[name][at] for name in _LATER]
    while later and later[-1] is None:
        later.pop()
    items += [rlp.EMPTY if value is None else _item(value) for value in later]
    return keccak(rlp.of_list(items))


def _item(value: Any) -> bytes:
    return rlp.of_bytes(value) if isinstance(value, bytes) else rlp.of_int(value)


def transaction(row: Columns, at: int) -> bytes:
    """Write the transaction in a row of the table of transactions; its hash is this one's.

    Raises:
        NotProvable: its type is not known, or a column cannot hold what it said.

    """
    kind = row["type"][at]
    if kind not in _FIELDS:
        raise NotProvable(f"transactions of type {kind} are not known")
    written = rlp.of_list([_FIELD_WRITERS[name](row, at) for name in _FIELDS[kind]])
    return bytes((kind,)) + written if kind else written


def signed(row: Columns, at: int) -> bytes:
    """Write what a transaction's sender signed: the transaction without its signature.

    Raises:
        NotProvable: its type is not known, or a column cannot hold what it said.

    """
    kind = row["type"][at]
    if kind not in _FIELDS:
        raise NotProvable(f"transactions of type {kind} are not known")
    items = [_FIELD_WRITERS[name](row, at) for name in _FIELDS[kind] if name not in _OF_SIGNATURES]
    if kind == LEGACY and row["chain_id"][at] is not None:
        # Since EIP-155 the chain is signed, in the place of the signature.
        items += [rlp.of_int(row["chain_id"][at]), rlp.EMPTY, rlp.EMPTY]
    written = rlp.of_list(items)
    return bytes((kind,)) + written if kind else written


_CALL = ("gas_limit", "to", "value", "input")
_SIGNATURE = ("parity", "r", "s")
_OF_SIGNATURES = frozenset({"v", *_SIGNATURE})
_FEES = ("max_priority_fee_per_gas", "max_fee_per_gas")
_FIELDS = {
    LEGACY: ("nonce", "gas_price", *_CALL, "v", "r", "s"),
    ACCESS_LIST: ("chain_id", "nonce", "gas_price", *_CALL, "access_list", *_SIGNATURE),
    DYNAMIC_FEE: ("chain_id", "nonce", *_FEES, *_CALL, "access_list", *_SIGNATURE),
    BLOB: (
        "chain_id", "nonce", *_FEES, *_CALL, "access_list", "max_fee_per_blob_gas",
        "blob_versioned_hashes", *_SIGNATURE,
    ),
    SET_CODE: (
        "chain_id", "nonce", *_FEES, *_CALL, "access_list", "authorization_list", *_SIGNATURE,
    ),
}  # fmt: skip
"""What is signed and hashed, by type."""
_UNUSED: dict[int, tuple[str, ...]] = {
    LEGACY: (
        *_FEES, "max_fee_per_blob_gas", "access_list", "blob_versioned_hashes",
        "authorization_list",
    ),
    ACCESS_LIST: (
        *_FEES, "max_fee_per_blob_gas", "blob_versioned_hashes", "authorization_list",
    ),
    DYNAMIC_FEE: ("max_fee_per_blob_gas", "blob_versioned_hashes", "authorization_list"),
    BLOB: ("authorization_list",),
    SET_CODE: ("max_fee_per_blob_gas", "blob_versioned_hashes"),
}  # fmt: skip


def strays(row: Columns, at: int) -> list[str]:
    """Name the columns that hold something which a transaction of that type does not have.

    Nor may a list be null that belongs to the type: it is empty.
    """
    unused = _UNUSED.get(row["type"][at], ())
    return [name for name in unused if row[name][at] is not None] + [
        name for name in _LISTS if name not in unused and row[name][at] is None
    ]


_LISTS = ("access_list", "blob_versioned_hashes", "authorization_list")


def _number(name: str) -> Any:
    def write(row: Columns, at: int) -> bytes:
        value = row[name][at]
        if value is None:
            raise NotProvable(f"{name} is null")
        return rlp.of_int(value)

    return write


def _signature_part(name: str) -> Any:
    return lambda row, at: rlp.of_bytes(row[name][at].lstrip(b"\0"))


def _v(row: Columns, at: int) -> bytes:
    chain_id, parity = row["chain_id"][at], row["v_parity"][at]
    return rlp.of_int(27 + parity if chain_id is None else 35 + 2 * chain_id + parity)


def _access_list(row: Columns, at: int) -> bytes:
    entries = row["access_list"][at]
    if not entries:
        return b"\xc0"
    return rlp.of_list(
        rlp.of_list(
            (
                rlp.of_bytes(entry["address"]),
                rlp.of_list(map(rlp.of_bytes, entry["storage_keys"])),
            )
        )
        for entry in entries
    )


def _authorization_list(row: Columns, at: int) -> bytes:
    return rlp.of_list(map(_authorization, row["authorization_list"][at] or ()))


def _authorization(entry: Row) -> bytes:
    if entry["chain_id"] is None or entry["y_parity"] is None:
        raise NotProvable("an authorization holds a number that its column cannot hold")
    return rlp.of_list(
        (
            rlp.of_int(entry["chain_id"]),
            rlp.of_bytes(entry["address"]),
            rlp.of_int(entry["nonce"]),
            rlp.of_int(entry["y_parity"]),
            rlp.of_bytes(entry["r"].lstrip(b"\0")),
            rlp.of_bytes(entry["s"].lstrip(b"\0")),
        )
    )


_FIELD_WRITERS: dict[str, Any] = {
    **{
        name: _number(name)
        for name in ("chain_id", "nonce", "gas_price", "gas_limit", *_FEES, "max_fee_per_blob_gas")
    },
    "to": lambda row, at: rlp.of_bytes(row["to"][at] or b""),
    "value": lambda row, at: rlp.of_int(int(row["value"][at])),
    "input": lambda row, at: rlp.of_bytes(row["input"][at]),
    "v": _v,
    "parity": lambda row, at: rlp.of_int(row["v_parity"][at]),
    "r": _signature_part("r"),
    "s": _signature_part("s"),
    "access_list": _access_list,
    "blob_versioned_hashes": lambda row, at: rlp.of_list(
        map(rlp.of_bytes, row["blob_versioned_hashes"][at] or ())
    ),
    "authorization_list": _authorization_list,
}


_TOPICS = ("topic0", "topic1", "topic2", "topic3")


@lru_cache(maxsize=_ADDRESSES_AND_TOPICS_KEPT)
def bloom_of(value: bytes) -> int:
    """Compute the three bits that an address or a topic sets in a bloom."""
    digest = keccak(value)
    bits = 0
    for place in (0, 2, 4):
        bits |= 1 << (int.from_bytes(digest[place : place + 2], "big") % _BLOOM_BITS)
    return bits


def receipt(
    transactions: Columns, at: int, cumulative_gas: int, logs: Columns, places: Sequence[int]
) -> tuple[bytes, int]:
    """Write the receipt of a transaction, and compute its bloom.

    ``places`` are the rows of its logs.

    Raises:
        ValueError: the topics of a log have a hole.

    """
    bloom = 0
    written = []
    for place in places:
        address = logs["address"][place]
        bloom |= bloom_of(address)
        topics = [logs[name][place] for name in _TOPICS]
        while topics and topics[-1] is None:
            topics.pop()
        if None in topics:
            raise ValueError("a topic follows one that is not there")
        for topic in topics:
            bloom |= bloom_of(topic)
        written.append(
            rlp.of_list(
                (
                    b"\x94" + address,
                    rlp.of_list([b"\xa0" + topic for topic in topics]),
                    rlp.of_bytes(logs["data"][place]),
                )
            )
        )
    kind, root = transactions["type"][at], transactions["state_root"][at]
    first = rlp.of_int(transactions["status"][at]) if root is None else rlp.of_bytes(root)
    body = rlp.of_list(
        (
            first,
            rlp.of_int(cumulative_gas),
            rlp.of_bytes(bloom.to_bytes(BLOOM_BYTES, "big")),
            rlp.of_list(written),
        )
    )
    return (bytes((kind,)) + body if kind else body), bloom
