"""`jobyard verify`: what is sound, damaged, or cannot be proved."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

DATA = Path(__file__).parents[1] / "data"
MINTED = DATA / "anvil-prague.ndjson.gz"


@pytest.fixture
def folder(jobyard: CommandLine) -> Path:
    shutil.copy(MINTED, jobyard.folder / "blocks.ndjson.gz")
    jobyard.ok("extract", "recorded", "--url", "blocks.ndjson.gz", "--out", "data")
    return jobyard.folder


def verified(jobyard: CommandLine, *args: str) -> tuple[int, dict[str, Any]]:
    done = jobyard("verify", *args, "--json")
    return done.returncode, json.loads(done.stdout)


def test_sound_tables_are_proved_in_full(jobyard: CommandLine, folder: Path) -> None:
    page = jobyard.ok("verify", "data")
    code, found = verified(jobyard, "data")

    assert page.endswith("\nsound\n")
    assert (code, found["sound"], found["damaged"]) == (0, True, {})
    assert found["tables"]["blocks"] == {"blocks": [[0, 11]], "rows": 12}
    for check in ("header_hash", "transactions_root", "receipts_root", "logs_bloom"):
        assert found["checks"][check]["proved"] == 12, check
        assert found["checks"][check]["failed"] == 0


def test_a_quick_look_leaves_out_what_takes_long(jobyard: CommandLine, folder: Path) -> None:
    code, found = verified(jobyard, "data", "--quick")

    assert code == 0
    assert found["checks"]["header_hash"]["proved"] == 12
    assert found["checks"].get("receipts_root", {}).get("proved", 0) == 0


def test_a_damaged_file_is_named_and_the_rest_is_still_proved(
    jobyard: CommandLine, folder: Path
) -> None:
    (file,) = (folder / "data" / "logs").rglob("*.parquet")
    content = bytearray(file.read_bytes())
    content[600] ^= 1
    file.write_bytes(bytes(content))

    page = jobyard("verify", "data")
    code, found = verified(jobyard, "data")

    assert (page.returncode, page.stdout.endswith("\nNOT SOUND\n")) == (1, True)
    assert f"damaged: {file.name}: " in page.stdout
    assert (code, list(found["damaged"])) == (1, [file.name])
    assert found["checks"]["header_hash"]["proved"] == 12


def test_what_cannot_be_proved_is_said_with_its_reason(jobyard: CommandLine, folder: Path) -> None:
    with gzip.open(MINTED, "rt") as lines, (folder / "bare.ndjson").open("w") as bare:
        for line in lines:
            block = json.loads(line)
            block.pop("receipts", None)
            bare.write(json.dumps(block) + "\n")
    done = jobyard("extract", "recorded", "--url", "bare.ndjson", "--out", "bare")

    code, found = verified(jobyard, "bare")

    assert done.returncode == 0
    assert "the table `logs` is left out" in done.stderr
    assert (code, found["sound"]) == (0, True)
    left = found["checks"]["receipts_root"]["not_provable"]
    assert sum(b - a + 1 for one in left for a, b in one["blocks"]) > 0
    assert all(one["reason"] for one in left)


def test_nothing_to_prove_is_not_sound(jobyard: CommandLine, folder: Path) -> None:
    (folder / "empty").mkdir()

    assert jobyard("verify", "empty").returncode == 1


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("no-where", "there is no folder no-where"),
        ("demo/none", "there is no folder demo/none, and no dataset demo/none"),
        ("data/blocks.txt", "there is no folder data/blocks.txt"),
    ],
)
def test_a_place_that_is_not_there_is_told(
    jobyard: CommandLine, folder: Path, place: str, words: str
) -> None:
    done = jobyard("verify", place)

    assert (done.returncode, done.stdout) == (3, "")
    assert words in done.stderr


def test_a_dataset_is_proved_by_its_published_files(jobyard: CommandLine, folder: Path) -> None:
    (folder / "mine.yaml").write_text("kind: recorded\nnetwork: anvil\npath: blocks.ndjson.gz\n")
    jobyard.ok("provider", "register", "mine", "mine.yaml")
    jobyard.ok(
        "manifest", "generate", "--kind", "recorded", "--network", "anvil", "-o", "anvil.json"
    )
    jobyard.ok("dataset", "register", "demo/anvil", "anvil.json")
    jobyard.ok("dataset", "deploy", "demo/anvil", "--end-block", "11")
    jobyard.serve("solo", "--port", "0", until="listening on")
    jobyard.ok("job", "wait", "2")
    (file,) = folder.glob(".jobyard/data/demo/anvil/blocks/*/*.parquet")

    assert jobyard.ok("verify", "demo/anvil").endswith("\nsound\n")
    file.with_name("000000000-orphan.parquet").write_bytes(b"no table")
    assert verified(jobyard, "demo/anvil")[0] == 0
    file.unlink()
    code, found = verified(jobyard, "demo/anvil@dev")
    assert (code, list(found["damaged"])) == (1, [file.name])
    assert "is not in " in found["damaged"][file.name]
