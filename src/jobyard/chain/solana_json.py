"""Solana blocks as nodes write them: lean structures, only of what a table has."""

from __future__ import annotations

from typing import Any

import msgspec


class Header(msgspec.Struct, gc=False, rename="camel"):
    """A message's header."""

    num_required_signatures: int
    num_readonly_signed_accounts: int
    num_readonly_unsigned_accounts: int


class Instruction(msgspec.Struct, gc=False, rename="camel"):
    """An instruction; its data is Base58."""

    program_id_index: int
    accounts: list[int]
    data: str
    stack_height: int | None = None


class InnerInstructions(msgspec.Struct, gc=False):
    """What one instruction of the message called."""

    index: int
    instructions: list[Instruction]


class Lookup(msgspec.Struct, gc=False, rename="camel"):
    """An address table lookup."""

    account_key: str
    writable_indexes: list[int]
    readonly_indexes: list[int]


class Message(msgspec.Struct, gc=False, rename="camel"):
    """What was signed."""

    account_keys: list[str]
    header: Header
    instructions: list[Instruction]
    recent_blockhash: str
    address_table_lookups: list[Lookup] | None = None


class Payload(msgspec.Struct, gc=False):
    """A transaction in the encoding ``json``."""

    signatures: list[str]
    message: Message


class Amount(msgspec.Struct, gc=False, rename="camel"):
    """An amount of a token."""

    amount: str
    decimals: int
    ui_amount_string: str | None = None


class TokenBalance(msgspec.Struct, gc=False, rename="camel"):
    """The balance of a token account."""

    account_index: int
    mint: str
    ui_token_amount: Amount
    owner: str | None = None
    program_id: str | None = None


class Reward(msgspec.Struct, gc=False, rename="camel"):
    """What an account was given or charged beside transactions."""

    pubkey: str
    lamports: int
    post_balance: int
    reward_type: str | None = None
    commission: int | None = None


class Loaded(msgspec.Struct, gc=False):
    """Addresses that lookups have found."""

    writable: list[str] = []
    readonly: list[str] = []


class ReturnData(msgspec.Struct, gc=False, rename="camel"):
    """What a program returned; the first of ``data`` is Base64."""

    program_id: str
    data: list[str]


class Meta(msgspec.Struct, gc=False, rename="camel"):
    """What became of a transaction."""

    err: Any = None
    fee: int | None = None
    pre_balances: list[int] | None = None
    post_balances: list[int] | None = None
    inner_instructions: list[InnerInstructions] | None = None
    log_messages: list[str] | None = None
    pre_token_balances: list[TokenBalance] | None = None
    post_token_balances: list[TokenBalance] | None = None
    rewards: list[Reward] | None = None
    loaded_addresses: Loaded | None = None
    return_data: ReturnData | None = None
    compute_units_consumed: int | None = None
    cost_units: int | None = None


class JsonTransaction(msgspec.Struct, gc=False):
    """A transaction in the encoding ``json``, and what became of it."""

    transaction: Payload
    meta: Meta | None = None
    version: int | str | None = None


class Base64Transaction(msgspec.Struct, gc=False):
    """A transaction in the encoding ``base64``, and what became of it."""

    transaction: tuple[str, str]
    meta: Meta | None = None
    version: int | str | None = None


class _Block(msgspec.Struct, rename="camel", kw_only=True):
    blockhash: str
    previous_blockhash: str
    parent_slot: int
    block_height: int | None = None
    block_time: int | None = None
    rewards: list[Reward] | None = None


class JsonBlock(_Block):
    """A block whose transactions are in the encoding ``json``."""

    transactions: list[JsonTransaction] = []


class Base64Block(_Block):
    """A block whose transactions are in the encoding ``base64``."""

    transactions: list[Base64Transaction] = []


json_block = msgspec.json.Decoder(JsonBlock)
base64_block = msgspec.json.Decoder(Base64Block)
NO_META = Meta()
