"""Files of a table: laid out for readers, published whole, each one piece of the chain."""

from __future__ import annotations

import re
import resource
from itertools import pairwise
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.data.chains import decoded, parsed

from jobyard.chain.evm_decode import decode
from jobyard.chain.evm_tables import BLOCKS, EVM_TABLES, LOGS, TRANSACTIONS
from jobyard.chain.tables import arrow_schema
from jobyard.data.folder import DataFolder
from jobyard.data.footer import Extent, understand
from jobyard.data.parquet import JOINED, Layout, TableWriter, stored_schema
from jobyard.errors import DataFileDamaged

if TYPE_CHECKING:
    from pathlib import Path

CHAIN = "anvil-prague"
COUNT = len(parsed(CHAIN))
WHOLE = Extent(0, COUNT, "before", "last", 1_700_000_000)


def one_by_one(count: int) -> list[Extent]:
    return [Extent(at, at + 1, f"{at - 1}", f"{at}", 7) for at in range(count)]


@pytest.mark.parametrize("name", EVM_TABLES)
def test_a_file_holds_the_rows_and_says_what_it_covers(name: str, tmp_path: Path) -> None:
    rows = decoded(CHAIN).table(name)
    assert rows is not None
    writer = TableWriter(EVM_TABLES[name], DataFolder.at(tmp_path / name), "anvil")
    assert writer.write(rows, WHOLE) == []
    (published,) = writer.close()
    path = tmp_path / name / published.segment.name

    stored = pq.read_table(path)
    assert stored.schema.equals(stored_schema(EVM_TABLES[name]))
    assert stored.cast(arrow_schema(EVM_TABLES[name])).equals(pa.Table.from_batches([rows]))
    assert re.fullmatch(r"000000000-[0-9a-f]{16}\.parquet", path.name)
    about = understand(pq.read_metadata(path).metadata, path.name, path.stat().st_size)
    assert (about.table, about.segment, about.extent) == (name, published.segment, WHOLE)
    assert published.rows == rows.num_rows
    assert writer.close() == []


@pytest.mark.parametrize("unit", ["us", "ns"])
def test_files_keep_the_types_of_the_table_but_for_what_readers_cannot_read(unit: str) -> None:
    stored = stored_schema(TRANSACTIONS, Layout(time_unit=unit))
    other = {
        name: str(field.type)
        for name, field in zip(stored.names, stored, strict=True)
        if field.type != arrow_schema(TRANSACTIONS).field(name).type
    }
    keys = "storage_keys: list<item: binary not null> not null"
    address = "address: fixed_size_binary[20] not null"
    expected = {
        "timestamp": "timestamp[us, tz=+00:00]",
        "access_list": f"list<item: struct<{address}, {keys}> not null>",
        "blob_versioned_hashes": "list<item: binary not null>",
    }
    if unit == "ns":
        del expected["timestamp"]

    assert other == expected


def test_a_file_without_rows_still_covers_its_blocks(tmp_path: Path) -> None:
    empty = pa.RecordBatch.from_pylist([], schema=arrow_schema(LOGS))
    writer = TableWriter(LOGS, DataFolder.at(tmp_path), "anvil")
    writer.write(empty, WHOLE)
    (published,) = writer.close()

    assert pq.read_table(tmp_path / published.segment.name).schema.equals(stored_schema(LOGS))
    assert published.segment.stop == COUNT


def test_a_file_ends_where_the_chain_was_reorganised_and_at_gaps(tmp_path: Path) -> None:
    writer = TableWriter(BLOCKS, DataFolder.at(tmp_path), "anvil")
    rows = [decode([raw]).blocks for raw in parsed(CHAIN)[:4]]
    done = []
    for batch, extent in zip(
        rows,
        [Extent(0, 1, "-", "0"), Extent(1, 2, "0", "1"), Extent(1, 2, "0", "1'"),
         Extent(9, 10, "1'", "9")],
        strict=True,
    ):  # fmt: skip
        done += writer.write(batch, extent)
    done += writer.close()

    assert [(one.segment.start, one.segment.stop, one.segment.hash) for one in done] == [
        (0, 2, "1"),
        (1, 2, "1'"),
        (9, 10, "9"),
    ]


@pytest.mark.parametrize(
    ("layout", "blocks_each"),
    # A row group is weighed when the next one is there.
    [(Layout(file_blocks=5), 5), (Layout(file_bytes=1, row_group_bytes=1), 2)],
)
def test_a_full_file_is_followed_by_the_next(
    layout: Layout, blocks_each: int, tmp_path: Path
) -> None:
    writer = TableWriter(BLOCKS, DataFolder.at(tmp_path), "anvil", layout)
    done = []
    for raw, extent in zip(parsed(CHAIN), one_by_one(COUNT), strict=True):
        done += writer.write(decode([raw]).blocks, extent)
    done += writer.close()
    sizes = [one.segment.stop - one.segment.start for one in done]

    assert sizes == [blocks_each] * (COUNT // blocks_each) + [COUNT % blocks_each] * bool(
        COUNT % blocks_each
    )
    assert all(later.extent.follows(one.extent) for one, later in pairwise(done))
    assert [file.name for file in DataFolder.at(tmp_path).files()] == [
        one.segment.name for one in done
    ]


def test_rows_wait_until_they_make_a_row_group(tmp_path: Path) -> None:
    rows = decoded(CHAIN).transactions
    writer = TableWriter(
        TRANSACTIONS, DataFolder.at(tmp_path), "anvil", Layout(row_group_bytes=3 * rows.nbytes)
    )
    for extent in one_by_one(JOINED * 2 + 1):
        writer.write(rows, extent)
    (published,) = writer.close()
    metadata = pq.read_metadata(tmp_path / published.segment.name)
    groups = [metadata.row_group(place).num_rows for place in range(metadata.num_row_groups)]

    assert groups == [3 * rows.num_rows] * 21 + [2 * rows.num_rows]


def test_the_layout_serves_readers_that_seek(tmp_path: Path) -> None:
    rows = decoded(CHAIN).transactions
    layout = Layout(sought_from_rows=rows.num_rows)
    writer = TableWriter(TRANSACTIONS, DataFolder.at(tmp_path), "anvil", layout)
    writer.write(rows, WHOLE)
    (published,) = writer.close()
    group = pq.read_metadata(tmp_path / published.segment.name).row_group(0)
    columns = {
        group.column(place).path_in_schema: group.column(place)
        for place in range(group.num_columns)
    }

    assert columns["tx_hash"].compression == "ZSTD"
    assert columns["tx_hash"].has_offset_index
    assert columns["nonce"].has_column_index
    assert columns["nonce"].statistics.has_min_max
    assert columns["input"].statistics is None
    assert "RLE_DICTIONARY" in columns["from"].encodings
    assert "RLE_DICTIONARY" not in columns["tx_hash"].encodings
    assert [column.column_index for column in group.sorting_columns] == [0]


def test_nothing_is_seen_of_a_file_before_it_is_whole(tmp_path: Path) -> None:
    folder = DataFolder.at(tmp_path)
    writer = TableWriter(BLOCKS, folder, "anvil", Layout(row_group_bytes=1))
    writer.write(decoded(CHAIN).blocks, WHOLE)

    assert folder.files() == []
    assert list(tmp_path.glob("*")) == list(tmp_path.glob(".*.part"))
    assert len(list(tmp_path.glob(".*.part"))) == 1
    writer.discard()


def test_a_discarded_file_leaves_nothing_and_the_writer_goes_on(tmp_path: Path) -> None:
    writer = TableWriter(BLOCKS, DataFolder.at(tmp_path), "anvil", Layout(row_group_bytes=1))
    writer.write(decoded(CHAIN).blocks, WHOLE)
    writer.discard()
    assert list(tmp_path.iterdir()) == []

    writer.write(decoded(CHAIN).blocks, WHOLE)
    assert len(writer.close()) == 1


def test_what_an_interrupted_writer_left_is_swept_away(tmp_path: Path) -> None:
    folder = DataFolder.at(tmp_path)
    whole, cut = (TableWriter(BLOCKS, folder, "anvil", Layout(row_group_bytes=1)) for _ in "ab")
    for writer in (whole, cut):
        writer.write(decoded(CHAIN).blocks, WHOLE)
    whole.close()
    left = [path.name for path in tmp_path.glob(".*.part")]

    assert folder.sweep() == left
    assert len(list(tmp_path.iterdir())) == 1
    # Else it would be closed whenever it is collected: in a test that allows no writing, say.
    cut.discard()


def test_a_folder_that_cannot_be_written_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "blocks").write_text("a file stands where the folder should be")
    writer = TableWriter(BLOCKS, DataFolder.at(tmp_path / "blocks"), "anvil")

    with pytest.raises(OSError, match="blocks"):
        writer.write(decoded(CHAIN).blocks, WHOLE)


def test_a_disk_that_takes_no_more_leaves_nothing_half_written(tmp_path: Path) -> None:
    # A limit on the size of files fails a write as a full disk does.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = TableWriter(TRANSACTIONS, DataFolder.at(tmp_path), "anvil")
    writer.write(decoded(CHAIN).transactions, WHOLE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            writer.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert list(tmp_path.iterdir()) == []
    writer.write(decoded(CHAIN).transactions, WHOLE)
    assert len(writer.close()) == 1


@pytest.mark.parametrize(
    "text", [None, b"", b"{", b"[]", b'{"table": "logs"}', b'{"table": "logs", "ranges": []}']
)
def test_metadata_that_is_not_ours_is_named(text: bytes | None) -> None:
    metadata = {} if text is None else {b"jobyard": text}

    with pytest.raises(DataFileDamaged, match=r"`x\.parquet` is damaged"):
        understand(metadata, "x.parquet", 1)
