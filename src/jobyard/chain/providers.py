"""From providers to a source: the one door to reading a chain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jobyard.chain.provider import EvmProvider, RecordedProvider, SolanaProvider
from jobyard.chain.recorded import RecordedSource
from jobyard.chain.source import Traffic
from jobyard.errors import InvalidProvider

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.chain.provider import Provider, RpcAddress
    from jobyard.chain.rpc_endpoint import Endpoint, Limits
    from jobyard.chain.source import Source

CHAIN_IDS = {
    "mainnet": 1,
    "ethereum": 1,
    "ethereum-mainnet": 1,
    "optimism": 10,
    "bsc": 56,
    "gnosis": 100,
    "polygon": 137,
    "base": 8453,
    "base-mainnet": 8453,
    "arbitrum-one": 42161,
    "avalanche": 43114,
    "holesky": 17000,
    "hoodi": 560048,
    "sepolia": 11155111,
    "anvil": 31337,
}
"""Networks whose chain id is known by their name (EIP-155 registry), so that a wrong url shows."""
GENESIS_HASHES = {
    "mainnet": "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d",
    "solana-mainnet": "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d",
    "devnet": "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG",
    "testnet": "4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY",
}
"""The same for Solana's clusters."""


def open_source(
    providers: Sequence[Provider], *, receipts: bool = True, patience: float = 300.0
) -> Source:
    """Read one network through its providers, which are of one kind.

    ``receipts`` False leaves out what no wanted table needs; ``patience`` is how many seconds may
    pass without any useful answer before reading fails.

    Raises:
        InvalidProvider: There is none, or they do not belong together.
    """
    if len({(each.kind, each.network) for each in providers}) != 1:
        names = ", ".join(each.name for each in providers) or "none"
        message = f"a source needs providers of one kind and network, not: {names}"
        raise InvalidProvider(message)
    first = providers[0]
    if isinstance(first, RecordedProvider):
        return RecordedSource(Path(first.path))
    traffic = Traffic()
    if isinstance(first, EvmProvider):
        return _evm(
            [each for each in providers if isinstance(each, EvmProvider)],
            traffic,
            receipts=receipts,
            patience=patience,
        )
    return _solana(
        [each for each in providers if isinstance(each, SolanaProvider)], traffic, patience=patience
    )


def _evm(
    providers: list[EvmProvider], traffic: Traffic, *, receipts: bool, patience: float
) -> Source:
    from jobyard.chain.rpc_endpoint import Limits
    from jobyard.chain.rpc_evm import EvmSource

    endpoints = []
    for each in providers:
        rate = each.rate_limit_per_minute
        limits = Limits(
            each.concurrent_request_limit,
            each.rpc_batch_size,
            None if rate is None else rate / 60,
            each.timeout_secs,
        )
        endpoints.append(_endpoint(each.name, each.address, limits, traffic))
    known = [each.chain_id for each in providers if each.chain_id is not None]
    return EvmSource(
        endpoints,
        traffic,
        chain_id=known[0] if known else CHAIN_IDS.get(providers[0].network),
        receipts=receipts,
        receipts_per_transaction=any(each.fetch_receipts_per_tx for each in providers),
        patience=patience,
    )


def _solana(providers: list[SolanaProvider], traffic: Traffic, *, patience: float) -> Source:
    from jobyard.chain.rpc_endpoint import Limits
    from jobyard.chain.rpc_solana import SolanaSource

    endpoints = []
    for each in providers:
        limits = Limits(
            each.concurrent_request_limit, 0, each.max_rpc_calls_per_second, each.timeout_secs
        )
        endpoints.append(_endpoint(each.name, each.address, limits, traffic))
        if each.fallback is not None:
            name = f"{each.name} (fallback)"
            endpoints.append(_endpoint(name, each.fallback, limits, traffic, spare=True))
    known = [each.genesis_hash for each in providers if each.genesis_hash is not None]
    return SolanaSource(
        endpoints,
        traffic,
        genesis=known[0] if known else GENESIS_HASHES.get(providers[0].network),
        commitment=providers[0].commitment,
        patience=patience,
    )


def _endpoint(
    name: str, address: RpcAddress, limits: Limits, traffic: Traffic, *, spare: bool = False
) -> Endpoint:
    from jobyard.chain.rpc_endpoint import Endpoint

    url = address.url.reveal()
    return Endpoint(name, url, limits, traffic, headers=address.headers, spare=spare)
