from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard.core.extract import Extract
from jobyard.core.layout import DEFAULT_LAYOUT, FileLayout
from jobyard.errors import InvalidBody
from jobyard.spec.encode import decode, encode
from jobyard.spec.extraction import job_of
from jobyard.spec.layout import GIBIBYTE, read_layout, shown_size

WANTED = Extract("_", "eth", "dev", "a" * 64, "evm-rpc", "evm", "mainnet", ("blocks",))


def test_a_layout_is_written_in_sizes_and_words() -> None:
    layout = read_layout(
        {
            "file_bytes": "64Mi", "row_group_bytes": 1 << 20, "compression": "ZSTD:3",
            "flush_after": "1m30s", "compact": False, "compact_after": 5,
        }
    )  # fmt: skip

    assert (layout.file_bytes, layout.row_group_bytes) == (64 << 20, 1 << 20)
    assert (layout.codec, layout.flush_after) == (("zstd", 3), 90.0)
    assert (layout.compact, layout.compact_after) == (False, 5.0)
    assert layout.file_blocks == DEFAULT_LAYOUT.file_blocks


@pytest.mark.parametrize(
    ("written", "codec"),
    [("zstd", ("zstd", 1)), ("snappy", ("snappy", None)), ("none", ("none", None))],
)
def test_a_compression_is_a_codec_and_its_level(written: str, codec: tuple[str, int]) -> None:
    assert read_layout({"compression": written}).codec == codec


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"file_bytes": "1Ki"}, "file_bytes"),
        ({"file_bytes": "65Gi"}, "file_bytes"),
        ({"file_bytes": "1e40"}, "file_bytes"),
        ({"file_bytes": "big"}, "file_bytes"),
        ({"file_bytes": True}, "file_bytes"),
        ({"file_bytes": 1.5e6}, "file_bytes"),
        ({"row_group_bytes": "2Gi"}, "row_group_bytes"),
        ({"file_blocks": 0}, "file_blocks"),
        ({"compression": "gzip"}, "compression"),
        ({"compression": "zstd:23"}, "compression"),
        ({"compression": "zstd:0"}, "compression"),
        ({"compression": 3}, "compression"),
        ({"flush_after": 0}, "flush_after"),
        ({"flush_after": "soon"}, "flush_after"),
        ({"compact": "yes"}, "compact"),
        ({"compact_files": 1}, "compact_files"),
        ({"compact_after": "31d"}, "compact_after"),
        ({"compact_distance": -1}, "compact_distance"),
        ({"bloom": 1}, "bloom"),
    ],
)
def test_a_layout_that_is_wrong_says_where(options: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidBody) as wrong:
        read_layout(options)
    assert [problem.path for problem in wrong.value.problems] == [path]


@pytest.mark.parametrize(("size", "text"), [(GIBIBYTE, "1Gi"), (64 << 10, "64Ki"), (100, "100")])
def test_a_size_is_shown_as_people_write_it(size: int, text: str) -> None:
    assert shown_size(size) == text


@given(
    st.builds(
        FileLayout,
        file_bytes=st.integers(1, 2**40),
        compression=st.sampled_from(["zstd:9", "none"]),
        flush_after=st.none() | st.floats(0.1, 10),
        compact=st.booleans(),
    )
)
def test_a_layout_is_kept_with_its_job(layout: FileLayout) -> None:
    spec = job_of(replace(WANTED, layout=layout))

    assert decode(encode(spec)) == spec


def test_a_job_from_before_there_were_layouts_has_the_usual_one() -> None:
    written = encode(job_of(WANTED))
    del written["extract"]["layout"]

    assert decode(written) == job_of(WANTED)
