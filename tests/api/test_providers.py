"""Providers over HTTP: kept, shown without secrets, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.api.conftest import serving

from jobyard.errors import DataConversion, ProviderNotFound

if TYPE_CHECKING:
    from pathlib import Path

    from jobyard.client import Client

EVM = {"name": "main", "kind": "evm-rpc", "network": "mainnet", "url": "https://node/s3cret"}


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error_code"]


def test_a_provider_comes_back_without_its_secrets(http: httpx.Client) -> None:
    token = {"auth_token": "s3cret", "auth_header": "X-Key", "rate_limit_per_minute": 60}
    made = http.post("/providers", json={**EVM, **token})

    told = {
        "name": "main", "source": "store", "kind": "evm-rpc", "network": "mainnet",
        "url": "https://node/***", "auth_token": "***", "auth_header": "X-Key",
        "rate_limit_per_minute": 60,
    }  # fmt: skip
    assert (made.status_code, made.json()) == (201, told)
    assert http.get("/providers/main").json() == told
    assert http.get("/providers").json() == {"providers": [told]}


def test_a_variable_is_shown_as_it_was_written(http: httpx.Client) -> None:
    http.post("/providers", json={**EVM, "url": "https://node/${KEY}", "auth_token": "${TOKEN}"})

    found = http.get("/providers/main").json()

    assert (found["url"], found["auth_token"]) == ("https://node/${KEY}", "${TOKEN}")


def test_a_provider_takes_the_place_of_an_older_one(http: httpx.Client) -> None:
    http.post("/providers", json=EVM)
    http.post("/providers", json={**EVM, "network": "sepolia"})

    assert [one["network"] for one in http.get("/providers").json()["providers"]] == ["sepolia"]
    for _ in range(2):
        assert http.delete("/providers/main").status_code == 204
    assert code(http.get("/providers/main")) == (404, "PROVIDER_NOT_FOUND")


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ([], "INVALID_REQUEST_BODY"),
        ({**EVM, "name": None}, "INVALID_REQUEST_BODY"),
        ({**EVM, "kind": "firehose"}, "INVALID_REQUEST_BODY"),
        ({"name": "a", "network": "b"}, "INVALID_REQUEST_BODY"),
        ({**EVM, "name": "a/b"}, "INVALID_PROVIDER_NAME"),
        ({**EVM, "url": 7}, "DATA_CONVERSION_ERROR"),
        ({**EVM, "colour": "red"}, "DATA_CONVERSION_ERROR"),
        ({"name": "a", "kind": "evm-rpc", "network": "b"}, "DATA_CONVERSION_ERROR"),
        # What was shown is not what was written.
        ({**EVM, "auth_token": "***"}, "DATA_CONVERSION_ERROR"),
        ({**EVM, "url": "https://node/***"}, "DATA_CONVERSION_ERROR"),
    ],
)
def test_what_is_no_provider_is_refused(http: httpx.Client, body: Any, wanted: str) -> None:
    assert code(http.post("/providers", json=body)) == (400, wanted)
    assert http.get("/providers").json() == {"providers": []}


def test_a_name_that_is_none_is_refused(http: httpx.Client) -> None:
    assert code(http.get("/providers/-a")) == (400, "INVALID_PROVIDER_NAME")
    assert code(http.delete("/providers/-a")) == (400, "INVALID_PROVIDER_NAME")


def test_files_of_the_folder_are_listed_too_and_only_the_folder_forgets_them(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "providers"
    folder.mkdir()
    (folder / "filed.yaml").write_text("kind: recorded\nnetwork: mainnet\npath: /data/blocks\n")
    with (
        serving(tmp_path / "state", engine=False, providers_dir=folder) as running,
        httpx.Client(base_url=running.url, trust_env=False) as http,
    ):
        http.post("/providers", json=EVM)

        listed = http.get("/providers").json()["providers"]
        assert [(one["name"], one["source"]) for one in listed] == [
            ("filed", "file"),
            ("main", "store"),
        ]
        assert http.get("/providers/filed").json()["path"] == "/data/blocks"
        assert code(http.delete("/providers/filed")) == (409, "CONFLICT")
        # One that is registered stands before a file of its name.
        http.post("/providers", json={**EVM, "name": "filed"})
        assert http.get("/providers/filed").json()["source"] == "store"


def test_the_client_keeps_and_reads_providers(http: httpx.Client, mine: Client) -> None:
    made = mine.register_provider("main", EVM)

    assert mine.provider("main") == made == mine.providers()["providers"][0]
    with pytest.raises(DataConversion):
        mine.register_provider("main", {**EVM, "url": 1})
    mine.delete_provider("main")
    with pytest.raises(ProviderNotFound):
        mine.provider("main")
    assert http.get("/providers").json() == {"providers": []}
