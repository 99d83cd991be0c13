"""Blocks of no chain: small, linked, signed where a chain would sign."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from jobyard.chain.source import evm_block, solana_block

if TYPE_CHECKING:
    from jobyard.chain.source import RawBlock

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58(data: bytes) -> str:
    """Write Base58 the slow way."""
    number, text = int.from_bytes(data), ""
    while number:
        number, digit = divmod(number, 58)
        text = ALPHABET[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def evm_hash(number: int) -> str:
    """Name the block at a number."""
    return f"0x{number + 1:064x}"


def evm(number: int, transactions: int = 2) -> RawBlock:
    """Make an EVM block with receipts; every tenth one is empty."""
    count = 0 if number % 10 == 0 else transactions
    where = {"blockHash": evm_hash(number), "blockNumber": hex(number)}
    hashes = [f"0x{number:032x}{index:032x}" for index in range(count)]
    block = {
        "number": hex(number),
        "hash": evm_hash(number),
        "parentHash": evm_hash(number - 1),
        "transactions": [{"hash": each, "input": "0x" + "ab" * 50, **where} for each in hashes],
    }
    receipts = [{"transactionHash": each, "logs": [], **where} for each in hashes]
    return evm_block(json.dumps(block).encode(), json.dumps(receipts).encode())


def evm_chain(start: int, stop: int) -> list[RawBlock]:
    """Make linked EVM blocks."""
    return [evm(number) for number in range(start, stop)]


def _key(seed: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed.to_bytes(32))


def _public(seed: int) -> bytes:
    return _key(seed).public_key().public_bytes_raw()


def _count(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128, number >> 7])


def _transaction(seed: int, *, encoding: str, lookups: bool) -> dict[str, Any]:
    """Make a transaction of two instructions, the second with long data, signed by two keys."""
    keys = [_public(seed), _public(seed + 1), bytes(32), bytes([7]) * 32]
    recent = bytes([seed % 256]) * 32
    instructions = [(2, bytes([0, 1]), b""), (3, bytes([3, 0]), bytes(range(200)))]
    header = bytes([2, 1, 2])
    table = (bytes([9]) * 32, bytes([1, 2]), bytes([5]))
    message = b"\x80" if lookups else b""
    message += header + _count(len(keys)) + b"".join(keys) + recent + _count(len(instructions))
    for program, accounts, data in instructions:
        message += bytes([program]) + _count(len(accounts)) + accounts + _count(len(data)) + data
    if lookups:
        message += b"\x01" + table[0] + b"\x02" + table[1] + b"\x01" + table[2]
    signatures = [_key(each).sign(message) for each in (seed, seed + 1)]
    said: dict[str, Any] = {
        "meta": {
            "err": {"InstructionError": [1, {"Custom": 6}]} if seed % 2 else None,
            "fee": 10,
            "preBalances": [1000, 5, 1, 1],
            "postBalances": [985, 10, 1, 1],
            "innerInstructions": [
                {
                    "index": 1,
                    "instructions": [
                        {"programIdIndex": 2, "accounts": [1], "data": "2g", "stackHeight": 2},
                        {"programIdIndex": 3, "accounts": [], "data": "", "stackHeight": None},
                    ],
                }
            ],
            "logMessages": ["Program log: schön"] if seed % 3 else None,
            "preTokenBalances": [
                {
                    "accountIndex": 1,
                    "mint": "M",
                    "owner": "O",
                    "uiTokenAmount": {"amount": "12", "decimals": 1, "uiAmountString": "1.2"},
                }
            ],
            "postTokenBalances": [],
            "rewards": None,
            "loadedAddresses": {"writable": ["W"], "readonly": []},
            "returnData": {"programId": "P", "data": ["AQI=", "base64"]},
            "computeUnitsConsumed": 77,
        },
        "version": 0 if lookups else "legacy",
    }
    if encoding == "base64":
        wire = _count(2) + b"".join(signatures) + message
        return {"transaction": [b64encode(wire).decode(), "base64"], **said}
    written = {
        "accountKeys": [base58(key) for key in keys],
        "header": {
            "numRequiredSignatures": 2,
            "numReadonlySignedAccounts": 1,
            "numReadonlyUnsignedAccounts": 2,
        },
        "instructions": [
            {"programIdIndex": program, "accounts": list(accounts), "data": base58(data)}
            for program, accounts, data in instructions
        ],
        "recentBlockhash": base58(recent),
    }
    if lookups:
        written["addressTableLookups"] = [
            {
                "accountKey": base58(table[0]),
                "writableIndexes": list(table[1]),
                "readonlyIndexes": list(table[2]),
            }
        ]
    signed = [base58(each) for each in signatures]
    return {"transaction": {"signatures": signed, "message": written}, **said}


def solana_hash(slot: int) -> str:
    """Name the block at a slot."""
    return base58(b"block" + slot.to_bytes(27))


def solana(slot: int, parent: int, *, encoding: str = "json", transactions: int = 3) -> RawBlock:
    """Make a Solana block."""
    block = {
        "blockHeight": slot - 3,
        "blockTime": None,
        "blockhash": solana_hash(slot),
        "parentSlot": parent,
        "previousBlockhash": solana_hash(parent),
        "rewards": [
            {
                "pubkey": "R",
                "lamports": -5,
                "postBalance": 2**63,
                "rewardType": "Rent",
                "commission": 7,
            }
        ],
        "transactions": [
            _transaction(100 * slot + 2 * each, encoding=encoding, lookups=each % 2 == 1)
            for each in range(transactions)
        ],
    }
    return solana_block(slot, json.dumps(block).encode())


def solana_chain(start: int, stop: int, *, skipped: set[int], **shape: Any) -> list[RawBlock]:
    """Make linked Solana blocks, none at the skipped slots."""
    slots = [slot for slot in range(start, stop) if slot not in skipped]
    parents = [start - 1, *slots]
    return [solana(slot, parent, **shape) for slot, parent in zip(slots, parents, strict=False)]
