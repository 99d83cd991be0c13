"""Real blocks, where they lie beside the project: read through a node, decoded, proved."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from jobyard.chain.recorded import RecordedSource, read_file
from jobyard.chain.rpc_endpoint import Endpoint, Limits
from jobyard.chain.rpc_evm import EvmSource
from jobyard.chain.rpc_solana import SolanaSource
from jobyard.chain.solana_decode import decode, portions
from jobyard.chain.solana_tables import TABLES
from jobyard.chain.solana_verify import verify
from jobyard.chain.source import Traffic
from jobyard.data.extract import SolanaExtraction, extract
from jobyard.data.folder import DataFolder
from jobyard.data.verify import verify_folder
from jobyard.testing.replay import ReplayServer
from jobyard.testing.replay_chain import ReplayChain, compact
from jobyard.testing.replay_faults import Faults

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobyard.chain.source import RawBlock

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "chain"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="no recorded chain beside the project")


def tables_of(blocks: Iterable[RawBlock]) -> dict[str, pa.Table]:
    batches = [decode(portion) for portion in portions(blocks)]
    return {name: pa.Table.from_batches([each[name] for each in batches]) for name in TABLES}


@pytest.mark.parametrize(
    ("name", "proved"),
    [
        (
            "sol-mainnet-55065000-55065199",
            {"parent_link": 179, "skipped_slots": 20, "lamports": 72411, "signatures": 72584},
        ),
        (
            "sol-mainnet-39824200-39824299",
            {"parent_link": 98, "skipped_slots": 1, "lamports": 20096, "signatures": 20106},
        ),
        (
            "sol-mainnet-133447493-133447494",
            {"parent_link": 1, "lamports": 4621, "signatures": 4668},
        ),
        ("sol-mainnet-254170887", {"lamports": 602, "signatures": 607}),
        ("sol-mainnet-three-early", {"skipped_slots": 4, "lamports": 308, "signatures": 309}),
    ],
)
def test_a_recorded_set_of_solana_extracts_and_its_files_prove_themselves(
    name: str, proved: dict[str, int], tmp_path: Path
) -> None:
    extraction = SolanaExtraction(TABLES.values(), DataFolder.at(tmp_path), "mainnet")
    blocks = read_file(DATA / f"{name}.ndjson.gz")
    count = sum(one.table == "block_headers" and one.rows for one in extract(blocks, extraction))
    found = verify_folder(DataFolder.at(tmp_path))

    assert (found.damaged, list(found.report.failures())) == ({}, [])
    told = {check: each.proved for check, each in found.report.tallies.items() if each.proved}
    assert told == {"files": count, "places": count, **proved}
    # What was proved while extracting, without signatures, comes to the same.
    assert {
        check: extraction.report.tallies[check].proved for check in proved.keys() - {"signatures"}
    } == {check: proved[check] for check in proved.keys() - {"signatures"}}


def test_one_block_in_two_encodings_makes_the_same_tables() -> None:
    name = "sol-devnet-147078735-three-encodings.ndjson.gz"
    as_json, _, as_base64 = read_file(DATA / name)
    texts, wires = tables_of([as_json]), tables_of([as_base64])

    assert texts == wires
    assert verify(wires).tallies["signatures"].proved >= 25


@pytest.mark.parametrize(
    "name",
    [
        "eth-mainnet-17686110-17686132",
        "sol-mainnet-55065000-55065199",
    ],
)
def test_a_recorded_set_is_read_through_a_bad_node_as_it_was_recorded(name: str) -> None:
    async def scenario() -> None:
        file = DATA / f"{name}.ndjson.gz"
        chain = ReplayChain.read(file)
        faults = Faults(seed=1, throttle=0.15, error=0.1, drop=0.02, cut=0.02, garbage=0.02)
        async with ReplayServer(chain, faults) as server:
            traffic = Traffic()
            endpoint = Endpoint("replay", server.url, Limits(), traffic)
            source = (EvmSource if chain.kind == "evm" else SolanaSource)([endpoint], traffic)
            read = [block async for block in source.blocks(chain.start, chain.stop)]
            await source.close()
            assert server.seen.struck.total() > 0
        recorded = [block async for block in RecordedSource(file).blocks(chain.start, chain.stop)]
        assert [block.ref for block in read] == [block.ref for block in recorded]
        for block, same in zip(read, recorded, strict=True):
            assert block.block == compact(same.block)
            assert block.receipts == (same.receipts and compact(same.receipts))

    asyncio.run(scenario())
