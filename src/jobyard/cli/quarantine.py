"""Damaged files of tables: find those that are gone, put the others aside, out of their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobyard import app
from jobyard.cli.kept import active_revisions, has_store, published_files
from jobyard.cli.printer import say
from jobyard.core.places import is_address
from jobyard.core.ranges import merge
from jobyard.data.folder import DataFolder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.config import Settings
    from jobyard.core.extraction import Quarantined
    from jobyard.core.ranges import Span
    from jobyard.data.verify import Verified

FOLDERS = "_/extract_"
"""What datasets are called that are nothing but a folder of `jobyard extract`."""


async def note_lost(settings: Settings, below: DataFolder, found: Verified) -> None:
    """Add files to what is damaged that are part of a table below a folder, and are not there."""
    async with app.open_yard(settings) as yard:
        async for revision in active_revisions(yard.store):
            path = _bare(revision.path)
            if path != below.path and not path.startswith(f"{below.path}/"):
                continue
            there = {info.name for info in DataFolder.at(revision.path).files()}
            async for file in published_files(yard.store, revision.id):
                if file.name not in there and file.name not in found.damaged:
                    folder = DataFolder.at(revision.path)
                    found.note_damage(file.name, folder, f"is not in {revision.path}")


async def forget_replaced(settings: Settings, found: Verified) -> None:
    """Take back that files are gone if others took their places while they were looked at."""
    gone = {
        name: folder
        for name, folder in found.damaged_in.items()
        if name not in {info.name for info in folder.files()}
    }
    if not gone:
        return
    paths = {folder.path for folder in gone.values()}
    known: set[str] = set()
    async with app.open_yard(settings) as yard:
        async for revision in active_revisions(yard.store):
            if _bare(revision.path) in paths:
                files = published_files(yard.store, revision.id)
                known.update([file.name async for file in files])
    for name in gone.keys() - known:
        found.forget_damage(name)


async def put_aside(settings: Settings, found: Verified) -> list[Quarantined]:
    """Take damaged files out of their tables and put them aside; tell which blocks they had."""
    by_folder: dict[str, list[str]] = {}
    for name, folder in found.damaged_in.items():
        by_folder.setdefault(folder.path, []).append(name)
    taken: list[Quarantined] = []
    if has_store(settings):
        async with app.open_yard(settings) as yard:
            async for revision in active_revisions(yard.store):
                names = by_folder.get(_bare(revision.path), [])
                if names:
                    taken += await yard.store.quarantine(revision.path, names)
    for name, folder in found.damaged_in.items():
        folder.put_aside(name)
    return taken


def _bare(path: str) -> str:
    """Leave out how a path is reached, as folders do."""
    return path.partition("://")[2].partition("?")[0] if is_address(path) else path


def quarantined_object(taken: Sequence[Quarantined]) -> list[dict[str, Any]]:
    """Write what left its table as JSON has it."""
    return [
        {"file": one.name, "dataset": one.dataset, "table": one.table,
         "start_block": one.start, "end_block": one.stop - 1}
        for one in taken
    ]  # fmt: skip


def tell(found: Verified, taken: Sequence[Quarantined]) -> None:
    """Say what was put aside, and how its blocks come back."""
    for name in found.damaged:
        say(f"put aside: .{name}.damaged")
    for command in dict.fromkeys(repairs(taken)):
        say(f"its blocks come back with: {command}")


def repairs(taken: Sequence[Quarantined]) -> list[str]:
    """Name the commands that extract again what left its table."""
    spans: dict[str, list[Span]] = {}
    for one in taken:
        spans.setdefault(f"{one.dataset}@{one.manifest_hash}", []).append((one.start, one.stop))
    return [
        f"jobyard dataset rematerialize {place} --start-block {start} --end-block {stop - 1}"
        if not place.startswith(FOLDERS)
        else "the same `jobyard extract` once more"
        for place, parts in sorted(spans.items())
        for start, stop in merge(parts)
    ]
