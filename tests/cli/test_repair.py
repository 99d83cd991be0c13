"""Damaged tables: the program names what is wrong, and doing what it says makes it right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import CommandLine, Service

MINTED = Path(__file__).parents[1] / "data" / "anvil-prague.ndjson.gz"
LAST = 11
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
    more = ("--kind", "recorded", "--network", "minted", "-o", "m.json", "--start-block", "0")
    jobyard.ok("manifest", "generate", *more)
    manifest = json.loads((jobyard.folder / "m.json").read_text())
    (jobyard.folder / "m.json").write_text(json.dumps({**manifest, "chain": "evm"}))
    jobyard.ok("dataset", "register", NAME, "m.json", "--tag", "1.0.0")
    provider = {"kind": "recorded", "network": "minted", "path": str(MINTED)}
    (jobyard.folder / "p.json").write_text(json.dumps(provider))
    jobyard.ok("provider", "register", "mine", "p.json")
    deploy(jobyard)
    return jobyard


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
