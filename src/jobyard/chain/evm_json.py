"""EVM blocks as JSON-RPC speaks them, read into lean records: only what the tables need.

Fields that say again what the place already says (a log's block, hash, transaction) are not read;
neither are receipts' own Bloom filters: the block's receipts root proves what they would say.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec import Struct, field

from jobyard.errors import BlockUnparsable

Parsed = TypeVar("Parsed")

# `gc=False` keeps the collector from walking hundreds of records a block: they hold text and lists
# of text only, so they cannot be part of a cycle.


class Access(Struct, gc=False, frozen=True):
    """An entry of an access list."""

    address: str
    storageKeys: list[str]  # noqa: N815 - JSON-RPC's name


class Authorization(Struct, gc=False, frozen=True, rename="camel"):
    """An entry of an EIP-7702 authorization list."""

    chain_id: str
    address: str
    nonce: str
    r: str
    s: str
    y_parity: str | None = None
    v: str | None = None


class Withdrawal(Struct, gc=False, frozen=True, rename="camel"):
    """A withdrawal of the beacon chain; they are in no table but their root is proved."""

    index: str
    validator_index: str
    address: str
    amount: str


class Transaction(Struct, gc=False, frozen=True, kw_only=True, rename="camel"):
    """A transaction as `eth_getBlockByNumber(…, true)` gives it.

    Fields stand in the order in which most nodes write them: they are found faster that way.
    """

    sender: str = field(name="from")
    gas: str
    gas_price: str | None = None
    max_fee_per_gas: str | None = None
    max_priority_fee_per_gas: str | None = None
    max_fee_per_blob_gas: str | None = None
    hash: str
    input: str
    nonce: str
    to: str | None = None
    transaction_index: str
    value: str
    type: str | None = None
    access_list: list[Access] | None = None
    chain_id: str | None = None
    blob_versioned_hashes: list[str] | None = None
    authorization_list: list[Authorization] | None = None
    v: str | None = None
    r: str
    s: str
    y_parity: str | None = None


class Log(Struct, gc=False, frozen=True, rename="camel"):
    """A log inside its receipt."""

    address: str
    topics: list[str]
    data: str
    log_index: str


class Receipt(Struct, gc=False, frozen=True, kw_only=True, rename="camel"):
    """A receipt as `eth_getBlockReceipts` gives it."""

    gas_used: str
    logs: list[Log]
    root: str | None = None
    status: str | None = None
    transaction_hash: str


class Block(Struct, gc=False, frozen=True, rename="camel"):
    """A block with its transactions."""

    number: str
    hash: str
    parent_hash: str
    sha3_uncles: str = field(name="sha3Uncles")
    miner: str
    state_root: str
    transactions_root: str
    receipts_root: str
    logs_bloom: str
    difficulty: str
    gas_limit: str
    gas_used: str
    timestamp: str
    extra_data: str
    mix_hash: str
    nonce: str
    transactions: list[Transaction]
    total_difficulty: str | None = None
    base_fee_per_gas: str | None = None
    withdrawals_root: str | None = None
    blob_gas_used: str | None = None
    excess_blob_gas: str | None = None
    parent_beacon_block_root: str | None = None
    requests_hash: str | None = None
    withdrawals: list[Withdrawal] | None = None


class ParsedBlock(Struct, gc=False, frozen=True):
    """One block with its receipts, if the source has them; also a line of a recorded file."""

    block: Block
    receipts: list[Receipt] | None = None


_RECORDED = msgspec.json.Decoder(ParsedBlock)
_BLOCK = msgspec.json.Decoder(Block)
_RECEIPTS = msgspec.json.Decoder(list[Receipt])


def parse_recorded(line: bytes) -> ParsedBlock:
    """Parse a line of a recorded file: ``{"block": …, "receipts": […]}``.

    Raises:
        BlockUnparsable: it is no such line; the number is told when it can be made out.

    """
    return _parse(_RECORDED, line)


def parse(block: bytes, receipts: bytes | None = None) -> ParsedBlock:
    """Parse the results of `eth_getBlockByNumber` and of `eth_getBlockReceipts`.

    Raises:
        BlockUnparsable: they are no such results.

    """
    return ParsedBlock(
        _parse(_BLOCK, block), None if receipts is None else _parse(_RECEIPTS, receipts, block)
    )


def unparsable(number: int | None, cause: str) -> BlockUnparsable:
    """Make the error that names a block, if its number is known, and what is wrong with it."""
    error = BlockUnparsable(
        f"cannot be read: {cause}" if number is not None else f"a block cannot be read: {cause}",
        hint="the source speaks another dialect or gave damaged data; try another provider",
    )
    if number is not None:
        error.at(number, number + 1)
    return error


def _parse(
    decoder: msgspec.json.Decoder[Parsed], text: bytes, about: bytes | None = None
) -> Parsed:
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise unparsable(_number_in(text if about is None else about), str(error)) from error


class _Numbered(Struct):
    number: str | None = None
    block: msgspec.Raw = msgspec.Raw(b"null")


def _number_in(text: bytes | msgspec.Raw) -> int | None:
    """Make out which block a text speaks of, so that an error can name it."""
    try:
        found = msgspec.json.decode(text, type=_Numbered | None)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if found is None:
        return None
    if found.number is None:
        return _number_in(found.block)
    try:
        return int(found.number, 16)
    except ValueError:
        return None
