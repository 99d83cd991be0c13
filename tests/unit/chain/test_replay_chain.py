"""The chain that is replayed: renumbered, forked, and still true to its own hashes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.chain import minted

from jobyard.chain.evm_decode import decode
from jobyard.chain.evm_hashing import columns, header_hash
from jobyard.chain.evm_json import parse
from jobyard.testing.replay_chain import ReplayChain

DATA = Path(__file__).parents[2] / "data"


def assert_headers_hold(chain: ReplayChain, start: int, stop: int) -> None:
    numbers = range(start, stop)
    batch = decode([parse(chain.block(number), chain.receipts(number)) for number in numbers])
    blocks = columns(batch.blocks)
    hashes = [header_hash(blocks, at) for at in range(len(numbers))]

    assert hashes == blocks["hash"]
    assert blocks["parent_hash"][1:] == hashes[:-1]
    assert [f"0x{each.hex()}" for each in hashes] == list(map(chain.hash_of, numbers))


@pytest.mark.parametrize("name", ["london", "prague", "blobs"])
def test_header_hashes_hold_after_renumbering_and_after_forks(name: str) -> None:
    file = DATA / f"anvil-{name}.ndjson.gz"
    length = ReplayChain.read(file).stop
    chain = ReplayChain.read(file, start=7, length=3 * length)
    before = chain.hash_of(length + 9)

    assert_headers_hold(chain, 7, chain.stop)
    chain.fork(length)
    assert_headers_hold(chain, 7, chain.stop)
    chain.fork(length + 5)
    assert_headers_hold(chain, 7, chain.stop)
    assert before != chain.hash_of(length + 9)


def test_a_block_says_its_number_everywhere_and_its_transactions_stay() -> None:
    chain = ReplayChain(minted.evm_chain(10, 14), start=100, length=8)
    block, receipts = json.loads(chain.block(106)), json.loads(chain.receipts(106) or b"")
    light = json.loads(chain.block(106, full=False))

    assert {block["number"], *(each["blockNumber"] for each in receipts)} == {"0x6a"}
    assert {each["blockHash"] for each in [*block["transactions"], *receipts]} == {block["hash"]}
    assert light["transactions"] == [each["hash"] for each in minted_transactions(12)]
    assert chain.number_of(block["hash"]) == 106


def test_receipts_and_logs_are_said_one_by_one_as_in_their_blocks() -> None:
    file = DATA / "anvil-prague.ndjson.gz"
    chain = ReplayChain.read(file, start=7, length=30)
    for number in range(7, 7 + ReplayChain.read(file).stop):
        receipts = json.loads(chain.receipts(number) or b"")
        logs = [log for receipt in receipts for log in receipt["logs"]]

        assert json.loads(chain.logs(number) or b"") == logs
        for receipt in receipts:
            assert json.loads(chain.receipt(receipt["transactionHash"]) or b"") == receipt
    assert chain.receipt("0x" + "ee" * 32) is None


def minted_transactions(number: int) -> list[dict[str, str]]:
    transactions: list[dict[str, str]] = json.loads(minted.evm(number).block)["transactions"]
    return transactions


def test_skipped_slots_are_repeated_and_signed_contents_kept() -> None:
    recorded = minted.solana_chain(10, 16, skipped={12, 13}, transactions=1)
    chain = ReplayChain(recorded, start=100, length=12)
    block = json.loads(chain.block(110))

    assert chain.numbers(0, 999) == [100, 101, 104, 105, 106, 107, 110, 111]
    assert (block["parentSlot"], block["previousBlockhash"]) == (107, chain.hash_of(107))
    assert block["transactions"] == json.loads(recorded[2].block)["transactions"]


def test_nothing_above_the_head_is_shown() -> None:
    chain = ReplayChain(minted.evm_chain(10, 20))
    above = chain.hash_of(15)
    chain.head = 12

    assert chain.shown(13) is None
    assert chain.number_of(above) is None
    assert chain.numbers(0, 99) == [10, 11, 12]
