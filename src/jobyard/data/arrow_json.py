"""Arrow schemas as manifests have them: ``{"arrow": {"fields": [{name, type, nullable}]}}``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable

_SIMPLE = {
    pa.bool_(): "Boolean",
    pa.int8(): "Int8",
    pa.int16(): "Int16",
    pa.int32(): "Int32",
    pa.int64(): "Int64",
    pa.uint8(): "UInt8",
    pa.uint16(): "UInt16",
    pa.uint32(): "UInt32",
    pa.uint64(): "UInt64",
    pa.float16(): "Float16",
    pa.float32(): "Float32",
    pa.float64(): "Float64",
    pa.string(): "Utf8",
    pa.large_string(): "LargeUtf8",
    pa.binary(): "Binary",
    pa.large_binary(): "LargeBinary",
    pa.date32(): "Date32",
    pa.date64(): "Date64",
}
_UNITS = {"s": "Second", "ms": "Millisecond", "us": "Microsecond", "ns": "Nanosecond"}


def schema_json(schema: pa.Schema) -> dict[str, Any]:
    """Write a schema."""
    return {"arrow": {"fields": [_field(field) for field in schema]}}


def _field(field: pa.Field) -> dict[str, Any]:
    return {"name": field.name, "type": _type(field.type), "nullable": field.nullable}


_WITH_ARGUMENTS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.DataType], Any]], ...] = (
    (pa.types.is_fixed_size_binary, lambda kind: {"FixedSizeBinary": kind.byte_width}),
    (pa.types.is_timestamp, lambda kind: {"Timestamp": [_UNITS[kind.unit], kind.tz]}),
    (
        pa.types.is_decimal,
        lambda kind: {f"Decimal{kind.bit_width}": [kind.precision, kind.scale]},
    ),
    (pa.types.is_list, lambda kind: {"List": _field(kind.value_field)}),
    (pa.types.is_struct, lambda kind: {"Struct": [_field(field) for field in kind]}),
)
"""Types that are written with what they are made of."""


def _type(kind: pa.DataType) -> Any:
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    return next((write(kind) for is_it, write in _WITH_ARGUMENTS if is_it(kind)), str(kind))
