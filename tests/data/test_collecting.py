"""Retired files: hidden at once, removed when their time has come, whatever is in the way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.conformance.writers import a

from jobyard.app import remove_files
from jobyard.core.tables import TableOf
from jobyard.data.folder import DataFolder
from jobyard.data.tidy import Place, tidy
from jobyard.data.upkeep import hide
from jobyard.engine.collector import LATER_US, SLICE, Collector
from jobyard.engine.controller import Controller
from jobyard.testing.stage import Stage, sqlite_stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with sqlite_stage(tmp_path) as stage:
        yield stage


def retire(stage: Stage, folder: Path, count: int, *, written: bool = True) -> list[str]:
    """Have files of a folder be due."""
    of = TableOf("eth/main", str(folder), "blocks")
    number = stage.do(stage.store.register_revision(of, str(folder)))
    names = [f"{at:09}-{folder.name}.parquet" for at in range(count)]
    found = [(a(name, at, at + 1, str(at - 1), str(at)), 1) for at, name in enumerate(names)]
    stage.do(stage.store.take_in(number, found, 0))
    if written:
        folder.mkdir(exist_ok=True)
        for name in names:
            (folder / name).touch()
    stage.do(stage.store.truncate_revision(number))
    return names


def collect(stage: Stage) -> bool:
    return stage.do(Collector(stage.store, remove_files).collect())


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_files_go_hidden_or_not_and_others_stay(stage: Stage, tmp_path: Path) -> None:
    folder = tmp_path / "t"
    names = retire(stage, folder, 3)
    hide(str(folder), names[:1])
    (folder / "other.parquet").touch()
    assert left(folder) == [f".{names[0]}.retired", *names[1:], "other.parquet"]

    assert not collect(stage)
    assert left(folder) == ["other.parquet"]
    assert stage.do(stage.store.collectable(10)) == []


def test_a_file_that_is_gone_already_is_collected(stage: Stage, tmp_path: Path) -> None:
    folder = tmp_path / "t"
    names = retire(stage, folder, 2)
    (folder / names[0]).unlink()

    # As after a kill between the file and its row: the row is there once more.
    collect(stage)
    assert (left(folder), stage.do(stage.store.collectable(10))) == ([], [])


def test_what_cannot_be_removed_comes_up_later_and_holds_up_nothing(
    stage: Stage, tmp_path: Path
) -> None:
    stuck, away, fine = (tmp_path / name for name in ("stuck", "away", "fine"))
    (name, free) = retire(stage, stuck, 2)
    (stuck / name).unlink()
    # A file that cannot be removed, also for a user who may do everything.
    (stuck / name / "inside").mkdir(parents=True)
    retire(stage, away, 1, written=False)
    retire(stage, fine, 1)

    collect(stage)
    assert (left(stuck), left(fine)) == ([name], [])
    assert free not in left(stuck)
    assert stage.do(stage.store.collectable(10)) == []
    stage.clock.advance(LATER_US / 1_000_000)
    assert [one.path for one in stage.do(stage.store.collectable(10))] == [str(stuck), str(away)]

    (stuck / name / "inside").rmdir()
    (stuck / name).rmdir()
    away.mkdir()
    collect(stage)
    stage.clock.advance(LATER_US / 1_000_000)
    assert stage.do(stage.store.collectable(10)) == []


def test_a_remover_that_fails_altogether_is_asked_again_later(stage: Stage, tmp_path: Path) -> None:
    retire(stage, tmp_path / "t", 1)

    def broken(path: str, names: Sequence[str]) -> dict[str, str]:
        raise ModuleNotFoundError(f"{path} {names}")

    assert not stage.do(Collector(stage.store, broken).collect())
    assert stage.do(stage.store.collectable(10)) == []
    stage.clock.advance(LATER_US / 1_000_000)
    assert len(stage.do(stage.store.collectable(10))) == 1


def test_one_turn_collects_a_slice(stage: Stage, tmp_path: Path) -> None:
    folder = tmp_path / "t"
    retire(stage, folder, SLICE + 1)

    assert collect(stage)
    assert len(left(folder)) == 1
    assert not collect(stage)
    assert left(folder) == []


def test_a_controller_collects_beside_its_work(stage: Stage, tmp_path: Path) -> None:
    folder = tmp_path / "t"
    retire(stage, folder, SLICE + 1)

    async def run() -> None:
        emptied, loop = asyncio.Event(), asyncio.get_running_loop()

        def remove(path: str, names: Sequence[str]) -> Mapping[str, str]:
            failed = remove_files(path, names)
            if not left(folder):
                loop.call_soon_threadsafe(emptied.set)
            return failed

        controller = Controller(stage.store, cleans=False, collector=Collector(stage.store, remove))
        running = asyncio.create_task(controller.run())
        await asyncio.wait(
            [running, asyncio.create_task(emptied.wait())], return_when=asyncio.FIRST_COMPLETED
        )
        controller.end()
        await running

    stage.do(run())
    # Whoever ends sees to it that what is removed is also noted.
    assert stage.do(stage.store.collectable(1)) == []


class _Knowing:
    """A link to a store that knows these files."""

    def __init__(self, known: Sequence[str], retired: Sequence[str]) -> None:
        self._known, self._retired = known, retired

    async def files(self, table: str) -> tuple[dict[str, tuple[int, int]], set[str]]:
        del table
        return dict.fromkeys(self._known, (0, 0)), set(self._retired)


def test_a_killed_programs_rename_is_finished_by_the_next(tmp_path: Path) -> None:
    for name in ("0-kept.parquet", "0-old.parquet", "0-orphan.parquet", ".0-x.parquet.retired"):
        (tmp_path / name).touch()
    link = _Knowing(["0-kept.parquet"], ["0-old.parquet", "0-x.parquet"])

    folder, place = DataFolder.at(tmp_path), Place("a/b@dev")
    asyncio.run(tidy(folder, "t", link, lambda _: True, place))  # type: ignore[arg-type]
    assert left(tmp_path) == [
        ".0-old.parquet.retired", ".0-x.parquet.retired", "0-kept.parquet",
    ]  # fmt: skip
