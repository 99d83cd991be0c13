"""The tables of a Solana dataset: their columns and Arrow types."""

from __future__ import annotations

import pyarrow as pa

_u8, _u32, _u64, _i64, _text = pa.uint8(), pa.uint32(), pa.uint64(), pa.int64(), pa.utf8()


def _list(kind: pa.DataType) -> pa.DataType:
    return pa.list_(kind)


def _must(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


def _may(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind)


TOKEN_AMOUNT = pa.struct(
    [_must("decimals", _u8), _must("amount", _text), _may("ui_amount_string", _text)]
)
TOKEN_BALANCE = pa.struct(
    [
        _must("account_index", _u8),
        _must("mint", _text),
        _must("ui_token_amount", TOKEN_AMOUNT),
        _may("owner", _text),
        _may("program_id", _text),
    ]
)
REWARD = pa.struct(
    [
        _must("pubkey", _text),
        _must("lamports", _i64),
        _must("post_balance", _u64),
        _may("reward_type", _text),
        _may("commission", _u8),
    ]
)
HEADER = pa.struct(
    [
        _must("num_required_signatures", _u8),
        _must("num_readonly_signed_accounts", _u8),
        _must("num_readonly_unsigned_accounts", _u8),
    ]
)
LOOKUP = pa.struct(
    [
        _must("account_key", _text),
        _must("writable_indexes", _list(_u8)),
        _must("readonly_indexes", _list(_u8)),
    ]
)
_FIRST = [_must("_block_num", _u64), _must("slot", _u64)]
_EACH = [*_FIRST, _must("tx_index", _u32)]

TABLES: dict[str, pa.Schema] = {
    "block_headers": pa.schema(
        [
            *_FIRST,
            _must("parent_slot", _u64),
            _must("block_hash", _text),
            _must("previous_block_hash", _text),
            _may("block_height", _u64),
            _may("block_time", _i64),
        ]
    ),
    "block_rewards": pa.schema(
        [
            *_FIRST,
            _must("pubkey", _text),
            _must("lamports", _i64),
            _must("post_balance", _u64),
            _may("reward_type", _text),
            _may("commission", _text),
        ]
    ),
    "transactions": pa.schema(
        [
            *_EACH,
            _must("tx_version", _text),
            _must("signatures", _list(_text)),
            _may("err", _text),
            _may("fee", _u64),
            _may("pre_balances", _list(_u64)),
            _may("post_balances", _list(_u64)),
            _may("log_messages", _list(_text)),
            _may("pre_token_balances", _list(TOKEN_BALANCE)),
            _may("post_token_balances", _list(TOKEN_BALANCE)),
            _may("rewards", _list(REWARD)),
            _may("loaded_addresses_writable", _list(_text)),
            _may("loaded_addresses_readonly", _list(_text)),
            _may("return_data_program_id", _text),
            _may("return_data_data", _list(_u8)),
            _may("compute_units_consumed", _u64),
            _may("cost_units", _u64),
        ]
    ),
    "messages": pa.schema(
        [
            *_EACH,
            _must("header", HEADER),
            _may("address_table_lookups", _list(LOOKUP)),
            _must("account_keys", _list(_text)),
            _must("recent_block_hash", _text),
        ]
    ),
    "instructions": pa.schema(
        [
            *_EACH,
            _must("program_id_index", _u8),
            _must("accounts", _list(_u8)),
            _must("data", _list(_u8)),
            _may("inner_index", _u32),
            _may("inner_stack_height", _u32),
        ]
    ),
}
"""Every table by its name. ``_block_num`` is the slot.

``instructions`` has the rows of a transaction in their order: each instruction of the message, then
those that it called (``inner_index`` is its place in the message).
"""
