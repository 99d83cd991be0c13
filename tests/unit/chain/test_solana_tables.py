"""Solana's tables: the same whatever the encoding, exact, and proved by their own columns."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.chain import minted

from jobyard.chain import solana_base58
from jobyard.chain.solana_decode import decode, portions
from jobyard.chain.solana_tables import TABLES
from jobyard.chain.solana_verify import verify
from jobyard.chain.source import BlockRef
from jobyard.errors import BlockUnparsable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobyard.chain.source import RawBlock


def tables_of(*groups: Iterable[RawBlock]) -> dict[str, pa.Table]:
    batches = [decode(list(group)) for group in groups]
    return {name: pa.Table.from_batches([each[name] for each in batches]) for name in TABLES}


STRINGS = st.binary(max_size=90) | st.binary(max_size=5).map(lambda data: bytes(40) + data)


@given(st.lists(STRINGS))
def test_base58_reads_what_the_slow_way_writes(strings: list[bytes]) -> None:
    read = solana_base58.decode([minted.base58(each) for each in strings])

    assert [read[index] for index in range(len(strings))] == strings


def test_base58_reads_texts_longer_than_a_transaction() -> None:
    data = bytes(3) + bytes(range(256)) * 8

    assert solana_base58.decode([minted.base58(data)])[0] == data


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1))
def test_base58_writes_what_the_slow_way_writes(keys: list[bytes]) -> None:
    rows = np.frombuffer(b"".join(keys), "u1").reshape(-1, 32)
    written = solana_base58.encode(rows)

    assert [written[index].decode() for index in range(len(keys))] == list(map(minted.base58, keys))


def test_tables_are_the_same_in_both_encodings_and_however_blocks_are_grouped() -> None:
    texts = minted.solana_chain(10, 18, skipped={13, 14})
    wires = minted.solana_chain(10, 18, skipped={13, 14}, encoding="base64")
    expected = tables_of(texts)

    assert tables_of(wires) == expected
    assert tables_of(texts[:1], texts[1:4] + wires[4:]) == expected
    assert expected["transactions"].num_rows == 18


def test_every_value_of_a_transaction_is_in_its_row() -> None:
    tables = tables_of([minted.solana(11, 9)])
    row = tables["transactions"].slice(1, 1).to_pylist()[0]
    message = tables["messages"].slice(1, 1).to_pylist()[0]
    instructions = tables["instructions"].filter(pc.field("tx_index") == 1).to_pylist()
    reward = tables["block_rewards"].to_pylist()[0]

    assert (row["_block_num"], row["slot"], row["tx_index"], row["tx_version"]) == (11, 11, 1, "0")
    assert row["err"] is None
    assert (row["fee"], row["pre_balances"]) == (10, [1000, 5, 1, 1])
    assert row["log_messages"] == ["Program log: schön"]
    assert row["pre_token_balances"][0]["ui_token_amount"]["ui_amount_string"] == "1.2"
    assert (row["post_token_balances"], row["rewards"]) == ([], None)
    assert row["return_data_data"] == [1, 2]
    assert (row["compute_units_consumed"], row["cost_units"]) == (77, None)
    assert message["address_table_lookups"][0]["writable_indexes"] == [1, 2]
    assert [each["inner_index"] for each in instructions] == [None, None, 1, 1]
    assert [each["inner_stack_height"] for each in instructions] == [None, None, 2, None]
    assert instructions[1]["data"] == list(range(200))
    assert (reward["lamports"], reward["post_balance"], reward["commission"]) == (-5, 2**63, "7")


def test_legacy_transactions_have_no_lookups_and_no_missing_version() -> None:
    block = json.loads(minted.solana(11, 9).block)
    for each in block["transactions"]:
        del each["version"]
    raw = replace(minted.solana(11, 9), block=json.dumps(block).encode())
    tables = tables_of([raw])

    assert set(tables["transactions"]["tx_version"].to_pylist()) == {"legacy"}
    assert (
        tables_of([minted.solana(11, 9)])["messages"]["address_table_lookups"].to_pylist()[0]
        is None
    )


def test_a_failed_transaction_says_why() -> None:
    block = json.loads(minted.solana(11, 9).block)
    block["transactions"][0]["meta"]["err"] = {"InstructionError": [0, {"Custom": 41}]}
    raw = replace(minted.solana(11, 9), block=json.dumps(block).encode())

    assert tables_of([raw])["transactions"]["err"][0].as_py() == (
        '{"InstructionError":[0,{"Custom":41}]}'
    )


@pytest.mark.parametrize("encoding", ["json", "base64"])
def test_minted_blocks_prove_themselves(encoding: str) -> None:
    blocks = minted.solana_chain(10, 18, skipped={13, 14}, encoding=encoding)
    report = verify(tables_of(blocks), previous=BlockRef(9, minted.solana_hash(9)))

    assert report.sound
    assert {check: tally.proved for check, tally in report.tallies.items() if tally.proved} == {
        "parent_link": 6,
        "skipped_slots": 2,
        "places": 6,
        "lamports": 18,
        "signatures": 36,
    }
    assert report.tallies["block_hash"].unprovable


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("messages", "recent_block_hash", minted.base58(bytes([77]) * 32)),
        ("messages", "account_keys", [minted.base58(bytes([n]) * 32) for n in range(4)]),
        ("messages", "address_table_lookups", []),
        ("instructions", "data", [1]),
        ("instructions", "accounts", [0]),
        ("instructions", "program_id_index", 9),
        ("transactions", "signatures", []),
        ("transactions", "tx_version", "legacy"),
        ("transactions", "fee", 11),
    ],
)
def test_a_changed_column_is_found_out(table: str, column: str, value: object) -> None:
    tables = tables_of([minted.solana(11, 9)])
    changed = tables[table]
    values = changed[column].to_pylist()
    values[1] = value
    place = changed.schema.get_field_index(column)
    field = changed.schema.field(column)
    tables[table] = changed.set_column(place, field, pa.array(values, field.type))

    assert [each.block for each in verify(tables).failures()]


def test_a_block_of_another_fork_and_a_missing_one_are_told_apart() -> None:
    blocks = minted.solana_chain(10, 15, skipped=set())
    other = minted.solana(12, 11)
    other.block = other.block.replace(minted.solana_hash(11).encode(), b"9" * 43)

    fork = verify(tables_of([blocks[0], blocks[1], other]))
    gap = verify(tables_of([blocks[0], blocks[3]]))

    assert [(each.check, each.block) for each in fork.failures()] == [("parent_link", 12)]
    assert [(each.check, each.block) for each in gap.failures()] == [("skipped_slots", 13)]


@pytest.mark.parametrize(
    "change",
    [
        lambda block: block["transactions"][1].update(transaction=["!!", "base64"]),
        lambda block: block["transactions"][1].update(transaction=["AQID", "base64"]),
        lambda block: block["transactions"][1]["transaction"].pop(0),
        lambda block: block["transactions"][1].pop("transaction"),
        lambda block: block["transactions"][1]["meta"].update(fee=-1),
        lambda block: block["transactions"][1]["meta"]["innerInstructions"][0]["instructions"][
            0
        ].update(data="0O"),
    ],
    ids=["no base64", "cut short", "no text", "not there", "negative fee", "no base58"],
)
def test_a_damaged_block_is_named_among_sound_ones(change: object) -> None:
    blocks = minted.solana_chain(10, 14, skipped=set(), encoding="base64")
    damaged = json.loads(blocks[2].block)
    assert callable(change)
    change(damaged)
    blocks[2].block = json.dumps(damaged).encode()

    with pytest.raises(BlockUnparsable) as caught:
        decode(blocks)
    assert caught.value.fields["block_range_start"] == 12


def test_parsed_instructions_are_refused_because_their_data_is_lost() -> None:
    block = json.loads(minted.solana(11, 9).block)
    block["transactions"][0]["transaction"]["message"]["instructions"] = [
        {"program": "vote", "parsed": {}}
    ]
    raw = replace(minted.solana(11, 9), block=json.dumps(block).encode())

    with pytest.raises(BlockUnparsable, match="encoding json or base64"):
        decode([raw])


def test_portions_keep_order_and_lose_nothing() -> None:
    blocks = minted.solana_chain(10, 18, skipped=set())
    groups = list(portions(blocks, size=blocks[0].size + 1))

    assert [len(group) for group in groups] == [2, 2, 2, 2]
    assert [block for group in groups for block in group] == blocks
