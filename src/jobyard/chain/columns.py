"""Columns of hexadecimal text to Arrow arrays: one `unhexlify` a column, no Python object a value.

Every function takes all values of one column and raises ValueError, OverflowError or TypeError when
one of them is not what the column holds; which block it was is found out by the caller.
"""

from __future__ import annotations

from binascii import unhexlify
from itertools import repeat
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Numbers = NDArray[np.uint64]
    Mask = NDArray[np.bool_]

PREFIX = np.frombuffer(b"0x", np.uint16)[0]
"""What every value begins with, as one number to compare with."""
BYTES32, BYTES20 = pa.binary(32), pa.binary(20)
DECIMAL = pa.decimal128(38, 0)
NANOSECONDS = pa.timestamp("ns", "+00:00")
MARK, ZERO = ord("x"), ord("0")
_LONGEST = (1 << 31) - 1
_LOW = (1 << 64) - 1
_WIDEST = 10**38
"""Decimals have 38 digits."""
_MANY_KEPT = 4096
"""Answers that a memory of answers keeps before it starts anew; real columns repeat far fewer."""


def matrix(values: Sequence[str], width: int) -> Bytes:
    """Decode texts of exactly ``width`` bytes each into rows of a matrix."""
    digits = 2 * width + 2
    text = np.frombuffer("".join(values).encode("ascii"), np.uint8)
    if len(text) != digits * len(values):
        raise ValueError(f"a value is not {width} bytes long")
    rows = text.reshape(len(values), digits)
    # An `x` is no digit, so it stands at the head of every row only if all rows have the length.
    if not (np.ascontiguousarray(rows[:, :2]).view(np.uint16) == PREFIX).all():
        raise ValueError(f"a value is not {width} bytes long")
    return np.frombuffer(unhexlify(rows[:, 2:].tobytes()), np.uint8).reshape(-1, width)


def padded(values: Sequence[str], width: int) -> Bytes:
    """Decode quantities of up to ``width`` bytes, whose leading zeros may be missing."""
    digits = 2 * width + 2
    return matrix(
        [v if len(v) == digits else f"0x{_without_prefix(v):0>{2 * width}}" for v in values], width
    )


def _without_prefix(value: str) -> str:
    if value[:2] != "0x":
        raise ValueError(f"`{value[:20]}` does not begin with 0x")
    return value[2:]


def fixed(rows: Bytes, mask: Mask | None = None) -> pa.Array:
    """Make a fixed-size column of a matrix; where the mask is False there is nothing."""
    count, width = rows.shape
    return pa.Array.from_buffers(
        pa.binary(width), count, [validity(mask), pa.py_buffer(np.ascontiguousarray(rows))]
    )


def fixed_or_null(values: Sequence[str | None], width: int) -> pa.Array:
    """Make a fixed-size column of texts, some of which are missing."""
    missing = values.count(None)
    if missing == len(values):
        return pa.nulls(len(values), pa.binary(width))
    present = matrix([value for value in values if value is not None], width)
    if not missing:
        return fixed(present)
    mask = there(values)
    # Under a null stands the row of a neighbour; nobody reads it.
    return fixed(present.take(np.maximum(np.cumsum(mask) - 1, 0), axis=0), mask)


def variable(values: Sequence[str]) -> pa.Array:
    """Make a column of byte strings of any length."""
    text = bytearray("".join(values).encode("ascii"))
    ends = np.zeros(len(values) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, values), np.int64, len(values)), out=ends[1:])
    digits = np.frombuffer(text, np.uint8)
    marks = ends[:-1] + 1
    if (ends & 1).any():
        raise ValueError("a value has an odd number of digits")
    if (np.diff(ends) == 0).any() or not (digits[marks] == MARK).all():
        raise ValueError("a value does not begin with 0x")
    # With 0 for x every value begins with a byte too many; Arrow drops it faster than Python.
    digits[marks] = ZERO
    whole = pa.Array.from_buffers(
        pa.binary(),
        len(values),
        [None, pa.py_buffer((ends >> 1).astype(np.int32)), pa.py_buffer(unhexlify(text))],
    )
    return pc.binary_slice(whole, 1, _LONGEST)


def offsets(lengths: NDArray[Any]) -> pa.Buffer:
    """Make the offsets of a list or binary column of the lengths of its values."""
    ends = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=ends[1:])
    return pa.py_buffer(ends)


def there(values: Sequence[object]) -> Mask:
    """Tell which values are there."""
    return np.array([value is not None for value in values], np.bool_)


def validity(mask: Mask | None) -> pa.Buffer | None:
    """Pack a mask into the bits that Arrow keeps."""
    if mask is None or mask.all():
        return None
    return pa.py_buffer(np.packbits(mask, bitorder="little"))


def quantities(values: Sequence[str]) -> Numbers:
    """Read numbers of up to 64 bits."""
    return np.fromiter(map(int, values, repeat(16)), np.uint64, len(values))


def uint64(numbers: Numbers, mask: Mask | None = None) -> pa.Array:
    """Make a column of 64-bit numbers."""
    return pa.Array.from_buffers(
        pa.uint64(), len(numbers), [validity(mask), pa.py_buffer(np.ascontiguousarray(numbers))]
    )


def uint64_or_null(values: Sequence[str | None]) -> pa.Array:
    """Make a column of 64-bit numbers, some of which are missing."""
    missing = values.count(None)
    if missing == len(values):
        return pa.nulls(len(values), pa.uint64())
    if not missing:
        return uint64(quantities(cast("Sequence[str]", values)))
    numbers = quantities(["0x0" if value is None else value for value in values])
    return uint64(numbers, there(values))


def uint32(numbers: NDArray[Any]) -> pa.Array:
    """Make a column of 32-bit numbers."""
    data = pa.py_buffer(numbers.astype(np.uint32))
    return pa.Array.from_buffers(pa.uint32(), len(numbers), [None, data])


def nanoseconds(seconds: NDArray[Any]) -> pa.Array:
    """Make a column of times of seconds since 1970."""
    if len(seconds) and int(seconds.max()) > np.iinfo(np.int64).max // 10**9:
        raise OverflowError("a timestamp is after the year 2262")
    data = pa.py_buffer(seconds.astype(np.int64) * 10**9)
    return pa.Array.from_buffers(NANOSECONDS, len(seconds), [None, data])


def decimals(values: Sequence[str | None]) -> pa.Array:
    """Make a column of whole numbers of up to 38 digits, some of which may be missing."""
    missing = values.count(None)
    if missing == len(values):
        return pa.nulls(len(values), DECIMAL)
    numbers = [0 if value is None else int(value, 16) for value in values]
    halves = np.zeros((len(numbers), 2), np.uint64)
    try:
        halves[:, 0] = numbers
    except OverflowError:
        if not 0 <= min(numbers) <= max(numbers) < _WIDEST:
            raise OverflowError("a number has more than 38 digits") from None
        halves[:, 0] = [number & _LOW for number in numbers]
        halves[:, 1] = [number >> 64 for number in numbers]
    return pa.Array.from_buffers(
        DECIMAL,
        len(numbers),
        [validity(there(values)) if missing else None, pa.py_buffer(halves)],
    )


def booleans(values: Sequence[bool | None]) -> pa.Array:
    """Make a column of yes and no, some of which may be missing."""
    return pa.array(values, pa.bool_())


class Remembered(dict[Any, Any]):
    """Answers of a function of few distinct questions: a look-up where the answer is known."""

    def __init__(self, answer: Callable[[Any], Any]) -> None:
        super().__init__()
        self._answer = answer

    def __missing__(self, question: Any) -> Any:
        """Find the answer and keep it."""
        if len(self) >= _MANY_KEPT:
            self.clear()
        answer = self[question] = self._answer(question)
        return answer
