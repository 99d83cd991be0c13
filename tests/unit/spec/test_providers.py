"""Providers as they are written and as they are shown: no secret comes back."""

from __future__ import annotations

from typing import Any

import pytest

from jobyard.spec.providers import is_masked, read_provider, shown, variables_in


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://localhost:8545", "http://localhost:8545"),
        ("https://node/", "https://node/"),
        ("https://node/v2/k3y", "https://node/***"),
        ("https://node/?key=k3y", "https://node/***"),
        ("https://node/v2/${KEY}", "https://node/v2/${KEY}"),
        ("https://node?key=${KEY}", "https://node?key=${KEY}"),
        ("https://user:pw@node", "https://***@node"),
        ("https://t0ken@node", "https://***@node"),
        ("https://user:${PW}@node", "https://user:${PW}@node"),
        ("${URL}", "${URL}"),
        ("/run/geth.ipc", "/run/geth.ipc"),
        ("http://[bad", "***"),
    ],
)
def test_of_an_address_the_parts_that_may_be_keys_are_not_shown(url: str, told: str) -> None:
    assert shown({"url": url}) == {"url": told}


def test_of_other_texts_only_those_of_known_plain_keys_and_variables_are_shown() -> None:
    config = {
        "kind": "solana", "network": "mainnet", "commitment": "confirmed", "chain_id": 1,
        "auth_token": "hush", "auth_header": "X-Key", "password": "hush", "pins": [1, "hush"],
        "port": 7, "flag": None,
        "rpc_provider_info": {"url": "https://n/hush", "auth_token": "${TOKEN}"},
    }  # fmt: skip

    told = shown(config)

    assert "hush" not in str(told)
    assert told["rpc_provider_info"] == {"url": "https://n/***", "auth_token": "${TOKEN}"}
    plain = ("kind", "network", "commitment", "chain_id", "auth_header")
    assert {key: told[key] for key in plain} == {key: config[key] for key in plain}
    assert is_masked(told)


def test_a_secret_beside_a_variable_is_still_a_secret() -> None:
    assert shown({"auth_token": "hush${VAR}"}) == {"auth_token": "***"}


def test_variables_are_found_wherever_texts_are() -> None:
    config = {"url": "${A}/${B}", "inner": {"list": ["${C}", 1]}, "n": 5, "cost": "$D"}

    assert set(variables_in(config)) == {"A", "B", "C"}


@pytest.mark.parametrize(
    ("content", "toml"),
    [
        (b'kind = "solana"\nname = "ignored"\n[rpc_provider_info]\nurl = "u"\n', True),
        (b"kind: solana\nname: ignored\nrpc_provider_info: {url: u}\n", False),
        (b'{"kind": "solana", "name": "ignored", "rpc_provider_info": {"url": "u"}}', False),
    ],
)
def test_a_file_is_toml_yaml_or_json_and_its_name_is_not_in_it(content: bytes, toml: Any) -> None:
    record = read_provider(content, "mine", toml=toml, source="x")

    assert record.name == "mine"
    assert record.config == {"kind": "solana", "rpc_provider_info": {"url": "u"}}
