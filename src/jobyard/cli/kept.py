"""Where tables lie that a person names: below a folder, in an object store, or of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobyard import app
from jobyard.cli.desk import open_desk, server_of
from jobyard.cli.extracting import folder_named
from jobyard.core.places import is_address
from jobyard.data.places import Kept
from jobyard.errors import DatasetNotFound, InvalidPath, NotFound
from jobyard.spec.references import reference

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from jobyard.cli.desk import Desk
    from jobyard.config import Settings
    from jobyard.core.tables import TableFile, TableRevision
    from jobyard.store.base import Store

    Object = Mapping[str, Any]

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
    if server_of(settings) is None and not has_store(settings):
        raise NotFound(
            f"there is no folder {place}, and no dataset of that name",
            hint=f"nothing is kept in {settings.state_dir}: --url, --state-dir or --database say "
            "where",
        )
    found = app.run_async(_of_dataset(settings, place, chained=chained))
    if not found:
        raise NotFound(f"the dataset {place} has no files yet", hint="`jobyard dataset deploy`")
    for one in found:
        if not is_address(one.place) and not Path(one.place).is_dir():
            raise NotFound(
                f"the files of {place} are not here, but in {one.place} of another machine",
                hint="call this there, or have files lie in an object store",
            )
    return found


async def _of_dataset(settings: Settings, place: str, *, chained: bool) -> list[Kept]:
    async with open_desk(settings) as desk:
        try:
            wanted = await desk.dataset(place)
        except DatasetNotFound as error:
            message = f"there is no folder {place}, and {error.detail.removeprefix('there is ')}"
            raise NotFound(message, hint=error.hint) from error
        found = []
        async for one in _active_of(desk, wanted):
            files = {
                file["file_name"]: file["object_size"]
                async for file in _files_of(desk, one["id"])
                if file["canonical"] or not chained
            }
            if files:
                found.append(Kept(one["metadata"]["table_name"], one["path"], files))
    return sorted(found, key=lambda one: one.table)


async def _active_of(desk: Desk, wanted: Object) -> AsyncIterator[Object]:
    """Go through the active revisions of a dataset's tables."""
    after = 0
    of = {
        "dataset_namespace": wanted["namespace"],
        "dataset_name": wanted["name"],
        "manifest_hash": wanted["manifest_hash"],
    }
    while page := await desk.revisions(active=True, after=after, limit=PAGE):
        after = page[-1]["id"]
        for one in page:
            if of.items() <= one["metadata"].items():
                yield one


async def _files_of(desk: Desk, revision_id: int) -> AsyncIterator[Object]:
    after: str | None = ""
    while after is not None:
        page = await desk.revision_files(revision_id, after=after, limit=PAGE)
        for file in page["files"]:
            if file["retired_at"] is None:
                yield file
        after = page.get("next_cursor")


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
