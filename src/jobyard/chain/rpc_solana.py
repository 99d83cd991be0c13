"""Solana over JSON-RPC: the blocks of a range of slots, without the slots that were skipped.

Which slots have a block is asked first (``getBlocks``). That no produced one was left out is proved
by the blocks themselves: each names its parent's slot and hash, and the stream accepts no other.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from jobyard.chain.rpc_failures import Failure, Kind
from jobyard.chain.rpc_pool import Pool
from jobyard.chain.rpc_stream import LinkedStream
from jobyard.chain.rpc_wire import Call
from jobyard.chain.source import BlockRef, solana_block
from jobyard.errors import BlocksUnavailable, BlockUnparsable, ProviderUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from jobyard.chain.rpc_endpoint import Endpoint
    from jobyard.chain.source import RawBlock, Traffic

T = TypeVar("T")

_LISTED = 1000
"""Slots that one ``getBlocks`` asks for: nodes allow 500,000, but answer short lists sooner."""
_CUT_LOG = b"Log truncated"
"""What a node writes where a transaction's log was longer than it keeps."""


class SolanaSource:
    """Solana, read through the endpoints of its providers."""

    kind = "solana"

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        traffic: Traffic,
        *,
        genesis: str | None = None,
        commitment: str = "finalized",
        encoding: str = "base64",
        patience: float = 300.0,
    ) -> None:
        """Read through ``endpoints``; spare ones also fill logs that the others have cut.

        ``genesis`` is the hash of the genesis of the chain that they must serve. ``encoding`` is
        ``base64`` or ``json``: what a block's transactions are written in.
        """
        self.traffic = traffic
        self._commitment = commitment
        self._encoding = encoding
        self._pool = _pool(endpoints, traffic, genesis, patience)
        spare = [each for each in endpoints if each.spare]
        self._filler = _pool(spare, traffic, genesis, patience) if spare else None

    @property
    def width(self) -> int:
        """How many blocks may be under way."""
        return self._pool.width

    async def identity(self) -> str:
        """Tell the hash of the genesis."""
        return await self._ask("getGenesisHash", kind=str)

    async def head(self, *, finalized: bool = False) -> int | None:
        """Tell the newest slot (finalized, or of the source's commitment)."""
        commitment = "finalized" if finalized else self._commitment
        return await self._ask("getSlot", {"commitment": commitment}, kind=int)

    async def first_available(self) -> int:
        """Tell the first slot that is kept."""
        return await self._ask("getFirstAvailableBlock", kind=int)

    async def blocks(
        self, start: int, stop: int, *, known: Sequence[BlockRef] = ()
    ) -> AsyncGenerator[RawBlock, None]:
        """Give the blocks of the slots ``[start, stop)``, as `Source.blocks` promises.

        Raises:
            BlocksUnavailable: The range begins before the first slot that is kept.
        """
        first = await self.first_available()
        if start < first:
            message = f"the first slot that is kept is {first}"
            hint = "start later, or use a provider that keeps the whole history"
            raise BlocksUnavailable(message, hint=hint).at(start, min(first, stop))
        async with aclosing(LinkedStream(self, self.traffic, known).read(start, stop)) as stream:
            async for block in stream:
                yield block

    async def close(self) -> None:
        """Disconnect."""
        await self._pool.close()

    async def groups(self, start: int, stop: int) -> AsyncGenerator[Sequence[int], None]:
        """List the slots with blocks, one by one, each a group of its own."""
        for at in range(start, stop, _LISTED):
            end = min(at + _LISTED, stop)
            for slot in await self._slots(at, end):
                yield (slot,)

    async def fetch(self, numbers: Sequence[int]) -> list[RawBlock]:
        """Get the blocks of slots that are said to have one."""
        return [await self._block(slot) for slot in numbers]

    async def look(self, number: int) -> BlockRef | None:
        """Tell which block stands at a slot now."""
        try:
            return (await self._block(number, details="none")).ref
        except (ProviderUnavailable, BlocksUnavailable):
            return None

    async def _block(self, slot: int, details: str = "full") -> RawBlock:
        options = {
            "commitment": self._commitment,
            "encoding": self._encoding,
            "maxSupportedTransactionVersion": 0,
            "rewards": details == "full",
            "transactionDetails": details,
        }
        call = Call("getBlock", (slot, options), slot)

        def accept(_: int, answer: bytes, provider: str) -> RawBlock:
            if answer == b"null":
                raise Failure(Kind.NOT_YET, "null")
            block = solana_block(slot, answer)
            block.origin = provider
            return block

        try:
            block = (await self._pool.call([call], accept))[0]
            if self._filler is not None and _CUT_LOG in block.block:
                block = await self._filled(call, block, accept)
        except Failure as failure:
            raise ProviderUnavailable(f"said to have a block, but: {failure}").at(
                slot, slot + 1
            ) from failure
        return block

    async def _filled(
        self, call: Call, block: RawBlock, accept: Callable[[int, bytes, str], RawBlock]
    ) -> RawBlock:
        """Take the spare provider's word for a block whose logs were cut, if it has more to say."""
        assert self._filler is not None  # noqa: S101 - asked only where there is one
        try:
            other = (await self._filler.call([call], accept))[0]
        except (Failure, ProviderUnavailable, BlocksUnavailable):
            return block
        fuller = other.block.count(_CUT_LOG) < block.block.count(_CUT_LOG)
        return other if fuller and other.hash == block.hash else block

    async def _slots(self, start: int, stop: int) -> list[int]:
        def accept(_: int, answer: bytes, __: str) -> list[int]:
            slots = _read(answer, list[int])
            if slots != sorted(slots) or any(not start <= slot < stop for slot in slots):
                message = "not the slots that were asked for"
                raise BlockUnparsable(message)
            return slots

        options = {"commitment": self._commitment}
        call = Call("getBlocks", (start, stop - 1, options), start)
        try:
            return (await self._pool.call([call], accept))[0]
        except Failure as failure:
            raise ProviderUnavailable(str(failure)).at(start, stop) from failure

    async def _ask(self, method: str, *params: Any, kind: type[T]) -> T:
        def accept(_: int, answer: bytes, __: str) -> T:
            return _read(answer, kind)

        return (await self._pool.call([Call(method, params)], accept))[0]


def _pool(
    endpoints: Sequence[Endpoint], traffic: Traffic, genesis: str | None, patience: float
) -> Pool:
    return Pool(endpoints, traffic, greeting=_greet, expected=genesis, patience=patience)


async def _greet(endpoint: Endpoint) -> str:
    answer = (await endpoint.send([Call("getGenesisHash")]))[0]
    if isinstance(answer, Failure):
        raise answer
    try:
        return str(_read(answer, str))
    except BlockUnparsable as wrong:
        raise Failure(Kind.UNREADABLE, wrong.detail) from wrong


def _read(answer: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer, type=kind)
    except msgspec.DecodeError as error:
        message = f"not what was asked for: {error}"
        raise BlockUnparsable(message) from error
