"""What a chain's table is: named, typed columns, from which Arrow schemas and manifests are made.

Only `arrow_schema` needs pyarrow, so that a server can speak of tables without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

NANOSECOND_UTC = ("ns", "+00:00")
"""Unit and time zone of every timestamp, spelled as Arrow keeps them."""
DECIMAL_DIGITS = 38
"""Digits of the widest decimal that every reader of Parquet understands (128 bits)."""


class Kind(Enum):
    """A simple Arrow type; its value is the type's name in a manifest."""

    BOOL = "Boolean"
    INT32 = "Int32"
    INT64 = "Int64"
    UINT8 = "UInt8"
    UINT32 = "UInt32"
    UINT64 = "UInt64"
    TEXT = "Utf8"
    BYTES = "Binary"
    BYTES20 = "FixedSizeBinary(20)"
    BYTES32 = "FixedSizeBinary(32)"
    TIME = "Timestamp(ns, +00:00)"
    DECIMAL = "Decimal128(38, 0)"


@dataclass(frozen=True, slots=True)
class ListOf:
    """Many values of one type."""

    item: ColumnType


@dataclass(frozen=True, slots=True)
class Record:
    """Named values that stand together."""

    columns: tuple[Column, ...]


ColumnType = Kind | ListOf | Record


@dataclass(frozen=True, slots=True)
class Column:
    """One column: ``about`` says in a few words what it holds, for the reference page."""

    name: str
    kind: ColumnType
    about: str = ""
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a chain; rows stand in the order of blocks, then of what is in them.

    ``coded`` names the columns with few distinct values (a dictionary pays), ``sought`` those that
    people look single rows up by (a Bloom filter pays), with the rows that share a value.
    """

    name: str
    about: str
    columns: tuple[Column, ...]
    coded: frozenset[str] = frozenset()
    sought: tuple[tuple[str, int], ...] = ()

    def column(self, name: str) -> Column:
        """Find a column by its name.

        Raises:
            KeyError: there is none.

        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


def nullable(name: str, kind: ColumnType, about: str = "") -> Column:
    """Make a column that may hold nothing."""
    return Column(name, kind, about, nullable=True)


@cache
def arrow_schema(table: Table) -> pa.Schema:
    """Make the Arrow schema of a table."""
    import pyarrow as pa

    return pa.schema([arrow_field(column) for column in table.columns])


def arrow_field(column: Column) -> pa.Field:
    """Make the Arrow field of a column."""
    import pyarrow as pa

    return pa.field(column.name, arrow_type(column.kind), nullable=column.nullable)


@cache
def arrow_type(kind: ColumnType) -> pa.DataType:
    """Make the Arrow type of a column."""
    import pyarrow as pa

    match kind:
        case ListOf(item):
            return pa.list_(pa.field("item", arrow_type(item), nullable=False))
        case Record(columns):
            return pa.struct([arrow_field(column) for column in columns])
        case Kind():
            return {
                Kind.BOOL: pa.bool_,
                Kind.INT32: pa.int32,
                Kind.INT64: pa.int64,
                Kind.UINT8: pa.uint8,
                Kind.UINT32: pa.uint32,
                Kind.UINT64: pa.uint64,
                Kind.TEXT: pa.string,
                Kind.BYTES: pa.binary,
                Kind.BYTES20: lambda: pa.binary(20),
                Kind.BYTES32: lambda: pa.binary(32),
                Kind.TIME: lambda: pa.timestamp(*NANOSECOND_UTC),
                Kind.DECIMAL: lambda: pa.decimal128(DECIMAL_DIGITS, 0),
            }[kind]()


def manifest_schema(table: Table) -> dict[str, Any]:
    """Write a table's schema as a manifest has it: ``{"arrow": {"fields": […]}}``."""
    return {"arrow": {"fields": [_manifest_field(column) for column in table.columns]}}


def _manifest_field(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": _manifest_type(column.kind),
        "nullable": column.nullable,
    }


def _manifest_type(kind: ColumnType) -> Any:
    match kind:
        case ListOf(item):
            return {"List": {"name": "item", "type": _manifest_type(item), "nullable": False}}
        case Record(columns):
            return {"Struct": [_manifest_field(column) for column in columns]}
        case Kind():
            return _WITH_ARGUMENTS.get(kind, kind.value)


_WITH_ARGUMENTS: dict[Kind, dict[str, Any]] = {
    Kind.BYTES20: {"FixedSizeBinary": 20},
    Kind.BYTES32: {"FixedSizeBinary": 32},
    Kind.TIME: {"Timestamp": ["Nanosecond", NANOSECOND_UTC[1]]},
    Kind.DECIMAL: {"Decimal128": [DECIMAL_DIGITS, 0]},
}
"""Types that a manifest writes with what they are made of."""


def type_text(kind: ColumnType) -> str:
    """Write a type for people."""
    match kind:
        case ListOf(item):
            return f"List<{type_text(item)}>"
        case Record(columns):
            inner = ", ".join(f"{column.name} {type_text(column.kind)}" for column in columns)
            return f"Struct<{inner}>"
        case Kind():
            return kind.value
