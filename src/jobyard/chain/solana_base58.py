"""Base58 for whole columns: a matrix product instead of a loop over digits.

A number in one base is a sum of digits times powers; with the powers written as limbs of the other
base, all texts of about one length are converted by one product. Products and their sums fit 64-bit
integers; carries are settled afterwards. (Floats would fit, too, but their products are left to
threads that get into the way of each other on a busy machine.)
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from jobyard.errors import BlockUnparsable

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALPHABET = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_NO_DIGIT = 255
_WIDTHS = (10, 25, 50, 75, 100, 130, 190, 380, 760, 1795)
"""Texts are converted together with those up to the same width; the last holds a transaction (1,232
bytes). Only calls between programs may be longer (10 KiB); those go one by one."""
_GROUP = 58**5
"""Five letters as one digit: the largest power of 58 below 2^30."""
_LIMB = 24
"""Bits of a limb when reading: 30 + 24 bits, and 359 digits of five letters, stay below 2^63."""

_DIGITS = np.full(256, _NO_DIGIT, np.uint8)
_DIGITS[list(ALPHABET)] = np.arange(58, dtype=np.uint8)
_FIVE = np.array([58**4, 58**3, 58**2, 58, 1])
_LETTERS = np.frombuffer(ALPHABET, np.uint8)


class Ragged:
    """Byte strings of any length in one buffer: ``data[offsets[i]:offsets[i + 1]]``."""

    def __init__(self, offsets: NDArray[Any], data: NDArray[np.uint8]) -> None:
        """Hold ``offsets`` (one more than there are strings) and ``data``."""
        self.offsets = offsets
        self.data = data

    def __len__(self) -> int:
        """Count the strings."""
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> bytes:
        """Take one string."""
        return self.data[self.offsets[index] : self.offsets[index + 1]].tobytes()


def offsets_of(lengths: NDArray[Any]) -> NDArray[np.int64]:
    """Sum lengths up, from 0."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def decode(texts: list[str]) -> Ragged:
    """Read Base58.

    Raises:
        BlockUnparsable: A text is none.
    """
    joined = np.frombuffer("".join(texts).encode(), np.uint8)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    ends = np.cumsum(lengths)
    digits = _DIGITS[joined]
    if len(ends) and (ends[-1] != len(joined) or (digits == _NO_DIGIT).any()):
        message = "not Base58"
        raise BlockUnparsable(message)
    rows, sizes = [], np.zeros(len(texts), np.int64)
    if not len(joined):
        return Ragged(offsets_of(sizes), np.zeros(0, np.uint8))
    buckets = np.searchsorted(_WIDTHS, lengths)
    for bucket in np.unique(buckets):
        chosen = np.flatnonzero(buckets == bucket)
        if bucket == len(_WIDTHS):
            for index in chosen:
                alone = np.frombuffer(_decode_one(texts[index]), np.uint8)
                sizes[index] = len(alone)
                rows.append((np.array([index]), alone[None, :]))
            continue
        table, count = _decode_width(digits, lengths[chosen], ends[chosen], _WIDTHS[bucket])
        sizes[chosen] = count
        rows.append((chosen, table))
    offsets = offsets_of(sizes)
    data = np.empty(int(offsets[-1]), np.uint8)
    for chosen, table in rows:
        _scatter(table, sizes[chosen], offsets[:-1][chosen], data)
    return Ragged(offsets, data)


def encode(rows: NDArray[np.uint8]) -> Ragged:
    """Write rows of bytes, all of one even length (at most 64), as Base58."""
    width = rows.shape[1]
    limbs = np.ascontiguousarray(rows).view(">u2").T.astype(np.int64)
    powers = _powers_of_65536(width)
    # A column at a time: integer matrix products are slow, and most of these powers are short.
    groups = np.zeros((powers.shape[1], len(rows)), np.int64)
    for limb, group in zip(*np.nonzero(powers), strict=True):
        groups[group] += limbs[limb] * powers[limb, group]
    for group in range(len(groups) - 1, 0, -1):
        carry = groups[group] // _GROUP
        groups[group] -= carry * _GROUP
        groups[group - 1] += carry
    letters = np.empty((len(rows), len(groups), 5), np.uint8)
    high = groups // 58**3
    letters[:, :, :2] = _letters_of(2)[high].swapaxes(0, 1)
    letters[:, :, 2:] = _letters_of(3)[groups - high * 58**3].swapaxes(0, 1)
    table = letters.reshape(len(rows), 5 * len(groups))
    zeros = _leading(rows, 0)
    sizes = table.shape[1] - _leading(table, ALPHABET[0]) + zeros
    offsets = offsets_of(sizes)
    data = np.empty(int(offsets[-1]), np.uint8)
    _scatter(table, sizes, offsets[:-1], data)
    return Ragged(offsets, data)


def _leading(table: NDArray[np.uint8], value: int) -> NDArray[np.int64]:
    """Count how often a value stands at the beginning of each row."""
    other = table != value
    count: NDArray[np.int64] = np.where(other.any(axis=1), other.argmax(axis=1), table.shape[1])
    return count


def _decode_width(
    digits: NDArray[np.uint8], lengths: NDArray[Any], ends: NDArray[Any], width: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Convert texts of at most ``width`` letters: bytes, aligned to the right, and their counts."""
    columns = np.arange(width)
    places = ends[:, None] - width + columns
    inside = columns >= (width - lengths)[:, None]
    table = np.where(inside, digits[np.maximum(places, 0)], 0)
    groups = table.reshape(len(lengths), width // 5, 5).astype(np.int64) @ _FIVE
    limbs = groups @ _powers_of_58(width)
    for column in range(limbs.shape[1] - 1, 0, -1):
        limbs[:, column - 1] += limbs[:, column] >> _LIMB
    # A limb's three bytes are the last three of its number, written with the highest first.
    words = limbs.astype(">u8").view(np.uint8).reshape(*limbs.shape, 8)[:, :, 5:]
    read = words.reshape(len(lengths), 3 * limbs.shape[1])
    # Each leading 1 is a leading zero byte; a text of ones alone has as many bytes as letters.
    ones = _leading(table, 0) - (width - lengths)
    sizes = read.shape[1] - _leading(read, 0) + ones
    padded = np.zeros((len(lengths), max(width, read.shape[1])), np.uint8)
    padded[:, -read.shape[1] :] = read
    return padded, sizes


def _decode_one(text: str) -> bytes:
    number = 0
    for letter in text.encode():
        number = number * 58 + int(_DIGITS[letter])
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8)


def _scatter(
    table: NDArray[np.uint8], sizes: NDArray[Any], at: NDArray[Any], data: NDArray[np.uint8]
) -> None:
    """Copy the last ``sizes`` bytes of each row to their places."""
    width = table.shape[1]
    skipped = width - sizes
    columns = np.arange(width)
    inside = columns >= skipped[:, None]
    data[((at - skipped)[:, None] + columns)[inside]] = table[inside]


@cache
def _powers_of_58(width: int) -> NDArray[np.int64]:
    """Write the powers of 58^5 below 58^width as rows of limbs."""
    count = -(-(58**width - 1).bit_length() // _LIMB)
    powers = [_GROUP ** (width // 5 - 1 - row) for row in range(width // 5)]
    shifts = [_LIMB * (count - 1 - limb) for limb in range(count)]
    return np.array([[power >> shift & 2**_LIMB - 1 for shift in shifts] for power in powers])


@cache
def _powers_of_65536(width: int) -> NDArray[np.int64]:
    """Write the powers of 2^16 that ``width`` bytes need as rows of limbs of five letters."""
    rows, count = width // 2, 1
    while _GROUP**count < 2 ** (8 * width):
        count += 1
    powers = [2 ** (16 * (rows - 1 - row)) for row in range(rows)]
    sizes = [_GROUP ** (count - 1 - limb) for limb in range(count)]
    return np.array([[power // size % _GROUP for size in sizes] for power in powers])


@cache
def _letters_of(count: int) -> NDArray[np.uint8]:
    """List the letters of every number of ``count`` digits."""
    numbers = np.arange(58**count)
    digits = [numbers // 58 ** (count - 1 - place) % 58 for place in range(count)]
    letters: NDArray[np.uint8] = _LETTERS[np.stack(digits, axis=1)]
    return letters
