"""Which tables each chain has, by name; needs neither a network nor pyarrow."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from jobyard.chain.evm_tables import EVM_TABLES
from jobyard.chain.solana_tables import TABLES as SOLANA_TABLES
from jobyard.chain.tables import manifest_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobyard.chain.tables import Table

TABLES: Mapping[str, Mapping[str, Table]] = MappingProxyType(
    {"evm": EVM_TABLES, "solana": SOLANA_TABLES}
)
"""The tables of each chain, by its name and theirs."""


def schemas() -> dict[str, dict[str, Any]]:
    """Write every table's schema as a manifest has it, by chain and table."""
    return {
        chain: {name: manifest_schema(table) for name, table in tables.items()}
        for chain, tables in TABLES.items()
    }
