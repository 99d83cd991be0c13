"""Recursive Length Prefix, how Ethereum writes what it hashes (Yellow Paper, appendix B)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SHORT = 55
"""Payloads up to here have their length in the first byte."""
BYTES, LIST = 0x80, 0xC0
EMPTY = b"\x80"
"""Nothing, and the number 0."""
_SHORT_BYTES = [bytes([BYTES + length]) for length in range(SHORT + 1)]
_SHORT_LISTS = [bytes([LIST + length]) for length in range(SHORT + 1)]
_ONE_BYTE, _TWO_BYTES = 1 << 8, 1 << 16
_SINGLE = BYTES
"""A byte below this is its own encoding."""


def of_bytes(value: bytes) -> bytes:
    """Write a byte string."""
    length = len(value)
    if length == 1 and value[0] < _SINGLE:
        return value
    if length <= SHORT:
        return _SHORT_BYTES[length] + value
    return _long(length, BYTES) + value


def of_int(value: int) -> bytes:
    """Write a whole number ≥ 0: without leading zeros."""
    if value < _SINGLE:
        return bytes((value,)) if value else EMPTY
    length = (value.bit_length() + 7) >> 3
    return of_bytes(value.to_bytes(length, "big"))


def of_list(items: Iterable[bytes]) -> bytes:
    """Write a list of things that are written already."""
    payload = b"".join(items)
    length = len(payload)
    if length <= SHORT:
        return _SHORT_LISTS[length] + payload
    return _long(length, LIST) + payload


def _long(length: int, kind: int) -> bytes:
    if length < _ONE_BYTE:
        return bytes((kind + SHORT + 1, length))
    if length < _TWO_BYTES:
        return bytes((kind + SHORT + 2, length >> 8, length & 255))
    size = (length.bit_length() + 7) >> 3
    return bytes((kind + SHORT + size,)) + length.to_bytes(size, "big")
