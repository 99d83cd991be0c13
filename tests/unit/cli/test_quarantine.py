from __future__ import annotations

from jobyard.cli.quarantine import repairs
from jobyard.core.extraction import Quarantined


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
