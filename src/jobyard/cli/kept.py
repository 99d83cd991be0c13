"""Where tables lie that a person names: below a folder, in an object store, or of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jobyard import app
from jobyard.cli.extracting import folder_named
from jobyard.core.places import is_address
from jobyard.data.places import Kept
from jobyard.errors import DatasetNotFound, InvalidPath, NotFound
from jobyard.spec.references import reference

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from jobyard.config import Settings
    from jobyard.core.tables import TableFile, TableRevision
    from jobyard.store.base import Store

PAGE = 1000


def kept_at(settings: Settings, place: str, *, chained: bool) -> str | list[Kept]:
    """Find what is meant: a folder, or what a dataset's active revisions have.

    With ``chained`` only the files of canonical chains are given of a dataset.

    Raises:
        NotFound: there is no such folder, and no such dataset has files.
    """
    if place.startswith("file://") or is_address(place) or Path(place).is_dir():
        return place if is_address(place) else folder_named(place)
    try:
        reference(place)
    except InvalidPath as error:
        raise NotFound(f"there is no folder {place}", hint="is the path right?") from error
    if has_store(settings):
        found = app.run_async(_of_dataset(settings, place, chained=chained))
        if found:
            return found
        raise NotFound(f"the dataset {place} has no files yet", hint="`jobyard dataset deploy`")
    raise NotFound(
        f"there is no folder {place}, and no dataset of that name",
        hint=f"nothing is kept in {settings.state_dir}: --state-dir or --database say where",
    )


async def _of_dataset(settings: Settings, place: str, *, chained: bool) -> list[Kept]:
    async with app.open_yard(settings) as yard:
        named = reference(place)
        try:
            wanted = await yard.store.revision(named[:2], named.revision)
        except DatasetNotFound as error:
            message = f"there is no folder {place}, and {error.detail.removeprefix('there is ')}"
            raise NotFound(message, hint=error.hint) from error
        found = []
        key = (wanted.dataset.full_name, wanted.manifest.hash)
        async for one in active_revisions(yard.store):
            if (one.of.dataset, one.of.manifest_hash) != key:
                continue
            every = [file async for file in published_files(yard.store, one.id)]
            files = [file for file in every if file.chained or not chained]
            if files:
                found.append(Kept(one.of.table, one.path, {file.name: file.size for file in files}))
    return sorted(found, key=lambda one: one.table)


def has_store(settings: Settings) -> bool:
    """Tell whether there is a store that may know of files."""
    return bool(settings.database) or (settings.state_dir / "jobs.db").exists()


async def active_revisions(store: Store) -> AsyncIterator[TableRevision]:
    """Go through the revisions of all tables that are read and written."""
    after = 0
    while page := await store.table_revisions(active=True, after=after, limit=PAGE):
        after = page[-1].id
        for one in page:
            yield one


async def published_files(store: Store, revision_id: int) -> AsyncIterator[TableFile]:
    """Go through the files of a revision, by name."""
    after = ""
    while page := await store.revision_files(revision_id, after=after, limit=PAGE):
        after = page[-1].name
        for one in page:
            if one.retired_at is None:
                yield one
