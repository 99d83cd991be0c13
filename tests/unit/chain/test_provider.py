"""Provider files: read whole, wrong ones named exactly, secrets never shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from jobyard.chain import provider
from jobyard.chain.provider import EvmProvider, RecordedProvider, SolanaProvider, load, shown
from jobyard.chain.providers import open_source
from jobyard.errors import InvalidProvider

if TYPE_CHECKING:
    from pathlib import Path

EVM = """
kind: evm-rpc
network: mainnet
url: https://node.example/v2/${KEY}
auth_token: ${TOKEN}
auth_header: X-Token
concurrent_request_limit: 8
rpc_batch_size: 20
rate_limit_per_minute: 600
fetch_receipts_per_tx: true
timeout_secs: 5
"""
SOLANA = """
kind = "solana"
network = "mainnet"
max_rpc_calls_per_second = 25
commitment = "confirmed"
[rpc_provider_info]
url = "https://one.example"
auth_token = "${TOKEN}"
[fallback_rpc_provider_info]
url = "https://two.example/$$x"
"""
VARIABLES = {"KEY": "k3y", "TOKEN": "s3cret"}


def written(folder: Path, text: str, name: str = "alchemy.yaml") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def test_an_evm_provider_is_read_with_its_variables(tmp_path: Path) -> None:
    read = load(written(tmp_path, EVM), VARIABLES)

    assert isinstance(read, EvmProvider)
    assert (read.name, read.network) == ("alchemy", "mainnet")
    assert read.address.url.reveal() == "https://node.example/v2/k3y"
    assert read.address.headers == {"X-Token": "s3cret"}
    assert (read.concurrent_request_limit, read.rpc_batch_size) == (8, 20)
    assert (read.rate_limit_per_minute, read.timeout_secs) == (600, 5.0)
    assert read.fetch_receipts_per_tx


def test_a_solana_provider_is_read_from_toml(tmp_path: Path) -> None:
    read = load(written(tmp_path, SOLANA, "helius.toml"), VARIABLES)

    assert isinstance(read, SolanaProvider)
    assert read.fallback is not None
    assert read.address.headers == {"Authorization": "Bearer s3cret"}
    assert read.fallback.url.reveal() == "https://two.example/$x"
    assert (read.max_rpc_calls_per_second, read.commitment) == (25, "confirmed")


@pytest.mark.parametrize(("text", "name"), [(EVM, "a.yaml"), (SOLANA, "a.toml")])
def test_secrets_are_shown_nowhere(tmp_path: Path, text: str, name: str) -> None:
    read = load(written(tmp_path, text, name), VARIABLES)
    seen = json.dumps(shown(read)) + repr(read) + str(read)

    assert "s3cret" not in seen
    assert "k3y" not in seen
    assert "example" in json.dumps(shown(read))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (EVM, "a.yaml: url: the variable KEY is not set"),
        ("kind: evm-rpc\nnetwork: x\n", "a.yaml: url: is missing"),
        ("kind: evm-rpc\nnetwork: x\nurl: ''\n", "url: is empty"),
        ("kind: evm\nnetwork: x\nurl: y\n", "kind: `evm` is no kind"),
        ("kind: evm-rpc\nnetwork: x\nurl: y\nrpc_batch_size: -1\n", "rpc_batch_size: `-1`"),
        ("kind: evm-rpc\nnetwork: x\nurl: y\ntimeout_secs: soon\n", "timeout_secs: `soon`"),
        ("kind: evm-rpc\nnetwork: x\nurl: y\nfetch_receipts_per_tx: maybe\n", "neither true"),
        ("kind: evm-rpc\nnetwork: x\nurl: y\nlimit: 3\n", "limit: is not a key"),
        ("kind: solana\nnetwork: x\nurl: y\ncommitment: sure\n", "commitment: `sure`"),
        ("kind: solana\nnetwork: x\nurl: y\nuse_archive: always\n", "archives cannot be read"),
        ("kind: solana\nnetwork: x\nrpc_provider_info: {}\n", "rpc_provider_info.url: is missing"),
        ("- kind", "not a mapping"),
        ("kind: [", "a.yaml"),
    ],
    ids=range(13),
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidProvider) as caught:
        load(written(tmp_path, text, "a.yaml"), {})

    assert said in caught.value.detail


def test_a_folder_gives_its_providers_and_nothing_else(tmp_path: Path) -> None:
    written(tmp_path, EVM, "b.yaml")
    written(tmp_path, "kind: recorded\nnetwork: mainnet\npath: blocks\n", "a.json.yaml")
    written(tmp_path, "not a provider", "README.md")

    read = provider.load_folder(tmp_path, VARIABLES)

    assert [type(each) for each in read] == [RecordedProvider, EvmProvider]


def test_providers_of_two_networks_make_no_source(tmp_path: Path) -> None:
    one = load(written(tmp_path, EVM), VARIABLES)
    other = load(written(tmp_path, EVM.replace("mainnet", "sepolia"), "b.yaml"), VARIABLES)

    with pytest.raises(InvalidProvider, match="alchemy, b"):
        open_source([one, other])
