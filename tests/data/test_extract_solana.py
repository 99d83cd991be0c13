"""Solana's blocks to files: slots that were skipped are proved, files prove themselves."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.data.chains import given

from jobyard.chain.evm_tables import EVM_TABLES
from jobyard.chain.solana_decode import decode
from jobyard.chain.solana_tables import TABLES
from jobyard.chain.tables import arrow_schema
from jobyard.data import extract as extracting
from jobyard.data.edges import FILES
from jobyard.data.extract import EvmExtraction, SolanaExtraction, extract
from jobyard.data.folder import DataFolder
from jobyard.data.footer import Extent
from jobyard.data.parquet import TableWriter
from jobyard.data.verify import verify_folder
from jobyard.errors import BlockDisproved, BlocksUnlinked

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from jobyard.chain.source import RawBlock
    from jobyard.data.parquet import Published
    from jobyard.data.verify import Verified

CHAINS = ("surfpool-json", "surfpool-base64")
CHAIN = CHAINS[0]
SLOTS = [block.number for block in given(CHAIN)]
START, STOP = SLOTS[0], SLOTS[-1] + 1
SKIPPED = STOP - START - len(SLOTS)


def extraction(folder: Path, **shape: Any) -> SolanaExtraction:
    tables = shape.pop("tables", TABLES)
    return SolanaExtraction(
        [TABLES[name] for name in tables], DataFolder.at(folder), "local", **shape
    )


def run(blocks: Iterable[RawBlock], folder: Path, **shape: Any) -> list[Published]:
    return list(extract(blocks, extraction(folder, full=True, **shape)))


def verified(folder: Path) -> Verified:
    return verify_folder(DataFolder.at(folder))


def rows(folder: Path, table: str) -> pa.Table:
    files = sorted((folder / table).glob("*.parquet"))
    return pa.concat_tables([pq.read_table(file) for file in files])


def ranges(done: Iterable[Published], table: str) -> list[tuple[int, int]]:
    return [(one.segment.start, one.segment.stop) for one in done if one.table == table]


def proved(found: Verified) -> dict[str, int]:
    return {check: tally.proved for check, tally in found.report.tallies.items() if tally.proved}


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_extracts_and_its_files_prove_themselves(name: str, tmp_path: Path) -> None:
    run(given(name), tmp_path)
    found = verified(tmp_path)
    expected = decode(given(CHAIN))
    signers = sum(map(len, expected["transactions"]["signatures"].to_pylist()))

    assert SKIPPED > 0
    assert found.sound
    assert found.covered == {table: [(START, STOP - 1)] for table in TABLES}
    assert proved(found) == {
        "files": len(SLOTS),
        "places": len(SLOTS),
        "parent_link": len(SLOTS) - 1,
        "skipped_slots": SKIPPED,
        "lamports": expected["transactions"].num_rows,
        "signatures": signers,
    }
    assert not verified(tmp_path).foreign
    for table in TABLES:
        assert rows(tmp_path, table).equals(pa.Table.from_batches([expected[table]]))


def test_how_blocks_are_batched_and_cut_into_files_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extracting, "BATCH_BLOCKS", 1)
    single = extraction(tmp_path / "single", full=True)
    done = [one for block in given(CHAIN) for one in [*single.take(block), *single.publish()]]
    run(given(CHAIN), tmp_path / "together")
    edges = [START, *(slot + 1 for slot in SLOTS)]

    assert ranges(done, "messages") == list(pairwise(edges))
    assert proved(verified(tmp_path / "single")) == proved(verified(tmp_path / "together"))
    for table in TABLES:
        assert rows(tmp_path / "single", table).equals(rows(tmp_path / "together", table))


def test_slots_at_the_edges_of_a_range_are_covered_when_they_were_skipped(tmp_path: Path) -> None:
    gap = next(slot for slot in range(START, STOP) if slot not in SLOTS)
    before = [block for block in given(CHAIN) if block.number < gap]
    after = [block for block in given(CHAIN) if block.number > gap]
    first, second = extraction(tmp_path, start=START), extraction(tmp_path, start=gap + 1)
    for one, blocks, end in ((first, before, (gap + 1, after[0].parent_hash)), (second, after, ())):
        for block in blocks:
            one.take(block)
        one.finish(*end)
    found = verified(tmp_path)

    assert found.sound
    assert found.covered["transactions"] == [(START, STOP - 1)]
    assert found.report.tallies["skipped_slots"].proved == SKIPPED


def test_a_range_without_any_block_is_covered_by_the_link_behind_it(tmp_path: Path) -> None:
    behind = next(block for block in given(CHAIN) if block.parent_number < block.number - 1)
    empty = extraction(tmp_path, start=behind.parent_number + 1)
    (done,) = {
        (one.segment.start, one.segment.stop, one.segment.prev_hash, one.segment.hash)
        for one in empty.finish(behind.number, behind.parent_hash)
    }

    assert done == (behind.parent_number + 1, behind.number, *[behind.parent_hash] * 2)
    assert verified(tmp_path).sound


def test_a_block_behind_a_range_that_follows_another_one_is_refused(tmp_path: Path) -> None:
    *some, last = given(CHAIN)
    short = extraction(tmp_path, start=START)
    for block in some[:-1]:
        short.take(block)

    with pytest.raises(BlocksUnlinked, match="which was not given"):
        short.finish(last.number, last.parent_hash)


def test_skipped_slots_behind_the_last_block_are_left_open(tmp_path: Path) -> None:
    whole = extraction(tmp_path, start=START)
    for block in given(CHAIN):
        whole.take(block)
    whole.finish(STOP + 5)
    tally = verified(tmp_path).report.tallies["skipped_slots"]

    assert list(tally.unprovable.values()) == [[(STOP, STOP + 4)]]


def test_a_missing_block_begins_a_new_piece_and_is_not_covered(tmp_path: Path) -> None:
    blocks = given(CHAIN)
    lost = blocks.pop(4)
    done = run(blocks, tmp_path)
    found = verified(tmp_path)

    assert ranges(done, "instructions") == [(START, SLOTS[3] + 1), (lost.number + 1, STOP)]
    assert found.sound
    assert found.report.tallies["parent_link"].proved == len(blocks) - 2


def test_only_the_slots_that_a_table_lacks_are_written(tmp_path: Path) -> None:
    gap = next(slot for slot in range(START, STOP) if slot not in SLOTS)
    done = run(given(CHAIN), tmp_path, wanted={"messages": [(gap, gap + 1), (gap + 2, STOP)]})

    assert ranges(done, "messages") == [(gap, gap + 1), (gap + 2, STOP)]
    assert next(one.rows for one in done if one.table == "messages") == 0
    assert verified(tmp_path).sound


def test_a_proof_in_full_needs_no_more_tables_than_are_wanted(tmp_path: Path) -> None:
    blocks = given(CHAIN)
    text = blocks[3].block.replace(b'"programIdIndex":2', b'"programIdIndex":1', 1)
    wrong = [*blocks[:3], replace(blocks[3], block=text)]

    assert len(list(extract(wrong, extraction(tmp_path / "a", tables=["block_headers"])))) == 1
    with pytest.raises(BlockDisproved, match=f"block {SLOTS[3]} fails the check of signatures"):
        run(wrong, tmp_path / "b", tables=["block_headers"])


def rewrite(folder: Path, table: str, order: list[int], **columns: list[Any]) -> None:
    """Write a table's file again, with its rows in another order or other values."""
    (path,) = (folder / table).glob("*.parquet")
    batch = pq.read_table(path).combine_chunks().take(order)
    for name, values in columns.items():
        place = batch.schema.get_field_index(name)
        field = batch.schema.field(name)
        batch = batch.set_column(place, field, pa.array(values, field.type))
    path.unlink()
    blocks = given(CHAIN)
    extent = Extent(START, STOP, blocks[0].parent_hash, blocks[-1].hash)
    writer = TableWriter(TABLES[table], DataFolder.at(folder / table), "local")
    writer.write(batch.cast(arrow_schema(TABLES[table])).to_batches()[0], extent)
    writer.close()


def swapped(count: int, first: int) -> list[int]:
    order = list(range(count))
    order[first], order[first + 1] = order[first + 1], order[first]
    return order


def test_instructions_of_a_message_in_another_order_are_another_message(tmp_path: Path) -> None:
    run(given(CHAIN), tmp_path)
    table = rows(tmp_path, "instructions").to_pylist()
    at = next(
        row
        for row, (one, other) in enumerate(pairwise(table))
        if (one["slot"], one["inner_index"], other["inner_index"]) == (other["slot"], None, None)
        and one["data"] != other["data"]
    )
    rewrite(tmp_path, "instructions", swapped(len(table), at))
    (failure,) = verified(tmp_path).report.failures()

    assert (failure.check, failure.block) == ("signatures", table[at]["slot"])


def test_a_call_before_the_instruction_that_made_it_is_out_of_place(tmp_path: Path) -> None:
    run(given(CHAIN), tmp_path)
    table = rows(tmp_path, "instructions").to_pylist()
    at = next(row for row, one in enumerate(table) if one["inner_index"] == 0) - 1
    rewrite(tmp_path, "instructions", swapped(len(table), at))
    (failure,) = verified(tmp_path).report.failures()

    assert (failure.check, failure.block) == ("places", table[at]["slot"])


@pytest.mark.parametrize("table", ["transactions", "messages", "instructions"])
def test_a_row_that_is_gone_is_missed(table: str, tmp_path: Path) -> None:
    run(given(CHAIN), tmp_path)
    count = rows(tmp_path, table).num_rows
    rewrite(tmp_path, table, [row for row in range(count) if row != 4])

    assert [each.block for each in verified(tmp_path).report.failures()]


def test_a_transaction_that_nobody_signed_is_not_taken_for_proved(tmp_path: Path) -> None:
    run(given(CHAIN), tmp_path)
    signatures = rows(tmp_path, "transactions")["signatures"].to_pylist()
    headers = rows(tmp_path, "messages")["header"].to_pylist()
    signatures[3], headers[3] = [], headers[3] | {"num_required_signatures": 0}
    everything = list(range(len(headers)))
    rewrite(tmp_path, "transactions", everything, signatures=signatures)
    rewrite(tmp_path, "messages", everything, header=headers)

    assert [each.check for each in verified(tmp_path).report.failures()] == ["signatures"]


def test_a_header_that_is_gone_leaves_a_gap(tmp_path: Path) -> None:
    run(given(CHAIN), tmp_path)
    rewrite(tmp_path, "block_headers", [row for row in range(len(SLOTS)) if row != 5])
    found = {(each.check, each.block) for each in verified(tmp_path).report.failures()}

    assert ("skipped_slots", SLOTS[6]) in found
    assert ("places", SLOTS[5]) in found


def test_a_header_that_is_gone_at_the_end_of_its_file_is_missed(tmp_path: Path) -> None:
    run(given(CHAIN), tmp_path, tables=["block_headers"])
    rewrite(tmp_path, "block_headers", list(range(len(SLOTS) - 1)))
    (failure,) = verified(tmp_path).report.failures()

    assert (failure.check, failure.block) == (FILES, SLOTS[-2])


def test_both_kinds_of_chains_in_one_folder_are_proved_apart(tmp_path: Path) -> None:
    run(given(CHAIN), tmp_path / "solana")
    list(
        extract(
            given("anvil-prague"),
            EvmExtraction(EVM_TABLES.values(), DataFolder.at(tmp_path / "evm"), "anvil"),
        )
    )
    found = verified(tmp_path)

    assert found.sound
    assert set(found.covered) == {
        *(f"evm.{name}" for name in EVM_TABLES),
        *(f"solana.{name}" for name in TABLES),
    }
