"""Arrow columns back to Python values, by buffer instead of by value where rows are many."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobyard.chain.columns import Numbers


def values(column: pa.Array) -> list[Any]:
    """Get the values of a column: bytes, ints, bools, text, lists; None for null."""
    kind = column.type
    if column.null_count == len(column):
        return [None] * len(column)
    for is_kind, read in _READERS:
        if is_kind(kind):
            found = read(column)
            break
    else:
        found = column.to_pylist()
    if column.null_count:
        there = column.is_valid().to_numpy(zero_copy_only=False).tolist()
        return [value if is_there else None for value, is_there in zip(found, there, strict=True)]
    return found


def numbers(column: pa.Array) -> Numbers:
    """Get a column of whole numbers without nulls as numpy has it."""
    return np.asarray(column.to_numpy(zero_copy_only=False), np.uint64)


def _fixed(column: pa.Array) -> list[bytes]:
    width = column.type.byte_width
    data = column.buffers()[1]
    start = column.offset * width
    text = data.slice(start, len(column) * width).to_pybytes()
    return [text[place : place + width] for place in range(0, len(text), width)]


def _variable(column: pa.Array) -> list[bytes]:
    _, places, data = column.buffers()
    if data is None:
        return [b""] * len(column)
    ends = np.frombuffer(places, np.int32)[column.offset : column.offset + len(column) + 1].tolist()
    text = memoryview(data)
    return [bytes(text[start:end]) for start, end in pairwise(ends)]


def _decimal(column: pa.Array) -> list[int]:
    halves = np.frombuffer(column.buffers()[1], np.uint64).reshape(-1, 2)
    halves = halves[column.offset : column.offset + len(column)]
    low = halves[:, 0].tolist()
    if not halves[:, 1].any():
        return list(low)
    return [a | b << 64 for a, b in zip(low, halves[:, 1].tolist(), strict=True)]


def _number(column: pa.Array) -> list[int]:
    filled = column.fill_null(0) if column.null_count else column
    return list(filled.to_numpy(zero_copy_only=False).tolist())


def _seconds(column: pa.Array) -> list[Any]:
    ticks = column.cast(pa.int64()).to_numpy(zero_copy_only=False)
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[column.type.unit]
    if (ticks % per_second).any():
        # No block is made between two seconds: such a time is told as text, equal to no number.
        return [t // per_second if t % per_second == 0 else f"{t} ticks" for t in ticks.tolist()]
    return list((ticks // per_second).tolist())


_READERS: list[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], list[Any]]]] = [
    (pa.types.is_fixed_size_binary, _fixed),
    (pa.types.is_binary, _variable),
    (pa.types.is_decimal128, _decimal),
    (pa.types.is_integer, _number),
    (pa.types.is_timestamp, _seconds),
]
