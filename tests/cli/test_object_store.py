"""Commands whose files lie in an object store: extract, verify, query, register."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pyarrow import fs
from tests.data.s3 import make_bucket, object_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import CommandLine, Done

MINTED = Path(__file__).parents[1] / "data" / "anvil-prague.ndjson.gz"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with object_store() as address:
        yield address


class Store:
    """A bucket, and a person whose environment has the keys to it."""

    def __init__(self, jobyard: CommandLine, endpoint: str, bucket: str) -> None:
        self.files = make_bucket(endpoint, bucket)
        self.bucket = bucket
        self.way = f"endpoint_override={endpoint}&scheme=http&region=us-east-1"
        self._jobyard = jobyard

    def at(self, path: str) -> str:
        return f"s3://{self.bucket}/{path}?{self.way}"

    def __call__(self, *args: str, secret: str = "s3cret") -> Done:
        keys = {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": secret}
        return self._jobyard(*args, **keys, AWS_EC2_METADATA_DISABLED="true")

    def ok(self, *args: str) -> str:
        done = self(*args)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def names(self, path: str) -> list[str]:
        selector = fs.FileSelector(f"{self.bucket}/{path}", recursive=True, allow_not_found=True)
        found = self.files.get_file_info(selector)
        return sorted(one.path for one in found if one.type is fs.FileType.File)


@pytest.fixture
def store(jobyard: CommandLine, endpoint: str, request: pytest.FixtureRequest) -> Store:
    shutil.copy(MINTED, jobyard.folder / "blocks.ndjson.gz")
    return Store(jobyard, endpoint, f"b{abs(hash(request.node.name))}")


def test_tables_in_an_object_store_are_extracted_proved_queried_and_gone_on_with(
    store: Store, jobyard: CommandLine
) -> None:
    extract = (
        "extract", "recorded", "--url", "blocks.ndjson.gz", "--out", store.at("tables"),
        "--verify", "full",
    )  # fmt: skip
    store.ok(*extract, "--end-block", "5")
    first = store.names("tables")

    store.ok(*extract)

    assert first
    assert set(first) <= set(store.names("tables"))
    assert "\nsound" in store.ok("verify", store.at("tables"))
    asked = "SELECT count(*) AS n, max(a.block_num) AS top FROM a.blocks a JOIN a.transactions t "
    told = store.ok(
        "query", f"{asked} ON a.block_num = t.block_num WHERE t.type > 0 AND a.block_num > 3",
        "--from", f"a={store.at('tables')}", "--format", "json",
    )  # fmt: skip
    jobyard.ok("extract", "recorded", "--url", "blocks.ndjson.gz", "--out", "here")
    here = jobyard.ok(
        "query", f"{asked} ON a.block_num = t.block_num WHERE t.type > 0 AND a.block_num > 3",
        "--from", "a=here", "--format", "json",
    )  # fmt: skip
    assert json.loads(told) == json.loads(here)
    assert json.loads(told)["n"] > 0


def test_a_lost_state_folder_is_put_together_from_the_store(
    store: Store, jobyard: CommandLine
) -> None:
    extract = ("extract", "recorded", "--url", "blocks.ndjson.gz", "--out", store.at("tables"))
    store.ok(*extract, "--end-block", "5")
    first = store.names("tables")
    shutil.rmtree(jobyard.folder / ".jobyard")

    done = store(*extract)

    assert done.returncode == 0
    assert "going on with 1 files of `blocks` in s3://" in done.stderr
    assert set(first) <= set(store.names("tables"))
    assert "\nsound" in store.ok("verify", store.at("tables"))


def test_no_key_is_kept_and_one_in_an_address_is_refused(
    store: Store, jobyard: CommandLine
) -> None:
    out = store.at("tables")
    store.ok("extract", "recorded", "--url", "blocks.ndjson.gz", "--out", out)

    refused = jobyard(
        "extract", "recorded", "--url", "blocks.ndjson.gz", "--out",
        out.replace("s3://", "s3://someone:s3cret@"),
    )  # fmt: skip

    assert (refused.returncode, "s3cret" in refused.stderr) == (2, False)
    assert "keys come from the environment" in refused.stderr
    kept = [
        file.read_bytes() for file in (jobyard.folder / ".jobyard").rglob("*") if file.is_file()
    ]
    assert not any(b"s3cret" in content for content in kept)


def test_a_bucket_that_is_not_there_is_told(store: Store) -> None:
    missing = f"s3://nothing-{store.bucket}/x?{store.way}"

    assert store("verify", missing).returncode != 0
    done = store("query", "SELECT 1", "--from", missing)
    assert done.returncode == 3
    assert "there are no tables" in done.stderr


def test_a_manifest_comes_from_a_store(store: Store, jobyard: CommandLine) -> None:
    jobyard.ok("manifest", "generate", "--kind", "evm-rpc", "--network", "a", "-o", "eth.json")
    with store.files.open_output_stream(f"{store.bucket}/eth.json") as stream:
        stream.write((jobyard.folder / "eth.json").read_bytes())

    there = store.ok("manifest", "register", store.at("eth.json"))

    assert there == jobyard.ok("manifest", "register", "eth.json")
    missing = store("manifest", "register", store.at("none.json"))
    assert missing.returncode == 2
    assert f"s3://{store.bucket}/none.json cannot be read" in missing.stderr


def test_deployments_write_where_the_settings_say(
    store: Store, jobyard: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    settings = jobyard.folder / ".jobyard" / "settings.toml"
    settings.parent.mkdir(mode=0o700)
    settings.write_text(f'data_dir = "{store.at("data")}"\n')
    recording = {"kind": "recorded", "network": "anvil", "path": "blocks.ndjson.gz"}
    (jobyard.folder / "here.json").write_text(json.dumps(recording))
    manifest = ("manifest", "generate", "--kind", "recorded", "--network", "anvil")
    jobyard.ok(*manifest, "--chain", "evm", "-o", "anvil.json")
    jobyard.serve("solo", "--port", "0", until="listening on")
    jobyard.ok("provider", "register", "here", "here.json")
    jobyard.ok("dataset", "register", "a/anvil", "anvil.json")

    job = jobyard.ok("dataset", "deploy", "a/anvil@dev", "--end-block", "11").strip()
    jobyard.ok("job", "wait", job)

    assert len(store.names("data/a/anvil/blocks")) == 1
    asked = ("query", "SELECT count(*) AS n FROM blocks", "--from", "a/anvil", "--format", "json")
    assert json.loads(jobyard.ok(*asked)) == {"n": 12}
    jobyard.ok("table", "deactivate", "a/anvil@dev", "blocks")
    [restored] = [
        table
        for table in json.loads(jobyard.ok("dataset", "restore", "a/anvil@dev", "--json"))["tables"]
        if table["table_name"] == "blocks"
    ]
    assert restored["total_files"] == 1
