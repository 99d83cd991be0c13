"""Whatever a provider does, what is read is what the chain says - or an error that says why not."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.chain import minted

from jobyard.chain.rpc_endpoint import Endpoint, Limits
from jobyard.chain.rpc_evm import EvmSource
from jobyard.chain.rpc_solana import SolanaSource
from jobyard.chain.source import BlockRef, Traffic
from jobyard.errors import (
    BlocksUnavailable,
    BlockUnparsable,
    ChainFailed,
    NotJsonRpc,
    ProviderRefused,
    ProviderUnavailable,
    RequestRejected,
    WrongChain,
)
from jobyard.testing.replay import ReplayServer
from jobyard.testing.replay_chain import ReplayChain
from jobyard.testing.replay_faults import Faults, Trouble

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from jobyard.chain.source import RawBlock, Source

FIRST, STOP = 100, 180
HALF_BAD = Faults(
    seed=1,
    throttle=0.15,
    error=0.10,
    drop=0.03,
    truncate=0.03,
    cut=0.03,
    garbage=0.03,
    null=0.03,
    strange=0.03,
    hang=0.01,
)
SHORT = Limits(timeout=0.3)


def evm_chain() -> ReplayChain:
    return ReplayChain(minted.evm_chain(FIRST, STOP))


def solana_chain() -> ReplayChain:
    return ReplayChain(minted.solana_chain(FIRST, STOP, skipped={120, 121, 150}, transactions=1))


@asynccontextmanager
async def source_of(
    *servers: ReplayServer,
    urls: Sequence[str] = (),
    limits: Limits = SHORT,
    token: str | None = None,
    patience: float = 20.0,
    **options: Any,
) -> AsyncIterator[tuple[Any, list[Endpoint]]]:
    traffic = Traffic()
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    addresses = [*(server.url for server in servers), *urls]
    endpoints = [
        Endpoint(f"provider{number}", url, limits, traffic, headers=headers)
        for number, url in enumerate(addresses)
    ]
    solana = bool(servers) and servers[0].chain.kind == "solana"
    kind: Callable[..., Any] = SolanaSource if solana else EvmSource
    source = kind(endpoints, traffic, patience=patience, **options)
    try:
        yield source, endpoints
    finally:
        await source.close()


async def collect(
    source: Source,
    start: int,
    stop: int,
    each: Callable[[RawBlock], None] | None = None,
    known: Sequence[BlockRef] = (),
) -> list[RawBlock]:
    """Keep what a stream gives, as one who follows it does."""
    kept: list[RawBlock] = []
    async for block in source.blocks(start, stop, known=known):
        while kept and kept[-1].number >= block.number:
            kept.pop()
        kept.append(block)
        if each is not None:
            each(block)
    return kept


def told(blocks: Sequence[RawBlock]) -> list[tuple[int, str, bytes, bytes | None]]:
    return [(block.number, block.hash, block.block, block.receipts) for block in blocks]


def expected(chain: ReplayChain, start: int = FIRST, stop: int = STOP) -> list[Any]:
    return [
        (number, chain.hash_of(number), chain.block(number), chain.receipts(number))
        for number in chain.numbers(start, stop)
    ]


def assert_linked(blocks: Sequence[RawBlock]) -> None:
    pairs = itertools.pairwise(blocks)
    assert all(block.parent_hash == before.hash for before, block in pairs)


@pytest.mark.parametrize("batch", [0, 7])
@pytest.mark.parametrize("make", [evm_chain, solana_chain])
def test_a_bad_day_changes_nothing_that_is_read(
    make: Callable[[], ReplayChain], batch: int
) -> None:
    async def scenario() -> None:
        async with ReplayServer(make(), HALF_BAD) as server:
            limits = Limits(timeout=0.3, batch=batch)
            async with source_of(server, limits=limits) as (source, _):
                blocks = await collect(source, FIRST, STOP)
                assert told(blocks) == expected(server.chain)
                assert server.seen.struck.total() > 10
                assert source.traffic.retries > 10

    asyncio.run(scenario())


@pytest.mark.parametrize("trouble", list(Trouble))
@pytest.mark.parametrize("make", [evm_chain, solana_chain])
def test_each_trouble_alone_is_overcome(make: Callable[[], ReplayChain], trouble: Trouble) -> None:
    async def scenario() -> None:
        share: dict[str, Any] = {trouble.value: 0.02 if trouble is Trouble.HANG else 0.2}
        async with ReplayServer(make(), Faults(seed=3, **share)) as server:
            async with source_of(server) as (source, _):
                blocks = await collect(source, FIRST, FIRST + 60)
            assert told(blocks) == expected(server.chain, FIRST, FIRST + 60)
            assert server.seen.struck[trouble] > 0

    asyncio.run(scenario())


def test_answers_of_a_batch_may_come_in_any_order() -> None:
    async def scenario() -> None:
        async with ReplayServer(evm_chain(), Faults(shuffle=True)) as server:
            async with source_of(server, limits=Limits(batch=10)) as (source, _):
                blocks = await collect(source, FIRST, STOP)
            assert told(blocks) == expected(server.chain)
            assert server.seen.largest_batch == 10

    asyncio.run(scenario())


@pytest.mark.parametrize("limit", [{"batch_limit": 3}, {"answer_limit": 2500}])
def test_a_request_that_is_too_large_is_split_until_it_fits(limit: dict[str, int]) -> None:
    async def scenario() -> None:
        async with ReplayServer(evm_chain(), Faults(**limit)) as server:  # type: ignore[arg-type]
            async with source_of(server, limits=Limits(batch=32)) as (source, endpoints):
                blocks = await collect(source, FIRST, STOP)
            assert told(blocks) == expected(server.chain)
            assert 1 <= endpoints[0].batch < 4

    asyncio.run(scenario())


@pytest.mark.parametrize("batch", [0, 5])
def test_receipts_are_fetched_one_by_one_where_a_node_cannot_give_them_all(batch: int) -> None:
    async def scenario() -> None:
        async with ReplayServer(evm_chain(), Faults(no_block_receipts=True)) as server:
            async with source_of(server, limits=Limits(batch=batch)) as (source, _):
                blocks = await collect(source, FIRST, FIRST + 20)
            assert told(blocks) == expected(server.chain, FIRST, FIRST + 20)
            assert server.seen.calls["eth_getTransactionReceipt"] == 36

    asyncio.run(scenario())


def test_no_receipts_are_asked_for_where_there_are_none() -> None:
    async def scenario() -> None:
        async with ReplayServer(evm_chain()) as server:
            async with source_of(server) as (source, _):
                await collect(source, FIRST, FIRST + 20)
            assert server.seen.calls["eth_getBlockReceipts"] == 18

    asyncio.run(scenario())


def test_requests_in_flight_grow_until_the_provider_complains_and_stay_near_there() -> None:
    async def scenario() -> None:
        faults = Faults(latency=0.01, concurrency_limit=12)
        chain = ReplayChain(minted.evm_chain(0, 10), start=0, length=800)
        async with ReplayServer(chain, faults) as server:
            async with source_of(server) as (source, endpoints):
                blocks = await collect(source, 0, 800)
            assert len(blocks) == 800
            assert server.seen.most_at_once > 8
            assert endpoints[0].pace.limit <= 16
            # Far fewer than one in four: it does not run against the wall all the time.
            assert 0 < server.seen.struck["throttle"] < server.seen.requests / 4

    asyncio.run(scenario())


def test_no_more_requests_are_in_flight_than_the_owner_allows() -> None:
    async def scenario() -> None:
        async with ReplayServer(evm_chain(), Faults(latency=0.002)) as server:
            async with source_of(server, limits=Limits(concurrent=3)) as (source, _):
                await collect(source, FIRST, STOP)
            assert server.seen.most_at_once <= 3

    asyncio.run(scenario())


def test_a_provider_that_asks_to_be_left_alone_is() -> None:
    async def scenario() -> None:
        faults = Faults(seed=5, throttle=0.3, retry_after=60)
        async with ReplayServer(evm_chain(), faults) as busy, ReplayServer(evm_chain()) as idle:
            async with source_of(busy, idle) as (source, endpoints):
                blocks = await collect(source, FIRST, STOP)
            assert told(blocks) == expected(idle.chain)
            # Those in flight when it said so still count.
            assert busy.seen.requests < 20
            assert endpoints[0].health.rests_until > endpoints[1].health.rests_until

    asyncio.run(scenario())


def test_several_providers_are_used_together() -> None:
    async def scenario() -> None:
        slowly = Faults(latency=0.005)
        async with (
            ReplayServer(evm_chain(), slowly) as one,
            ReplayServer(evm_chain(), slowly) as two,
            source_of(one, two) as (source, _),
        ):
            blocks = await collect(source, FIRST, STOP)
            assert told(blocks) == expected(one.chain)
            assert min(one.seen.requests, two.seen.requests) > 20

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "faults",
    [
        Faults(strange=0.9),
        Faults(error=1.0),
        Faults(hang=1.0),
        Faults(chain_id=5),
        Faults(token="not ours"),
        Faults(pruned_below=FIRST + 50),
        Faults(null=0.9),
        Faults(garbage=1.0),
    ],
    ids=["lies", "breaks", "hangs", "another chain", "refuses", "pruned", "behind", "no node"],
)
def test_a_bad_provider_beside_a_good_one_does_no_harm(faults: Faults) -> None:
    async def scenario() -> None:
        async with ReplayServer(evm_chain(), faults) as bad, ReplayServer(evm_chain()) as good:
            async with source_of(bad, good, chain_id=1) as (source, _):
                blocks = await collect(source, FIRST, STOP)
            assert told(blocks) == expected(good.chain)
            assert bad.seen.requests < good.seen.requests

    asyncio.run(scenario())


def test_a_provider_that_dies_midway_is_left_for_the_other() -> None:
    async def scenario() -> None:
        async with ReplayServer(evm_chain()) as dying, ReplayServer(evm_chain()) as living:
            async with source_of(dying, living) as (source, _):

                def die(block: RawBlock) -> None:
                    if block.number == FIRST + 10:
                        dying.faults = Faults(drop=1.0)

                blocks = await collect(source, FIRST, STOP, die)
            assert told(blocks) == expected(living.chain)
            assert dying.seen.struck["drop"] > 0

    asyncio.run(scenario())


async def _refused(chain: ReplayChain, faults: Faults, **options: Any) -> ChainFailed:
    async with ReplayServer(chain, faults) as server, source_of(server, **options) as (source, _):
        with pytest.raises(ChainFailed) as caught:
            await collect(source, FIRST, STOP)
        return caught.value


@pytest.mark.parametrize(
    ("faults", "options", "error"),
    [
        (Faults(chain_id=5), {"chain_id": 1}, WrongChain),
        (Faults(token="right"), {"token": "wrong"}, ProviderRefused),
        (Faults(garbage=1.0), {}, NotJsonRpc),
        (Faults(pruned_below=FIRST + 20), {}, BlocksUnavailable),
        (Faults(answer_limit=100), {}, RequestRejected),
        (Faults(error=1.0), {"patience": 0.2}, ProviderUnavailable),
    ],
    ids=["another chain", "token", "no node", "pruned", "too large", "down"],
)
def test_what_no_patience_helps_against_is_an_error_of_its_own(
    faults: Faults, options: dict[str, Any], error: type[ChainFailed]
) -> None:
    caught = asyncio.run(_refused(evm_chain(), faults, **options))

    assert type(caught) is error
    assert caught.retryable is (error is ProviderUnavailable)
    if error in {BlocksUnavailable, RequestRejected}:
        assert caught.fields["block_range_start"] == FIRST


def test_the_right_token_opens_the_door() -> None:
    async def scenario() -> None:
        locked = Faults(token="right")
        async with (
            ReplayServer(evm_chain(), locked) as server,
            source_of(server, token="right") as (source, _),
        ):
            assert len(await collect(source, FIRST, STOP)) == STOP - FIRST

    asyncio.run(scenario())


def test_a_block_that_nobody_can_read_is_named() -> None:
    async def scenario() -> None:
        chain = evm_chain()
        recorded = chain.recorded(FIRST + 7)
        assert recorded is not None
        recorded.full.text = recorded.full.text[:-40]
        async with ReplayServer(chain) as server, source_of(server) as (source, _):
            with pytest.raises(BlockUnparsable) as caught:
                await collect(source, FIRST, STOP)
        assert caught.value.fields["block_range_start"] == FIRST + 7

    asyncio.run(scenario())


def test_blocks_above_the_head_may_come_yet() -> None:
    async def scenario() -> None:
        chain = evm_chain()
        chain.head = FIRST + 9
        async with ReplayServer(chain) as server, source_of(server) as (source, _):
            assert await source.head() == FIRST + 9
            with pytest.raises(ProviderUnavailable) as caught:
                await collect(source, FIRST, FIRST + 20)
        assert caught.value.retryable
        assert caught.value.fields["block_range_start"] == FIRST + 10

    asyncio.run(scenario())


@pytest.mark.parametrize("trouble", [Faults(), HALF_BAD], ids=["quiet", "bad day"])
@pytest.mark.parametrize("make", [evm_chain, solana_chain])
def test_a_reorganisation_while_reading_ends_with_the_new_chain(
    make: Callable[[], ReplayChain], trouble: Faults
) -> None:
    async def scenario() -> None:
        chain = make()
        async with ReplayServer(chain, trouble) as server, source_of(server) as (source, _):

            def reorganise(block: RawBlock) -> None:
                if block.number == FIRST + 40 and block.hash == minted_hash(chain, block.number):
                    chain.fork(FIRST + 33)

            blocks = await collect(source, FIRST, STOP, reorganise)
        assert_linked(blocks)
        assert told(blocks) == expected(chain)
        assert blocks[33].hash != minted_hash(chain, blocks[33].number)

    asyncio.run(scenario())


def minted_hash(chain: ReplayChain, number: int) -> str:
    recorded = chain.recorded(number)
    assert recorded is not None
    return recorded.raw.hash


def test_a_stream_that_goes_on_begins_where_the_chain_was_left() -> None:
    async def scenario() -> None:
        chain = evm_chain()
        known = [BlockRef(number, chain.hash_of(number)) for number in range(FIRST, FIRST + 20)]
        chain.fork(FIRST + 12)
        async with ReplayServer(chain) as server, source_of(server) as (source, _):
            blocks = await collect(source, FIRST + 20, STOP, known=known)
        assert told(blocks) == expected(chain, FIRST + 12)

    asyncio.run(scenario())


def test_skipped_slots_are_proved_by_links_and_an_omitted_block_is_found() -> None:
    async def scenario() -> None:
        honest, omitting = solana_chain(), solana_chain()
        numbers = omitting.numbers

        def omit(start: int, stop: int) -> list[int]:
            return [slot for slot in numbers(start, stop) if slot != FIRST + 30]

        omitting.numbers = omit  # type: ignore[method-assign]
        async with (
            ReplayServer(omitting) as liar,
            ReplayServer(honest) as server,
            source_of(liar, server) as (source, _),
        ):
            blocks = await collect(source, FIRST, STOP)
        assert_linked(blocks)
        assert [block.number for block in blocks] == numbers(FIRST, STOP)
        assert 120 not in {block.number for block in blocks}

    asyncio.run(scenario())


def test_solana_before_the_first_kept_slot_is_an_error() -> None:
    caught = asyncio.run(_refused(solana_chain(), Faults(pruned_below=FIRST + 5)))

    assert type(caught) is BlocksUnavailable
    assert caught.fields["block_range_end"] == FIRST + 4


@pytest.mark.parametrize("way", ["ws", "ipc"])
@pytest.mark.parametrize("faults", [Faults(), Faults(seed=2, drop=0.05, shuffle=True)])
def test_other_ways_than_http_read_the_same(tmp_path: Path, way: str, faults: Faults) -> None:
    async def scenario() -> None:
        async with ReplayServer(evm_chain(), faults) as server:
            if way == "ws":
                url = await server.listen_websocket()
            else:
                url = await server.listen_ipc(tmp_path / "node.ipc")
            async with source_of(urls=[url], limits=Limits(batch=4)) as (source, _):
                blocks = await collect(source, FIRST, STOP)
                assert await source.identity() == "1"
            assert told(blocks) == expected(server.chain)

    asyncio.run(scenario())


def test_the_first_block_of_a_pruned_node_is_found() -> None:
    async def scenario() -> None:
        chain = ReplayChain(minted.evm_chain(0, 80))
        async with ReplayServer(chain, Faults(pruned_below=37)) as server:
            async with source_of(server) as (source, _):
                assert await source.first_available() == 37
            server.faults = Faults(finality=10)
            async with source_of(server) as (source, _):
                assert await source.first_available() == 0
                assert await source.head(finalized=True) == 69

    asyncio.run(scenario())


def test_memory_ahead_of_a_slow_reader_is_bounded() -> None:
    async def scenario() -> None:
        chain = ReplayChain(minted.evm_chain(1, 9), start=0, length=4000)
        async with ReplayServer(chain) as server, source_of(server) as (source, _):
            stream = source.blocks(0, 4000)
            await anext(stream)
            for _ in range(200):
                await source.head()
            fetched = server.seen.calls["eth_getBlockByNumber"]
            await stream.aclose()
        assert fetched <= 300

    asyncio.run(scenario())
