"""`jobyard query`: its forms, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine
    from tests.cli.starter import Starter

MINTED = Path(__file__).parents[1] / "data" / "anvil-prague.ndjson.gz"
ASKED = "SELECT block_num, hash, base_fee_per_gas FROM blocks WHERE block_num < 2 ORDER BY 1"
BY_TYPE = "SELECT type, count(*) AS n FROM transactions GROUP BY type ORDER BY type"


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory, starter: Starter) -> Path:
    """A folder with tables in `data`, and a dataset `demo/anvil` with the same."""
    from tests.cli.conftest import CommandLine

    folder = tmp_path_factory.mktemp("tables")
    jobyard = CommandLine(folder, starter)
    shutil.copy(MINTED, folder / "blocks.ndjson.gz")
    jobyard.ok("extract", "recorded", "--url", "blocks.ndjson.gz", "--out", "data")
    (folder / "mine.yaml").write_text("kind: recorded\nnetwork: anvil\npath: blocks.ndjson.gz\n")
    jobyard.ok("provider", "register", "mine", "mine.yaml")
    jobyard.ok(
        "manifest", "generate", "--kind", "recorded", "--network", "anvil", "-o", "anvil.json"
    )
    jobyard.ok("dataset", "register", "demo/anvil", "anvil.json", "--tag", "1.0.0")
    jobyard.ok("dataset", "register", "demo/empty", "anvil.json")
    jobyard.ok("dataset", "deploy", "demo/anvil", "--end-block", "11")
    solo = jobyard.serve("solo", "--port", "0", until="listening on")
    jobyard.ok("job", "wait", "2")
    solo.end()
    return folder


@pytest.fixture
def here(extracted: Path, starter: Starter) -> CommandLine:
    from tests.cli.conftest import CommandLine

    return CommandLine(extracted, starter)


def test_a_person_reads_a_table(here: CommandLine) -> None:
    assert here.ok("query", BY_TYPE, "--from", "data").splitlines() == [
        "type  n", "0     13", "1     4", "2     148", "4     2",
    ]  # fmt: skip


def test_every_form_has_the_same_values(here: CommandLine) -> None:
    def ask(form: str) -> str:
        return here.ok("query", ASKED, "--from", "data", "--format", form)

    lines = [json.loads(line) for line in ask("json").splitlines()]
    rows = list(csv.DictReader(io.StringIO(ask("csv"))))

    assert [line["block_num"] for line in lines] == [0, 1]
    assert all(line["hash"].startswith("0x") and len(line["hash"]) == 66 for line in lines)
    assert [row["hash"] for row in rows] == [line["hash"] for line in lines]
    assert lines[0]["hash"] in ask("table")


def test_arrow_is_a_stream_with_the_types_of_the_columns(here: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "answer.arrows"
    done = subprocess_bytes(here, "query", ASKED, "--from", "data", "--format", "arrow")
    file.write_bytes(done)

    with pa.ipc.open_stream(file) as stream:
        table = stream.read_all()

    assert table.column_names == ["block_num", "hash", "base_fee_per_gas"]
    assert table.num_rows == 2
    assert len(table["hash"][0].as_py()) == 32


def test_a_dataset_is_asked_by_its_name(here: CommandLine) -> None:
    expected = here.ok("query", BY_TYPE, "--from", "data")

    for name in ("demo/anvil", "demo/anvil@1.0.0", "demo/anvil@dev"):
        assert here.ok("query", BY_TYPE, "--from", name) == expected
    both = "SELECT count(*) AS n FROM a.blocks x JOIN b.blocks y ON x.hash = y.hash"
    told = here.ok("query", both, "--from", "a=demo/anvil", "--from", "b=data", "--format", "json")
    assert json.loads(told) == {"n": 12}


def test_only_what_is_published_is_read_of_a_dataset(here: CommandLine, extracted: Path) -> None:
    (folder,) = extracted.glob(".jobyard/data/demo/anvil/blocks/*/")
    (file,) = folder.glob("*.parquet")
    shutil.copy(file, folder / "000000000-orphan.parquet")
    try:
        asked = "SELECT count(*) AS n FROM blocks"
        of_dataset = here.ok("query", asked, "--from", "demo/anvil", "--format", "json")
        of_folder = here.ok(
            "query", asked, "--from", ".jobyard/data/demo/anvil", "--format", "json"
        )
    finally:
        (folder / "000000000-orphan.parquet").unlink()

    assert (json.loads(of_dataset), json.loads(of_folder)) == ({"n": 12}, {"n": 24})


@pytest.mark.parametrize(
    ("sql", "place", "exits", "words"),
    [
        ("SELEC 1", "data", 2, "SELEC"),
        ("SELECT nothing FROM blocks", "data", 2, "nothing"),
        ("SELECT 1 FROM trees", "data", 2, "trees"),
        ("DROP TABLE blocks", "data", 2, "DDL not supported"),
        ("INSERT INTO blocks SELECT * FROM blocks", "data", 2, "DML not supported"),
        ("COPY blocks TO 'stolen.parquet'", "data", 2, "DML not supported"),
        ("CREATE EXTERNAL TABLE x STORED AS PARQUET LOCATION '/etc'", "data", 2, "DDL not"),
        ("SET datafusion.execution.batch_size = 1", "data", 2, "not supported"),
        ("SELECT 1", ".jobyard/logs", 3, "there is no folder"),
        ("SELECT 1", "empty", 3, "there are no tables below "),
        ("SELECT 1", "no-where", 3, "there is no folder no-where"),
        ("SELECT 1", "demo/none", 3, "no dataset demo/none"),
        ("SELECT 1", "demo/anvil@9.9.9", 3, "9.9.9"),
    ],
)
def test_what_cannot_be_answered_is_told_and_nothing_is_written(
    here: CommandLine, sql: str, place: str, exits: int, words: str
) -> None:
    (here.folder / "empty").mkdir(exist_ok=True)

    done = here("query", sql, "--from", place)

    assert (done.returncode, done.stdout) == (exits, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (here.folder / "stolen.parquet").exists()


def test_a_dataset_without_files_is_told(here: CommandLine) -> None:
    done = here("query", "SELECT 1", "--from", "demo/empty")

    assert (done.returncode, "demo/empty has no files yet" in done.stderr) == (3, True)


def test_a_folder_with_an_apostrophe_is_a_folder(here: CommandLine) -> None:
    shutil.copytree(here.folder / "data", here.folder / "it's data", dirs_exist_ok=True)

    assert here.ok("query", BY_TYPE, "--from", "it's data").startswith("type")


def subprocess_bytes(line: CommandLine, *args: str) -> bytes:
    """Run a command whose output is no text."""
    import subprocess
    import sys

    from tests.cli.conftest import environment

    return subprocess.run(
        [sys.executable, "-m", "jobyard", *args],
        cwd=line.folder,
        env=environment(),
        capture_output=True,
        check=True,
    ).stdout
