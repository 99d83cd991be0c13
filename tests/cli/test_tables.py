"""The commands of tables, without a server and through one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.cli.test_datasets import generate, read
from tests.cli.test_extras import without
from tests.data.files import left, put

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import CommandLine


def registered(jobyard: CommandLine) -> Path:
    """Register a dataset; give the folder of its table."""
    generate(jobyard, "--table", "blocks")
    jobyard.ok("dataset", "register", "a/eth", "eth.json", "-t", "1.0.0")
    return jobyard.folder / ".jobyard" / "data" / "a" / "eth" / "blocks"


@pytest.mark.parametrize("served", [False, True], ids=["embedded", "served"])
def test_a_table_is_restored_looked_at_pruned_and_truncated(
    jobyard: CommandLine, served: bool
) -> None:
    if served:
        jobyard.serve("server", "--port", "0", until="listening on")
    folder = registered(jobyard) / "0001"
    for start, stop in ((0, 10), (10, 20), (40, 50)):
        put(folder, start, stop)

    (restored,) = read(jobyard, "dataset", "restore", "a/eth@1.0.0")["tables"]

    number = str(restored["location_id"])
    assert restored["total_files"] == 3
    (line,) = jobyard.ok("tables", "ls", "--active", "true").splitlines()[1:]
    assert line.split()[:5] == [number, line.split()[1], "blocks", "yes", "-"]
    assert line.split()[5:9] == ["0", "-", "19", "2"]
    assert read(jobyard, "table", "get", number)["url"] == folder.as_uri()
    lines = jobyard.ok("table", "files", number).splitlines()[1:]
    assert [one.split()[4] for one in lines] == ["chain", "chain", "beside"]
    file = read(jobyard, "table", "file", lines[0].split()[0])
    assert file["metadata"]["jobyard"]["table"] == "blocks"

    done = jobyard("table", "prune", number, "--force")
    assert (done.returncode, "1 file will be removed in 3600 s" in done.stderr) == (0, True)
    assert jobyard("table", "truncate", number, "-f").returncode == 4
    jobyard.ok("table", "deactivate", "a/eth", "blocks")
    assert read(jobyard, "table", "truncate", number, "-f") == {"files_deleted": 3}
    assert left(folder) == []
    assert read(jobyard, "table", "list") == []


def test_what_cannot_be_undone_asks_first(jobyard: CommandLine) -> None:
    folder = registered(jobyard) / "0001"
    put(folder, 0, 10)
    number = jobyard.ok("table", "reg", "a/eth", "blocks", str(folder)).strip()
    assert read(jobyard, "table", "restore", number)["total_files"] == 1

    for verb in ("rm", "delete", "truncate", "prune"):
        for answer in ("", "n\n", "\n"):
            done = jobyard("table", verb, number, stdin=answer)
            assert (done.returncode, "nothing was done" in done.stderr) == (1, True)
            assert "[y/N]" in done.stderr
    assert read(jobyard, "table", "prune", number, "-f", "--gc-delay", "5") == {
        "files_scheduled": 0, "gc_delay_secs": 5,
    }  # fmt: skip
    done = jobyard("table", "rm", number, stdin="y\n")
    assert (done.returncode, len(left(folder))) == (0, 1)


def test_one_of_two_revisions_becomes_active(jobyard: CommandLine) -> None:
    tables = registered(jobyard)
    numbers = []
    for name in ("0001", "0002"):
        put(tables / name, 0, 10)
        numbers.append(jobyard.ok("table", "register", "a/eth", "blocks", str(tables / name)))
    first, second = (number.strip() for number in numbers)
    early = jobyard("table", "activate", "a/eth", "blocks", first)
    assert (early.returncode, f"jobyard table restore {first}" in early.stderr) == (4, True)
    jobyard.ok("table", "restore", first)

    assert jobyard.ok("table", "ls", "-a", "true").splitlines()[1:] == []
    assert read(jobyard, "table", "activate", "a/eth", "blocks", first)["active"]
    named = ("--table", "blocks", "--location-id", second)
    assert second in jobyard.ok("dataset", "restore", "a/eth", *named)
    assert [one["id"] for one in read(jobyard, "table", "ls", "-a", "true")] == [int(second)]
    newest = read(jobyard, "dataset", "restore", "a/eth", "--table", "blocks")
    assert newest["location_id"] == int(second)
    page = jobyard("table", "ls", "-l", "1")
    assert f"there may be more: --after {first}" in page.stderr


@pytest.mark.parametrize(
    ("args", "exits", "words"),
    [
        (("table", "get", "7"), 3, "there is no revision 7"),
        (("table", "get", "x"), 2, "ID"),
        (("table", "files", "7"), 3, "there is no revision 7"),
        (("table", "file", "7"), 3, "no file of a table has the id 7"),
        (("table", "activate", "a/eth", "logs", "1"), 3, "a/eth has no table `logs`"),
        (("table", "activate", "a/eth", "blocks", "1"), 3, "has no revision"),
        (("table", "deactivate", "a/eth", "blocks"), 3, "has no revision"),
        (("table", "truncate", "7", "-f"), 3, "there is no revision 7"),
        (("dataset", "restore", "a/eth"), 3, "has no file below"),
        (("dataset", "restore", "a/sol"), 3, "there is no dataset a/sol"),
        (("dataset", "restore", "a/eth", "--location-id", "3"), 2, "--table names it"),
    ],
)
def test_what_is_wrong_is_told_in_words(
    jobyard: CommandLine, args: tuple[str, ...], exits: int, words: str
) -> None:
    registered(jobyard)

    done = jobyard(*args)

    assert (done.returncode, words in done.stderr) == (exits, True), done.stderr


def test_without_the_library_that_reads_files_nothing_changes(jobyard: CommandLine) -> None:
    folder = registered(jobyard) / "0001"
    put(folder, 20, 30)
    put(folder, 0, 10)
    number = str(read(jobyard, "dataset", "restore", "a/eth")["tables"][0]["location_id"])
    before = jobyard.ok("table", "get", number)
    for args in (("prune", number, "-f"), ("restore", number), ("truncate", number, "-f")):
        done = without("pyarrow", jobyard.folder, "table", *args)
        assert (done.returncode, "this needs pyarrow" in done.stderr) == (1, True), done.stderr
        assert "pip install 'jobyard[data]'" in done.stderr

    assert jobyard.ok("table", "get", number) == before
    assert len(left(folder)) == 2
