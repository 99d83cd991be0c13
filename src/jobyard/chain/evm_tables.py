"""The tables of an EVM chain read over JSON-RPC: blocks, transactions, logs.

What a source does not have is null. Columns that come from receipts are nullable for that reason:
a source without receipts still has blocks and transactions.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from jobyard.chain.tables import Column, Kind, ListOf, Record, Table, nullable

if TYPE_CHECKING:
    from collections.abc import Mapping

B20, B32, U64, DEC = Kind.BYTES20, Kind.BYTES32, Kind.UINT64, Kind.DECIMAL

NUMBER = Column("_block_num", U64, "number of the block, the same in every table")
PLACE = (
    Column("block_hash", B32, "hash of the block"),
    Column("block_num", U64, "number of the block"),
    Column("timestamp", Kind.TIME, "when the block was made"),
)

BLOCKS = Table(
    "blocks",
    "One row a block, genesis (block 0) included.",
    (
        NUMBER,
        Column("block_num", U64, "number of the block"),
        Column("timestamp", Kind.TIME, "when the block was made"),
        Column("hash", B32, "hash of the header"),
        Column("parent_hash", B32, "hash of the block before"),
        Column("ommers_hash", B32, "hash of the list of uncles"),
        Column("miner", B20, "who gets the fees"),
        Column("state_root", B32, "root of the state after the block"),
        Column("transactions_root", B32, "root of the trie of transactions"),
        Column("receipt_root", B32, "root of the trie of receipts"),
        Column("logs_bloom", Kind.BYTES, "256 bytes, the Bloom filter of all logs"),
        Column("difficulty", DEC, "0 since the merge"),
        nullable("total_difficulty", DEC, "sum up to this block; newer nodes leave it out"),
        Column("gas_limit", U64, "gas that fits into the block"),
        Column("gas_used", U64, "gas that its transactions used"),
        Column("extra_data", Kind.BYTES, "free words of the producer"),
        Column("mix_hash", B32, "proof of work; since the merge the beacon's randomness"),
        Column("nonce", U64, "proof of work; 0 since the merge"),
        nullable("base_fee_per_gas", DEC, "since London"),
        nullable("withdrawals_root", B32, "since Shanghai"),
        nullable("blob_gas_used", U64, "since Cancun"),
        nullable("excess_blob_gas", U64, "since Cancun"),
        nullable("parent_beacon_root", B32, "since Cancun"),
        nullable("requests_hash", B32, "since Prague"),
    ),
    coded=frozenset({"ommers_hash", "miner", "gas_limit", "extra_data", "nonce", "difficulty"}),
    sought=(("hash", 1),),
)

ACCESS = Record((Column("address", B20), Column("storage_keys", ListOf(B32))))
AUTHORIZATION = Record(
    (
        nullable("chain_id", U64),
        Column("address", B20),
        Column("nonce", U64),
        nullable("y_parity", Kind.BOOL),
        Column("r", B32),
        Column("s", B32),
    )
)

TRANSACTIONS = Table(
    "transactions",
    "One row a transaction, with what its receipt says.",
    (
        NUMBER,
        *PLACE,
        Column("tx_index", Kind.UINT32, "place in the block, from 0"),
        Column("tx_hash", B32, "hash of the transaction"),
        nullable("to", B20, "whom it calls; null when it creates a contract"),
        Column("nonce", U64, "the sender's count"),
        nullable("gas_price", DEC, "price that was paid"),
        Column("gas_limit", U64, "gas that it may use"),
        Column("value", Kind.TEXT, "wei that it moves, decimal: 256 bits fit no Arrow number"),
        Column("input", Kind.BYTES, "call data, or the code that makes a contract"),
        Column("r", B32, "signature"),
        Column("s", B32, "signature"),
        Column("v_parity", Kind.BOOL, "signature: the parity of `v`"),
        nullable("chain_id", U64, "null when the signature names no chain (before EIP-155)"),
        nullable("gas_used", U64, "gas that it used; null without receipts"),
        Column("type", Kind.INT32, "0 legacy, 1 EIP-2930, 2 EIP-1559, 3 EIP-4844, 4 EIP-7702"),
        nullable("max_fee_per_gas", DEC, "types 2, 3, 4"),
        nullable("max_priority_fee_per_gas", DEC, "types 2, 3, 4"),
        nullable("max_fee_per_blob_gas", DEC, "type 3"),
        Column("from", B20, "who sent it, as the node says"),
        nullable("status", Kind.BOOL, "did it succeed; null before Byzantium and without receipts"),
        nullable("state_root", B32, "state after it, before Byzantium"),
        nullable("access_list", ListOf(ACCESS), "types 1, 2, 3, 4"),
        nullable("blob_versioned_hashes", ListOf(B32), "type 3"),
        nullable(
            "authorization_list",
            ListOf(AUTHORIZATION),
            "type 4; a part that its type cannot hold is null",
        ),
    ),
    coded=frozenset(
        {"_block_num", "block_hash", "block_num", "timestamp", "to", "from", "type", "chain_id"}
        | {"status"}
    ),
    sought=(("tx_hash", 1),),
)

LOGS = Table(
    "logs",
    "One row a log, in the order of the block.",
    (
        NUMBER,
        *PLACE,
        Column("tx_hash", B32, "hash of the transaction that wrote it"),
        Column("tx_index", Kind.UINT32, "place of that transaction in the block"),
        Column("log_index", Kind.UINT32, "place in the block, from 0"),
        Column("address", B20, "the contract that wrote it"),
        nullable("topic0", B32, "most often the event's signature"),
        nullable("topic1", B32, "indexed argument"),
        nullable("topic2", B32, "indexed argument"),
        nullable("topic3", B32, "indexed argument"),
        Column("data", Kind.BYTES, "the other arguments"),
    ),
    coded=frozenset(
        {"block_hash", "block_num", "_block_num", "timestamp", "tx_hash", "tx_index", "address"}
        | {"topic0"}
    ),
    sought=(("address", 8), ("tx_hash", 2)),
)

EVM_TABLES: Mapping[str, Table] = MappingProxyType(
    {table.name: table for table in (BLOCKS, TRANSACTIONS, LOGS)}
)
"""The tables of kind `evm-rpc`, by name."""
