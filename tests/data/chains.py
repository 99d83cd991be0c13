"""Recorded chains for tests: those minted here, and real ones where they lie beside the project."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobyard.chain.evm_decode import EvmBatch, decode
from jobyard.chain.evm_json import ParsedBlock, parse_recorded
from jobyard.chain.recorded import read_file

if TYPE_CHECKING:
    from jobyard.chain.source import RawBlock

HERE = Path(__file__).parent
REAL = HERE.parents[2] / "shared" / "data" / "chain"
OURS = ("anvil", "surfpool")
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


def place(name: str) -> Path:
    """Tell where a recorded chain lies, if it is here."""
    return (HERE if name.startswith(OURS) else REAL) / f"{name}.ndjson.gz"


@cache
def lines(name: str) -> tuple[bytes, ...]:
    """Read a recorded chain; skip the test when it is a real one that is not here."""
    path = place(name)
    if not path.exists():
        pytest.skip(f"{name} does not lie beside the project")
    return tuple(gzip.decompress(path.read_bytes()).splitlines())


@cache
def parsed(name: str) -> tuple[ParsedBlock, ...]:
    return tuple(map(parse_recorded, lines(name)))


@cache
def decoded(name: str) -> EvmBatch:
    return decode(parsed(name))


def given(name: str) -> list[RawBlock]:
    """Get a recorded chain as a source would give it."""
    lines(name)
    return list(read_file(place(name)))
