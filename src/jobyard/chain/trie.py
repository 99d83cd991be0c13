"""The root of a list in a Merkle Patricia trie: what a header says of transactions and receipts.

The keys are the places in the list, so the form of the trie follows from the length alone; only
leaves and hashes are new (Yellow Paper, appendix D).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from jobyard.chain import rlp
from jobyard.chain.keccak import keccak

if TYPE_CHECKING:
    from collections.abc import Sequence

EMPTY_ROOT = keccak(rlp.EMPTY)
"""The root of an empty list."""
HASHED_FROM = 32
"""A node that is written shorter than a hash stands in its parent itself."""

# A form is a leaf (written path, place in the list), an extension (written path, form below) or a
# branch (forms by nibble; None where there is nothing). No key is the beginning of another, so no
# branch has a value.
_Leaf = tuple[bytes, int]
_Extension = tuple[bytes, "_Form"]
_Branch = list["_Form | None"]
_Form = _Leaf | _Extension | _Branch


def root(values: Sequence[bytes]) -> bytes:
    """Compute the root of a list of written values, each under the key of its place."""
    if not values:
        return EMPTY_ROOT
    return keccak(_write(_form(len(values)), values))


def _write(form: _Form, values: Sequence[bytes]) -> bytes:
    if isinstance(form, list):
        items = [rlp.EMPTY if below is None else _refer(below, values) for below in form]
        return rlp.of_list([*items, rlp.EMPTY])
    path, below = form
    if isinstance(below, int):
        return rlp.of_list((path, rlp.of_bytes(values[below])))
    return rlp.of_list((path, _refer(below, values)))


def _refer(form: _Form, values: Sequence[bytes]) -> bytes:
    written = _write(form, values)
    return written if len(written) < HASHED_FROM else b"\xa0" + keccak(written)


@lru_cache(maxsize=256)
def _form(count: int) -> _Form:
    keys = sorted((_nibbles(rlp.of_int(place)), place) for place in range(count))
    return _shape(keys, 0)


def _nibbles(key: bytes) -> bytes:
    return bytes(nibble for byte in key for nibble in (byte >> 4, byte & 15))


def _shape(keys: list[tuple[bytes, int]], depth: int) -> _Form:
    first, place = keys[0]
    if len(keys) == 1:
        return _path(first[depth:], leaf=True), place
    last = keys[-1][0]
    shared = depth
    while first[shared] == last[shared]:
        shared += 1
    if shared > depth:
        return _path(first[depth:shared], leaf=False), _shape(keys, shared)
    groups: list[list[tuple[bytes, int]]] = [[] for _ in range(16)]
    for key in keys:
        groups[key[0][depth]].append(key)
    return [_shape(group, depth + 1) if group else None for group in groups]


def _path(nibbles: bytes, *, leaf: bool) -> bytes:
    """Write a path with its mark: what kind of node it leads to, and is its length odd."""
    mark = 2 if leaf else 0
    odd = len(nibbles) & 1
    marked = bytes((mark + odd, *(() if odd else (0,)), *nibbles))
    pairs = zip(marked[::2], marked[1::2], strict=True)
    return rlp.of_bytes(bytes(high << 4 | low for high, low in pairs))
