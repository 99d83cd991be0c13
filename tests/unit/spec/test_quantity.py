from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from jobyard.duration import seconds
from jobyard.spec.quantity import quantity


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("500m", "0.5"),
        ("1", "1"),
        ("0.25", "0.25"),
        (".5", "0.5"),
        ("1Gi", 2**30),
        ("1.5Ki", 1536),
        ("2M", 2_000_000),
        ("1e3", 1000),
        ("1E3", 1000),
        ("1E", 10**18),
        ("100n", "1e-7"),
        ("-1", -1),
    ],
)
def test_quantities_read_as_in_kubernetes(text: str, amount: Any) -> None:
    assert quantity(text) == Decimal(amount)


@pytest.mark.parametrize(
    "text",
    ["", "Gi", "1gi", "1 Gi", "1GB", "0x1", "1e", "1e1000000000", "\u0661", "1.2.3", "+", "."],
)
def test_other_texts_are_no_quantity(text: str) -> None:
    assert quantity(text) is None


@pytest.mark.parametrize(
    ("text", "length"),
    [("500ms", 0.5), ("10s", 10), ("6m", 360), ("1h30m", 5400), ("1.5h", 5400), ("7d", 604800)],
)
def test_durations_are_seconds(text: str, length: float) -> None:
    assert seconds(text) == length


@pytest.mark.parametrize(
    "text", ["", "5", "-1s", "1 s", "s", "1y", "1s1", "\u0661s", "1" * 100 + "s"]
)
def test_other_texts_are_no_duration(text: str) -> None:
    assert seconds(text) is None
