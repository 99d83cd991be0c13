"""Decoding EVM blocks: every value as a plain reader would read it, every damage named."""

from __future__ import annotations

from typing import Any

import msgspec
import pyarrow as pa
import pytest
from tests.data.chains import BLOBS, MINTED, WITH_RECEIPTS, WITHOUT_RECEIPTS, decoded, lines, parsed

from jobyard.chain.evm_decode import decode
from jobyard.chain.evm_json import ParsedBlock, parse, parse_recorded
from jobyard.chain.evm_tables import EVM_TABLES
from jobyard.errors import BlockDisproved, BlockUnparsable

CHAINS = (*MINTED, BLOBS, *WITH_RECEIPTS[:3], *WITHOUT_RECEIPTS)


def number(text: str | None) -> int | None:
    return None if text is None else int(text, 16)


def octets(text: str | None, width: int | None = None) -> bytes | None:
    if text is None:
        return None
    digits = text[2:]
    return bytes.fromhex(digits if width is None else digits.zfill(2 * width))


def plain_transaction(tx: dict[str, Any], receipt: dict[str, Any] | None) -> dict[str, Any]:
    """Read a transaction as slowly and plainly as possible."""
    kind, v = number(tx.get("type")) or 0, number(tx["v"]) or 0
    legacy_chain = (v - 35) // 2 if v >= 35 else None
    lists = tx.get("accessList"), tx.get("blobVersionedHashes"), tx.get("authorizationList")
    said = receipt or {}
    return {
        "tx_index": number(tx["transactionIndex"]),
        "tx_hash": octets(tx["hash"]),
        "to": octets(tx.get("to")),
        "nonce": number(tx["nonce"]),
        "gas_price": number(tx.get("gasPrice")),
        "gas_limit": number(tx["gas"]),
        "value": str(number(tx["value"])),
        "input": octets(tx["input"]),
        "r": octets(tx["r"], 32),
        "s": octets(tx["s"], 32),
        "v_parity": bool(v) if kind else (v % 2 == 0 if v >= 27 else bool(v)),
        "chain_id": number(tx["chainId"]) if kind else legacy_chain,
        "gas_used": number(said.get("gasUsed")),
        "type": kind,
        "max_fee_per_gas": number(tx.get("maxFeePerGas")),
        "max_priority_fee_per_gas": number(tx.get("maxPriorityFeePerGas")),
        "max_fee_per_blob_gas": number(tx.get("maxFeePerBlobGas")),
        "from": octets(tx["from"]),
        "status": None if said.get("status") is None else said["status"] == "0x1",
        "state_root": octets(said.get("root")),
        "access_list": None
        if lists[0] is None
        else [
            {"address": octets(e["address"]), "storage_keys": [octets(k) for k in e["storageKeys"]]}
            for e in lists[0]
        ],
        "blob_versioned_hashes": None if lists[1] is None else [octets(h) for h in lists[1]],
        "authorization_list": None
        if lists[2] is None
        else [
            {
                "chain_id": number(a["chainId"]),
                "address": octets(a["address"]),
                "nonce": number(a["nonce"]),
                "y_parity": a["yParity"] == "0x1",
                "r": octets(a["r"], 32),
                "s": octets(a["s"], 32),
            }
            for a in lists[2]
        ],
    }


def plain_log(log: dict[str, Any]) -> dict[str, Any]:
    topics = [octets(topic) for topic in log["topics"]] + [None] * 4
    return {
        "tx_hash": octets(log["transactionHash"]),
        "tx_index": number(log["transactionIndex"]),
        "log_index": number(log["logIndex"]),
        "address": octets(log["address"]),
        **{f"topic{place}": topics[place] for place in range(4)},
        "data": octets(log["data"]),
    }


HEADER: dict[str, tuple[str, Any]] = {
    "hash": ("hash", octets), "parent_hash": ("parentHash", octets), "miner": ("miner", octets),
    "ommers_hash": ("sha3Uncles", octets), "state_root": ("stateRoot", octets),
    "transactions_root": ("transactionsRoot", octets), "receipt_root": ("receiptsRoot", octets),
    "logs_bloom": ("logsBloom", octets), "difficulty": ("difficulty", number),
    "total_difficulty": ("totalDifficulty", number), "gas_limit": ("gasLimit", number),
    "gas_used": ("gasUsed", number), "extra_data": ("extraData", octets),
    "mix_hash": ("mixHash", octets), "nonce": ("nonce", number),
    "base_fee_per_gas": ("baseFeePerGas", number),
    "withdrawals_root": ("withdrawalsRoot", octets), "blob_gas_used": ("blobGasUsed", number),
    "excess_blob_gas": ("excessBlobGas", number),
    "parent_beacon_root": ("parentBeaconBlockRoot", octets),
    "requests_hash": ("requestsHash", octets),
}  # fmt: skip


def rows(batch: pa.RecordBatch | None) -> list[dict[str, Any]]:
    assert batch is not None
    seconds = batch.column("timestamp").cast(pa.int64()).to_pylist()
    kept = batch.drop_columns(["timestamp"]).to_pylist()
    return [row | {"timestamp": at // 10**9} for row, at in zip(kept, seconds, strict=True)]


@pytest.mark.parametrize("name", CHAINS)
def test_every_column_says_what_a_plain_reader_reads(name: str) -> None:
    batch = decoded(name)
    whole = [msgspec.json.decode(line) for line in lines(name)]
    blocks, transactions, logs = [], [], []
    for line in whole:
        block = line["block"]
        own = number(block["number"])
        seconds = number(block["timestamp"])
        place: dict[str, Any] = {"_block_num": own, "block_num": own, "timestamp": seconds}
        blocks.append(
            place | {column: read(block.get(key)) for column, (key, read) in HEADER.items()}
        )
        place["block_hash"] = octets(block["hash"])
        receipts = line.get("receipts") or [None] * len(block["transactions"])
        for tx, receipt in zip(block["transactions"], receipts, strict=True):
            transactions.append(place | plain_transaction(tx, receipt))
            logs += [place | plain_log(log) for log in (receipt or {"logs": []})["logs"]]

    assert rows(batch.blocks) == blocks
    assert rows(batch.transactions) == transactions
    if name in WITHOUT_RECEIPTS:
        assert batch.logs is None
    else:
        assert rows(batch.logs) == logs


@pytest.mark.parametrize("name", MINTED)
def test_how_many_blocks_are_decoded_together_changes_nothing(name: str) -> None:
    together = decoded(name)
    single = [decode([raw]) for raw in parsed(name)]

    for table in EVM_TABLES:
        parts = [one.table(table) for one in single]
        assert pa.Table.from_batches(parts).equals(pa.Table.from_batches([together.table(table)]))


def test_receipts_in_another_order_are_put_in_order() -> None:
    raw = parsed("anvil-prague")[3]
    assert raw.receipts is not None

    assert decode([ParsedBlock(raw.block, raw.receipts[::-1])]).logs == decode([raw]).logs


def test_receipts_of_another_block_are_refused_and_worth_another_try() -> None:
    first, second = parsed("anvil-prague")[3:5]

    with pytest.raises(BlockDisproved, match="block 3 fails the check of receipts") as refused:
        decode([ParsedBlock(first.block, second.receipts)])
    assert refused.value.retryable


def test_without_receipts_their_columns_are_null_and_there_are_no_logs() -> None:
    batch = decode([ParsedBlock(raw.block, None) for raw in parsed("anvil-prague")[:5]])

    assert batch.logs is None
    assert batch.transactions.num_rows
    for name in ("gas_used", "status", "state_root"):
        assert batch.transactions.column(name).null_count == batch.transactions.num_rows


def test_blocks_without_transactions_need_no_receipts_to_have_no_logs() -> None:
    empty = [ParsedBlock(raw.block, None) for raw in parsed("anvil-prague")[:1]]
    logs = decode(empty).logs

    assert logs is not None
    assert logs.num_rows == 0


def changed(line: bytes, **fields: Any) -> bytes:
    """Change the first transaction of a recorded block, or its receipt; None takes a field away."""
    whole = msgspec.json.decode(line)
    for name, value in fields.items():
        part, _, key = name.partition("__")
        thing = {
            "block": whole["block"],
            "tx": (whole["block"]["transactions"] or [None])[0],
            "receipt": (whole["receipts"] or [None])[0],
        }[part]
        if value is None:
            thing.pop(key, None)
        else:
            thing[key] = value
    return msgspec.json.encode(whole)


def one_row(line: bytes) -> dict[str, Any]:
    first: dict[str, Any] = decode([parse_recorded(line)]).transactions.to_pylist()[0]
    return first


CALLS = 3
"""A block with transactions of all simple kinds and logs."""


@pytest.mark.parametrize(
    ("v", "parity", "chain_id"),
    [
        ("0x1b", False, None),
        ("0x1c", True, None),
        ("0x25", False, 1),
        ("0x26", True, 1),
        ("0x1", True, None),
        (hex(35 + 2 * (2**63) + 1), True, 2**63),
    ],
)
def test_a_legacy_signature_tells_its_chain_whatever_the_node_adds(
    v: str, parity: bool, chain_id: int | None
) -> None:
    line = changed(lines("anvil-prague")[CALLS], tx__type=None, tx__v=v, tx__chainId="0x99")
    row = one_row(line)

    assert (row["type"], row["v_parity"], row["chain_id"]) == (0, parity, chain_id)


def test_a_receipt_from_before_byzantium_has_a_root_and_no_status() -> None:
    root = "0x" + "ab" * 32
    row = one_row(changed(lines("anvil-prague")[CALLS], receipt__status=None, receipt__root=root))

    assert (row["status"], row["state_root"]) == (None, bytes.fromhex("ab" * 32))


def test_an_empty_root_is_no_root() -> None:
    row = one_row(changed(lines("anvil-prague")[CALLS], receipt__root="0x"))

    assert (row["status"], row["state_root"]) == (True, None)


def test_the_largest_numbers_that_columns_hold_are_kept() -> None:
    line = changed(
        lines("anvil-prague")[CALLS],
        tx__value=hex(2**256 - 1),
        tx__nonce=hex(2**64 - 1),
        tx__gasPrice=hex(10**38 - 1),
        tx__r="0x1",
    )
    row = one_row(line)

    assert row["value"] == str(2**256 - 1)
    assert (row["nonce"], row["gas_price"]) == (2**64 - 1, 10**38 - 1)
    assert row["r"] == bytes(31) + b"\1"


ALPHA = "\N{GREEK SMALL LETTER ALPHA}"
SHORT, LONG, BARE, LETTERS = "0x" + "ab" * 31, "0x" + "ab" * 33, "ab" * 33, "0x" + "zz" * 32
DAMAGE = {
    "a hash that is too short": {"tx__hash": SHORT, "receipt__transactionHash": SHORT},
    "a hash that is too long": {"tx__hash": LONG, "receipt__transactionHash": LONG},
    "a hash without its mark": {"tx__hash": BARE, "receipt__transactionHash": BARE},
    "a hash that is no number": {"tx__hash": LETTERS, "receipt__transactionHash": LETTERS},
    "an address with a letter that is none": {"tx__from": "0x" + "ab" * 19 + f"{ALPHA}b"},
    "half a byte of input": {"tx__input": "0xabc"},
    "input without its mark": {"tx__input": "abcd"},
    "input of nothing at all": {"tx__input": ""},
    "a number that is none": {"tx__nonce": "0xg"},
    "a number below zero": {"tx__nonce": "-0x1"},
    "a number that is too large": {"tx__gas": hex(2**64)},
    "a price of 39 digits": {"tx__gasPrice": hex(10**38)},
    "a signature that is too long": {"tx__r": "0x" + "1" * 65},
    "a signature without its mark": {"tx__s": "12"},
    "no signature": {"tx__v": None, "tx__yParity": None},
    "a missing field": {"tx__hash": None},
    "another kind of field": {"tx__value": 7},
    "a status that is neither": {"receipt__status": "0x2"},
    "a block without a hash": {"block__hash": None},
    "a block with half a hash": {"block__hash": "0x12"},
    "a time in a far future": {"block__timestamp": hex(2**63)},
    "transactions that are only hashes": {"block__transactions": ["0x" + "ab" * 32]},
}  # fmt: skip


@pytest.mark.parametrize("fields", DAMAGE.values(), ids=list(DAMAGE))
def test_a_block_that_cannot_be_read_is_named_and_not_asked_for_again(
    fields: dict[str, Any],
) -> None:
    sound = lines("anvil-prague")

    with pytest.raises(BlockUnparsable, match=f"^block {CALLS}: ") as refused:
        decode([parse_recorded(line) for line in (sound[2], changed(sound[CALLS], **fields))])
    assert not refused.value.retryable
    assert refused.value.fields["block_range_start"] == CALLS


@pytest.mark.parametrize(
    "text", [b"", b"{", b"null", b"[]", b'{"block": null}', b'{"error": "no"}', b"\xff\xfe", b"7"]
)
def test_what_is_no_block_at_all_is_refused(text: bytes) -> None:
    with pytest.raises(BlockUnparsable):
        parse_recorded(text)
    with pytest.raises(BlockUnparsable):
        parse(text)


def test_receipts_that_are_no_receipts_name_their_block() -> None:
    block = msgspec.json.encode(msgspec.json.decode(lines("anvil-prague")[CALLS])["block"])

    with pytest.raises(BlockUnparsable, match=r"^block 3: "):
        parse(block, b'[{"logs": 7}]')


@pytest.mark.parametrize(
    ("fields", "check"),
    [({"tx__transactionIndex": "0x5"}, "tx_indexes"), ({"receipt__logs": []}, "log_indexes")],
)
def test_indexes_out_of_order_are_disproved(fields: dict[str, Any], check: str) -> None:
    line = changed(lines("anvil-prague")[2 if check == "tx_indexes" else CALLS], **fields)
    whole = msgspec.json.decode(line)
    if check == "log_indexes":
        whole["receipts"][1]["logs"][0]["logIndex"] = "0x7"
        line = msgspec.json.encode(whole)

    with pytest.raises(BlockDisproved, match=check):
        decode([parse_recorded(line)])


def test_an_authorization_that_its_columns_cannot_hold_is_kept_with_nulls() -> None:
    whole = msgspec.json.decode(lines("anvil-prague")[9])
    (tx,) = [tx for tx in whole["block"]["transactions"] if tx["type"] == "0x4"]
    tx["authorizationList"][0] |= {"chainId": hex(2**64), "yParity": "0x2"}
    batch = decode([parse_recorded(msgspec.json.encode(whole))])
    (entry,) = [row for row in batch.transactions.column("authorization_list").to_pylist() if row]

    assert (entry[0]["chain_id"], entry[0]["y_parity"]) == (None, None)
    assert batch.transactions.column("type").to_pylist().count(4) == 1
