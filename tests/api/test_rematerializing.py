"""Blocks are extracted anew over HTTP: codes, answers, and what becomes of files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.api.hands import on_the_store
from tests.api.test_datasets import AT, HASH, code, register

from jobyard.client import Client
from jobyard.core.extract import Extract
from jobyard.core.segments import Segment

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from tests.api.conftest import Serving

    from jobyard.store.base import Store

EXTRACT = Extract("_", "eth", "1.0.0", HASH, "evm-rpc", "evm", "mainnet", ("blocks",), 10)
FILE = "000000010-a.parquet"


def again(http: httpx.Client, revision: str = "1.0.0", **options: Any) -> httpx.Response:
    return http.post(f"{AT}/{revision}/rematerialize", json=options)


def publish(still: Serving, folder: Path) -> None:
    """Have a table with one file of the blocks 10 to 19."""
    segment = Segment(FILE, "mainnet", 10, 20, "19", "9", 1, 4)
    folder.mkdir()
    (folder / FILE).write_bytes(b"PAR1")

    async def work(store: Store) -> Any:
        return await store.restore(EXTRACT, "blocks", str(folder), [(segment, 3)], 0)

    on_the_store(still, work)


def test_a_file_leaves_its_table_and_readers_do_not_meet_it(
    still: Serving, http: httpx.Client, tmp_path: Path
) -> None:
    register(http, version="1.0.0")
    publish(still, tmp_path / "blocks")

    made = again(http, start_block=12, end_block=12)

    told = made.json()
    assert (made.status_code, told["new_job_created"]) == (202, True)
    assert (told["files"], told["start_block"], told["end_block"]) == (1, 10, 19)
    job = http.get(f"/jobs/{told['job_id']}").json()
    assert (job["status"], job["end_block"], job["descriptor"]["verify"]) == (
        "SCHEDULED",
        "19",
        True,
    )
    assert [file.name for file in (tmp_path / "blocks").iterdir()] == [f".{FILE}.retired"]


def test_the_client_asks_the_same(still: Serving, http: httpx.Client, tmp_path: Path) -> None:
    register(http, version="1.0.0")
    publish(still, tmp_path / "blocks")

    with Client(still.url) as client:
        told = client.rematerialize("eth", start_block=15, end_block=30, parallelism=2)

    assert (told["start_block"], told["end_block"]) == (10, 19)
    assert http.get(f"/jobs/{told['job_id']}").json()["parallelism"] == 2


@pytest.mark.parametrize(
    ("options", "paths"),
    [
        ({}, ["start_block", "end_block"]),
        ({"start_block": 12}, ["end_block"]),
        ({"start_block": 13, "end_block": 12}, ["end_block"]),
        ({"start_block": 9, "end_block": 12}, ["start_block"]),
        ({"start_block": -1, "end_block": 12}, ["start_block"]),
        ({"start_block": "12", "end_block": 12}, ["start_block"]),
        ({"start_block": 12, "end_block": "latest"}, ["end_block"]),
        ({"start_block": 12, "end_block": 12, "verify": "partly"}, ["verify"]),
        ({"start_block": 12, "end_block": 12, "tables": []}, ["tables"]),
    ],
)
def test_a_range_that_is_wrong_is_refused(
    http: httpx.Client, options: Any, paths: list[str]
) -> None:
    register(http, version="1.0.0")

    answer = again(http, **options)

    assert code(answer) == (400, "INVALID_BODY")
    assert [problem["path"] for problem in answer.json()["errors"]] == paths


def test_what_is_not_there_is_not_extracted_anew(http: httpx.Client) -> None:
    blocks: dict[str, Any] = {"start_block": 12, "end_block": 12}
    assert code(again(http, **blocks)) == (404, "DATASET_NOT_FOUND")

    register(http, version="1.0.0")
    assert code(again(http, "2.0.0", **blocks)) == (404, "DATASET_NOT_FOUND")
    assert code(again(http, **blocks)) == (404, "NOTHING_TO_REMATERIALIZE")
    assert http.get("/jobs").json() == {"jobs": []}
