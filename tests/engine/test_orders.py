"""What an extraction's program is told by its worker, on a whole engine."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.engine.yards import an_engine

from jobyard.core.extract import Extract
from jobyard.core.job import Program
from jobyard.engine.supply import Suppliers
from jobyard.errors import InvalidProvider
from jobyard.spec.extraction import COMMAND, job_of

if TYPE_CHECKING:
    from pathlib import Path

    from jobyard.core.records import Job

WANTED = Extract(
    "_", "eth", "1.0.0", "a" * 64, "evm-rpc", "evm", "mainnet", ("blocks",), 5, "latest"
)
ASK = """
import json, os, sys
from jobyard.channel.client import Channel
line = Channel.from_environment()
orders = line.orders()
stop = line.fix_stop(70 + orders["index"])
again = line.orders()["stop"]
# The worker's words must not have come by the environment.
leaked = any(orders["variables"]["NODE_KEY"] in value for value in os.environ.values())
line.result({"orders": orders, "stop": stop, "again": again, "leaked": leaked,
             "python": sys.executable})
"""


def test_a_program_is_told_what_to_extract_from_which_providers_with_which_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE_KEY", "hush")
    monkeypatch.setenv("OTHER", "unasked")
    folder = tmp_path / "providers"
    folder.mkdir()
    (folder / "filed.toml").write_text(
        'kind = "evm-rpc"\nnetwork = "mainnet"\nurl = "https://node/${NODE_KEY}/${NOT_SET}"\n'
    )
    (folder / "elsewhere.yaml").write_text("kind: evm-rpc\nnetwork: sepolia\nurl: http://x\n")
    spec = job_of(WANTED)
    asking = replace(spec, program=Program((*COMMAND[:1], "-c", ASK)))

    async def main() -> Job:
        async with an_engine(tmp_path / "state", providers_dir=folder) as engine:
            stored = {"kind": "evm-rpc", "network": "mainnet", "url": "http://stored"}
            await engine.store.put_provider("kept", stored)
            job = await engine.store.deploy(asking)
            return await engine.end(job.id)

    job = asyncio.run(main())

    told: dict[str, Any] = job.result
    orders = told["orders"]
    assert job.state.status == "COMPLETED"
    assert (told["stop"], told["again"], told["leaked"]) == (70, 70, False)
    assert told["python"] == sys.executable
    assert "hush" not in str(job.spec)
    assert [(one["name"], one["config"]["url"]) for one in orders["providers"]] == [
        ("filed", "https://node/${NODE_KEY}/${NOT_SET}"), ("kept", "http://stored"),
    ]  # fmt: skip
    assert orders["variables"] == {"NODE_KEY": "hush"}
    assert (orders["start_block"], orders["end_block"], orders["stop"]) == (5, "latest", None)
    assert (orders["tables"], orders["index"], orders["parallelism"]) == (["blocks"], 0, 1)


class Kept:
    """A store that keeps one provider."""

    async def providers(self) -> list[Any]:
        return []


def supplied(folder: Path | None, **changes: Any) -> Any:
    environment = {"A": "1", "JOBYARD_TOKEN": "secret", "B": "2"}
    suppliers = Suppliers(Kept(), folder, environment)  # type: ignore[arg-type]
    return asyncio.run(suppliers.supply(replace(WANTED, **changes)))


def test_a_provider_gets_the_variables_that_it_names_but_never_the_worker_s_own(
    tmp_path: Path,
) -> None:
    (tmp_path / "one.yaml").write_text(
        "kind: evm-rpc\nnetwork: mainnet\nurl: https://x/${A}/${JOBYARD_TOKEN}\n"
    )

    assert supplied(tmp_path).variables == {"A": "1"}


@pytest.mark.parametrize("changes", [{"network": "sepolia"}, {"providers": ("other",)}])
def test_an_extraction_that_nobody_can_supply_says_what_is_missing(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    (tmp_path / "one.yaml").write_text("kind: evm-rpc\nnetwork: mainnet\nurl: https://x\n")

    with pytest.raises(InvalidProvider, match="no provider of kind evm-rpc"):
        supplied(tmp_path, **changes)
    assert [name for name, _ in supplied(tmp_path).providers] == ["one"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "kind: [\n"),
        ("a.toml", "kind = \n"),
        ("a.json", "[1]"),
        ("-a.yaml", "kind: evm-rpc"),
    ],
)
def test_a_file_that_is_no_provider_is_named(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)

    with pytest.raises(InvalidProvider, match=name):
        supplied(tmp_path)
