"""Blocks to files: what is complete and right is kept, what is not is refused with a name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.data.chains import MINTED, WITH_RECEIPTS, WITHOUT_RECEIPTS, decoded, given

from jobyard.chain.evm_tables import BLOCKS, EVM_TABLES, TRANSACTIONS
from jobyard.chain.tables import arrow_schema
from jobyard.data import extract as extracting
from jobyard.data.extract import EvmExtraction, extract
from jobyard.data.folder import DataFolder
from jobyard.data.verify import verify_folder
from jobyard.errors import BlockDisproved, BlockUnparsable, ReceiptsMissing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from jobyard.chain.source import RawBlock
    from jobyard.data.parquet import Published

CHAIN = "anvil-prague"


def run(blocks: Iterable[RawBlock], folder: Path, *, full: bool = True) -> list[Published]:
    extraction = EvmExtraction(EVM_TABLES.values(), DataFolder.at(folder), "anvil", full=full)
    return list(extract(blocks, extraction))


def rows(folder: Path, table: str) -> pa.Table:
    files = sorted((folder / table).glob("*.parquet"))
    stored = pa.concat_tables([pq.read_table(file) for file in files])
    return stored.cast(arrow_schema(EVM_TABLES[table]))


@pytest.mark.parametrize("name", [*MINTED, *WITH_RECEIPTS])
def test_a_recorded_chain_extracts_and_its_files_prove_themselves(
    name: str, tmp_path: Path
) -> None:
    run(given(name), tmp_path)
    verified = verify_folder(DataFolder.at(tmp_path))

    assert verified.sound
    assert verified.damaged == {}
    for table in EVM_TABLES:
        expected = decoded(name).table(table)
        assert rows(tmp_path, table).equals(pa.Table.from_batches([expected]))


@pytest.mark.parametrize("name", WITHOUT_RECEIPTS)
def test_a_source_without_receipts_has_blocks_and_transactions(name: str, tmp_path: Path) -> None:
    tables = [BLOCKS, TRANSACTIONS]
    extraction = EvmExtraction(tables, DataFolder.at(tmp_path), "mainnet", full=True)
    list(extract(given(name), extraction))
    verified = verify_folder(DataFolder.at(tmp_path))

    assert verified.sound
    assert verified.report.tallies["tx_hashes"].proved == len(given(name))


def test_logs_of_a_source_without_receipts_are_refused(tmp_path: Path) -> None:
    blocks = [replace(block, receipts=None) for block in given(CHAIN)]

    with pytest.raises(ReceiptsMissing, match="block 2 "):
        run(blocks, tmp_path)


def test_how_blocks_are_batched_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(given(CHAIN), tmp_path / "together")
    monkeypatch.setattr(extracting, "BATCH_BLOCKS", 1)
    run(given(CHAIN), tmp_path / "single")

    for table in EVM_TABLES:
        assert rows(tmp_path / "together", table).equals(rows(tmp_path / "single", table))


def test_only_the_blocks_that_a_table_lacks_are_written(tmp_path: Path) -> None:
    run(given(CHAIN), tmp_path / "whole")
    extraction = EvmExtraction(
        EVM_TABLES.values(),
        DataFolder.at(tmp_path / "part"),
        "anvil",
        wanted={"blocks": [(2, 5), (7, 9)], "logs": []},
    )
    done = list(extract(given(CHAIN), extraction))
    ranges = sorted((one.table, one.segment.start, one.segment.stop) for one in done)
    blocks = rows(tmp_path / "part", "blocks")

    assert ranges == [("blocks", 2, 5), ("blocks", 7, 9), ("transactions", 0, len(given(CHAIN)))]
    assert blocks.column("block_num").to_pylist() == [2, 3, 4, 7, 8]
    assert blocks.equals(rows(tmp_path / "whole", "blocks").take([2, 3, 4, 7, 8]))
    assert verify_folder(DataFolder.at(tmp_path / "part")).sound


def test_a_gap_and_a_reorganisation_begin_new_files(tmp_path: Path) -> None:
    blocks = given(CHAIN)
    done = run([*blocks[:3], *blocks[5:8], *blocks[6:9]], tmp_path)
    ranges = [(one.segment.start, one.segment.stop) for one in done if one.table == BLOCKS.name]

    assert ranges == [(0, 3), (5, 8), (6, 9)]


def test_a_block_that_does_not_follow_the_one_before_is_disproved(tmp_path: Path) -> None:
    first, other = given(CHAIN), given("anvil-london")

    with pytest.raises(BlockDisproved, match="block 5 fails the check of parent_link"):
        run([*first[3:5], other[4]], tmp_path)


@pytest.mark.parametrize("full", [True, False])
def test_a_wrong_block_is_refused_and_what_was_written_before_it_is_kept(
    full: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extracting, "BATCH_BLOCKS", 2)
    blocks = given(CHAIN)
    wrong = replace(blocks[6], block=blocks[6].block.replace(b'"gasUsed":"0x', b'"gasUsed":"0x1'))

    with pytest.raises(BlockDisproved, match="block 6 ") as refused:
        run([*blocks[:6], wrong, *blocks[7:]], tmp_path, full=full)
    assert refused.value.retryable
    assert verify_folder(DataFolder.at(tmp_path)).covered == {
        table: [(0, 5)] for table in EVM_TABLES
    }


def test_a_change_that_only_the_full_proof_finds_is_found_by_it(tmp_path: Path) -> None:
    blocks = given(CHAIN)
    place = next(place for place, one in enumerate(blocks) if b'"value":"0x1",' in one.block)
    text = blocks[place].block.replace(b'"value":"0x1",', b'"value":"0x2",', 1)
    blocks[place] = replace(blocks[place], block=text)

    assert len(run(blocks, tmp_path / "light", full=False)) == len(EVM_TABLES)
    with pytest.raises(BlockDisproved, match=f"block {place} fails the check of tx_hashes"):
        run(blocks, tmp_path / "full")


def test_a_source_that_gives_another_block_than_it_says_is_refused(tmp_path: Path) -> None:
    blocks = given(CHAIN)

    with pytest.raises(BlockDisproved, match="block 1 fails the check of number"):
        run([blocks[0], replace(blocks[2], number=1)], tmp_path)


def test_garbage_is_refused_and_what_was_written_before_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extracting, "BATCH_BLOCKS", 1)
    blocks = given(CHAIN)

    with pytest.raises(BlockUnparsable):
        run([*blocks[:2], replace(blocks[2], block=blocks[2].block[:-9])], tmp_path)
    assert verify_folder(DataFolder.at(tmp_path)).covered == {
        table: [(0, 1)] for table in EVM_TABLES
    }


def test_an_extraction_that_is_closed_early_leaves_whole_files_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extracting, "BATCH_BLOCKS", 1)
    blocks = given(CHAIN)
    extraction = EvmExtraction(EVM_TABLES.values(), DataFolder.at(tmp_path), "anvil")
    published = extract([*blocks[:2], *blocks[4:]], extraction)
    first = next(published)
    published.close()  # type: ignore[attr-defined]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]

    assert tmp_path / first.table / first.segment.name in files
    assert all(path.suffix == ".parquet" for path in files)


def test_a_discarded_extraction_leaves_nothing(tmp_path: Path) -> None:
    extraction = EvmExtraction(EVM_TABLES.values(), DataFolder.at(tmp_path), "anvil")
    for block in given(CHAIN):
        extraction.take(block)
    extraction.discard()

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert extraction.finish() == []
