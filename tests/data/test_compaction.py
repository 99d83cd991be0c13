"""Small files of a real table become one, or nothing changes at all."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.data.chains import given

from jobyard.chain.evm_tables import TRANSACTIONS
from jobyard.core.compaction import ChainPart
from jobyard.core.layout import FileLayout
from jobyard.data.compaction import Compaction
from jobyard.data.extract import EvmExtraction, extract
from jobyard.data.folder import DataFolder
from jobyard.data.parquet import layout_of
from jobyard.data.reading import DataFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from jobyard.core.segments import Segment
    from jobyard.data.parquet import Published

CHAIN = "anvil-prague"
RULE = FileLayout(compact_files=2, compact_after=0, compact_distance=0, row_group_bytes=64 << 10)
NAME = TRANSACTIONS.name


class Store:
    """The far end of the link: a chain of files, and whether it takes another in their place."""

    def __init__(self, segments: Sequence[Segment], *, takes: bool = True) -> None:
        self.segments = list(segments)
        self.takes = takes
        self.done: list[Published] = []

    async def chain(self, table: str, start: int) -> ChainPart:
        assert table == NAME
        found = [one for one in self.segments if one.start >= start]
        return ChainPart(found, self.segments[-1].stop - 1, 2**60, more=False)

    async def compact(self, done: Published, parents: Sequence[str]) -> list[str] | None:
        self.done.append(done)
        if not self.takes:
            return None
        places = [place for place, one in enumerate(self.segments) if one.name in parents]
        self.segments[places[0] : places[-1] + 1] = [done.segment]
        return list(parents)


class Yard:
    """A folder of small files, a block each."""

    def __init__(self, root: Path, *, takes: bool = True, layout: FileLayout = RULE) -> None:
        self.folder = DataFolder.at(root).below(NAME)
        small = replace(layout_of(layout), file_blocks=1)
        writing = EvmExtraction([TRANSACTIONS], DataFolder.at(root), "net", layout=small)
        self.small = [done.segment for done in extract(given(CHAIN), writing)]
        self.store = Store(self.small, takes=takes)
        self.layout = layout

    def join(self, stopping: Callable[[], bool] = lambda: False) -> None:
        link: Any = self.store
        root = DataFolder(self.folder.filesystem, self.folder.path.rpartition("/")[0])
        tables = [TRANSACTIONS]
        compaction = Compaction(
            link, root, tables, self.layout, is_mine=lambda _: True, stopping=stopping
        )

        async def whole() -> None:
            while await compaction.step():
                pass

        asyncio.run(whole())

    def names(self) -> list[str]:
        return [info.name for info in self.folder.files()]

    def rows(self) -> pa.Table:
        files = [f"{self.folder.path}/{name}" for name in self.names()]
        return pa.concat_tables([pq.read_table(file) for file in files])

    def unchanged(self) -> bool:
        there = self.names() == sorted(one.name for one in self.small)
        return there and not self.folder.unfinished()


def test_many_files_become_one_of_the_same_rows_in_the_same_order(tmp_path: Path) -> None:
    yard = Yard(tmp_path)
    before = yard.rows()

    yard.join()

    (name,) = yard.names()
    assert yard.rows().equals(before)
    file = DataFile.read(yard.folder, name, 0)
    assert file.about.extent.start == yard.small[0].start
    assert file.about.extent.stop == yard.small[-1].stop
    assert (file.about.segment.prev_hash, file.about.segment.hash) == (
        yard.small[0].prev_hash,
        yard.small[-1].hash,
    )
    assert file.about.segment.created_at == max(one.created_at for one in yard.small)
    assert (file.about.generation, yard.store.done[-1].rows) == (1, before.num_rows)
    footer = pq.read_metadata(f"{yard.folder.path}/{name}")
    assert footer.row_group(0).column(0).compression == "ZSTD"
    assert file.check() == before.num_rows


def test_files_are_laid_out_as_the_job_has_it(tmp_path: Path) -> None:
    yard = Yard(tmp_path, layout=replace(RULE, file_blocks=4, compression="snappy"))

    yard.join()

    assert [one.stop - one.start for one in yard.store.segments] == [4, 4, 4]
    for name in yard.names():
        footer = pq.read_metadata(f"{yard.folder.path}/{name}")
        assert footer.row_group(0).column(0).compression == "SNAPPY"


def test_what_the_store_does_not_take_is_thrown_away_and_not_tried_again(tmp_path: Path) -> None:
    yard = Yard(tmp_path, takes=False)

    yard.join()

    assert yard.unchanged()
    assert len(yard.store.done) == 1


def test_whoever_is_to_stop_leaves_nothing_behind(tmp_path: Path) -> None:
    yard = Yard(tmp_path)
    asked = iter([False, False, True])

    yard.join(stopping=lambda: next(asked, True))

    assert yard.unchanged()
    assert yard.store.done == []


def damage(yard: Yard, name: str) -> None:
    with yard.folder.filesystem.open_output_stream(f"{yard.folder.path}/{name}") as stream:
        stream.write(b"PAR1")


def exchange(yard: Yard, name: str) -> None:
    """Have a file hold the blocks of another one."""
    yard.folder.remove(name)
    other = next(one.name for one in yard.small if one.name != name)
    with yard.folder.open(other) as stream:
        content = stream.read()
    with yard.folder.filesystem.open_output_stream(f"{yard.folder.path}/{name}") as stream:
        stream.write(content)


def turn(yard: Yard, name: str) -> None:
    """Have rows stand in another order than the chain's."""
    path = f"{yard.folder.path}/{name}"
    rows = pq.read_table(path)
    number = rows.schema.names.index("_block_num")
    higher = pa.array([value.as_py() + 1 for value in rows["_block_num"]], pa.uint64())
    turned = pa.concat_tables([rows.set_column(number, rows.schema.field(number), higher), rows])
    pq.write_table(turned.replace_schema_metadata(pq.read_metadata(path).metadata), path)


def old(yard: Yard, name: str) -> None:
    """Have a file be of a version that knew fewer columns."""
    path = f"{yard.folder.path}/{name}"
    rows = pq.read_table(path).drop_columns(["nonce"])
    pq.write_table(rows.replace_schema_metadata(pq.read_metadata(path).metadata), path)


def lose(yard: Yard, name: str) -> None:
    yard.folder.remove(name)


@pytest.mark.parametrize("spoil", [damage, exchange, turn, old, lose])
def test_a_file_that_is_not_as_it_should_be_is_left_alone(tmp_path: Path, spoil: Any) -> None:
    yard = Yard(tmp_path)
    victim = yard.small[5].name
    with_rows = pq.read_metadata(f"{yard.folder.path}/{victim}").num_rows
    assert with_rows
    spoil(yard, victim)
    there = yard.names()

    yard.join()

    assert yard.names() == there
    assert yard.store.done == []
    assert yard.folder.unfinished() == []
