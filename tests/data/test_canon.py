"""How far several tables are of one chain, and where the edges of batches may lie."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from jobyard.core.derived import Source
from jobyard.core.segments import Segment
from jobyard.data.canon import Canon, Header, confirmed
from jobyard.data.chains import EVM
from jobyard.data.folder import DataFolder
from jobyard.data.sources import SourceTable

if TYPE_CHECKING:
    from pathlib import Path


def table(*edges: tuple[int, str], folder: str = "/nowhere") -> SourceTable:
    """Make a table whose files lie between edges, each with the hash below it."""
    chain = [
        Segment(f"{start}.parquet", "net", start, stop, own, before, size=(stop - start) * 10)
        for (start, before), (stop, own) in pairwise(edges)
    ]
    told = Source(1, folder, "net", chain[0].start, chain[-1].stop, "", len(chain), 0, False)
    return SourceTable(("eth", "t"), told, DataFolder.at(folder), chain)


def hashed(number: int, branch: int = 0) -> str:
    return f"0x{(branch * 1000 + number):064x}"


def header(folder: Path, *edges: int, fork: int = 1000) -> Header:
    """Make a table of blocks; from ``fork`` on it is of another branch."""
    blocks = [hashed(number, int(number >= fork)) for number in range(edges[0], edges[-1])]
    for start, stop in pairwise(edges):
        hashes = [bytes.fromhex(each[2:]) for each in blocks[start - edges[0] : stop - edges[0]]]
        rows = {
            "_block_num": pa.array(range(start, stop), pa.uint64()),
            "hash": pa.array(hashes, pa.binary(32)),
        }
        pq.write_table(pa.table(rows), folder / f"{start}.parquet")
    ends = [(edge, hashed(edge - 1, int(edge > fork))) for edge in edges]
    return Header(table(*ends, folder=str(folder)), EVM)


def test_one_table_is_its_own_chain() -> None:
    own = table((0, "-"), (10, "a"), (30, "b"))
    canon = Canon([own], [0], [])

    assert canon.limit == 30
    assert [canon.hash_below(number) for number in (0, 10, 20, 30)] == ["-", "a", None, "b"]
    assert [canon.edge(0, most, 30) for most in (5, 10, 25, 99)] == [10, 10, 10, 30]
    assert canon.edge(30, 5, 30) is None


def test_tables_without_blocks_are_put_together_up_to_an_edge_that_all_have() -> None:
    one = table((0, "-"), (10, "a"), (20, "b"), (30, "c"))
    other = table((0, "-"), (20, "b"), (30, "x"))

    assert Canon([one, other], [0, 0], []).limit == 20


def test_a_table_that_begins_later_agrees_with_everything_below() -> None:
    one = table((0, "-"), (10, "a"), (20, "b"), (30, "c"))
    late = table((20, "b"), (30, "c"))
    canon = Canon([one, late], [0, 20], [])

    assert (canon.limit, canon.hash_below(10)) == (30, "a")
    alone = Canon([late], [20], [])
    assert (alone.hash_below(0), alone.hash_below(5), alone.hash_below(21)) == ("b", "b", None)


def test_a_table_of_blocks_knows_every_edge(tmp_path: Path) -> None:
    logs = table((0, hashed(-1 + 1000)), (40, hashed(39)))
    canon = Canon([logs], [0], [header(tmp_path, 0, 25, 50)])

    assert canon.limit == 40
    assert [canon.edge(0, most, 40) for most in (7, 25, 99)] == [7, 25, 40]
    assert [canon.hash_below(number) for number in (7, 25, 31)] == [
        hashed(6), hashed(24), hashed(30),
    ]  # fmt: skip


def test_tables_are_put_together_only_below_where_one_of_them_is_of_another_branch(
    tmp_path: Path,
) -> None:
    # The logs are of the branch that the blocks have left at block 35.
    logs = table((0, "-"), (20, hashed(19)), (30, hashed(29)), (40, hashed(39)))
    blocks = header(tmp_path, 0, 50, fork=35)
    canon = Canon([logs], [0], [blocks])
    assert canon.limit == 40
    both = Canon([logs, table((0, "-"), (50, hashed(49, 1)))], [0, 0], [blocks])
    assert both.limit == 30
    assert both.hash_below(30) == hashed(29)


def test_what_was_made_is_confirmed_up_to_the_fork(tmp_path: Path) -> None:
    blocks = header(tmp_path, 0, 50, fork=35)
    logs = table((0, "-"), (50, hashed(49, 1)))
    canon = Canon([logs], [0], [blocks])

    sound = table((0, "-"), (20, hashed(19)), (50, hashed(49, 1)))
    left = table((0, "-"), (20, hashed(19)), (34, hashed(33)), (40, hashed(39)))
    ahead = table((0, "-"), (34, hashed(33)), (60, hashed(59)))
    alien = table((0, "+"), (40, "y"))
    assert [confirmed(own, canon) for own in (sound, left, ahead)] == [50, 34, 60]
    assert confirmed(alien, canon) is None
