"""The JSON-RPC methods of the replay server: what each answers, as ready-made bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from jobyard.chain.recorded import EVM_MAINNET, SOLANA_MAINNET

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobyard.testing.replay_chain import ReplayChain
    from jobyard.testing.replay_faults import Faults

GETBLOCKS_LIMIT = 500_000
"""Slots that one ``getBlocks`` may span, as Solana's own nodes have it."""
VERSION = "jobyard-replay/1"


class Refusal(Exception):
    """A JSON-RPC error: its code and message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(slots=True)
class Asked:
    """What a method may look at."""

    chain: ReplayChain
    faults: Faults
    params: list[Any]

    def param(self, index: int) -> Any:
        """Take a parameter that has to be there."""
        if len(self.params) <= index:
            raise Refusal(-32602, f"missing value for required argument {index}")
        return self.params[index]

    def slot(self) -> int:
        """Take the first parameter as a slot."""
        slot = self.param(0)
        if not isinstance(slot, int):
            raise Refusal(-32602, "Invalid params: not a slot")
        return slot

    @property
    def finalized(self) -> int:
        """The newest block that is final."""
        return max(self.chain.head - self.faults.finality, self.chain.start)

    @property
    def first(self) -> int:
        """The oldest block that is kept."""
        return max(self.faults.pruned_below, self.chain.start)


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)


def _hex(number: int) -> bytes:
    return b'"%#x"' % number


def _chain_id(asked: Asked) -> int:
    return asked.faults.chain_id or asked.chain.chain_id or int(EVM_MAINNET)


def _evm_number(asked: Asked, named: Any) -> int | None:
    """Resolve what names a block: a number, a tag, a hash, or an object with either."""
    if isinstance(named, dict):
        named = named.get("blockHash", named.get("blockNumber"))
    tags = {
        "latest": asked.chain.head,
        "pending": asked.chain.head,
        "safe": asked.finalized,
        "finalized": asked.finalized,
        "earliest": asked.first,
    }
    if named in tags:
        return tags[named]
    if not isinstance(named, str) or not named.startswith("0x"):
        raise Refusal(-32602, "invalid argument 0: hex string without 0x prefix")
    try:
        return asked.chain.number_of(named) if len(named) == 66 else int(named, 16)  # noqa: PLR2004
    except ValueError:
        raise Refusal(-32602, "invalid argument 0: invalid hex string") from None


def _evm_block(asked: Asked) -> bytes:
    number = _evm_number(asked, asked.param(0))
    full = bool(asked.params[1]) if len(asked.params) > 1 else False
    if number is None or _nothing_at(asked, number):
        return b"null"
    return asked.chain.block(number, full=full)


def _evm_receipts(asked: Asked) -> bytes:
    if asked.faults.no_block_receipts:
        raise Refusal(-32601, "the method eth_getBlockReceipts does not exist/is not available")
    number = _evm_number(asked, asked.param(0))
    if number is None or _nothing_at(asked, number):
        return b"null"
    receipts = asked.chain.receipts(number)
    if receipts is None:
        raise Refusal(-32000, f"no receipts were recorded for block {number}")
    return receipts


def _nothing_at(asked: Asked, number: int) -> bool:
    if number < asked.faults.pruned_below:
        raise Refusal(4444, "pruned history unavailable")
    return asked.chain.shown(number) is None


def _evm_receipt(asked: Asked) -> bytes:
    return asked.chain.receipt(asked.param(0)) or b"null"


def _evm_logs(asked: Asked) -> bytes:
    """Give the logs of some blocks, whoever wrote them."""
    wanted = asked.param(0)
    if not isinstance(wanted, dict) or wanted.get("address") or any(wanted.get("topics") or ()):
        raise Refusal(-32602, "this server knows no addresses and no topics")
    if "blockHash" in wanted:
        first = last = _evm_number(asked, wanted["blockHash"])
    else:
        first, last = (
            _evm_number(asked, wanted.get(name, "latest")) for name in ("fromBlock", "toBlock")
        )
    if first is None or last is None:
        raise Refusal(-32000, "unknown block")
    texts = []
    for number in asked.chain.numbers(first, last + 1):
        _nothing_at(asked, number)
        logs = asked.chain.logs(number)
        if logs is None:
            raise Refusal(-32000, f"no receipts were recorded for block {number}")
        texts.append(logs[1:-1])
    return b"[%s]" % b",".join(filter(None, texts))


def _solana_block(asked: Asked) -> bytes:
    slot = asked.slot()
    if slot < asked.first:
        first = asked.first
        raise Refusal(
            -32001,
            f"Block {slot} cleaned up, does not exist on node. First available block: {first}",
        )
    if slot > asked.chain.head:
        raise Refusal(-32004, f"Block not available for slot {slot}")
    if asked.chain.shown(slot) is None:
        raise Refusal(
            -32007, f"Slot {slot} was skipped, or missing due to ledger jump to recent snapshot"
        )
    return asked.chain.block(slot)


def _solana_blocks(asked: Asked) -> bytes:
    start = asked.slot()
    last = asked.params[1] if len(asked.params) > 1 else None
    last = last if isinstance(last, int) else asked.chain.head
    if last - start > GETBLOCKS_LIMIT:
        raise Refusal(-32602, f"Slot range too large; max {GETBLOCKS_LIMIT}")
    return _json(asked.chain.numbers(max(start, asked.first), last + 1))


def _solana_height(asked: Asked) -> bytes:
    head = asked.chain.recorded(asked.chain.head)
    height = msgspec.json.decode(head.raw.block).get("blockHeight") if head else None
    return _json(asked.chain.head if height is None else height)


EVM: dict[str, Callable[[Asked], bytes]] = {
    "eth_chainId": lambda asked: _hex(_chain_id(asked)),
    "net_version": lambda asked: b'"%d"' % _chain_id(asked),
    "web3_clientVersion": lambda _: _json(VERSION),
    "eth_syncing": lambda _: b"false",
    "eth_blockNumber": lambda asked: _hex(asked.chain.head),
    "eth_getBlockByNumber": _evm_block,
    "eth_getBlockByHash": _evm_block,
    "eth_getBlockReceipts": _evm_receipts,
    "eth_getTransactionReceipt": _evm_receipt,
    "eth_getLogs": _evm_logs,
}
SOLANA: dict[str, Callable[[Asked], bytes]] = {
    "getHealth": lambda _: b'"ok"',
    "getVersion": lambda _: _json({"solana-core": VERSION, "feature-set": 0}),
    "getGenesisHash": lambda asked: _json(asked.chain.genesis or SOLANA_MAINNET),
    "getFirstAvailableBlock": lambda asked: _json(asked.first),
    "getSlot": lambda asked: _json(_solana_head(asked)),
    "getBlockHeight": _solana_height,
    "getBlock": _solana_block,
    "getBlocks": _solana_blocks,
}


def _solana_head(asked: Asked) -> int:
    options = asked.params[0] if asked.params else {}
    final = not isinstance(options, dict) or options.get("commitment", "finalized") == "finalized"
    return asked.finalized if final else asked.chain.head


METHODS = {"evm": EVM, "solana": SOLANA}


def strange(asked: Asked, method: str) -> bytes | None:
    """Answer what was not asked: the block (or its receipts) next to the one that was."""
    number = asked.params[0] if asked.params else None
    neighbours = [-1, 1]
    if method in {"eth_getBlockByNumber", "eth_getBlockReceipts"} and isinstance(number, str):
        at = int(number, 16) if number.startswith("0x") else None
        say = asked.chain.block if method == "eth_getBlockByNumber" else asked.chain.receipts
    elif method == "getBlock" and isinstance(number, int):
        at, say = number, asked.chain.block
    else:
        return None
    for offset in neighbours:
        if at is not None and asked.chain.shown(at + offset) is not None:
            return say(at + offset)
    return None
