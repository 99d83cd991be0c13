"""Recorded blocks: any packing, any order, damage named by its line."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import TYPE_CHECKING

import pytest
import zstandard
from tests.unit.chain import minted

from jobyard.chain.recorded import SOLANA_MAINNET, RecordedSource
from jobyard.errors import BlockUnparsable, InvalidProvider

if TYPE_CHECKING:
    from pathlib import Path

    from jobyard.chain.source import RawBlock


def line(block: RawBlock) -> bytes:
    if block.receipts is None and not block.hash.startswith("0x"):
        return b'{"slot": %d, "block": %s}' % (block.number, block.block)
    if block.receipts is None:
        return b'{"block": %s}' % block.block
    return b'{"block": %s, "receipts": %s}' % (block.block, block.receipts)


def text(blocks: list[RawBlock]) -> bytes:
    return b"\n".join(map(line, blocks)) + b"\n\n"


def collect(source: RecordedSource, start: int, stop: int) -> list[RawBlock]:
    async def read() -> list[RawBlock]:
        return [block async for block in source.blocks(start, stop)]

    return asyncio.run(read())


def test_files_of_any_packing_are_one_chain(tmp_path: Path) -> None:
    chain = minted.evm_chain(10, 40)
    (tmp_path / "z.ndjson").write_bytes(text(chain[:10]))
    (tmp_path / "a.ndjson.gz").write_bytes(gzip.compress(text(chain[10:20])))
    (tmp_path / "m.jsonl.zst").write_bytes(zstandard.compress(text(chain[20:])))
    source = RecordedSource(tmp_path)

    assert collect(source, 5, 35) == chain[:25]
    assert asyncio.run(source.head()) == 39
    assert asyncio.run(source.first_available()) == 10
    assert asyncio.run(source.identity()) == "1"
    assert source.traffic.bytes_received > 0


def test_lines_in_disorder_and_files_that_overlap_come_in_order_and_once(tmp_path: Path) -> None:
    chain = minted.evm_chain(10, 20)
    (tmp_path / "a.ndjson").write_bytes(text([chain[7], chain[1], chain[4]]))
    (tmp_path / "b.ndjson").write_bytes(text(chain[2:6]))

    assert collect(RecordedSource(tmp_path), 0, 99) == [*chain[1:6], chain[7]]


def test_solana_and_a_source_without_receipts_are_read(tmp_path: Path) -> None:
    chain = minted.solana_chain(10, 20, skipped={13}, transactions=1)
    (tmp_path / "sol.ndjson").write_bytes(text(chain))
    bare = minted.evm(5)
    bare.receipts = None
    (tmp_path / "evm.ndjson").write_bytes(text([bare]))
    source = RecordedSource(tmp_path / "sol.ndjson")

    assert collect(source, 0, 99) == chain
    assert (source.kind, asyncio.run(source.identity())) == ("solana", SOLANA_MAINNET)
    assert collect(RecordedSource(tmp_path / "evm.ndjson"), 0, 99) == [bare]
    with pytest.raises(InvalidProvider, match="both EVM and Solana"):
        collect(RecordedSource(tmp_path), 0, 99)


@pytest.mark.parametrize(
    "damage",
    [
        b'{"block": {"number": "0x1"}}',
        b'{"block": 5',
        b"[]",
        b'{"slot": 4, "block": {"blockhash": "a", "previousBlockhash": "b", "parentSlot": 4}}',
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, damage: bytes) -> None:
    file = tmp_path / "a.ndjson"
    file.write_bytes(text(minted.evm_chain(10, 12)) + damage)

    with pytest.raises(BlockUnparsable, match=r"a\.ndjson, line 4"):
        collect(RecordedSource(file), 0, 99)


def test_what_is_no_recording_is_named(tmp_path: Path) -> None:
    (tmp_path / "cut.ndjson.gz").write_bytes(gzip.compress(text(minted.evm_chain(1, 9)))[:-20])
    (tmp_path / "empty.ndjson").write_bytes(b"")
    (tmp_path / "notes.json").write_text(json.dumps({}))

    for path in (tmp_path / "nowhere", tmp_path / "cut.ndjson.gz", tmp_path / "empty.ndjson"):
        with pytest.raises(InvalidProvider, match=path.name):
            collect(RecordedSource(path), 0, 99)
