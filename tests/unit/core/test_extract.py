"""Where an extraction ends: what people write, and the block behind the last one."""

from __future__ import annotations

import pytest

from jobyard.core.extract import MOST_BLOCK, Extract, end_of, is_relative, stop_of
from jobyard.wire.extract import orders


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("0", "0"), ("0017", "17"), ("latest", "latest"), ("LATEST", "latest"), ("-5", "-5"),
        ("-0", "latest"), ("none", None), (str(MOST_BLOCK), str(MOST_BLOCK)),
    ],
)  # fmt: skip
def test_an_end_is_read_into_one_form(text: str, end: str | None) -> None:
    assert end_of(text) == end


@pytest.mark.parametrize(
    "text", ["", "-", "1.5", "+1", "head", "1 2", "٣", str(MOST_BLOCK + 1), f"-{MOST_BLOCK + 1}"]
)
def test_what_is_no_end_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="latest"):
        end_of(text)


@pytest.mark.parametrize(
    ("end", "head", "stop"),
    [
        (None, 100, None),
        ("17", None, 18),
        ("17", 5, 18),
        ("latest", 100, 101),
        ("-3", 100, 98),
        # A head below the start, or none at all, leaves nothing to do.
        ("-3", 11, 10),
        ("latest", None, 10),
    ],
)
def test_the_stop_is_behind_the_last_block(
    end: str | None, head: int | None, stop: int | None
) -> None:
    assert stop_of(end, 10, head) == stop


def test_only_an_end_that_depends_on_the_head_is_relative() -> None:
    relative = {end: is_relative(end) for end in (None, "0", "latest", "-7")}

    assert relative == {None: False, "0": False, "latest": True, "-7": True}


def test_orders_know_the_stop_of_an_absolute_end_and_only_that() -> None:
    def stop(end: str | None, said: int | None) -> int | None:
        wanted = Extract("_", "eth", "dev", "ab", "evm-rpc", "evm", "mainnet", ("blocks",), 5, end)
        return orders(1, 2, 0, wanted, stop=said, providers=(), variables={})["stop"]

    assert stop("9", 3) == 10
    assert stop("latest", None) is None
    assert stop("latest", 70) == 70
    assert stop(None, 70) is None
