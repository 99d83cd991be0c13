"""`jobyard extract`: what it cannot do is told with a code, and nothing is half there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.conftest import environment
from tests.cli.test_datasets import web_server

from jobyard.testing.replay import serving
from jobyard.testing.replay_chain import ReplayChain
from jobyard.testing.replay_faults import Faults

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

MINTED = Path(__file__).parents[1] / "data" / "anvil-prague.ndjson.gz"
RANGE = ("--start-block", "0", "--end-block", "11")


@pytest.fixture
def folder(jobyard: CommandLine) -> Path:
    shutil.copy(MINTED, jobyard.folder / "blocks.ndjson.gz")
    return jobyard.folder


def files_in(place: Path) -> list[Path]:
    return sorted(path for path in place.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("args", "exits", "words"),
    [
        (("recorded", "--url", "none.ndjson"), 78, "no recorded blocks at none.ndjson"),
        (("recorded", "--url", "text.ndjson"), 1, "text.ndjson, line 1: JSON is malformed"),
        (("recorded", "--url", "a", "--url", "b"), 2, "a recording is one file or one folder"),
        (("recorded", "--url", "blocks.ndjson.gz", "--tables", "trees"), 2, "no table `trees`"),
        (("recorded", "--url", "blocks.ndjson.gz", "--tables", ","), 2, "no table"),
        (("evm-rpc", "--url", "http://n", "--tables", "messages"), 2, "no table `messages`"),
        (
            ("evm-rpc", "--url", "http://n", "--start-block", "5", "--end-block", "4"), 2,
            "the range ends with block 4, before it starts with 5",
        ),
        (("evm-rpc", "--url", "http://n", "--end-block", "soon"), 2, "--end-block is `soon`"),
        (("evm-rpc", "--url", "nonsense"), 2, "`nonsense` is not the address of a node"),
        (("evm-rpc", "--url", "ftp://n"), 2, "`ftp://n` is not the address of a node"),
        (("bitcoin", "--url", "http://n"), 2, "bitcoin"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_for_is_refused_before_anything_is_done(
    jobyard: CommandLine, folder: Path, args: tuple[str, ...], exits: int, words: str
) -> None:
    (folder / "text.ndjson").write_text("no blocks\n")

    done = jobyard("extract", *args, "--out", "data")

    assert done.returncode == exits, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "data").exists()


@pytest.mark.parametrize(
    ("faults", "more", "code"),
    [
        (Faults(token="right"), (), "PROVIDER_REFUSED"),
        (Faults(), ("--network", "sepolia"), "WRONG_CHAIN"),
        (Faults(garbage=1.0), (), "NOT_JSON_RPC"),
        (Faults(pruned_below=5), (), "BLOCKS_UNAVAILABLE"),
    ],
)
def test_what_a_node_will_never_do_ends_the_command_with_its_code(
    jobyard: CommandLine, folder: Path, faults: Faults, more: tuple[str, ...], code: str
) -> None:
    with serving(ReplayChain.read(MINTED), faults) as server:
        done = jobyard("extract", "evm-rpc", "--url", server.url, "--out", "data", *RANGE, *more)

    assert done.returncode == 1
    assert f"error: {code}: " in done.stderr
    assert files_in(folder / "data") == []


def test_a_web_server_is_no_node(jobyard: CommandLine, folder: Path) -> None:
    with web_server(folder) as url:
        done = jobyard("extract", "evm-rpc", "--url", url, "--out", "data", *RANGE)

    assert done.returncode == 1
    assert "error: NOT_JSON_RPC: " in done.stderr


def test_a_folder_that_cannot_be_written_ends_the_command(
    jobyard: CommandLine, folder: Path
) -> None:
    done = jobyard(
        "extract", "recorded", "--url", "blocks.ndjson.gz", "--out", "blocks.ndjson.gz/x"
    )

    assert done.returncode == 1
    assert "error: WRITE_FAILED: " in done.stderr
    assert "Not a directory" in done.stderr
    assert "not in the source" not in done.stderr


def test_a_provider_with_a_variable_that_is_not_set_names_it(
    jobyard: CommandLine, folder: Path
) -> None:
    (folder / "node.yaml").write_text("kind: evm-rpc\nnetwork: a\nurl: http://n/${NO_SUCH_KEY}\n")
    jobyard.ok("provider", "register", "node", "node.yaml")
    (folder / "chain.yaml").write_text("kind: evm-rpc\nnetwork: a\nproviders: [node]\nout: data\n")

    done = jobyard("run", "chain.yaml")

    assert done.returncode == 78
    assert "url: the variable NO_SUCH_KEY is not set" in done.stderr
    assert not (folder / "data").exists()


def test_a_dollar_sign_of_the_command_line_is_no_variable(
    jobyard: CommandLine, folder: Path
) -> None:
    with serving(ReplayChain.read(MINTED)) as server:
        jobyard.ok(
            "extract", "evm-rpc", "--url", f"{server.url}/${{HOME}}", "--out", "data", *RANGE
        )


def test_several_addresses_of_a_chain_are_read_together(jobyard: CommandLine, folder: Path) -> None:
    with serving(ReplayChain.read(MINTED)) as one, serving(ReplayChain.read(MINTED)) as other:
        jobyard.ok(
            "extract", "evm-rpc", "--url", one.url, "--url", other.url, "--out", "data", *RANGE
        )
        asked = [server.seen.requests for server in (one, other)]

    assert min(asked) > 0


def test_a_node_that_does_not_answer_is_told_of_and_a_stop_does_not_wait_for_it(
    jobyard: CommandLine, folder: Path
) -> None:
    process = subprocess.Popen(
        [
            sys.executable, "-m", "jobyard", "extract", "evm-rpc", "--url", "http://127.0.0.1:1",
            "--out", "data",
        ],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    told = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)

    assert "a provider does not answer" in told
    assert "127.0.0.1" in told
    assert process.returncode == 130
    job = json.loads(jobyard.ok("job", "inspect", "1"))
    assert job["status"] == "STOPPED"


def test_files_of_a_lost_state_folder_are_gone_on_with(jobyard: CommandLine, folder: Path) -> None:
    extract = ("extract", "recorded", "--url", "blocks.ndjson.gz", "--out", "data")
    jobyard.ok(*extract, "--end-block", "5", "--start-block", "0")
    first = files_in(folder / "data")
    shutil.rmtree(folder / ".jobyard")

    done = jobyard(*extract)

    assert (done.returncode, len(first)) == (0, 3)
    assert "going on with 1 files of `blocks` in " in done.stderr
    assert set(first) < set(files_in(folder / "data"))
    counted = jobyard.ok(
        "query", "SELECT count(*) AS n, count(DISTINCT hash) AS own FROM blocks", "--from", "data",
        "--format", "json",
    )  # fmt: skip
    assert json.loads(counted) == {"n": 12, "own": 12}


def test_a_damaged_file_of_a_lost_state_folder_is_put_aside_and_fetched_anew(
    jobyard: CommandLine, folder: Path
) -> None:
    extract = ("extract", "recorded", "--url", "blocks.ndjson.gz", "--out", "data")
    jobyard.ok(*extract)
    (damaged,) = (folder / "data" / "blocks").rglob("*.parquet")
    content = bytearray(damaged.read_bytes())
    content[600] ^= 1
    damaged.write_bytes(bytes(content))
    shutil.rmtree(folder / ".jobyard")

    done = jobyard(*extract)

    assert done.returncode == 0
    assert "put aside: " in done.stderr
    assert damaged.with_name(f".{damaged.name}.damaged").exists()
    assert "\nsound" in jobyard.ok("verify", "data")


def test_a_folder_that_another_process_extracts_into_is_refused(
    jobyard: CommandLine, folder: Path
) -> None:
    with serving(ReplayChain.read(MINTED), Faults(hang=1.0)) as server:
        extract = ("extract", "evm-rpc", "--url", server.url, "--out", "data")
        process = subprocess.Popen(
            [sys.executable, "-m", "jobyard", *extract],
            cwd=folder,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not server.seen.requests:
            os.sched_yield()
        done = jobyard(*extract)
        process.send_signal(signal.SIGINT)
        process.wait(30)

    assert (done.returncode, "job 1 extracts into" in done.stderr) == (4, True)


def test_progress_is_drawn_until_the_end(jobyard: CommandLine, folder: Path) -> None:
    jobyard.ok("extract", "recorded", "--url", "blocks.ndjson.gz", "--out", "data")

    page = jobyard.ok("job", "progress", "1", "--watch")
    told = [json.loads(line) for line in jobyard.ok(
        "job", "progress", "1", "--watch", "--json").splitlines()]  # fmt: skip

    assert "status  COMPLETED" in page
    assert "transactions  0 - 11  1 " in page
    assert [one["job_status"] for one in told] == ["COMPLETED"]
    assert told[0]["tables"]["blocks"]["gaps"] == []


def test_a_range_above_others_is_complete_by_itself(jobyard: CommandLine, folder: Path) -> None:
    extract = ("extract", "recorded", "--url", "blocks.ndjson.gz", "--out", "out")
    jobyard.ok(*extract, "--start-block", "0", "--end-block", "3")

    done = jobyard(*extract, "--start-block", "8", "--end-block", "11", "--json")

    assert done.returncode == 0, done.stderr
    progress = json.loads(done.stdout)["progress"]
    assert progress["percent"] == 100.0
    blocks = progress["tables"]["blocks"]
    assert (blocks["start_block"], blocks["current_block"], blocks["gaps_count"]) == (8, 11, 0)
