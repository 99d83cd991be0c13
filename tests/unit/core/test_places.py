"""Places below places: paths, and addresses with options behind them."""

from __future__ import annotations

import pytest

from jobyard.core.places import below, is_address


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("/data", "/data/blocks/r1"),
        ("/data/", "/data/blocks/r1"),
        ("/", "/blocks/r1"),
        ("data", "data/blocks/r1"),
        ("a?b", "a?b/blocks/r1"),
        ("s3://bucket/path", "s3://bucket/path/blocks/r1"),
        ("s3://bucket/", "s3://bucket/blocks/r1"),
        (
            "s3://bucket/path/?region=x&scheme=http",
            "s3://bucket/path/blocks/r1?region=x&scheme=http",
        ),
    ],
)
def test_options_of_an_address_stay_at_its_end(place: str, found: str) -> None:
    assert below(place, "blocks", "r1") == found
    assert is_address(place) == place.startswith("s3")
