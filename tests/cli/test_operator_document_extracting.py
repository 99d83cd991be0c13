"""The operators' document, typed against a job that extracts a chain while it is read."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import signal
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.cli.conftest import CommandLine, Done
from tests.cli.shells import Shell
from tests.cli.test_operator_document import ALERT, INSPECTED, JOB, MOMENT

from jobyard.testing.replay import serving
from jobyard.testing.replay_chain import ReplayChain
from jobyard.testing.replay_faults import Faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.starter import Starter

MINTED = Path(__file__).parents[1] / "data" / "anvil-prague.ndjson.gz"
SLOW = Faults(seed=1, latency=0.05, concurrency_limit=4)
LENGTH = 4000
DEPLOY = "jobyard dataset deploy ethereum/mainnet@1.0.0 --flush-after 500ms"
"""Blocks are told of soon, since people look on."""
TABLES = {"blocks", "transactions", "logs"}
FIND = """jobyard job list --json | jq '.jobs[] |
  select(.status == "RUNNING" and .dataset.name == "mainnet")'"""


class Operator:
    """Somebody at a solo that extracts `ethereum/mainnet` from a slow node."""

    def __init__(self, jobyard: CommandLine, url: str, tools: Path) -> None:
        self._jobyard = jobyard
        self._url = url
        self.shell = Shell(jobyard.folder, tools)
        line = jobyard.serve("solo", "--port", "0", until="listening on").lines[-1]
        self.server = re.findall(r"http://\S+", line)[0]
        self._register()

    def _register(self) -> None:
        folder = self._jobyard.folder
        (folder / "node.toml").write_text(
            f'kind = "evm-rpc"\nnetwork = "mainnet"\nurl = "{self._url}"\n'
        )
        self._jobyard.ok("provider", "register", "node", "node.toml")
        self._jobyard.ok(
            "manifest", "generate", "--kind", "evm-rpc", "--network", "mainnet", "-o", "eth.json"
        )
        self._jobyard.ok("dataset", "register", "ethereum/mainnet", "eth.json", "--tag", "1.0.0")

    def deploy(self, job_id: int, *options: str) -> None:
        """Have a job of this id extract; some blocks are there when this returns."""
        file = self._jobyard.folder / ".jobyard" / "jobs.db"
        with contextlib.closing(sqlite3.connect(file)) as database:
            database.execute("UPDATE job_ids SET last = ?", [job_id - 1])
            database.commit()
        told = self.ok(" ".join((DEPLOY, *options)))
        assert int(told) == job_id
        self.await_blocks(job_id)

    def await_blocks(self, job_id: int, above: int = 0) -> dict[str, Any]:
        """Watch a job until all of its tables have blocks above one."""
        while True:
            found: dict[str, Any] = self.read(f"jobyard job progress {job_id}")
            current = [one["current_block"] or 0 for one in found["tables"].values()]
            if len(current) == len(TABLES) and min(current) > above:
                return found

    def __call__(self, line: str) -> Done:
        """Run a line; without a new Python where it takes no shell to read it."""
        plain = line.partition("  #")[0]
        if re.search(r"[|&<>$;]", plain):
            return self.shell(line)
        return self._jobyard(*shlex.split(plain)[1:])

    def ok(self, line: str) -> str:
        done = self(line)
        assert done.returncode == 0, f"$ {line}\n{done.stderr}"
        return done.stdout

    def read(self, line: str) -> Any:
        return json.loads(self.ok(line))

    def statuses(self, job_id: int) -> list[str]:
        """Tell through which statuses a job went."""
        told = self.read(f"jobyard job events {job_id} --json")["events"]
        return list(dict.fromkeys(event["status"] for event in told))


@pytest.fixture(scope="module")
def node() -> Iterator[str]:
    with serving(ReplayChain.read(MINTED, length=LENGTH), SLOW) as server:
        yield server.url


@contextlib.contextmanager
def operating(folder: Path, starter: Starter, url: str) -> Iterator[Operator]:
    (folder / "yard").mkdir()
    line = CommandLine(folder / "yard", starter)
    try:
        yield Operator(line, url, folder / "tools")
    finally:
        for service in reversed(line.served):
            service.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, starter: Starter, node: str
) -> Iterator[Operator]:
    """An operator whose job 12345 extracts, without an end."""
    with operating(tmp_path_factory.mktemp("operator"), starter, node) as operator:
        operator.deploy(12345)
        yield operator


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("jobyard job list", True),
        ("jobyard job ls  # alias", True),
        ("jobyard job list --limit 100", True),
        ("jobyard job list --after 1234", False),
        ("jobyard job list --status all", True),
        ("jobyard job list --status scheduled,running", True),
        ("jobyard job list -s completed", False),
        ("jobyard job list -l 20 -a 500", False),
    ],
)
def test_every_way_of_listing_shows_the_job_that_extracts(
    running: Operator, line: str, shown: bool
) -> None:
    head, *rows = running.ok(line).splitlines()

    assert head.startswith("ID ")
    assert [row.split()[:4] for row in rows] == ([["12345", "mainnet", "RUNNING", "0/1"]] * shown)


def test_a_list_as_json_has_what_the_document_shows(running: Operator) -> None:
    (job,) = running.read("jobyard job list --json")["jobs"]

    assert job.keys() >= JOB
    assert job["dataset"] == {"namespace": "ethereum", "name": "mainnet", "version": "1.0.0"}
    assert re.fullmatch("[0-9a-f]{64}", job["manifest_hash"])
    assert (job["id"], job["status"]) == (12345, "RUNNING")
    assert job["worker_id"]
    assert MOMENT.fullmatch(job["created_at"])


def test_the_job_is_inspected_by_every_line_of_the_document(running: Operator) -> None:
    job = running.read("jobyard job inspect 12345")

    assert job.keys() >= INSPECTED
    assert (job["end_block"], job["parallelism"]) == (None, 1)
    assert job["descriptor"]["kind"] == "materialize-raw"
    assert running.read("jobyard job get 12345  # alias")["dataset"]["name"] == "mainnet"
    assert running.shell.ok("jobyard job inspect 12345 | jq '.status'") == '"RUNNING"\n'
    assert running.shell.ok("jobyard job inspect 12345 --json").count("\n") == 1


def test_progress_moves_while_it_is_read(running: Operator) -> None:
    found = running.read("jobyard job progress 12345 --json")
    blocks = found["tables"]["blocks"]

    assert (found["job_id"], found["job_status"]) == (12345, "RUNNING")
    assert found["tables"].keys() == TABLES
    for one in found["tables"].values():
        assert one.keys() >= {"current_block", "start_block", "files_count", "total_size_bytes"}
        assert one["start_block"] == 0
        assert (one["gaps"], one["gaps_count"]) == ([], 0)
    assert found["head_block"] == LENGTH - 1
    later = running.await_blocks(12345, above=blocks["current_block"])
    grown = later["tables"]["blocks"]
    for name in ("current_block", "total_size_bytes"):
        assert grown[name] > blocks[name]


def test_progress_is_watched_as_the_document_does(running: Operator) -> None:
    line = "watch -n 5 'jobyard job progress 12345'"

    assert b"RUNNING" in running.shell.watched(line, b"current_block")


def test_progress_is_drawn_anew_in_its_place(running: Operator) -> None:
    drawn = running.shell.watched("jobyard job progress 12345 --watch", b"\x1b[J")

    assert b"transactions  0 - " in drawn
    assert b"blocks/s" in drawn


def test_the_scripts_of_the_document_find_what_they_look_for(running: Operator) -> None:
    assert json.loads(running.shell.ok(FIND))["id"] == 12345
    assert running.shell.ok(FIND.replace('"mainnet"', '"sepolia"')) == ""
    assert running.shell.ok(ALERT) == ""


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/jobs", 200),
        ("GET", "/jobs?limit=50&last_job_id=99999&status=active", 200),
        ("GET", "/jobs/12345", 200),
        ("GET", "/jobs/12345/progress", 200),
        ("GET", "/jobs/12345/events", 200),
        ("GET", "/datasets/ethereum/mainnet/versions/1.0.0/jobs", 200),
        ("DELETE", "/jobs/12345", 409),
        ("DELETE", "/jobs?status=terminal", 204),
        ("GET", "/jobs?limit=1001", 400),
        ("GET", "/jobs?status=sleeping", 400),
    ],
)
def test_the_endpoints_of_the_document_answer_as_it_says(
    running: Operator, method: str, path: str, status: int
) -> None:
    answer = httpx.request(method, f"{running.server}{path}")

    assert answer.status_code == status
    if method == "GET" and status == 200 and answer.json().get("jobs"):
        assert [job["id"] for job in answer.json()["jobs"]] == [12345]


def test_only_the_same_deployment_is_the_job_that_runs(running: Operator) -> None:
    assert running.shell.ok(DEPLOY) == "12345\n"
    other = running.shell(f"{DEPLOY} --end-block 20000000")
    assert (other.returncode, "job 12345 of ethereum/mainnet is RUNNING" in other.stderr) == (
        4, True,
    )  # fmt: skip
    (job,) = running.read("jobyard dataset jobs ethereum/mainnet --json")["jobs"]
    assert job["id"] == 12345


def test_a_running_extraction_is_not_removed(running: Operator) -> None:
    refused = running.shell("jobyard job rm 12345")

    assert (refused.returncode, "job 12345" in refused.stderr) == (4, True)


def test_an_extraction_is_stopped_goes_on_by_deploying_again_and_is_pruned(
    tmp_path: Path, starter: Starter, node: str
) -> None:
    with operating(tmp_path, starter, node) as operator:
        operator.deploy(12345)
        operator.ok("jobyard job stop 12345")
        operator.ok("jobyard job wait 12345 --for stopped --timeout 30s")
        operator.ok("jobyard job stop 12345")
        assert operator.read("jobyard job inspect 12345")["status"] == "STOPPED"
        assert operator.statuses(12345)[-6:] == [
            "SCHEDULED", "QUEUED", "RUNNING", "STOP_REQUESTED", "STOPPING", "STOPPED",
        ]  # fmt: skip
        had = operator.read("jobyard job progress 12345")["tables"]

        operator.deploy(12346, "--end-block", str(LENGTH - 1), "--parallelism", "2")

        again = operator.read("jobyard job inspect 12346")
        assert (again["end_block"], again["parallelism"]) == (str(LENGTH - 1), 2)
        found = operator.read("jobyard job progress 12346")
        assert found["end_block"] == LENGTH - 1
        for name, one in found["tables"].items():
            assert one["current_block"] >= had[name]["current_block"]
        operator.ok("jobyard job rm 12345")
        assert operator("jobyard job inspect 12345").returncode == 3
        operator.ok("jobyard job stop 12346 && jobyard job wait 12346 --for stopped --timeout 30s")
        kept = operator.read("jobyard job progress 12346")["tables"]["blocks"]["current_block"]
        operator.ok("jobyard job prune --status completed")
        assert len(operator.read("jobyard job list -s all --json")["jobs"]) == 1
        operator.ok("jobyard job prune --status stopped")
        assert operator.read("jobyard job list -s all --json") == {"jobs": []}
        asked = "SELECT max(block_num) AS top FROM blocks"
        left = operator.ok(f"jobyard query '{asked}' --from ethereum/mainnet --format json")
        assert json.loads(left)["top"] >= kept
        operator.deploy(12347, "--end-block", str(kept))
        assert operator.ok("jobyard job wait 12347").strip() == ""
        done = operator.read("jobyard job inspect 12347")
        assert (done["status"], done["end_block"]) == ("COMPLETED", str(kept))


def test_an_extraction_that_cannot_go_on_is_a_failed_job(
    tmp_path: Path, starter: Starter, node: str
) -> None:
    with operating(tmp_path, starter, node) as operator:
        (operator.shell.folder / "other.toml").write_text(
            f'kind = "evm-rpc"\nnetwork = "sepolia"\nurl = "{node}"\n'
        )
        operator.ok("jobyard provider register other other.toml")
        operator.ok("sed s/mainnet/sepolia/ eth.json > sepolia.json")
        operator.ok("jobyard dataset register ethereum/sepolia sepolia.json")

        job_id = operator.ok("jobyard dataset deploy ethereum/sepolia").strip()
        assert operator(f"jobyard job wait {job_id}").returncode == 1

        detail = operator.read(f"jobyard job progress {job_id}")["detail"]
        assert detail["error_code"] == "WRONG_CHAIN"
        lines = operator.ok(ALERT).splitlines()
        assert lines[0] == "ALERT: 1 failed jobs detected"
        assert lines[2].split()[:3] == [job_id, "sepolia", "FAILED"]
        operator.ok("jobyard job prune --status error")
        assert operator.read("jobyard job list -s all --json") == {"jobs": []}
