"""`jobyard run` of an extraction in one document: the same as `jobyard extract` with flags."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from tests.cli.conftest import environment

from jobyard.testing.replay import serving
from jobyard.testing.replay_chain import ReplayChain

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

MINTED = Path(__file__).parents[1] / "data" / "anvil-prague.ndjson.gz"
CHAIN = """
kind: recorded
url: blocks.ndjson.gz
network: anvil
parallelism: 2
verify: full
out: here
"""


@pytest.fixture
def folder(jobyard: CommandLine) -> Path:
    shutil.copy(MINTED, jobyard.folder / "blocks.ndjson.gz")
    (jobyard.folder / "chain.yaml").write_text(CHAIN)
    return jobyard.folder


def rows(place: Path, table: str = "transactions") -> Any:
    return pq.read_table(place / table).sort_by([("_block_num", "ascending")])


def test_a_document_is_extracted_as_by_flags(jobyard: CommandLine, folder: Path) -> None:
    told = jobyard.ok("run", "chain.yaml")
    jobyard.ok(
        "extract", "recorded", "--url", "blocks.ndjson.gz", "--network", "anvil", "--parallelism",
        "2", "--verify", "full", "--out", "there",
    )  # fmt: skip
    specs = [json.loads(jobyard.ok("job", "inspect", str(at)))["spec"] for at in (1, 2)]

    assert "blocks  0 - 11 · 100 % · " in told
    assert rows(folder / "here").equals(rows(folder / "there"))
    for spec in specs:
        for name in ("folder", "name", "manifest_hash"):
            del spec["extract"][name]
        del spec["name"]
    assert specs[0] == specs[1]


def test_what_lies_there_already_stays(jobyard: CommandLine, folder: Path) -> None:
    jobyard.ok("run", "chain.yaml", "--set", "start_block=0", "--set", "end_block=5")
    first = set(folder.glob("here/blocks/*/*.parquet"))

    answer = json.loads(jobyard.ok("run", "chain.yaml", "--json"))

    assert first
    assert first <= set(folder.glob("here/blocks/*/*.parquet"))
    (job,), (extraction,) = answer["jobs"], answer["extractions"]
    assert (job["status"], extraction["job_id"]) == ("COMPLETED", job["id"])
    assert extraction["folder"] == str(folder / "here")
    assert extraction["missing"] == {}
    tables = extraction["progress"]["tables"]
    assert {name: one["current_block"] for name, one in tables.items()} == dict.fromkeys(
        ("blocks", "transactions", "logs"), 11
    )


def test_blocks_that_the_source_has_not_are_named_and_the_exit_code_is_1(
    jobyard: CommandLine, folder: Path
) -> None:
    done = jobyard("run", "chain.yaml", "--set", "start_block=0", "--set", "end_block=20")

    assert done.returncode == 1
    assert "BLOCKS_UNAVAILABLE" in done.stderr


def test_jobs_and_extractions_of_several_files_run_together(
    jobyard: CommandLine, folder: Path
) -> None:
    (folder / "job.yaml").write_text("name: hello\ncommand: [sh, -c, 'echo hello']\n")

    told = jobyard.ok("run", "chain.yaml", "job.yaml")

    assert "hello" in told
    assert "transactions  0 - 11" in told
    (folder / "job.yaml").write_text("name: bad\ncommand: ['false']\nbackoff_limit: 0\n")
    assert jobyard("run", "chain.yaml", "job.yaml").returncode == 1


def test_tables_are_drawn_while_they_grow(jobyard: CommandLine, folder: Path) -> None:
    told = jobyard.ok("run", "chain.yaml", "--watch")

    assert "0/2 done" not in told
    assert told.count("TABLE") >= 1
    refused = jobyard("run", "chain.yaml", "--watch", "--json")
    assert refused.returncode == 2


def test_a_manifest_is_read_from_the_registered_providers(
    jobyard: CommandLine, folder: Path
) -> None:
    jobyard.ok(
        "manifest", "generate", "--kind", "evm-rpc", "--network", "mainnet", "--table", "blocks",
        "-o", "eth.json",
    )  # fmt: skip
    lacking = jobyard("run", "eth.json")
    with serving(ReplayChain.read(MINTED)) as server:
        (folder / "node.yaml").write_text(
            f"kind: evm-rpc\nnetwork: mainnet\nurl: {server.url}/${{KEY}}\n"
        )
        jobyard.ok("provider", "register", "node", "node.yaml")
        unset = jobyard("run", "eth.json", "--set", "end_block=11")
        told = jobyard.ok("run", "eth.json", "--set", "end_block=11", KEY="x")

    assert lacking.returncode == 78
    assert "no provider of kind evm-rpc reads the network mainnet" in lacking.stderr
    assert "hint: say `url:` in eth.json, or: `jobyard provider register" in lacking.stderr
    assert (unset.returncode, "the variable KEY is not set" in unset.stderr) == (78, True)
    assert "blocks  0 - 11" in told
    assert rows(folder / "data", "blocks").num_rows == 12
    kept = [file.read_text() for file in (folder / ".jobyard" / "extract").iterdir()]
    assert all("${KEY}" in text for text in kept)


def test_who_runs_what_never_ends_is_told_and_may_stop_it(
    jobyard: CommandLine, folder: Path
) -> None:
    with serving(ReplayChain.read(MINTED)) as server:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "jobyard", "run", "chain.yaml", "--set", "kind=evm-rpc",
                "--set", f"url={server.url}", "--set", "network=mainnet", "--set", "end_block=none",
            ],
            cwd=folder,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        assert process.stderr is not None
        told = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)

    assert told.startswith("job 1 has no last block: it follows the head of mainnet and never")
    assert process.returncode == 130


def test_a_server_that_is_named_is_not_asked_to_extract(jobyard: CommandLine, folder: Path) -> None:
    done = jobyard("run", "chain.yaml", "--url", "http://127.0.0.1:9")

    assert done.returncode == 2
    assert "an extraction runs here, not on a server" in done.stderr


def test_a_document_is_validated_with_its_lines(jobyard: CommandLine, folder: Path) -> None:
    sound = jobyard.ok("validate", "chain.yaml")
    (folder / "chain.yaml").write_text(CHAIN + "end_blok: 3\n")

    done = jobyard("validate", "chain.yaml", "--json")

    assert sound == "chain.yaml: valid, 1 extraction\n"
    (problem,) = json.loads(done.stdout)["files"][0]["problems"]
    assert (problem["path"], problem["line"]) == ("end_blok", 8)
    handed_in = jobyard("create", "-f", "chain.yaml")
    assert (handed_in.returncode, "`jobyard run` extracts here" in handed_in.stderr) == (1, True)
