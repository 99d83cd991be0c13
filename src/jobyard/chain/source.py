"""What a source of blocks promises, whatever it reads: one node, several nodes, a recorded file.

A source gives blocks as the bytes that it was given, one parse short of a table: a decoder takes
`RawBlock.block` and `RawBlock.receipts` as they are. Only what links blocks to each other has been
read from them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import msgspec

from jobyard.errors import BlockUnparsable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence


@dataclass(frozen=True, slots=True)
class BlockRef:
    """A block's number (Solana: its slot) and its hash, as the chain writes it."""

    number: int
    hash: str


@dataclass(slots=True)
class RawBlock:
    """A block as it was given: JSON bytes, and what links it to the block before it.

    ``receipts`` is None where the source has none; a block without transactions has ``[]``.
    ``parent_number`` is one less on EVM chains; on Solana it may leave out skipped slots.
    """

    number: int
    hash: str
    parent_number: int
    parent_hash: str
    block: bytes
    receipts: bytes | None = None
    transactions: int = 0
    """How many transactions it has."""
    origin: str = ""
    """Which provider gave it."""

    @property
    def size(self) -> int:
        """Tell how many bytes it holds."""
        return len(self.block) + len(self.receipts or b"")

    @property
    def ref(self) -> BlockRef:
        """Name it."""
        return BlockRef(self.number, self.hash)


@dataclass(slots=True)
class Traffic:
    """What reading has cost so far: counters that only grow."""

    requests: int = 0
    calls: int = 0
    retries: int = 0
    throttled: int = 0
    bytes_received: int = 0
    causes: dict[str, int] = field(default_factory=dict)
    """Failed requests by what went wrong."""


class Source(Protocol):
    """Where blocks come from."""

    @property
    def kind(self) -> str:
        """Tell the shape of the blocks: ``evm`` or ``solana``."""

    @property
    def traffic(self) -> Traffic:
        """Tell what reading has cost so far."""

    async def identity(self) -> str:
        """Name the chain: its id in decimal (EVM), the hash of its genesis (Solana).

        Raises:
            ChainFailed: Nobody could be asked.
        """

    async def head(self, *, finalized: bool = False) -> int | None:
        """Tell the number of the newest (finalized) block; None when there is no block yet.

        Raises:
            ChainFailed: Nobody could be asked.
        """

    async def first_available(self) -> int:
        """Tell the number of the oldest block that can be had.

        Raises:
            ChainFailed: Nobody could be asked.
        """

    def blocks(
        self, start: int, stop: int, *, known: Sequence[BlockRef] = ()
    ) -> AsyncGenerator[RawBlock, None]:
        """Give the blocks of ``[start, stop)``, each linked by hash to the one given before it.

        A block whose number is not above that of the block before it takes that one's place and
        that of all above: the chain was reorganised while it was read. ``known`` are the newest
        blocks below ``start`` that are kept already, ascending: where the chain has left them, the
        stream begins at the first number that has to be replaced. Memory is bounded; closing the
        iterator ends what is under way.

        Raises:
            ChainFailed: It cannot go on; says at which blocks, why, and whether trying again helps.
        """

    async def close(self) -> None:
        """Let go of connections."""


class _EvmFrame(msgspec.Struct):
    number: str
    hash: str
    parentHash: str  # noqa: N815 - the chain's own name
    transactions: list[msgspec.Raw]


class _EvmReceipt(msgspec.Struct, gc=False):
    blockHash: str | None = None  # noqa: N815 - the chain's own name


class _SolanaFrame(msgspec.Struct):
    blockhash: str
    previousBlockhash: str  # noqa: N815 - the chain's own name
    parentSlot: int  # noqa: N815 - the chain's own name
    transactions: list[msgspec.Raw] = []


_evm_frame = msgspec.json.Decoder(_EvmFrame)
_evm_receipts = msgspec.json.Decoder(list[_EvmReceipt])
_solana_frame = msgspec.json.Decoder(_SolanaFrame)


def evm_block(block: bytes, receipts: bytes | None = None) -> RawBlock:
    """Frame an answer of ``eth_getBlockByNumber``; the whole text is known to be JSON afterwards.

    Raises:
        BlockUnparsable: It is no JSON, or not a block.
    """
    try:
        frame = _evm_frame.decode(block)
        number = int(frame.number, 16)
    except ValueError as error:
        message = f"not a block: {error}"
        raise BlockUnparsable(message) from error
    count = len(frame.transactions)
    return RawBlock(number, frame.hash, number - 1, frame.parentHash, block, receipts, count)


def check_evm_receipts(block: RawBlock, receipts: bytes) -> None:
    """Refuse receipts that are no JSON, not one for each transaction, or another block's.

    Raises:
        BlockUnparsable: They are; its field ``moved`` is set when they are another block's.
    """
    try:
        read = _evm_receipts.decode(receipts)
    except msgspec.DecodeError as error:
        message = f"not the receipts of a block: {error}"
        raise BlockUnparsable(message) from error
    if any(receipt.blockHash not in {None, block.hash} for receipt in read):
        message = "receipts of another block"
        raise BlockUnparsable(message, moved=True)
    if len(read) != block.transactions:
        message = f"{len(read)} receipts for {block.transactions} transactions"
        raise BlockUnparsable(message)


def solana_block(slot: int, block: bytes) -> RawBlock:
    """Frame an answer of ``getBlock``; the whole text is known to be JSON afterwards.

    Raises:
        BlockUnparsable: It is no JSON, or not a block.
    """
    try:
        frame = _solana_frame.decode(block)
    except ValueError as error:
        message = f"not a block: {error}"
        raise BlockUnparsable(message) from error
    parent_slot, parent_hash = frame.parentSlot, frame.previousBlockhash
    if parent_slot >= slot > 0:
        message = f"a block that follows slot {parent_slot}"
        raise BlockUnparsable(message)
    count = len(frame.transactions)
    return RawBlock(slot, frame.blockhash, parent_slot, parent_hash, block, None, count)
