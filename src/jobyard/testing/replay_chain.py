"""The chain that the replay server plays: recorded blocks, repeated, renumbered and forked at will.

Only what links blocks is rewritten: number, hash and the parent's hash, in forks also EVM's extra
data. An EVM block's new hash is that of its new header, so every check of an EVM chain still holds;
Solana's hashes, and those of EVM blocks whose headers are not whole, are invented.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from jobyard.chain import rlp
from jobyard.chain.keccak import keccak
from jobyard.chain.recorded import files_in, read_file

if TYPE_CHECKING:
    from pathlib import Path

    from jobyard.chain.source import RawBlock

_HEADER = (
    "parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot",
    "logsBloom", "difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData", "mixHash",
    "nonce",
)  # fmt: skip
"""The fields of an EVM header, as they are hashed; and those that forks have added."""
_LATER = (
    "baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot",
    "requestsHash",
)  # fmt: skip
_QUANTITIES = {
    "difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas", "blobGasUsed",
    "excessBlobGas",
}  # fmt: skip
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


class _Link:
    """Keeps the places of a text that link blocks, so that each can be said anew quickly."""

    def __init__(self, text: bytes, places: re.Pattern[bytes]) -> None:
        self.text = text
        pieces = places.split(text)
        # `split` with one group gives text and place in turn: every odd piece is a place.
        self._pieces, self._places = pieces, pieces[1::2]

    def saying(self, words: dict[bytes, bytes]) -> bytes:
        pieces = self._pieces.copy()
        pieces[1::2] = [words[place] for place in self._places]
        return b"".join(pieces)


class _Receipt(msgspec.Struct):
    logs: list[msgspec.Raw] = []


class _Seal:
    """An EVM header, ready to be hashed with another parent, number and extra data."""

    def __init__(self, block: dict[str, Any]) -> None:
        fields = [*_HEADER, *(name for name in _LATER if block.get(name) is not None)]
        self._items = [_item(name, block[name]) for name in fields]
        self.extra_data = block["extraData"]

    def hash(self, parent_hash: str, number: int, extra_data: str) -> str:
        items = self._items.copy()
        items[0] = _item("parentHash", parent_hash)
        items[_HEADER.index("number")] = rlp.of_int(number)
        items[_HEADER.index("extraData")] = _item("extraData", extra_data)
        return f"0x{keccak(rlp.of_list(items)).hex()}"


def _item(name: str, value: str) -> bytes:
    if name in _QUANTITIES:
        return rlp.of_int(int(value, 16))
    return rlp.of_bytes(bytes.fromhex(value[2:]))


@dataclass(slots=True)
class Recorded:
    """One recorded block, ready to be said under another number and hash."""

    raw: RawBlock
    full: _Link
    light: _Link
    receipts: _Link | None
    transactions: list[str]
    """Hashes of its transactions (EVM)."""
    seal: _Seal | None = None
    places: re.Pattern[bytes] | None = None
    """What finds the places of its texts that link blocks (EVM)."""


class ReplayChain:
    """A chain made of recorded blocks.

    As recorded, it has the numbers, hashes and gaps of the recording. With ``start`` or ``length``
    the recording is repeated and renumbered: block ``start + n`` has the content of block ``n`` of
    the recording, modulo its length. With ``linked`` (the default) repeated blocks get hashes that
    link them; without it they keep those of the recording, which is enough for measuring speed.

    ``head`` may be moved at any time; nothing above it is shown. ``fork`` gives all blocks from a
    number on other hashes, as a reorganisation does.
    """

    def __init__(
        self,
        blocks: list[RawBlock],
        *,
        start: int | None = None,
        length: int | None = None,
        linked: bool = True,
    ) -> None:
        """Play ``blocks``, which are of one kind.

        Raises:
            ValueError: There are none, or of both kinds.
        """
        if len({block.hash.startswith("0x") for block in blocks}) != 1:
            message = "a chain needs blocks, and all of one kind"
            raise ValueError(message)
        self.kind = "evm" if blocks[0].hash.startswith("0x") else "solana"
        blocks = sorted(blocks, key=lambda block: block.number)
        self._at = {block.number: _record(block, self.kind) for block in blocks}
        self._first, last = blocks[0].number, blocks[-1].number
        self._span = last - self._first + 1
        renumbered = start is not None or length is not None
        self.start = self._first if start is None else start
        self.stop = self.start + (self._span if length is None else length)
        self.head = self.stop - 1
        """Number of the newest block that is shown; move it as you like below ``stop``."""
        self.chain_id: int | None = None
        """What ``eth_chainId`` answers; Ethereum's if None."""
        self.genesis: str | None = None
        """What ``getGenesisHash`` answers; Solana's mainnet's if None."""
        self._salts: list[tuple[int, str]] = [(self.start, "")] if renumbered and linked else []
        self._numbers_of: dict[str, int] = {}
        self._sealed: dict[int, str] = {}
        self._transactions: dict[str, tuple[int, int]] = {}
        self._receipts: dict[int, list[_Link]] = {}
        self._logs: dict[int, _Link] = {}

    @classmethod
    def read(cls, path: Path, **shape: int | bool | None) -> ReplayChain:
        """Play the blocks of a file or folder.

        Raises:
            InvalidProvider: There are none.
            BlockUnparsable: A line is no block.
        """
        blocks = [block for file in files_in(path) for block in read_file(file)]
        return cls(blocks, **shape)  # type: ignore[arg-type]

    def fork(self, number: int) -> None:
        """Replace all blocks from ``number`` on: same content, other hashes."""
        name = f"fork {len(self._salts)}"
        self._salts = [*(salt for salt in self._salts if salt[0] < number), (number, name)]
        self._numbers_of.clear()
        self._sealed = {at: known for at, known in self._sealed.items() if at < number}

    def recorded(self, number: int) -> Recorded | None:
        """Find what stands at a number, also above the head; None in a gap or outside."""
        if not self.start <= number < self.stop:
            return None
        return self._at.get(self._first + (number - self.start) % self._span)

    def shown(self, number: int) -> Recorded | None:
        """Find what stands at a number that is not above the head."""
        return self.recorded(number) if number <= self.head else None

    def hash_of(self, number: int) -> str:
        """Tell the hash of the block at a number."""
        salt, recorded = self._salt(number), self.recorded(number)
        if recorded is None:
            return self._invented(f"outside {number}")
        if salt is None:
            return recorded.raw.hash
        if recorded.seal is None:
            return self._invented(f"{salt}/{number}")
        return self._sealed.get(number) or self._seal_up_to(number)

    def parent_of(self, number: int) -> tuple[int, str]:
        """Tell number and hash of the block before the one at ``number``."""
        recorded = self.recorded(number)
        if recorded is None:
            message = f"no block {number}"
            raise LookupError(message)
        distance = recorded.raw.number - recorded.raw.parent_number
        parent = number - distance
        if self.recorded(parent) is None or not self._salts or not self._salted(number):
            return max(parent, 0), recorded.raw.parent_hash
        return parent, self.hash_of(parent)

    def number_of(self, block_hash: str) -> int | None:
        """Find the shown block with this hash."""
        if not self._numbers_of:
            self._numbers_of = {
                self.hash_of(number): number
                for number in range(self.start, self.stop)
                if self.recorded(number)
            }
        number = self._numbers_of.get(block_hash)
        return None if number is None or number > self.head else number

    def block(self, number: int, *, full: bool = True) -> bytes:
        """Say a block that is there, as JSON."""
        recorded = self._required(number)
        return self._said(recorded.full if full else recorded.light, recorded, number)

    def receipts(self, number: int) -> bytes | None:
        """Say a block's receipts as JSON; None where none were recorded."""
        recorded = self._required(number)
        if recorded.receipts is None:
            return None
        return self._said(recorded.receipts, recorded, number)

    def receipt(self, transaction_hash: str) -> bytes | None:
        """Say the receipt of a transaction; in a repeated chain that of its first block."""
        if not self._transactions:
            for number in range(min(self.stop, self.start + self._span) - 1, self.start - 1, -1):
                recorded = self.recorded(number)
                names = [] if recorded is None else recorded.transactions
                self._transactions |= {name: (number, at) for at, name in enumerate(names)}
        number, at = self._transactions.get(transaction_hash, (self.stop, 0))
        recorded = self.shown(number)
        if recorded is None or recorded.receipts is None:
            return None
        return self._said(self._single(recorded)[at], recorded, number)

    def logs(self, number: int) -> bytes | None:
        """Say all logs of a block as JSON; None where no receipts were recorded."""
        recorded = self._required(number)
        if recorded.receipts is None or recorded.places is None:
            return None
        link = self._logs.get(recorded.raw.number)
        if link is None:
            receipts = msgspec.json.decode(recorded.receipts.text, type=list[_Receipt])
            logs = [bytes(log) for receipt in receipts for log in receipt.logs]
            link = _Link(b"[%s]" % b",".join(logs), recorded.places)
            self._logs[recorded.raw.number] = link
        return self._said(link, recorded, number)

    def _single(self, recorded: Recorded) -> list[_Link]:
        links = self._receipts.get(recorded.raw.number)
        if links is None:
            if recorded.receipts is None or recorded.places is None:
                return []
            receipts = msgspec.json.decode(recorded.receipts.text, type=list[msgspec.Raw])
            links = [_Link(bytes(receipt), recorded.places) for receipt in receipts]
            self._receipts[recorded.raw.number] = links
        return links

    def numbers(self, start: int, stop: int) -> list[int]:
        """List the shown blocks of ``[start, stop)``: those that are no gaps."""
        first, last = max(start, self.start), min(stop - 1, self.head)
        return [number for number in range(first, last + 1) if self.recorded(number)]

    def _required(self, number: int) -> Recorded:
        recorded = self.recorded(number)
        if recorded is None:
            message = f"no block {number}"
            raise LookupError(message)
        return recorded

    def _said(self, link: _Link, recorded: Recorded, number: int) -> bytes:
        raw = recorded.raw
        new_hash = self.hash_of(number)
        parent_number, parent_hash = self.parent_of(number)
        if (number, new_hash, parent_hash) == (raw.number, raw.hash, raw.parent_hash):
            return link.text
        if self.kind == "evm":
            words = {
                b"%#x" % raw.number: b"%#x" % number,
                raw.hash.encode(): new_hash.encode(),
                raw.parent_hash.encode(): parent_hash.encode(),
            }
            if recorded.seal is not None:
                old, new = (
                    recorded.seal.extra_data,
                    self._extra_data(number, recorded.seal.extra_data),
                )
                words[b'"extraData":"%s"' % old.encode()] = b'"extraData":"%s"' % new.encode()
        else:
            words = {
                b'"blockhash":"%s"' % raw.hash.encode(): b'"blockhash":"%s"' % new_hash.encode(),
                b'"previousBlockhash":"%s"' % raw.parent_hash.encode(): b'"previousBlockhash":"%s"'
                % parent_hash.encode(),
                b'"parentSlot":%d' % raw.parent_number: b'"parentSlot":%d' % parent_number,
            }
        return link.saying(words)

    def _salted(self, number: int) -> bool:
        return number >= self._salts[0][0]

    def _salt(self, number: int) -> str | None:
        """Name the fork that a number is in; None where the chain is as it was recorded."""
        return next((name for base, name in reversed(self._salts) if base <= number), None)

    def _extra_data(self, number: int, recorded: str) -> str:
        salt = self._salt(number)
        return f"0x{salt.encode().hex()}" if salt else recorded

    def _seal_up_to(self, number: int) -> str:
        """Hash the headers from the last one that is known on: each needs the one before it."""
        first = number
        while first > self._salts[0][0] and first - 1 not in self._sealed:
            first -= 1
        said = ""
        for at in range(first, number + 1):
            recorded = self.recorded(at)
            if recorded is None or recorded.seal is None:
                said = self.hash_of(at) if at < number else self._invented(f"gap {at}")
                continue
            parent = self._sealed.get(at - 1) or self.parent_of(at)[1]
            extra_data = self._extra_data(at, recorded.seal.extra_data)
            said = self._sealed[at] = recorded.seal.hash(parent, at, extra_data)
        return said

    def _invented(self, name: str) -> str:
        digest = hashlib.sha256(name.encode()).digest()
        return f"0x{digest.hex()}" if self.kind == "evm" else _base58(digest)


def _base58(data: bytes) -> str:
    number, text = int.from_bytes(data), ""
    while number:
        number, digit = divmod(number, 58)
        text = BASE58[digit] + text
    return BASE58[0] * (len(data) - len(data.lstrip(b"\0"))) + text


def compact(text: bytes) -> bytes:
    """Write JSON as nodes do, without spaces, so that places are found by their bytes."""
    return msgspec.json.format(text, indent=-1)


def _record(raw: RawBlock, kind: str) -> Recorded:
    full = compact(raw.block)
    if kind == "solana":
        places = re.compile(
            b'("blockhash":"%s"|"previousBlockhash":"%s"|"parentSlot":%d)'
            % (raw.hash.encode(), raw.parent_hash.encode(), raw.parent_number)
        )
        link = _Link(full, places)
        return Recorded(raw, link, link, None, [])
    block = msgspec.json.decode(full)
    hashes = [transaction["hash"] for transaction in block["transactions"]]
    light = msgspec.json.encode(block | {"transactions": hashes})
    number = b"%#x" % raw.number
    seal = _Seal(block) if all(block.get(name) is not None for name in _HEADER) else None
    extra = b"" if seal is None else b'|"extraData":"%s"' % seal.extra_data.encode()
    places = re.compile(
        b'((?<="number":")%s(?=")|(?<="blockNumber":")%s(?=")|(?<="parentHash":")%s|%s%s)'
        % (number, number, raw.parent_hash.encode(), raw.hash.encode(), extra)
    )
    receipts = None if raw.receipts is None else _Link(compact(raw.receipts), places)
    return Recorded(raw, _Link(full, places), _Link(light, places), receipts, hashes, seal, places)
