"""Files prove themselves: damage is named, gaps and lies about ranges are found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.data.chains import decoded, given, parsed

from jobyard.chain.evm_tables import BLOCKS, EVM_TABLES
from jobyard.data.edges import FILES
from jobyard.data.extract import EvmExtraction, extract
from jobyard.data.folder import DataFolder
from jobyard.data.footer import Extent
from jobyard.data.parquet import Layout, TableWriter
from jobyard.data.verify import NO_BLOCKS, verify_folder

if TYPE_CHECKING:
    from pathlib import Path

CHAIN = "anvil-prague"
COUNT = len(parsed(CHAIN))


@pytest.fixture
def extracted(tmp_path: Path) -> Path:
    """A folder with three files a table."""
    layout = Layout(file_blocks=5)
    extraction = EvmExtraction(EVM_TABLES.values(), DataFolder.at(tmp_path), "anvil", layout=layout)
    for at, block in enumerate(given(CHAIN)):
        list(extract([block], extraction)) if at % 5 == 4 else extraction.take(block)
    extraction.finish()
    return tmp_path


def files(folder: Path, table: str) -> list[Path]:
    return sorted((folder / table).glob("*.parquet"))


def test_several_files_are_proved_as_one_chain(extracted: Path) -> None:
    verified = verify_folder(DataFolder.at(extracted))

    assert len(files(extracted, "blocks")) == 3
    assert verified.sound
    assert verified.report.tallies["parent_link"].proved == COUNT - 1
    assert verified.covered == {table: [(0, COUNT - 1)] for table in EVM_TABLES}
    assert verified.rows == {
        name: rows.num_rows for name in EVM_TABLES if (rows := decoded(CHAIN).table(name))
    }
    assert json.loads(json.dumps(verified.as_json()))["sound"]


@pytest.mark.parametrize("table", EVM_TABLES)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_file_with_a_byte_of_a_page_changed_is_named(
    extracted: Path, table: str, share: float
) -> None:
    path = files(extracted, table)[1]
    group = pq.read_metadata(path).row_group(0)
    column = group.column(int(group.num_columns * share))
    start = column.dictionary_page_offset or column.data_page_offset
    whole = bytearray(path.read_bytes())
    whole[start + column.total_compressed_size - 1] ^= 0x10
    path.write_bytes(whole)
    verified = verify_folder(DataFolder.at(extracted))

    assert not verified.sound
    assert list(verified.damaged) == [path.name]


@pytest.mark.parametrize("text", [b"", b"PAR1", b"not parquet at all, but long enough to be read"])
def test_a_file_that_is_no_parquet_is_named(extracted: Path, text: bytes) -> None:
    path = files(extracted, "logs")[0]
    path.write_bytes(text)
    verified = verify_folder(DataFolder.at(extracted))

    assert list(verified.damaged) == [path.name]
    assert verified.covered["logs"] == [(5, COUNT - 1)]
    assert verified.report.tallies["receipts_root"].proved < COUNT


def test_a_file_cut_short_is_named(extracted: Path) -> None:
    path = files(extracted, "transactions")[1]
    path.write_bytes(path.read_bytes()[:-100])

    assert list(verify_folder(DataFolder.at(extracted)).damaged) == [path.name]


def test_a_file_that_is_gone_leaves_its_checks_open(extracted: Path) -> None:
    files(extracted, "transactions")[1].unlink()
    verified = verify_folder(DataFolder.at(extracted))
    tally = verified.report.tallies["tx_hashes"]

    assert verified.sound
    assert verified.covered["transactions"] == [(0, 4), (10, COUNT - 1)]
    assert tally.proved == COUNT - 5
    assert list(tally.unprovable.values()) == [[(5, 9)]]


def test_rows_without_their_blocks_are_left_open(extracted: Path) -> None:
    files(extracted, "blocks")[2].unlink()
    tally = verify_folder(DataFolder.at(extracted)).report.tallies["header_hash"]

    assert tally.proved == 10
    assert tally.unprovable[NO_BLOCKS] == [(10, COUNT - 1), (10, COUNT - 1)]


def test_an_older_branch_is_told_apart_from_the_chain(extracted: Path) -> None:
    extraction = EvmExtraction(EVM_TABLES.values(), DataFolder.at(extracted), "anvil")
    newer = list(extract(given(CHAIN)[5:10], extraction))
    verified = verify_folder(DataFolder.at(extracted))

    assert verified.sound
    assert len(verified.superseded) == 3
    assert not {one.segment.name for one in newer} & set(verified.superseded)


def write(folder: Path, rows: pa.RecordBatch, extent: Extent) -> str:
    writer = TableWriter(BLOCKS, DataFolder.at(folder / "blocks"), "anvil")
    writer.write(rows, extent)
    (published,) = writer.close()
    return published.segment.name


def edges() -> tuple[str, str]:
    blocks = decoded(CHAIN).blocks
    first, last = blocks.column("parent_hash")[0].as_py(), blocks.column("hash")[-1].as_py()
    return f"0x{first.hex()}", f"0x{last.hex()}"


def test_a_file_that_lacks_a_block_which_it_covers_is_found(tmp_path: Path) -> None:
    first, last = edges()
    write(tmp_path, decoded(CHAIN).blocks.slice(1), Extent(0, COUNT, first, last))
    failure = next(verify_folder(DataFolder.at(tmp_path)).report.failures())

    assert (failure.check, failure.block, failure.cause) == (FILES, 0, "1 blocks have no row")


def test_a_file_that_names_other_hashes_than_its_blocks_have_is_found(tmp_path: Path) -> None:
    first, _ = edges()
    name = write(tmp_path, decoded(CHAIN).blocks, Extent(0, COUNT, first, "0x" + "ab" * 32))
    (failure,) = verify_folder(DataFolder.at(tmp_path)).report.failures()

    assert (failure.check, failure.block) == (FILES, COUNT - 1)
    assert name in failure.cause


def test_rows_outside_of_what_a_file_covers_are_found(tmp_path: Path) -> None:
    first, last = edges()
    name = write(tmp_path, decoded(CHAIN).blocks, Extent(0, COUNT - 1, first, last))

    assert verify_folder(DataFolder.at(tmp_path)).damaged == {
        name: "rows are outside of the blocks that it covers"
    }


def test_foreign_files_and_tables_are_left_alone(extracted: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), extracted / "foreign.parquet")
    (extracted / "notes.txt").write_text("hello")
    verified = verify_folder(DataFolder.at(extracted))

    assert verified.damaged == {"foreign.parquet": "its metadata has no `jobyard`"}
    assert verified.report.sound


def test_an_empty_folder_has_nothing_to_prove(tmp_path: Path) -> None:
    verified = verify_folder(DataFolder.at(tmp_path / "nothing"))

    assert (verified.sound, verified.rows, verified.report.tallies) == (True, {}, {})
