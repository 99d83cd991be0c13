"""EVM chains over JSON-RPC: blocks and their receipts, from one or several providers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from jobyard import clock
from jobyard.chain.rpc_failures import Failure, Kind
from jobyard.chain.rpc_pool import Pool
from jobyard.chain.rpc_stream import LinkedStream
from jobyard.chain.rpc_wire import Call
from jobyard.chain.source import BlockRef, Traffic, check_evm_receipts, evm_block
from jobyard.errors import BlocksUnavailable, BlocksUnlinked, BlockUnparsable, ProviderUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from jobyard.chain.rpc_endpoint import Endpoint
    from jobyard.chain.source import RawBlock

_MOVED = 12
"""Times that block and receipts may disagree before they are said to."""
_NO_RECEIPTS = b"[]"


class _Moved(Exception):
    """Receipts that are not those of the block: one of both has changed meanwhile."""


class _Transaction(msgspec.Struct, gc=False):
    hash: str


class _Block(msgspec.Struct):
    transactions: list[_Transaction]


_hashes = msgspec.json.Decoder(_Block)
_frame = msgspec.json.Decoder(dict[str, Any])


class EvmSource:
    """An EVM chain, read through the endpoints of its providers."""

    kind = "evm"

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        traffic: Traffic,
        *,
        chain_id: int | None = None,
        receipts: bool = True,
        receipts_per_transaction: bool = False,
        patience: float = 300.0,
    ) -> None:
        """Read through ``endpoints``.

        ``chain_id`` is the chain that they must serve; ``receipts`` False leaves receipts out;
        ``receipts_per_transaction`` asks for each alone, which is found out otherwise when a
        provider cannot give those of a whole block. ``patience`` is how many seconds may pass
        without any useful answer.
        """
        self.traffic = traffic
        self._receipts = receipts
        self._per_transaction = receipts_per_transaction
        self._endpoints = endpoints
        expected = None if chain_id is None else str(chain_id)
        self._pool = Pool(endpoints, traffic, greeting=_greet, expected=expected, patience=patience)

    @property
    def width(self) -> int:
        """How many groups may be under way."""
        return self._pool.width

    async def identity(self) -> str:
        """Tell the chain's id in decimal."""
        return str(await self._quantity(Call("eth_chainId")))

    async def head(self, *, finalized: bool = False) -> int | None:
        """Tell the newest (finalized) block's number; None on a chain that has none (finalized)."""
        if not finalized:
            return await self._quantity(Call("eth_blockNumber"))
        try:
            ref = await self._pool.call(
                [Call("eth_getBlockByNumber", ("finalized", False))], _accept_ref
            )
        except Failure:
            return None
        return ref[0].number

    async def first_available(self) -> int:
        """Search for the oldest block that is not pruned."""
        low, high = 0, await self.head() or 0
        # Even pruned nodes keep the genesis block: the search starts above it.
        if high == 0 or await self._has(1):
            return low
        low = 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if await self._has(middle) else (middle, high)
        return high

    def blocks(
        self, start: int, stop: int, *, known: Sequence[BlockRef] = ()
    ) -> AsyncGenerator[RawBlock, None]:
        """Give the blocks of ``[start, stop)``, as `Source.blocks` promises."""
        return LinkedStream(self, self.traffic, known).read(start, stop)

    async def close(self) -> None:
        """Disconnect."""
        await self._pool.close()

    async def groups(self, start: int, stop: int) -> AsyncGenerator[Sequence[int], None]:
        """Cut a range into as many blocks as providers take in one request."""
        at = start
        while at < stop:
            size = max(each.batch for each in self._endpoints)
            yield range(at, min(at + size, stop))
            at += size

    async def fetch(self, numbers: Sequence[int]) -> list[RawBlock]:
        """Get blocks with receipts that belong to them."""
        calls = [Call("eth_getBlockByNumber", (hex(n), True), n) for n in numbers]
        for tries in range(_MOVED):
            try:
                blocks = await self._pool.call(calls, _block_at(numbers))
            except Failure as failure:
                raise await self._nothing_at(numbers, failure) from failure
            try:
                if self._receipts:
                    await self._add_receipts(blocks)
            except _Moved:
                self.traffic.retries += 1
                await clock.sleep(0.02 * 2**tries)
                continue
            return blocks
        message = "its receipts are always those of another block"
        raise BlocksUnlinked(message).at(numbers[0], numbers[-1] + 1)

    async def look(self, number: int) -> BlockRef | None:
        """Tell which block stands at a number now."""
        call = Call("eth_getBlockByNumber", (hex(number), False), number)

        def accept(_: int, answer: bytes, __: str) -> BlockRef | None:
            return None if answer == b"null" else _ref(answer)

        try:
            return (await self._pool.call([call], accept))[0]
        except Failure:
            return None

    async def _add_receipts(self, blocks: list[RawBlock]) -> None:
        full = [block for block in blocks if block.transactions]
        for block in blocks:
            block.receipts = _NO_RECEIPTS
        if not full:
            return
        if not self._per_transaction:
            calls = [
                Call("eth_getBlockReceipts", (hex(block.number),), block.number) for block in full
            ]

            def accept(index: int, answer: bytes, _: str) -> bytes:
                return _accept_receipts(full[index], answer)

            try:
                for block, receipts in zip(full, await self._pool.call(calls, accept), strict=True):
                    block.receipts = receipts
            except Failure as failure:
                if failure.kind is not Kind.NO_METHOD:
                    raise _Moved from failure
                self._per_transaction = True
            else:
                return
        for block in full:
            block.receipts = await self._single_receipts(block)

    async def _single_receipts(self, block: RawBlock) -> bytes:
        hashes = [each.hash for each in _hashes.decode(block.block).transactions]
        calls = [Call("eth_getTransactionReceipt", (each,), block.number) for each in hashes]

        def accept(_: int, answer: bytes, __: str) -> bytes:
            _refuse_nothing(answer)
            return answer

        try:
            receipts = await self._pool.call(calls, accept)
        except Failure as failure:
            raise _Moved from failure
        return _accept_receipts(block, b"[" + b",".join(receipts) + b"]")

    async def _nothing_at(self, numbers: Sequence[int], failure: Failure) -> Exception:
        """Say why blocks are not there: above the head they may come yet."""
        head = await self.head()
        span = numbers[0], numbers[-1] + 1
        if failure.kind is Kind.NOT_YET and (head is None or numbers[-1] > head):
            return ProviderUnavailable(f"not there yet: the newest block is {head}").at(*span)
        if failure.kind is Kind.NOT_YET:
            return BlocksUnavailable(
                f"no provider has what is below its newest block {head}: {failure}",
                hint="start later, or add a provider that keeps the whole history",
            ).at(*span)
        return ProviderUnavailable(str(failure)).at(*span)

    async def _has(self, number: int) -> bool:
        call = Call("eth_getBlockByNumber", (hex(number), False), number)

        def accept(_: int, answer: bytes, __: str) -> bool:
            return answer != b"null"

        try:
            return (await self._pool.call([call], accept))[0]
        except (Failure, BlocksUnavailable):
            return False

    async def _quantity(self, call: Call) -> int:
        def accept(_: int, answer: bytes, __: str) -> int:
            return _read_quantity(answer)

        return (await self._pool.call([call], accept))[0]


async def _greet(endpoint: Endpoint) -> str:
    answer = (await endpoint.send([Call("eth_chainId")]))[0]
    if isinstance(answer, Failure):
        raise answer
    try:
        return str(_read_quantity(answer))
    except BlockUnparsable as wrong:
        raise Failure(Kind.UNREADABLE, wrong.detail) from wrong


def _read_quantity(answer: bytes) -> int:
    try:
        return int(msgspec.json.decode(answer, type=str), 16)
    except ValueError as error:
        message = f"not a quantity: {error}"
        raise BlockUnparsable(message) from error


def _refuse_nothing(answer: bytes) -> None:
    if answer == b"null":
        raise Failure(Kind.NOT_YET, "null")


def _block_at(numbers: Sequence[int]) -> Any:
    def accept(index: int, answer: bytes, provider: str) -> RawBlock:
        _refuse_nothing(answer)
        block = evm_block(answer)
        if block.number != numbers[index]:
            message = f"block {block.number} where {numbers[index]} was asked for"
            raise BlockUnparsable(message)
        block.origin = provider
        return block

    return accept


def _ref(answer: bytes) -> BlockRef:
    try:
        frame = _frame.decode(answer)
        return BlockRef(int(frame["number"], 16), frame["hash"])
    except (ValueError, KeyError, TypeError) as error:
        message = f"not a block: {error}"
        raise BlockUnparsable(message) from error


def _accept_ref(_: int, answer: bytes, __: str) -> BlockRef:
    _refuse_nothing(answer)
    return _ref(answer)


def _accept_receipts(block: RawBlock, answer: bytes) -> bytes:
    _refuse_nothing(answer)
    try:
        check_evm_receipts(block, answer)
    except BlockUnparsable as wrong:
        if wrong.fields.get("moved"):
            raise _Moved from wrong
        raise
    return answer
