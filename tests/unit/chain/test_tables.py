"""The tables of EVM chains have exactly the columns and Arrow types that are promised."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from jobyard.chain.evm_tables import BLOCKS, EVM_TABLES, TRANSACTIONS
from jobyard.chain.tables import arrow_schema, manifest_schema

B32, B20, TIME, DEC = (
    "fixed_size_binary[32]",
    "fixed_size_binary[20]",
    "timestamp[ns, tz=+00:00]",
    "decimal128(38, 0)",
)
PROMISED = {
    "blocks": f"""_block_num uint64; block_num uint64; timestamp {TIME}; hash {B32};
        parent_hash {B32}; ommers_hash {B32}; miner {B20}; state_root {B32};
        transactions_root {B32}; receipt_root {B32}; logs_bloom binary; difficulty {DEC};
        total_difficulty {DEC}*; gas_limit uint64; gas_used uint64; extra_data binary;
        mix_hash {B32}; nonce uint64; base_fee_per_gas {DEC}*; withdrawals_root {B32}*;
        blob_gas_used uint64*; excess_blob_gas uint64*; parent_beacon_root {B32}*;
        requests_hash {B32}*""",
    "transactions": f"""_block_num uint64; block_hash {B32}; block_num uint64; timestamp {TIME};
        tx_index uint32; tx_hash {B32}; to {B20}*; nonce uint64; gas_price {DEC}*;
        gas_limit uint64; value string; input binary; r {B32}; s {B32}; v_parity bool;
        chain_id uint64*; gas_used uint64*; type int32; max_fee_per_gas {DEC}*;
        max_priority_fee_per_gas {DEC}*; max_fee_per_blob_gas {DEC}*; from {B20}; status bool*;
        state_root {B32}*;
        access_list list<item: struct<address: {B20} not null, storage_keys: list<item: {B32} not null> not null> not null>*;
        blob_versioned_hashes list<item: {B32} not null>*;
        authorization_list list<item: struct<chain_id: uint64, address: {B20} not null, nonce: uint64 not null, y_parity: bool, r: {B32} not null, s: {B32} not null> not null>*""",  # noqa: E501 - a type is one word
    "logs": f"""_block_num uint64; block_hash {B32}; block_num uint64; timestamp {TIME};
        tx_hash {B32}; tx_index uint32; log_index uint32; address {B20}; topic0 {B32}*;
        topic1 {B32}*; topic2 {B32}*; topic3 {B32}*; data binary""",
}


@pytest.mark.parametrize("name", EVM_TABLES)
def test_a_table_has_the_columns_and_types_that_are_promised(name: str) -> None:
    schema = arrow_schema(EVM_TABLES[name])
    found = [f"{field.name} {field.type}{'*' if field.nullable else ''}" for field in schema]

    assert found == [" ".join(part.split()) for part in PROMISED[name].split(";")]


def test_a_manifest_writes_types_as_json() -> None:
    fields = manifest_schema(TRANSACTIONS)["arrow"]["fields"]
    types = {field["name"]: field["type"] for field in fields}

    assert json.loads(json.dumps(fields)) == fields
    assert fields[0] == {"name": "_block_num", "type": "UInt64", "nullable": False}
    assert types["tx_hash"] == {"FixedSizeBinary": 32}
    assert types["timestamp"] == {"Timestamp": ["Nanosecond", "+00:00"]}
    assert types["gas_price"] == {"Decimal128": [38, 0]}
    assert types["blob_versioned_hashes"] == {
        "List": {"name": "item", "type": {"FixedSizeBinary": 32}, "nullable": False}
    }
    assert types["access_list"]["List"]["type"]["Struct"][0]["name"] == "address"


@pytest.mark.parametrize("table", EVM_TABLES.values(), ids=list(EVM_TABLES))
def test_columns_with_a_part_in_the_layout_are_there(table: object) -> None:
    assert isinstance(table, type(BLOCKS))
    for name in (*table.coded, *dict(table.sought)):
        assert isinstance(arrow_schema(table).field(name), pa.Field)
