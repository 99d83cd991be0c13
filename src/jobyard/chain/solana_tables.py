"""The tables of a Solana dataset: block headers, rewards, transactions, messages, instructions.

What a source does not have is null. ``_block_num`` is the slot.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from jobyard.chain.tables import Column, Kind, ListOf, Record, Table, nullable

if TYPE_CHECKING:
    from collections.abc import Mapping

U8, U32, U64, I64, TEXT = Kind.UINT8, Kind.UINT32, Kind.UINT64, Kind.INT64, Kind.TEXT
BYTES, TEXTS, AMOUNTS = ListOf(U8), ListOf(TEXT), ListOf(U64)

NUMBER = Column("_block_num", U64, "the slot, the same in every table")
SLOT = Column("slot", U64, "when the block was made, as the chain counts time")
PLACE = (NUMBER, SLOT, Column("tx_index", U32, "the transaction's place in its block"))

TOKEN_AMOUNT = Record(
    (
        Column("decimals", U8, "decimal places of the token"),
        Column("amount", TEXT, "in the smallest unit"),
        nullable("ui_amount_string", TEXT, "with decimal places"),
    )
)
TOKEN_BALANCE = Record(
    (
        Column("account_index", U8, "which of the transaction's accounts"),
        Column("mint", TEXT, "the token"),
        Column("ui_token_amount", TOKEN_AMOUNT, "how much of it"),
        nullable("owner", TEXT, "who owns the account"),
        nullable("program_id", TEXT, "the token's program"),
    )
)
REWARD = Record(
    (
        Column("pubkey", TEXT, "who"),
        Column("lamports", I64, "how much was given, or taken if negative"),
        Column("post_balance", U64, "balance afterwards"),
        nullable("reward_type", TEXT, "Fee, Rent, Voting or Staking"),
        nullable("commission", U8, "of a vote account, in percent"),
    )
)
HEADER = Record(
    (
        Column("num_required_signatures", U8, "accounts that have to sign, the first ones"),
        Column("num_readonly_signed_accounts", U8, "of those, the last ones are read only"),
        Column("num_readonly_unsigned_accounts", U8, "of the others, the last ones are read only"),
    )
)
LOOKUP = Record(
    (
        Column("account_key", TEXT, "the table"),
        Column("writable_indexes", BYTES, "which of its addresses are written"),
        Column("readonly_indexes", BYTES, "which of its addresses are read"),
    )
)

BLOCK_HEADERS = Table(
    "block_headers",
    "One row a block; slots without one were skipped.",
    (
        NUMBER,
        SLOT,
        Column("parent_slot", U64, "slot of the block before"),
        Column("block_hash", TEXT, "hash of the block"),
        Column("previous_block_hash", TEXT, "hash of the block before"),
        nullable("block_height", U64, "how many blocks are before it"),
        nullable("block_time", I64, "when it was made, in seconds since 1970"),
    ),
    sought=(("block_hash", 1),),
)
BLOCK_REWARDS = Table(
    "block_rewards",
    "One row for each account that a block rewards or charges.",
    (
        NUMBER,
        SLOT,
        Column("pubkey", TEXT, "who"),
        Column("lamports", I64, "how much was given, or taken if negative"),
        Column("post_balance", U64, "balance afterwards"),
        nullable("reward_type", TEXT, "Fee, Rent, Voting or Staking"),
        nullable("commission", TEXT, "of a vote account, in percent"),
    ),
    coded=frozenset({"reward_type", "commission"}),
    sought=(("pubkey", 8),),
)
TRANSACTIONS = Table(
    "transactions",
    "One row a transaction, failed ones included: who signed, and what became of it.",
    (
        *PLACE,
        Column("tx_version", TEXT, "legacy, or a number"),
        Column("signatures", TEXTS, "the first one names the transaction"),
        nullable("err", TEXT, "why it failed, as JSON"),
        nullable("fee", U64, "in lamports"),
        nullable("pre_balances", AMOUNTS, "lamports of each account before"),
        nullable("post_balances", AMOUNTS, "lamports of each account after"),
        nullable("log_messages", TEXTS, "what programs said"),
        nullable("pre_token_balances", ListOf(TOKEN_BALANCE), "tokens before"),
        nullable("post_token_balances", ListOf(TOKEN_BALANCE), "tokens after"),
        nullable("rewards", ListOf(REWARD), "rewards of the transaction; none for years"),
        nullable("loaded_addresses_writable", TEXTS, "found by lookups, to be written"),
        nullable("loaded_addresses_readonly", TEXTS, "found by lookups, to be read"),
        nullable("return_data_program_id", TEXT, "who returned data"),
        nullable("return_data_data", BYTES, "what it returned"),
        nullable("compute_units_consumed", U64, "work done"),
        nullable("cost_units", U64, "work that counts against the block's limit"),
    ),
    coded=frozenset({"tx_version", "err", "fee"}),
)
MESSAGES = Table(
    "messages",
    "One row a transaction: what was signed, but for the instructions.",
    (
        *PLACE,
        Column("header", HEADER, "how many accounts sign and are written"),
        nullable("address_table_lookups", ListOf(LOOKUP), "null in legacy transactions"),
        Column("account_keys", TEXTS, "accounts that are named in full"),
        Column("recent_block_hash", TEXT, "how old the transaction may be at most"),
    ),
    coded=frozenset({"recent_block_hash"}),
)
INSTRUCTIONS = Table(
    "instructions",
    "One row an instruction of a message, in order, each followed by what it called.",
    (
        *PLACE,
        Column("program_id_index", U8, "which account is the program"),
        Column("accounts", BYTES, "which accounts it is given"),
        Column("data", BYTES, "what it is told"),
        nullable("inner_index", U32, "of a call: which instruction of the message made it"),
        nullable("inner_stack_height", U32, "of a call: how deep it is"),
    ),
    coded=frozenset({"program_id_index", "inner_index", "inner_stack_height"}),
)

TABLES: Mapping[str, Table] = MappingProxyType(
    {
        table.name: table
        for table in (BLOCK_HEADERS, BLOCK_REWARDS, TRANSACTIONS, MESSAGES, INSTRUCTIONS)
    }
)
