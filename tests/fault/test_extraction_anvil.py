"""A job follows a node that nobody here wrote: anvil, live, through reorganisations."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import missing_service
from tests.fault.yards import Extractions, extractions, wanted

from jobyard.data.folder import DataFolder
from jobyard.data.verify import verify_folder
from jobyard.testing.nodes import Anvil, NodeMissing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RICH = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
OTHER = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"
LOGS = "0x600160005260206000a060206000a000"
"""Code of a contract that writes two logs when it is created."""


@pytest.fixture
def anvil() -> Iterator[Anvil]:
    try:
        node = Anvil("--no-mining", "--order", "fifo")
    except NodeMissing as missing:
        missing_service(str(missing))
    with node:
        yield node


def mint(node: Anvil, count: int) -> None:
    """Make blocks of a payment and a contract that writes logs."""
    for _ in range(count):
        node.call("eth_sendTransaction", {"from": RICH, "to": OTHER, "value": "0x1"})
        node.call("eth_sendTransaction", {"from": RICH, "data": LOGS, "gas": "0x30000"})
        node.call("evm_mine")


def head(node: Anvil) -> tuple[int, str]:
    block = node.call("eth_getBlockByNumber", "latest", False)
    return int(block["number"], 16), block["hash"]


def text(values: Any) -> list[str]:
    return [f"0x{value.hex()}" for value in values.to_pylist()]


def assert_tables_are_the_chain(node: Anvil, yard: Extractions) -> None:
    """Compare all rows with what the node says now."""
    last, _ = head(node)
    chain = [node.call("eth_getBlockByNumber", hex(n), True) for n in range(last + 1)]
    receipts = [node.call("eth_getBlockReceipts", hex(n)) for n in range(last + 1)]
    blocks, transactions, logs = (yard.rows(table) for table in ("blocks", "transactions", "logs"))

    assert text(blocks["hash"]) == [block["hash"] for block in chain]
    assert text(blocks["state_root"]) == [block["stateRoot"] for block in chain]
    given = [each for block in chain for each in block["transactions"]]
    assert text(transactions["tx_hash"]) == [each["hash"] for each in given]
    assert text(transactions["block_hash"]) == [each["blockHash"] for each in given]
    written = [log for block in receipts for receipt in block for log in receipt["logs"]]
    assert [(text(logs[name])) for name in ("tx_hash", "address", "block_hash")] == [
        [log[name] for log in written] for name in ("transactionHash", "address", "blockHash")
    ]


def test_a_job_follows_the_head_through_reorganisations_and_a_rollback(
    anvil: Anvil, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with extractions(tmp_path) as yard:
            await yard.provide(anvil.url, network="anvil")
            job_id = await yard.deploy(wanted(network="anvil", verify=1.0))
            files = []
            # Of the last one, blocks are in several files that are published.
            for count, depth in ((70, 1), (40, 4), (40, 60)):
                mint(anvil, count // 2)
                await yard.reaches(job_id, *head(anvil))
                mint(anvil, count - count // 2)
                await yard.reaches(job_id, *head(anvil))
                files.append(await files_from(yard, job_id, head(anvil)[0] + 1 - depth))
                anvil.call("anvil_reorg", depth, [])
                mint(anvil, 2)
                await yard.reaches(job_id, *head(anvil))
            anvil.call("anvil_rollback", 7)
            mint(anvil, 60)
            await yard.reaches(job_id, *head(anvil))
            job = await yard.stop(job_id)
            progress = await yard.progress(job_id)
            last = head(anvil)[0]
            assert (job.state.status, last >= 200, files[-1] > 2) == ("STOPPED", True, True)
            ends = {name: one["current_block"] for name, one in progress["tables"].items()}
            assert ends == dict.fromkeys(ends, last)
            assert_tables_are_the_chain(anvil, yard)
            found = verify_folder(DataFolder.at(yard.folder / "data"))
            assert found.sound, json.dumps(found.as_json())

    asyncio.run(scenario())


async def files_from(yard: Extractions, job_id: int, number: int) -> int:
    """Count the published files that have blocks from a number on."""
    files = await yard.store.table_files(job_id, "blocks")
    return sum(stop > number for *_, stop in files)
