"""Damaged files of tables: find those that are gone, put the others aside, out of their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobyard import app
from jobyard.cli.printer import say
from jobyard.core.ranges import merge
from jobyard.data.folder import DataFolder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from jobyard.config import Settings
    from jobyard.core.extraction import Quarantined
    from jobyard.core.ranges import Span
    from jobyard.core.tables import TableRevision
    from jobyard.data.verify import Verified
    from jobyard.store.base import Store

PAGE = 1000
FOLDERS = "_/extract_"
"""What datasets are called that are nothing but a folder of `jobyard extract`."""


def has_store(settings: Settings) -> bool:
    """Tell whether there is a store that may know of files."""
    return bool(settings.database) or (settings.state_dir / "jobs.db").exists()


async def note_lost(settings: Settings, folder: DataFolder, found: Verified) -> None:
    """Add files to what is damaged that are part of a table below a folder, and are not there."""
    async with app.open_yard(settings) as yard:
        async for revision in _active(yard.store):
            path = _bare(revision.path)
            if path != folder.path and not path.startswith(f"{folder.path}/"):
                continue
            there = {info.name for info in DataFolder.at(revision.path).files()}
            async for name in _names(yard.store, revision.id):
                if name not in there and name not in found.damaged:
                    found.note_damage(
                        name, DataFolder.at(revision.path), f"is not in {revision.path}"
                    )


async def put_aside(settings: Settings, found: Verified) -> list[Quarantined]:
    """Take damaged files out of their tables and put them aside; tell which blocks they had."""
    by_folder: dict[str, list[str]] = {}
    for name, folder in found.damaged_in.items():
        by_folder.setdefault(folder.path, []).append(name)
    taken: list[Quarantined] = []
    if has_store(settings):
        async with app.open_yard(settings) as yard:
            async for revision in _active(yard.store):
                names = by_folder.get(_bare(revision.path), [])
                if names:
                    taken += await yard.store.quarantine(revision.path, names)
    for name, folder in found.damaged_in.items():
        folder.put_aside(name)
    return taken


async def _active(store: Store) -> AsyncIterator[TableRevision]:
    after = 0
    while page := await store.table_revisions(active=True, after=after, limit=PAGE):
        after = page[-1].id
        for one in page:
            yield one


async def _names(store: Store, revision_id: int) -> AsyncIterator[str]:
    after = ""
    while page := await store.revision_files(revision_id, after=after, limit=PAGE):
        after = page[-1].name
        for one in page:
            if one.retired_at is None:
                yield one.name


def _bare(path: str) -> str:
    """Leave out how a path is reached, as folders do."""
    return path.partition("://")[2] or path


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
