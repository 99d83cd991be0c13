from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jobyard import app, config
from jobyard.cli.quarantine import forget_replaced, repairs
from jobyard.core.extract import Extract
from jobyard.core.extraction import Quarantined
from jobyard.core.segments import Segment
from jobyard.data.folder import DataFolder
from jobyard.data.verify import Verified

if TYPE_CHECKING:
    from pathlib import Path


def taken(start: int, stop: int, dataset: str = "a/eth", table: str = "logs") -> Quarantined:
    return Quarantined(dataset, "hash", table, f"{start}.parquet", start, stop)


def test_each_stretch_of_blocks_has_a_command_that_brings_it_back() -> None:
    again = "jobyard dataset rematerialize a/eth@hash"

    assert repairs([taken(0, 3), taken(9, 12), taken(3, 6), taken(0, 3, table="blocks")]) == [
        f"{again} --start-block 0 --end-block 5",
        f"{again} --start-block 9 --end-block 11",
    ]


def test_a_folder_is_extracted_once_more_as_it_was() -> None:
    assert repairs([taken(0, 3, "_/extract_0a1b")]) == ["the same `jobyard extract` once more"]


def test_a_file_that_was_replaced_while_it_was_looked_at_is_not_gone(tmp_path: Path) -> None:
    settings = config.load({"state_dir": tmp_path / "state"})
    extract = Extract("a", "eth", "dev", "hash", "evm-rpc", "evm", "net", ("logs",))
    lost = Segment("lost.parquet", "net", 0, 3, "2", "-", 1, 4)
    folder = DataFolder.at(tmp_path)
    (tmp_path / "cut.parquet").touch()

    async def known() -> None:
        async with app.open_yard(settings) as yard:
            await yard.store.restore(extract, "logs", folder.path, [(lost, 1)], 0)

    asyncio.run(known())
    found = Verified()
    for name in ("lost.parquet", "joined.parquet", "cut.parquet"):
        found.note_damage(name, folder, "cannot be read")

    asyncio.run(forget_replaced(settings, found))

    assert sorted(found.damaged) == sorted(found.damaged_in) == ["cut.parquet", "lost.parquet"]
