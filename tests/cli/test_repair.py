"""Damaged tables: the program names what is wrong, and doing what it says makes it right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobyard.clock import monotonic, pause
from jobyard.testing.replay import serving
from jobyard.testing.replay_chain import ReplayChain

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import CommandLine, Service

MINTED = Path(__file__).parents[1] / "data" / "anvil-prague.ndjson.gz"
LAST = 11
PATIENCE = 60
LOOK = 0.1
NAME = "a/eth"
TABLES = {
    "blocks": ["_block_num"],
    "transactions": ["_block_num", "tx_index"],
    "logs": ["_block_num", "log_index"],
}


@pytest.fixture
def extracted(jobyard: CommandLine, solo: Service) -> CommandLine:
    """A dataset of files of three blocks each, extracted by a solo that goes on running."""
    assert solo.process.poll() is None
    register(jobyard, "recorded", {"path": str(MINTED)}, chain="evm")
    deploy(jobyard)
    return jobyard


def register(jobyard: CommandLine, kind: str, provider: Any, **manifest: str) -> None:
    jobyard.ok("manifest", "generate", "--kind", kind, "--network", "minted", "-o", "m.json")
    made = json.loads((jobyard.folder / "m.json").read_text())
    (jobyard.folder / "m.json").write_text(json.dumps({**made, **manifest}))
    jobyard.ok("dataset", "register", NAME, "m.json", "--tag", "1.0.0")
    source = {"kind": kind, "network": "minted", **provider}
    (jobyard.folder / "p.json").write_text(json.dumps(source))
    jobyard.ok("provider", "register", "mine", "p.json")


def deploy(jobyard: CommandLine, status: str = "COMPLETED") -> Any:
    args = ("dataset", "deploy", NAME, "--end-block", str(LAST), "--file-blocks", "3")
    return wait_for(jobyard, jobyard.ok(*args).strip(), status)


def wait_for(jobyard: CommandLine, job_id: str, status: str = "COMPLETED") -> Any:
    jobyard("job", "wait", job_id)
    job = json.loads(jobyard.ok("job", "inspect", job_id, "--json"))
    assert job["status"] == status, job["message"]
    return job


def folder_of(jobyard: CommandLine, table: str) -> Path:
    (found,) = (path for path in jobyard.folder.rglob(f"eth/{table}/*") if path.is_dir())
    return found


def rows(jobyard: CommandLine) -> dict[str, pa.Table]:
    """Read all tables, as any reader of the folders would."""
    return {
        table: pa.concat_tables(
            [pq.read_table(file) for file in folder_of(jobyard, table).glob("[!.]*.parquet")]
        ).sort_by([(name, "ascending") for name in order])
        for table, order in TABLES.items()
    }


def verify(jobyard: CommandLine, *more: str) -> tuple[int, Any]:
    done = jobyard("verify", NAME, "--json", *more)
    return done.returncode, json.loads(done.stdout)


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[60] ^= 0xFF
    file.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "flipped": flip,
    "cut": lambda file: file.write_bytes(file.read_bytes()[:-50]),
    "emptied": lambda file: file.write_bytes(b""),
    "removed": Path.unlink,
}


def test_damaged_files_are_named_and_their_blocks_are_extracted_anew(
    extracted: CommandLine,
) -> None:
    before = rows(extracted)
    victims = sorted(folder_of(extracted, "transactions").glob("[!.]*.parquet"))
    for victim, damage in zip(victims, DAMAGES.values(), strict=True):
        damage(victim)
    code, told = verify(extracted)
    assert (code, sorted(told["damaged"])) == (1, [victim.name for victim in victims])

    span = ("--start-block", "4", "--end-block", "4", "--json")
    told = json.loads(extracted.ok("dataset", "rematerialize", NAME, *span))
    assert (told["new_job_created"], told["start_block"], told["end_block"]) == (True, 3, 5)
    rest = ("--start", "0", "--end", str(LAST))
    last = extracted.ok("dataset", "rematerialize", NAME, *rest).strip()
    wait_for(extracted, last)

    assert int(last) > told["job_id"]
    code, told = verify(extracted)
    assert (code, told["damaged"], told["superseded"]) == (0, {}, [])
    after = rows(extracted)
    assert all(after[table].equals(before[table]) for table in TABLES)


def test_a_quarantined_file_is_kept_and_the_next_deployment_extracts_its_blocks(
    extracted: CommandLine,
) -> None:
    before = rows(extracted)
    folder = folder_of(extracted, "logs")
    cut, gone = sorted(folder.glob("[!.]*.parquet"))[1:3]
    cut.write_bytes(cut.read_bytes()[:40])
    gone.unlink()

    code, told = verify(extracted, "--quarantine")

    assert (code, sorted(told["damaged"])) == (1, [cut.name, gone.name])
    taken = [(one["file"], one["start_block"], one["end_block"]) for one in told["quarantined"]]
    assert taken == [(cut.name, 3, 5), (gone.name, 6, 8)]
    assert len((folder / f".{cut.name}.damaged").read_bytes()) == 40
    deploy(extracted)
    assert verify(extracted)[0] == 0
    after = rows(extracted)
    assert all(after[table].equals(before[table]) for table in TABLES)
    assert (folder / f".{cut.name}.damaged").exists()


def test_a_job_that_misses_a_file_says_which_and_what_brings_it_back(
    extracted: CommandLine,
) -> None:
    victim = sorted(folder_of(extracted, "blocks").glob("[!.]*.parquet"))[2]
    victim.unlink()

    job = deploy(extracted, "FAILED")

    progress = json.loads(extracted.ok("job", "progress", str(job["id"]), "--json"))
    detail = progress["detail"]
    assert (detail["error_code"], detail["error_context"]["file"]) == (
        "DATA_FILE_MISSING",
        victim.name,
    )
    command = detail["hint"].partition("`jobyard ")[2].rstrip("`").split()
    assert command == [
        "dataset", "rematerialize", f"{NAME}@1.0.0", "--start-block", "6", "--end-block", "8",
    ]  # fmt: skip
    wait_for(extracted, extracted.ok(*command).strip())
    assert verify(extracted)[0] == 0
    deploy(extracted)


def test_a_job_that_follows_the_head_extracts_blocks_again_by_itself(
    jobyard: CommandLine, solo: Service
) -> None:
    assert solo.process.poll() is None
    with serving(ReplayChain.read(MINTED)) as server:
        register(jobyard, "evm-rpc", {"url": server.url})
        job_id = jobyard.ok(
            "dataset", "deploy", NAME, "--file-blocks", "3", "--flush-after", "100ms"
        ).strip()
        until(lambda: current(jobyard, job_id) == LAST)
        before = rows(jobyard)
        (old,) = folder_of(jobyard, "logs").glob("000000003-*.parquet")

        span = ("--start-block", "5", "--end-block", "5", "--json")
        told = json.loads(jobyard.ok("dataset", "rematerialize", NAME, *span))

        assert (str(told["job_id"]), told["new_job_created"]) == (job_id, False)
        assert (told["files"], told["start_block"], told["end_block"]) == (3, 3, 5)
        until(lambda: current(jobyard, job_id) == LAST)
        assert verify(jobyard)[0] == 0
        assert not old.exists()
        after = rows(jobyard)
        assert all(after[table].equals(before[table]) for table in TABLES)


def current(jobyard: CommandLine, job_id: str) -> int | None:
    """Tell how far the table that is behind is."""
    tables = json.loads(jobyard.ok("job", "progress", job_id, "--json"))["tables"]
    found = [one["current_block"] for one in tables.values()]
    return None if not found or None in found else min(found)


def until(found: Callable[[], bool]) -> None:
    began = monotonic()
    while not found():
        assert monotonic() - began < PATIENCE
        pause(LOOK)
