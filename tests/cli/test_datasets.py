"""The commands of datasets, manifests and providers, without a server and through one."""

from __future__ import annotations

import json
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import CommandLine

PROVIDER = (
    'kind = "evm-rpc"\nnetwork = "mainnet"\nurl = "https://node/s3cret"\nauth_token = "${T}"\n'
)


def generate(jobyard: CommandLine, *more: str, to: str = "eth.json") -> None:
    jobyard.ok("manifest", "generate", "--kind", "evm-rpc", "--network", "mainnet", "-o", to, *more)


def read(jobyard: CommandLine, *args: str) -> Any:
    return json.loads(jobyard.ok(*args, "--json"))


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    """Serve a folder's files."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.join()


@pytest.mark.parametrize("served", [False, True], ids=["embedded", "served"])
def test_a_dataset_goes_from_a_manifest_to_a_job(jobyard: CommandLine, served: bool) -> None:
    if served:
        jobyard.serve("server", "--port", "0", until="listening on")
    generate(jobyard)
    made = read(jobyard, "dataset", "register", "a/eth", "eth.json", "-t", "1.0.0")
    (jobyard.folder / "infura.toml").write_text(PROVIDER)
    provider = read(jobyard, "provider", "register", "infura", "infura.toml")

    job_id = int(jobyard.ok("dataset", "dep", "a/eth@1.0.0", "--end-block", "9", "-p", "2"))
    again = read(jobyard, "datasets", "deploy", "a/eth", "--end-block=9", "--parallelism=2")

    assert made["manifest_hash"] == read(jobyard, "manifest", "ls")["manifests"][0]["hash"]
    assert (provider["url"], provider["auth_token"]) == ("https://node/***", "${T}")
    assert again == {"job_id": job_id}
    (job,) = read(jobyard, "dataset", "jobs", "a/eth@dev")["jobs"]
    assert (job["id"], job["end_block"], job["dataset"]["version"]) == (job_id, "9", "1.0.0")
    conflict = jobyard("dataset", "deploy", "a/eth", "--end-block", "-5")
    assert conflict.returncode == 4
    assert f"job {job_id} of a/eth is SCHEDULED and differs in end_block" in conflict.stderr


def test_everything_registered_is_listed_inspected_and_removed(jobyard: CommandLine) -> None:
    generate(jobyard, "--table", "blocks")
    manifest_hash = jobyard.ok("manifest", "register", "eth.json").strip()
    jobyard.ok("dataset", "reg", "eth", manifest_hash, "--tag", "1.0.0")
    (jobyard.folder / "p.yaml").write_text("kind: recorded\nnetwork: mainnet\npath: x\n")
    jobyard.ok("providers", "register", "mine", "p.yaml")

    assert "_/eth    1.0.0   1.0.0" in jobyard.ok("dataset", "ls")
    assert f"dev      {manifest_hash}" in jobyard.ok("dataset", "versions", "eth")
    assert read(jobyard, "dataset", "get", "eth")["tables"] == ["blocks"]
    text = (jobyard.folder / "eth.json").read_text()
    for command in (("dataset", "manifest", "eth"), ("manifests", "get", manifest_hash)):
        assert read(jobyard, *command) == json.loads(jobyard.ok(*command)) == json.loads(text)
    users = read(jobyard, "manifest", "inspect", manifest_hash, "--datasets")["datasets"]
    assert [one["version"] for one in users] == ["1.0.0", "dev"]
    assert "mine  recorded  mainnet  x" in jobyard.ok("provider", "list")
    assert read(jobyard, "provider", "get", "mine")["path"] == "x"

    assert jobyard("manifest", "rm", manifest_hash).returncode == 4
    assert jobyard("dataset", "rm", "eth@1.0.0").returncode == 2
    assert read(jobyard, "dataset", "remove", "eth") == {"dataset": "eth"}
    assert read(jobyard, "manifest", "prune") == {"deleted_count": 0}
    assert read(jobyard, "manifest", "remove", manifest_hash) == {"hash": manifest_hash}
    assert read(jobyard, "provider", "remove", "mine") == {"name": "mine"}
    assert jobyard("dataset", "inspect", "eth").returncode == 3
    assert jobyard("provider", "inspect", "mine").returncode == 3


def test_a_manifest_comes_from_a_file_a_url_or_standard_input(jobyard: CommandLine) -> None:
    (jobyard.folder / "out").mkdir()
    generate(jobyard, to="out")
    file = jobyard.folder / "out" / "evm-rpc-mainnet.json"
    printed = jobyard.ok("manifest", "generate", "--kind", "evm-rpc", "--network", "mainnet")
    assert printed == file.read_text()

    hashes = {
        jobyard.ok("manifest", "register", str(file)),
        jobyard.ok("manifest", "register", f"file://{file}"),
        jobyard.ok("manifest", "register", "-", stdin=printed),
    }

    with web_server(jobyard.folder) as url:
        hashes.add(jobyard.ok("manifest", "register", f"{url}/out/{file.name}"))
        missing = jobyard("dataset", "register", "eth", f"{url}/none.json?key=s3cret")

    assert len(hashes) == 1
    assert missing.returncode == 2
    assert "none.json cannot be read: the server answers 404" in missing.stderr
    assert "s3cret" not in missing.stderr
    large = jobyard("manifest", "register", str(file), JOBYARD_DOCUMENT_LIMIT="100")
    assert "more than 100 bytes" in large.stderr


@pytest.mark.parametrize(
    ("args", "exits", "words"),
    [
        (("dataset", "register", "Eth", "eth.json"), 2, "`Eth` is not the name of a dataset"),
        (("dataset", "register", "eth", "none.json"), 2, "none.json cannot be read"),
        (("dataset", "register", "eth", "wrong.json"), 1, "network: missing"),
        (("dataset", "register", "eth", "f" * 64), 3, "no manifest has the hash"),
        (("dataset", "deploy", "eth"), 3, "there is no dataset _/eth"),
        (("dataset", "versions", "eth"), 3, "there is no dataset _/eth"),
        (("manifest", "inspect", "abc"), 2, "`abc` is not the hash of a manifest"),
        (("manifest", "generate", "--kind", "evm-rpc", "--network", "a b"), 1, "network"),
        (
            ("manifest", "generate", "--kind", "solana", "--network", "a", "--table", "logs"),
            1,
            "solana has no such table",
        ),
        (("provider", "register", "a", "wrong.json"), 2, "url: is missing"),
        (("provider", "register", "a", "none.toml"), 2, "none.toml cannot be read"),
        (("provider", "register", "a/b", "wrong.json"), 2, "not the name of a provider"),
    ],
)
def test_what_is_wrong_is_told_in_words(
    jobyard: CommandLine, args: tuple[str, ...], exits: int, words: str
) -> None:
    (jobyard.folder / "wrong.json").write_text('{"kind": "evm-rpc", "tables": {"blocks": {}}}')
    if args[0] == "provider":
        (jobyard.folder / "wrong.json").write_text('{"kind": "evm-rpc", "network": "a"}')
    generate(jobyard)

    done = jobyard(*args)

    assert done.returncode == exits, done.stderr
    assert words in done.stderr


def test_all_options_of_a_deployment_reach_the_job(jobyard: CommandLine) -> None:
    generate(jobyard, "--start-block", "5", "--finalized-blocks-only")
    jobyard.ok("dataset", "register", "eth", "eth.json")

    made = read(
        jobyard, "dataset", "deploy", "eth", "--end-block", "latest", "--parallelism", "3",
        "--verify", "--provider", "a", "--provider", "b",
    )  # fmt: skip

    extract = read(jobyard, "job", "inspect", str(made["job_id"]))["spec"]["extract"]
    assert (extract["start"], extract["end"], extract["finalized_only"]) == (5, "latest", True)
    assert (extract["parallelism"], extract["verify"]) == (3, 1.0)
    assert (extract["providers"], extract["version"]) == (["a", "b"], "latest")
    late = jobyard("dataset", "deploy", "eth", "--end-block", "4")
    assert (late.returncode, "before the dataset's first block" in late.stderr) == (1, True)


def test_a_deployment_that_nothing_here_can_read_says_what_to_add(jobyard: CommandLine) -> None:
    generate(jobyard)
    jobyard.ok("dataset", "register", "eth", "eth.json")
    text = "no provider of kind evm-rpc reads the network mainnet: `jobyard provider register"

    done = jobyard("dataset", "deploy", "eth", "--json")

    made = json.loads(done.stdout)
    assert (done.returncode, made["job_id"]) == (0, 1)
    assert done.stderr.startswith(f"warning: {text}")
    assert made["warnings"][0].startswith(text)
    (jobyard.folder / "node.toml").write_text(PROVIDER)
    jobyard.ok("provider", "register", "node", "node.toml")
    again = jobyard("dataset", "deploy", "eth", "--json")
    assert (json.loads(again.stdout), again.stderr) == ({"job_id": 1}, "")


def test_who_waits_for_what_never_ends_is_told(jobyard: CommandLine) -> None:
    generate(jobyard)
    jobyard.ok("dataset", "register", "eth", "eth.json")
    jobyard.ok("dataset", "deploy", "eth")
    jobyard.ok("submit", "--", "true")
    words = "job 1 has no last block: it follows the head of mainnet and never completes"

    done = jobyard("job", "wait", "1", "--timeout", "1s")

    assert done.returncode == 1
    assert done.stderr.count(words) == 1
    assert "follows the head" not in jobyard("job", "wait", "2", "--timeout", "1s").stderr
    assert words not in jobyard("job", "wait", "1", "--for", "started", "--timeout", "1s").stderr
