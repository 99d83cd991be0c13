"""RLP, tries and Keccak against values that others have published."""

from __future__ import annotations

import pytest
from Crypto.Hash import keccak as slow_keccak
from hypothesis import given
from hypothesis import strategies as st

from jobyard.chain import rlp, trie
from jobyard.chain.keccak import keccak


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (b"", "80"),
        (b"\x00", "00"),
        (b"\x7f", "7f"),
        (b"\x80", "8180"),
        (b"dog", "83646f67"),
        (b"a" * 55, "b7" + "61" * 55),
        (b"a" * 56, "b838" + "61" * 56),
        (b"a" * 255, "b8ff" + "61" * 255),
        (b"a" * 256, "b90100" + "61" * 256),
        (b"a" * 65536, "ba010000" + "61" * 65536),
    ],
)
def test_bytes_are_written_as_the_yellow_paper_has_them(value: bytes, written: str) -> None:
    assert rlp.of_bytes(value).hex() == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "80"),
        (15, "0f"),
        (127, "7f"),
        (128, "8180"),
        (1024, "820400"),
        (2**64, f"8901{'00' * 8}"),
    ],
)
def test_numbers_are_written_without_leading_zeros(value: int, written: str) -> None:
    assert rlp.of_int(value).hex() == written


def test_lists_are_written_by_their_length() -> None:
    cat, dog = rlp.of_bytes(b"cat"), rlp.of_bytes(b"dog")

    assert rlp.of_list([cat, dog]).hex() == "c88363617483646f67"
    assert rlp.of_list([]) == b"\xc0"
    assert rlp.of_list([dog] * 14)[:2].hex() == "f838"
    assert rlp.of_list([dog] * 80)[:3].hex() == "f90140"


@given(st.binary(max_size=600))
def test_both_libraries_are_the_same_hash(data: bytes) -> None:
    assert keccak(data) == slow_keccak.new(digest_bits=256, data=data).digest()


def test_an_empty_list_has_the_root_that_every_empty_block_names() -> None:
    assert trie.root([]).hex() == (
        "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
    )


def insert(node: object, path: tuple[int, ...], value: bytes) -> object:
    """Insert into a trie of dicts by nibble: the plainest form there is."""
    if not path:
        return value
    branch = dict(node) if isinstance(node, dict) else {}
    branch[path[0]] = insert(branch.get(path[0]), path[1:], value)
    return branch


def plain(node: object, path: list[int]) -> list[object] | bytes:
    """Compress a trie of dicts to leaves, extensions and branches, as nested lists."""
    while isinstance(node, dict) and len(node) == 1:
        ((nibble, node),) = node.items()
        path.append(nibble)
    if not isinstance(node, dict):
        assert isinstance(node, bytes)
        return [prefixed(path, leaf=True), node]
    branch = [refer(plain(node[n], [])) if n in node else b"" for n in range(16)]
    if path:
        return [prefixed(path, leaf=False), refer([*branch, b""])]
    return [*branch, b""]


def prefixed(path: list[int], *, leaf: bool) -> bytes:
    digits = [2 * leaf + 1, *path] if len(path) % 2 else [2 * leaf, 0, *path]
    return bytes.fromhex("".join(f"{digit:x}" for digit in digits))


def encoded(item: object) -> bytes:
    if isinstance(item, list):
        return rlp.of_list(map(encoded, item))
    assert isinstance(item, bytes)
    return rlp.of_bytes(item)


def refer(node: object) -> object:
    text = encoded(node)
    return node if len(text) < 32 else keccak(text)


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=300))
def test_the_root_of_a_list_is_that_of_a_trie_built_key_by_key(values: list[bytes]) -> None:
    tree: object = {}
    for place, value in enumerate(values):
        key = rlp.of_int(place)
        tree = insert(tree, tuple(n for byte in key for n in (byte >> 4, byte & 15)), value)

    assert trie.root(values) == keccak(encoded(plain(tree, [])))
