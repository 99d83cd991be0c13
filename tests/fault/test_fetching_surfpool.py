"""Reading from a node that nobody here wrote: surfpool, live, a Solana whose links are not right.

Its blocks without transactions are a chain. One with a transaction names its own slot as that of
its parent, which no chain has, so a reader that believes it would prove nothing.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.conftest import missing_service

from jobyard.chain import solana_base58
from jobyard.chain.rpc_endpoint import Endpoint, Limits
from jobyard.chain.rpc_solana import SolanaSource
from jobyard.chain.solana_decode import decode
from jobyard.chain.solana_tables import TABLES
from jobyard.chain.solana_verify import verify
from jobyard.chain.source import Traffic, solana_block
from jobyard.data.extract import SolanaExtraction
from jobyard.data.folder import DataFolder
from jobyard.data.verify import verify_folder
from jobyard.errors import BlockUnparsable, ChainFailed
from jobyard.testing.nodes import NodeMissing, Surfpool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jobyard.data.verify import Verified

CONFIRMED = {"commitment": "confirmed"}
FIRST = 33
"""The first slot of surfpool's that is linked; before it stands what makes the payer rich."""
PATIENCE = 20.0


@pytest.fixture
def surfpool() -> Iterator[Surfpool]:
    if shutil.which("node") is None:
        pytest.skip("surfpool needs Node.js")
    try:
        node = Surfpool(slot_ms=50)
    except NodeMissing as missing:
        missing_service(str(missing))
    with node:
        yield node


def source_of(node: Surfpool, encoding: str = "base64", patience: float = 60.0) -> SolanaSource:
    traffic = Traffic()
    endpoint = Endpoint("surfpool", node.url, Limits(), traffic)
    return SolanaSource(
        [endpoint], traffic, commitment="confirmed", encoding=encoding, patience=patience
    )


def reach(node: Surfpool, slot: int) -> None:
    until = time.monotonic() + PATIENCE
    while node.call("getSlot", CONFIRMED) < slot:
        assert time.monotonic() < until


async def extracted(source: SolanaSource, folder: Path, start: int, stop: int) -> Verified:
    """Extract as a job does: what is complete is kept when the source fails."""
    extraction = SolanaExtraction(
        TABLES.values(), DataFolder.at(folder), "local", start=start, full=True
    )
    try:
        async for block in source.blocks(start, stop):
            extraction.take(block)
        extraction.finish(stop)
    except ChainFailed:
        extraction.finish()
        raise
    finally:
        await source.close()
    return verify_folder(DataFolder.at(folder))


def pay(node: Surfpool, version: bytes, receiver: bytes) -> int:
    """Send a transfer; return the slot of its block."""
    key = Ed25519PrivateKey.from_private_bytes(node.payer[:32])
    recent = node.call("getLatestBlockhash", CONFIRMED)["value"]["blockhash"]
    keys = node.payer[32:] + receiver + bytes(32)
    data = (2).to_bytes(4, "little") + (10**7).to_bytes(8, "little")
    message = version + bytes([1, 0, 1, 3]) + keys + solana_base58.decode([recent])[0]
    message += bytes([1, 2, 2, 0, 1, len(data)]) + data + (b"\0" if version else b"")
    wire = b"\x01" + key.sign(message) + message
    name = node.call("sendTransaction", b64encode(wire).decode(), {"encoding": "base64"})
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        (status,) = node.call("getSignatureStatuses", [name])["value"]
        if status is not None and status["confirmationStatus"] != "processed":
            return int(status["slot"])
    raise TimeoutError(name)


def test_a_living_chain_is_extracted_and_its_files_prove_themselves(
    surfpool: Surfpool, tmp_path: Path
) -> None:
    async def scenario() -> Verified:
        return await extracted(source_of(surfpool), tmp_path, FIRST, FIRST + 30)

    reach(surfpool, FIRST + 30)
    found = asyncio.run(scenario())

    assert found.sound
    assert found.covered["instructions"] == [(FIRST, FIRST + 29)]
    assert found.report.tallies["parent_link"].proved == 29


def test_a_block_that_names_itself_as_its_parent_is_refused_and_those_before_it_are_kept(
    surfpool: Surfpool, tmp_path: Path
) -> None:
    async def scenario() -> None:
        with pytest.raises(BlockUnparsable, match=f"a block that follows slot {slot}") as refused:
            await extracted(source_of(surfpool), tmp_path, FIRST, slot + 1)
        assert refused.value.fields["block_range_start"] == slot

    reach(surfpool, FIRST + 5)
    slot = pay(surfpool, b"", bytes([7]) * 32)
    asyncio.run(scenario())

    assert verify_folder(DataFolder.at(tmp_path)).covered["messages"] == [(FIRST, slot - 1)]


@pytest.mark.parametrize("version", [b"", b"\x80"])
def test_transactions_that_it_ran_are_the_same_in_both_encodings_and_prove_themselves(
    surfpool: Surfpool, version: bytes
) -> None:
    reach(surfpool, FIRST)
    slot = pay(surfpool, version, bytes([7]) * 32)
    tables = []
    for encoding in ("json", "base64"):
        how = {**CONFIRMED, "encoding": encoding, "maxSupportedTransactionVersion": 0}
        block = surfpool.raw("getBlock", slot, how)
        own, other = (f'"parentSlot":{number},'.encode() for number in (slot, slot - 1))
        tables.append(decode([solana_block(slot, block.replace(own, other))]))
    report = verify(tables[0])

    assert tables[0] == tables[1]
    assert report.sound
    assert report.tallies["signatures"].proved == report.tallies["lamports"].proved == 1
