"""The desk of tables: their revisions and files, and what lies of them in storage."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from jobyard.api.desks.counter import MOST_ROWS, Counter, Object, bounded
from jobyard.core.places import below, is_address
from jobyard.core.tables import TableOf
from jobyard.errors import (
    FilesRemaining,
    InvalidPayloadFormat,
    InvalidQueryParam,
    RevisionNotFound,
    RevisionNotRestored,
    RevisionPathTaken,
    TableNotFound,
    TableNotInManifest,
    Unusable,
)
from jobyard.spec.manifest import manifest_of
from jobyard.spec.references import reference
from jobyard.wire.tables import table_file_object, table_revision_object, url_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

GC_DELAY = 3600
"""Seconds that pruned files stay, for those who read them."""
CONCURRENCY = 10
MOST_CONCURRENCY = 100
FAR = 2**62
"""Above every block."""
SECOND = 1_000_000
TAKE_IN = 500
"""Files that one transaction makes part of a revision."""


class TableDesk(Counter):
    """Keeps revisions of tables.

    A dataset is called ``namespace/name@revision``, and without a revision the latest is meant.
    """

    async def revisions(
        self, *, active: bool | None = None, limit: int = 100, after: int = 0
    ) -> list[Object]:
        """List revisions by id, above one; only active ones, or only others."""
        bounded(limit, MOST_ROWS)
        found = await self.store.table_revisions(active=active, after=after, limit=limit)
        return [table_revision_object(one) for one in found]

    async def revision(self, revision_id: int) -> Object:
        """Read a revision.

        Raises:
            RevisionNotFound: there is none of this id.
        """
        return table_revision_object(await self.store.table_revision(revision_id))

    async def revision_files(
        self, revision_id: int, *, limit: int = MOST_ROWS, after: str = ""
    ) -> Object:
        """List a revision's ``files`` by name, which begins with the first block: a page.

        Raises:
            RevisionNotFound: there is none of this id.
        """
        bounded(limit, MOST_ROWS)
        found = await self.store.revision_files(revision_id, after=after, limit=limit + 1)
        page: Object = {"files": [table_file_object(one) for one in found[:limit]]}
        if len(found) > limit:
            page["next_cursor"] = found[limit - 1].name
        return page

    async def file(self, file_id: int) -> Object:
        """Read a file, with what it says of itself as ``metadata``; null where it cannot be read.

        Raises:
            FileNotKnown: there is none of this id.
        """
        found = await self.store.table_file(file_id)
        metadata = await asyncio.to_thread(_storage().metadata, found.path, found.name)
        # What an object store says of it besides is not kept.
        more = {"object_e_tag": None, "object_version": None, "metadata": metadata}
        return {**table_file_object(found), **more}

    async def register_revision(self, dataset: str, table_name: str, path: str) -> Object:
        """Keep a folder as a revision of a table, not active; tell its ``location_id``. Idempotent.

        A path that is not absolute is one below the folder of datasets' tables.

        Raises:
            DatasetNotFound: there is no such dataset, or no such revision of it.
            TableNotInManifest: it has no such table.
            RevisionPathTaken: the folder is a revision of another table.
        """
        of = await self._table_of(dataset, table_name)
        return {"location_id": await self.store.register_revision(of, self._place(path))}

    async def activate_revision(self, revision_id: int, dataset: str, table_name: str) -> Object:
        """Have a revision be the one that is read and written, in place of the one that is.

        Raises:
            DatasetNotFound: there is no such dataset, or no such revision of it.
            TableNotInManifest: it has no such table.
            TableNotRegistered: the table has no revision at all.
            RevisionNotFound: there is none of this id, or it is one of another table.
            WriterJobNotTerminal: a job that is not over writes the one that is active.
            RevisionNotRestored: its folder has files that it does not know.
        """
        of = await self._table_of(dataset, table_name)
        await self._check_known(of, revision_id)
        await self.store.activate_revision(of, revision_id)
        return await self.revision(revision_id)

    async def _check_known(self, of: TableOf, revision_id: int) -> None:
        """See that a job that begins to write a revision will find nothing to clear away.

        Raises:
            RevisionNotRestored: its folder has files that it does not know.
        """
        try:
            one = await self.store.table_revision(revision_id)
        except RevisionNotFound:
            # Whether the table has any at all is told first.
            return
        if one.active or one.of != of:
            return
        there = await asyncio.to_thread(_storage().names, one.path)
        known, retired = await self.store.known_files(revision_id)
        if there - known - retired:
            raise RevisionNotRestored(revision_id, len(there - known - retired))

    async def deactivate_revision(self, dataset: str, table_name: str) -> None:
        """Have a table have no active revision, so that the next job begins a new one.

        Raises:
            DatasetNotFound: there is no such dataset, or no such revision of it.
            TableNotFound: the table has no revision, or there is no such table.
            WriterJobNotTerminal: a job that is not over writes the one that is active.
        """
        try:
            of = await self._table_of(dataset, table_name)
        except TableNotInManifest as error:
            raise TableNotFound(dataset, table_name) from error
        await self.store.deactivate_revision(of)

    async def delete_revision(self, revision_id: int) -> None:
        """Forget a revision; its files stay where they lie.

        Raises:
            RevisionNotFound: there is none of this id.
            RevisionIsActive: it is the active one of its table.
            WriterJobNotTerminal: a job that is not over writes it.
        """
        await self.store.delete_revision(revision_id)

    async def truncate_revision(
        self, revision_id: int, *, concurrency: int = CONCURRENCY
    ) -> Object:
        """Forget a revision and remove its files; tell ``files_deleted``.

        Raises:
            RevisionNotFound: there is none of this id.
            RevisionIsActive: it is the active one of its table.
            WriterJobNotTerminal: a job that is not over writes it.
            FilesRemaining: some files are still there; a controller goes on trying.
        """
        _within("concurrency", concurrency, 1, MOST_CONCURRENCY)
        remove = _storage().remove
        await self.store.truncate_revision(revision_id)
        deleted, left, after = 0, {}, ""
        while files := await self.store.retired_files(revision_id, after=after):
            after = files[-1].name
            names = [one.name for one in files]
            failed = await asyncio.to_thread(remove, files[0].path, names, concurrency)
            gone = [one.id for one in files if one.name not in failed]
            await self.store.collected(gone)
            deleted += len(gone)
            left.update(failed)
        if left:
            raise FilesRemaining(revision_id, deleted, len(left), next(iter(left.values())))
        return {"files_deleted": deleted}

    async def prune_revision(
        self, revision_id: int, *, before_block: int | None = None, gc_delay_secs: int = GC_DELAY
    ) -> Object:
        """Retire files that are not in the canonical chain; tell ``files_scheduled``.

        Only those that end below ``before_block``, if it is given. They are removed after
        ``gc_delay_secs``.

        Raises:
            RevisionNotFound: there is none of this id.
            WriterJobNotTerminal: a job that is not over writes it.
        """
        _within("before_block", before_block or 0, 0, FAR)
        _within("gc_delay_secs", gc_delay_secs, 0, FAR // SECOND)
        path = (await self.store.table_revision(revision_id)).path
        _storage()
        below = FAR if before_block is None else before_block
        count, delay_us = 0, gc_delay_secs * SECOND
        while names := await self.store.prune_revision(revision_id, below, delay_us):
            count += len(names)
            await self._hide(path, names)
        return {"files_scheduled": count, "gc_delay_secs": gc_delay_secs}

    async def restore_revision(self, revision_id: int) -> Object:
        """Make a revision have the files that lie in its folder; tell ``total_files``.

        Files that are not there any more leave it; those that cannot be read, or are of another
        table, are named as ``damaged`` and put aside.

        Raises:
            RevisionNotFound: there is none of this id.
            WriterJobNotTerminal: a job that is not over writes it.
            RegisterFilesFailed: its folder cannot be read.
        """
        one = await self.store.table_revision(revision_id)
        storage = _storage()
        known, retired = await self.store.known_files(revision_id)
        found = await asyncio.to_thread(storage.look, one.path, one.of.table, known | retired)
        if found.damaged:
            await asyncio.to_thread(storage.put_aside, one.path, found.damaged)
        # Before files are taken in: nothing that is there may give way to what is not.
        if known - found.names:
            await self.store.lose_files(revision_id, sorted(known - found.names))
        delay_us = int(self._collect_after * SECOND)
        for at in range(0, len(found.files), TAKE_IN):
            part = found.files[at : at + TAKE_IN]
            gone = await self.store.take_in(revision_id, part, delay_us)
            await self._hide(one.path, gone)
        # A retired file that is not hidden yet: whoever was about to do it was killed.
        await self._hide(one.path, sorted(found.names & retired))
        left, _ = await self.store.known_files(revision_id)
        return {"total_files": len(left), "damaged": found.damaged}

    async def restore_dataset(self, dataset: str) -> Object:
        """Make the newest revision in storage the active one, of each table: ``tables``.

        Raises:
            DatasetNotFound: there is no such dataset, or no such revision of it.
            TableNotFound: storage has no file of a table; nothing is done.
            WriterJobNotTerminal: a job that is not over writes a table.
            RegisterFilesFailed: a folder cannot be read.
        """
        tables = await self._tables_of(dataset)
        numbers = [await self._newest(of) for of in tables]
        restored = [
            await self._restored(of, number) for of, number in zip(tables, numbers, strict=True)
        ]
        return {"tables": restored}

    async def restore_table(
        self, dataset: str, table_name: str, *, location_id: int | None = None
    ) -> Object:
        """Do the same with one table, or with the revision ``location_id`` of it.

        Raises:
            DatasetNotFound: there is no such dataset, or no such revision of it.
            TableNotInManifest: it has no such table.
            TableNotFound: storage has no file of it.
            RevisionNotFound: there is none of this id, or it is one of another table.
            WriterJobNotTerminal: a job that is not over writes the table.
            RegisterFilesFailed: its folder cannot be read.
        """
        of = await self._table_of(dataset, table_name)
        if location_id is None:
            return await self._restored(of, await self._newest(of))
        if (await self.store.table_revision(location_id)).of != of:
            raise RevisionNotFound(location_id, table_name)
        return await self._restored(of, location_id)

    async def _restored(self, of: TableOf, revision_id: int) -> Object:
        restored = await self.restore_revision(revision_id)
        await self.store.activate_revision(of, revision_id)
        one = await self.store.table_revision(revision_id)
        place = {"table_name": of.table, "location_id": revision_id, "url": url_of(one.path)}
        return {**place, **restored}

    async def _newest(self, of: TableOf) -> int:
        """Find the newest folder of a table that is no other one's, and keep it as a revision."""
        place = below(self._data_dir, of.dataset, of.table)
        for path in await asyncio.to_thread(lambda: list(_storage().revisions_below(place))):
            try:
                return await self.store.register_revision(of, path)
            except RevisionPathTaken:
                # Another manifest of this dataset has a table of this name.
                continue
        raise TableNotFound(of.dataset, of.table, place)

    async def _tables_of(self, dataset: str) -> list[TableOf]:
        place = reference(dataset)
        found = await self.store.revision(place[:2], place.revision)
        manifest = manifest_of(found.manifest.value)
        name, network = found.dataset.full_name, manifest.network or ""
        return [TableOf(name, found.manifest.hash, table, network) for table in manifest.tables]

    async def _table_of(self, dataset: str, table_name: str) -> TableOf:
        tables = await self._tables_of(dataset)
        for of in tables:
            if of.table == table_name:
                return of
        raise TableNotInManifest(dataset, table_name, [of.table for of in tables])

    def _place(self, path: str) -> str:
        if is_address(path):
            return path.rstrip("/")
        if is_address(self._data_dir):
            return below(self._data_dir, path)
        return os.path.normpath(os.path.join(self._data_dir, path))  # noqa: PTH118 - not resolved

    async def _hide(self, path: str, names: list[str]) -> None:
        if names:
            await asyncio.to_thread(_storage().hide, path, names)


def _storage() -> ModuleType:
    """Import what reads and removes files, which only yards with tables have.

    Raises:
        Unusable: its libraries are not installed here.
    """
    try:
        from jobyard.data import upkeep
    except ModuleNotFoundError as error:
        raise Unusable(
            f"this needs {error.name}, which is not installed where the store is worked on",
            hint="pip install 'jobyard[data]' there",
        ) from error
    return upkeep


def _within(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise InvalidQueryParam(
            f"{name} is {value}", hint=f"it goes from {least} to {most}", parameter=name
        )


def table_words(body: Mapping[str, Any], *more: str) -> list[str]:
    """Take ``dataset``, ``table_name`` and what else is wanted out of a body.

    Raises:
        InvalidPayloadFormat: one of them is missing or no text, or there is something else.
    """
    wanted = ("dataset", "table_name", *more)
    for name in body:
        if name not in wanted:
            raise InvalidPayloadFormat(
                f"there is no `{name}` here", hint=f"there are {', '.join(wanted)}"
            )
    for name in wanted:
        if not isinstance(body.get(name), str) or not body[name]:
            raise InvalidPayloadFormat(f"`{name}` is missing", hint=f"`{name}` is text")
    return [body[name] for name in wanted]


def location_of(body: Mapping[str, Any]) -> int | None:
    """Take ``location_id`` out of a body that may be empty.

    Raises:
        InvalidPayloadFormat: it is no id, or there is something else.
    """
    given = body.get("location_id")
    # JSON knows no whole numbers: 7.0 is 7.
    if isinstance(given, float) and given.is_integer():
        given = int(given)
    whole = isinstance(given, int) and not isinstance(given, bool) and 0 < given <= FAR
    if set(body) - {"location_id"} or not (given is None or whole):
        raise InvalidPayloadFormat(
            "the body is not what it must be", hint="`location_id` is the id of a revision"
        )
    return given
