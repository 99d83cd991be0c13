"""Mint the Solana blocks that the tests keep: `mint_solana.py`; needs Node.js.

Transactions that surfpool, a local Solana, has run - of one and two signers, failed ones, with
calls, token balances and addresses that are looked up - written into tests/data as lines of
``{"slot": n, "block": …}``. surfpool's blocks make no chain: those with transactions name
themselves as their parents, and hashes that no block has. So they are linked here anew, and slots
without transactions are left out, as if they had been skipped.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from jobyard.chain import solana_base58
from jobyard.testing.nodes import Surfpool

DATA = Path(__file__).parents[1] / "tests/data"
CONFIRMED = {"commitment": "confirmed"}
PATIENCE = 10.0
PAUSE = 0.25
"""Seconds in which slots without transactions pass."""
SYSTEM = bytes(32)
_PRIME = 2**255 - 19


def _key(text: str) -> bytes:
    return solana_base58.decode([text])[0]


TOKENS = _key("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
ACCOUNTS = _key("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
MEMO = _key("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
TABLES = _key("AddressLookupTab1e1111111111111111111111111")
WRAPPED = _key("So11111111111111111111111111111111111111112")

Call = tuple[bytes, list[bytes], bytes]
"""A program, its accounts, its data."""


class Signer:
    """Somebody who signs."""

    def __init__(self, secret: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(secret)
        self.name = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Sign."""
        return self._key.sign(message)


def _count(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128, number >> 7])  # noqa: PLR2004


def _on_curve(key: bytes) -> bool:
    y = int.from_bytes(key, "little") & (1 << 255) - 1
    d = -121665 * pow(121666, -1, _PRIME)
    square = (y * y - 1) * pow(d * y * y + 1, -1, _PRIME) % _PRIME
    return pow(square, (_PRIME - 1) // 2, _PRIME) in {0, 1}


def derived(program: bytes, *seeds: bytes) -> tuple[bytes, int]:
    """Find the address that a program derives from seeds."""
    for bump in range(255, -1, -1):
        whole = b"".join([*seeds, bytes([bump]), program, b"ProgramDerivedAddress"])
        if not _on_curve(key := sha256(whole).digest()):
            return key, bump
    raise AssertionError


class Mint:
    """Sends transactions to a surfpool and keeps the slots of their blocks."""

    def __init__(self, node: Surfpool) -> None:
        self._node = node
        self._sent: set[str] = set()
        self.slots: list[int] = []

    def send(
        self,
        signers: list[Signer],
        calls: list[Call],
        *,
        table: bytes | None = None,
        looked_up: list[bytes] | None = None,
        version: int | None = None,
    ) -> None:
        """Send a transaction; all accounts but programs may be written."""
        found = looked_up or []
        programs = list(dict.fromkeys(program for program, _, _ in calls))
        names = [each.name for each in signers]
        others = [each for _, accounts, _ in calls for each in accounts]
        others = [each for each in others if each not in {*names, *programs, *found}]
        keys = [*names, *dict.fromkeys(others), *programs]
        places = {key: place for place, key in enumerate([*keys, *found])}
        recent = self._node.call("getLatestBlockhash", CONFIRMED)["value"]["blockhash"]
        parts = [
            b"" if version is None else bytes([0x80 | version]),
            bytes([len(signers), 0, len(programs)]),
            _count(len(keys)), *keys, _key(recent), _count(len(calls)),
        ]  # fmt: skip
        for program, accounts, data in calls:
            at = bytes(places[each] for each in accounts)
            parts += [bytes([places[program]]), _count(len(at)), at, _count(len(data)), data]
        if version is not None:
            indexes = bytes(range(len(found)))
            lookup = b"" if table is None else table + _count(len(found)) + indexes + b"\0"
            parts += [bytes([table is not None]), lookup]
        message = b"".join(parts)
        wire = _count(len(signers)) + b"".join(each.sign(message) for each in signers) + message
        how = {"encoding": "base64", "skipPreflight": True}
        name = self._node.call("sendTransaction", b64encode(wire).decode(), how)
        self._sent.add(name)
        self._wait(name)

    def _wait(self, name: str) -> None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            (status,) = self._node.call("getSignatureStatuses", [name])["value"]
            if status is not None and status["confirmationStatus"] != "processed":
                self.slots.append(status["slot"])
                if len(self.slots) % 3 == 0:
                    time.sleep(PAUSE)
                return
            time.sleep(0.02)
        message = f"transaction {name} does not end"
        raise TimeoutError(message)

    def blocks(self, encoding: str) -> list[tuple[int, dict[str, Any]]]:
        """Get the blocks of all transactions, linked anew."""
        how = {**CONFIRMED, "encoding": encoding, "maxSupportedTransactionVersion": 0}
        chain: list[tuple[int, dict[str, Any]]] = []
        for slot in dict.fromkeys(self.slots):
            block = self._node.call("getBlock", slot, how)
            # What makes the payer rich is in its first block, and nobody signed it.
            said = self._node.call("getBlock", slot, how | {"encoding": "json"})["transactions"]
            block["transactions"] = [
                one
                for one, known in zip(block["transactions"], said, strict=True)
                if known["transaction"]["signatures"][0] in self._sent
            ]
            if chain:
                block["parentSlot"] = chain[-1][0]
                block["previousBlockhash"] = chain[-1][1]["blockhash"]
            else:
                block["parentSlot"] = slot - 1
            chain.append((slot, block))
        return chain


def transfer(sender: bytes, receiver: bytes, lamports: int) -> Call:
    """Ask for lamports to be given."""
    return SYSTEM, [sender, receiver], (2).to_bytes(4, "little") + lamports.to_bytes(8, "little")


def mint(node: Surfpool) -> Mint:
    """Send transactions of all kinds."""
    minted = Mint(node)
    rich, fresh = Signer(node.payer[:32]), Signer(bytes([5]) * 32)
    me = rich.name
    for number in range(3):
        minted.send([rich], [transfer(me, bytes([40 + number]) * 32, 10**7 + number)])
    memo = ("Schöne Grüße " * 15).encode()
    minted.send([rich], [(MEMO, [me], memo), transfer(me, fresh.name, 10**9)], version=0)
    minted.send([rich, fresh], [transfer(me, bytes([50]) * 32, 10**7), transfer(fresh.name, me, 9)])
    minted.send([rich], [transfer(me, bytes([51]) * 32, 2**62)])
    tokens, _ = derived(ACCOUNTS, me, TOKENS, WRAPPED)
    opened = (ACCOUNTS, [me, tokens, me, WRAPPED, SYSTEM, TOKENS], b"")
    minted.send([rich], [opened])
    minted.send([rich], [transfer(me, tokens, 10**6), (TOKENS, [tokens], b"\x11")], version=0)
    slot = node.call("getSlot", CONFIRMED) - 1
    written = slot.to_bytes(8, "little")
    table, bump = derived(TABLES, me, written)
    made = (TABLES, [table, me, me, SYSTEM], bytes(4) + written + bytes([bump]))
    friends = [bytes([60 + number]) * 32 for number in range(3)]
    listed = (2).to_bytes(4, "little") + (3).to_bytes(8, "little") + b"".join(friends)
    minted.send([rich], [made, (TABLES, [table, me, me, SYSTEM], listed)])
    for _ in range(3):
        given = [transfer(me, friend, 10**7) for friend in friends]
        minted.send([rich], given, table=table, looked_up=friends, version=0)
    return minted


def main() -> None:
    """Write the files."""
    with Surfpool() as node:
        minted = mint(node)
        for encoding in ("json", "base64"):
            lines = [
                json.dumps({"slot": slot, "block": block}, separators=(",", ":"))
                for slot, block in minted.blocks(encoding)
            ]
            path = DATA / f"surfpool-{encoding}.ndjson.gz"
            path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
            sys.stderr.write(f"{path.name}: {len(lines)} blocks, {path.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
