"""Recorded chains for tests: those minted here, and real ones where they lie beside the project."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec
import pytest

from jobyard.chain.evm_decode import EvmBatch, decode
from jobyard.chain.evm_json import ParsedBlock, parse_recorded

HERE = Path(__file__).parent
REAL = HERE.parents[2] / "shared" / "data" / "chain"
MINTED = ("anvil-london", "anvil-prague")
BLOBS = "anvil-blobs"
"""Blocks whose root of transactions is wrong (see scripts/mint_evm.py)."""
WITH_RECEIPTS = (
    "eth-mainnet-17686110-17686132",
    "eth-mainnet-17686164+17686312",
    "eth-mainnet-mixed-receipts",
    "eth-mainnet-0-8191",
)
WITHOUT_RECEIPTS = ("eth-mainnet-22431080-22431090", "eth-mainnet-forks-blocks")


@cache
def lines(name: str) -> tuple[bytes, ...]:
    """Read a recorded chain; skip the test when it is a real one that is not here."""
    path = (HERE if name.startswith("anvil") else REAL) / f"{name}.ndjson.gz"
    if not path.exists():
        pytest.skip(f"{name} does not lie beside the project")
    return tuple(gzip.decompress(path.read_bytes()).splitlines())


@cache
def parsed(name: str) -> tuple[ParsedBlock, ...]:
    return tuple(map(parse_recorded, lines(name)))


@cache
def decoded(name: str) -> EvmBatch:
    return decode(parsed(name))


@dataclass(frozen=True)
class Given:
    """A block as a source gives it."""

    number: int
    block: bytes
    receipts: bytes | None


class _Line(msgspec.Struct):
    block: msgspec.Raw
    receipts: msgspec.Raw = msgspec.Raw(b"")


def given(name: str) -> list[Given]:
    """Get a recorded chain as a source would give it."""
    found = []
    for line, raw in zip(lines(name), parsed(name), strict=True):
        parts = msgspec.json.decode(line, type=_Line)
        number = int(raw.block.number, 16)
        found.append(Given(number, bytes(parts.block), bytes(parts.receipts) or None))
    return found
