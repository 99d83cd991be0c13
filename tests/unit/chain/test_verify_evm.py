"""Proof of EVM tables: all chains prove, and no byte of a covered column can change unnoticed."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.data.chains import BLOBS, MINTED, WITH_RECEIPTS, WITHOUT_RECEIPTS, decoded, parsed

from jobyard.chain import evm_senders
from jobyard.chain.evm_decode import EvmBatch, decode
from jobyard.chain.evm_json import ParsedBlock
from jobyard.chain.evm_tables import EVM_TABLES
from jobyard.chain.report import Report
from jobyard.chain.tables import arrow_schema
from jobyard.chain.verify_evm import (
    ABOUT,
    FIRST,
    NO_LOGS,
    NO_RECEIPTS,
    NO_TRANSACTIONS,
    Check,
    EvmVerifier,
)

STEP = 512


def proved(name: str, *, full: bool = True) -> Report:
    verifier = EvmVerifier(full=full)
    blocks = parsed(name)
    for start in range(0, len(blocks), STEP):
        part = blocks[start : start + STEP]
        batch = decode(part)
        withdrawals = [raw.block.withdrawals for raw in part]
        verifier.check(batch.blocks, batch.transactions, batch.logs, withdrawals)
    return verifier.report


def open_blocks(report: Report, check: Check) -> dict[str, int]:
    unprovable = report.tallies[check].unprovable
    return {
        why: sum(last - first + 1 for first, last in ranges) for why, ranges in unprovable.items()
    }


OF_EVERY_BLOCK = (Check.HEADER_HASH, Check.PLACES, Check.TX_INDEXES, Check.TX_HASHES,
                  Check.TRANSACTIONS_ROOT, Check.GAS_PRICES, Check.SENDERS)  # fmt: skip
OF_RECEIPTS = (Check.LOG_INDEXES, Check.GAS, Check.RECEIPTS_ROOT, Check.BLOOM)


@pytest.mark.parametrize("name", [*MINTED, *WITH_RECEIPTS])
def test_every_block_with_receipts_is_proved_by_every_check(name: str) -> None:
    report = proved(name)
    count = len(parsed(name))

    assert [*report.failures()] == []
    for check in (*OF_EVERY_BLOCK, *OF_RECEIPTS):
        assert report.tallies[check].proved == count, check
        assert report.tallies[check].unprovable == {}


@pytest.mark.parametrize("name", WITHOUT_RECEIPTS)
def test_without_receipts_all_but_them_is_proved_and_that_is_said(name: str) -> None:
    report = proved(name)
    count = len(parsed(name))

    assert [*report.failures()] == []
    for check in OF_EVERY_BLOCK:
        assert report.tallies[check].proved == count, check
    assert open_blocks(report, Check.LOG_INDEXES) == {NO_LOGS: count}
    empty = sum(not raw.block.transactions for raw in parsed(name))
    assert open_blocks(report, Check.GAS) == {NO_RECEIPTS: count - empty}
    assert open_blocks(report, Check.RECEIPTS_ROOT) == {NO_LOGS: count - empty}


@pytest.mark.parametrize(
    ("name", "links"),
    [("anvil-prague", 11), ("eth-mainnet-17686110-17686132", 22),
     ("eth-mainnet-22431080-22431090", 10), ("eth-mainnet-0-8191", 8191)],
)  # fmt: skip
def test_neighbours_are_linked_and_the_first_block_is_left_open(name: str, links: int) -> None:
    tally = proved(name).tallies[Check.PARENT_LINK]

    assert (tally.proved, tally.failed) == (links, 0)
    assert list(tally.unprovable) == [FIRST]


def test_withdrawals_are_proved_across_the_prague_fork() -> None:
    tally = proved("eth-mainnet-22431080-22431090").tallies[Check.WITHDRAWALS_ROOT]

    assert (tally.proved, tally.failed, tally.unprovable) == (11, 0, {})


def test_a_wrong_root_is_found_while_hashes_of_blob_transactions_are_right() -> None:
    report = proved(BLOBS)

    assert {failure.check for failure in report.failures()} == {Check.TRANSACTIONS_ROOT}
    assert report.tallies[Check.TRANSACTIONS_ROOT].failed == 2
    assert report.tallies[Check.TX_HASHES].proved == len(parsed(BLOBS))
    assert decoded(BLOBS).transactions.column("type").to_pylist().count(3) == 2


def test_a_withdrawal_that_is_another_is_found() -> None:
    blocks = parsed("anvil-prague")
    batch = decoded("anvil-prague")
    verifier = EvmVerifier(full=True)
    other = parsed("eth-mainnet-22431080-22431090")[0].block.withdrawals
    verifier.check(batch.blocks, batch.transactions, batch.logs, [other] * len(blocks))

    assert verifier.report.tallies[Check.WITHDRAWALS_ROOT].failed == len(blocks)


def test_a_table_that_is_not_there_leaves_its_checks_open() -> None:
    verifier = EvmVerifier(full=True)
    verifier.check(decoded("anvil-prague").blocks, None, None)
    count = len(parsed("anvil-prague"))

    assert verifier.report.sound
    assert verifier.report.tallies[Check.HEADER_HASH].proved == count
    for check in (Check.TX_HASHES, Check.TRANSACTIONS_ROOT, Check.RECEIPTS_ROOT, Check.GAS):
        assert open_blocks(verifier.report, check) == {NO_TRANSACTIONS: count}


def test_transactions_of_an_unknown_type_are_left_open_with_the_reason() -> None:
    batch = decoded("anvil-prague")
    kinds = [0x7E] * batch.transactions.num_rows
    table = replaced(batch.transactions, "type", pa.array(kinds, pa.int32()))
    verifier = EvmVerifier(full=True)
    verifier.check(batch.blocks, table, batch.logs)
    reasons = open_blocks(verifier.report, Check.TX_HASHES)

    assert verifier.report.sound
    assert list(reasons) == ["transactions of type 126 are not known"]
    assert list(open_blocks(verifier.report, Check.RECEIPTS_ROOT)) == [
        "receipts of type 126 are not known"
    ]


def test_the_light_proof_finds_a_wrong_header_link_order_and_gas() -> None:
    report = proved("anvil-prague", full=False)

    assert set(report.tallies) == {
        Check.HEADER_HASH, Check.PARENT_LINK, Check.TOTAL_DIFFICULTY, Check.PLACES,
        Check.TX_INDEXES, Check.LOG_INDEXES, Check.GAS,
    }  # fmt: skip
    assert report.sound


def test_another_sender_than_the_one_who_signed_is_found() -> None:
    batch = decoded("anvil-prague")
    senders = batch.transactions.column("from").to_pylist()
    senders[5] = bytes(20)
    table = replaced(batch.transactions, "from", pa.array(senders, pa.binary(20)))
    verifier = EvmVerifier(full=True)
    verifier.check(batch.blocks, table, batch.logs)
    block = batch.transactions.column("block_num")[5].as_py()

    assert [(each.check, each.block) for each in verifier.report.failures()] == [
        (Check.SENDERS, block)
    ]


def test_without_the_library_senders_are_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evm_senders, "_recovering", lambda: None)
    report = proved("anvil-prague")
    empty = sum(not raw.block.transactions for raw in parsed("anvil-prague"))

    assert report.sound
    assert open_blocks(report, Check.SENDERS) == {
        evm_senders.MISSING: len(parsed("anvil-prague")) - empty
    }


def test_every_check_is_explained() -> None:
    assert set(ABOUT) == set(Check)


def test_a_report_stays_small_and_is_json() -> None:
    report = Report()
    for block in range(100_000):
        report.leave_open("gas", block, "why")
        report.fail("gas", block, "because")
    said = report.as_json()["checks"]["gas"]

    assert said["failed"] == 100_000
    assert len(said["failures"]) == 100
    assert said["not_provable"] == [{"reason": "why", "blocks": [[0, 99_999]]}]


def replaced(batch: pa.RecordBatch, name: str, column: pa.Array) -> pa.RecordBatch:
    columns = [
        column if field.name == name else old
        for field, old in zip(batch.schema, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def other_value(  # noqa: PLR0911 - one for each kind of value
    value: Any, kind: pa.DataType, draw: st.DataObject
) -> Any:
    """Change a value by one bit, or drop it where there may be nothing."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, bytes):
        if not value:
            return b"\0"
        place, bit = draw.draw(st.integers(0, len(value) - 1)), draw.draw(st.integers(0, 7))
        return value[:place] + bytes([value[place] ^ 1 << bit]) + value[place + 1 :]
    if isinstance(value, str):
        return str(int(value) ^ 1 << draw.draw(st.integers(0, 40)))
    if isinstance(value, list):
        if not value:
            item = kind.value_type
            return [{f.name: zero(f.type) for f in item} if pa.types.is_struct(item) else bytes(32)]
        place = draw.draw(st.integers(0, len(value) - 1))
        changed = other_value(value[place], kind.value_type, draw)
        return [*value[:place], changed, *value[place + 1 :]]
    if isinstance(value, dict):
        names = [f.name for f in kind if value[f.name] is not None]
        name = draw.draw(st.sampled_from(names))
        return value | {name: other_value(value[name], kind.field(name).type, draw)}
    if pa.types.is_decimal(kind):
        return (0 if value is None else int(value)) ^ 1 << draw.draw(st.integers(0, 60))
    if value is None:
        return zero(kind)
    width = 31 if pa.types.is_int32(kind) else kind.bit_width
    return int(value) ^ 1 << draw.draw(st.integers(0, width - 1))


def zero(kind: pa.DataType) -> Any:
    if pa.types.is_fixed_size_binary(kind):
        return bytes(kind.byte_width)
    if pa.types.is_boolean(kind):
        return False
    if pa.types.is_list(kind):
        return []
    return 0


UNCOVERED = {
    ("transactions", "from"): "needs the sender recovered from the signature",
    ("transactions", "type"): "may become a type that is not known, which is said",
}
"""Columns a change of which may stay unfound, and why."""
COVERED = [
    (name, field.name)
    for name, table in EVM_TABLES.items()
    for field in arrow_schema(table)
    if (name, field.name) not in UNCOVERED
]


@pytest.mark.parametrize(("table", "column"), COVERED)
@given(data=st.data())
def test_a_bit_that_changes_in_any_covered_column_is_found(
    table: str, column: str, data: st.DataObject
) -> None:
    batch: EvmBatch = decoded("anvil-prague")
    rows = batch.table(table)
    assert rows is not None
    kind = rows.schema.field(column).type
    row = data.draw(st.integers(0, rows.num_rows - 1))
    stored = rows.column(column)
    if pa.types.is_timestamp(kind):
        stored = stored.cast(pa.int64())
    values = stored.to_pylist()
    before = values[row]
    values[row] = other_value(before, pa.int64() if pa.types.is_timestamp(kind) else kind, data)
    wide = pa.int64() if pa.types.is_timestamp(kind) else kind
    try:
        changed = pa.array(values, wide).cast(kind)
    except (pa.ArrowInvalid, OverflowError):
        return  # such a value fits no column, so no column can hold it
    tables = {name: batch.table(name) for name in EVM_TABLES}
    tables[table] = replaced(rows, column, changed)
    verifier = EvmVerifier(full=True)
    verifier.check(tables["blocks"], tables["transactions"], tables["logs"])

    assert not verifier.report.sound, (before, values[row])


@pytest.mark.parametrize("table", EVM_TABLES)
@pytest.mark.parametrize("rows_left", ["all but the first", "all but the last", "doubled"])
def test_a_row_that_is_lost_or_doubled_is_found(table: str, rows_left: str) -> None:
    batch = decoded("anvil-prague")
    tables = {name: batch.table(name) for name in EVM_TABLES}
    rows = tables[table]
    assert rows is not None
    count = rows.num_rows
    keep = {
        "all but the first": list(range(1, count)),
        "all but the last": list(range(count - 1)),
        "doubled": [*range(count // 2), count // 2, *range(count // 2, count)],
    }[rows_left]
    tables[table] = rows.take(pa.array(keep))
    verifier = EvmVerifier(full=True)
    verifier.check(tables["blocks"], tables["transactions"], tables["logs"])

    # The first and the last block here have no rows in other tables: only who knows the range
    # misses them, and that is the file's metadata (tests/data/test_verify_folder.py).
    lost_at_the_edge = table == "blocks" and rows_left != "doubled"
    assert verifier.report.sound == lost_at_the_edge


def test_receipts_without_their_transactions_status_are_left_open() -> None:
    batch = decode([ParsedBlock(raw.block, None) for raw in parsed("anvil-prague")])
    verifier = EvmVerifier(full=True)
    verifier.check(batch.blocks, batch.transactions, decoded("anvil-prague").logs)

    assert verifier.report.sound
    assert NO_RECEIPTS in open_blocks(verifier.report, Check.RECEIPTS_ROOT)
