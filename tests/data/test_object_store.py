"""Tables in an object store, as in a folder: moto's S3, spoken to over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest
from tests.data.chains import given
from tests.data.s3 import make_bucket, object_store

from jobyard.chain.evm_tables import EVM_TABLES
from jobyard.chain.solana_tables import TABLES
from jobyard.data.extract import EvmExtraction, SolanaExtraction, extract
from jobyard.data.folder import DataFolder
from jobyard.data.parquet import Layout
from jobyard.data.verify import verify_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGE = 12 << 20
"""Bytes that pyarrow uploads in several parts."""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with object_store() as address:
        yield address


@pytest.fixture
def place(endpoint: str, request: pytest.FixtureRequest) -> str:
    """A bucket of the test's own, as a person names it."""
    bucket = f"bucket-{abs(hash(request.node.name))}"
    make_bucket(endpoint, bucket)
    return f"s3://a:b@{bucket}/data?endpoint_override={endpoint}&scheme=http&region=us-east-1"


def test_tables_in_a_store_are_those_of_a_folder_and_prove_themselves(
    place: str, tmp_path: Path
) -> None:
    there, here = DataFolder.at(place), DataFolder.at(tmp_path)
    for folder in (there, here):
        layout = Layout(file_blocks=5)
        evm = EvmExtraction(
            EVM_TABLES.values(), folder.below("evm"), "anvil", full=True, layout=layout
        )
        for block in given("anvil-prague"):
            evm.take(block)
            evm.publish()
        evm.finish()
        solana = SolanaExtraction(TABLES.values(), folder.below("solana"), "local", full=True)
        list(extract(given("surfpool-json"), solana))
    found, expected = verify_folder(there), verify_folder(here)

    assert found.sound
    assert (found.covered, found.rows) == (expected.covered, expected.rows)
    assert found.report.as_json() == expected.report.as_json()
    for name in ("evm/logs", "solana/instructions"):
        tables = [
            pq.read_table(f"{folder.path}/{name}", filesystem=folder.filesystem)
            for folder in (there, here)
        ]
        assert tables[0].sort_by("_block_num").equals(tables[1].sort_by("_block_num"))


def test_an_object_is_there_whole_or_not_at_all(place: str) -> None:
    folder = DataFolder.at(place)
    given_up, kept = folder.create("given-up.parquet"), folder.create("kept.parquet")
    given_up.stream.write(b"x" * LARGE)
    kept.stream.write(b"y" * LARGE)

    assert folder.files() == []
    given_up.discard()
    assert kept.publish() == LARGE
    assert [(file.name, file.size) for file in folder.files()] == [("kept.parquet", LARGE)]
    with folder.open("kept.parquet") as stored:
        assert stored.read() == b"y" * LARGE


def test_an_extraction_that_is_given_up_leaves_no_object(place: str) -> None:
    folder = DataFolder.at(place)
    extraction = EvmExtraction(EVM_TABLES.values(), folder, "anvil")
    for block in given("anvil-prague"):
        extraction.take(block)
    extraction.discard()

    assert [file for below in folder.folders() for file in below.files()] == []
    assert folder.sweep() == []


def test_an_upload_that_fails_is_told_and_leaves_no_object(place: str) -> None:
    folder = DataFolder.at(place.replace("/data?", "-that-is-not-there/data?"))
    file = folder.create("a.parquet")
    file.stream.write(b"x" * LARGE)

    with pytest.raises(OSError, match="bucket"):
        file.publish()


def test_removing_what_is_gone_is_no_error_and_orphans_are_found_by_listing(place: str) -> None:
    folder = DataFolder.at(place).below("blocks")
    for name in ("a.parquet", "b.parquet"):
        folder.create(name).publish()
    folder.remove("a.parquet")
    folder.remove("a.parquet")

    assert [file.name for file in folder.files()] == ["b.parquet"]


def test_a_damaged_object_is_named(place: str) -> None:
    folder = DataFolder.at(place)
    list(extract(given("anvil-prague"), EvmExtraction(EVM_TABLES.values(), folder, "anvil")))
    blocks = folder.below("blocks")
    (file,) = blocks.files()
    with blocks.open(file.name) as stored:
        whole = bytearray(stored.read())
    whole[600] ^= 1
    with blocks.filesystem.open_output_stream(f"{blocks.path}/{file.name}") as stream:
        stream.write(bytes(whole))

    assert list(verify_folder(folder).damaged) == [file.name]
