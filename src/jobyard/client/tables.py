# made by scripts/generate.py
"""Tables' revisions and files, for programs without an event loop."""

from __future__ import annotations

from jobyard.client import calls
from jobyard.client.link import Link
from jobyard.client.shapes import (
    DeletedFiles,
    RegisteredRevision,
    RestoredFiles,
    RestoredTable,
    RestoredTables,
    ScheduledFiles,
    TableFiles,
    TableRevision,
    WholeTableFile,
)


class TableCalls(Link):
    """The part of the client that keeps tables' revisions.

    A dataset is called ``namespace/name@revision``, and without a revision the latest is meant. A
    revision that a job writes is left alone until the job is over: ``WriterJobNotTerminal``.
    """

    def revisions(
        self, *, active: bool | None = None, limit: int = 100, after: int = 0
    ) -> list[TableRevision]:
        """List revisions by id, above one; only active ones, or only others."""
        call = calls.read("/revisions", active=active, limit=limit, after=after)
        return self._ask(call, list[TableRevision])

    def revision(self, revision_id: int) -> TableRevision:
        """Read a revision.

        Raises:
            RevisionNotFound: there is none of this id.
        """
        return self._ask(calls.read(f"/revisions/{revision_id}"), TableRevision)

    def revision_files(self, revision_id: int, *, limit: int = 1000, after: str = "") -> TableFiles:
        """Read one page: ``files`` by first blocks, and ``next_cursor`` unless it is the last.

        Raises:
            RevisionNotFound: there is none of this id.
        """
        call = calls.read(f"/revisions/{revision_id}/files", limit=limit, after=after)
        return self._ask(call, TableFiles)

    def file(self, file_id: int) -> WholeTableFile:
        """Read a file, with what it says of itself as ``metadata``; null where it cannot be read.

        Raises:
            FileNotKnown: there is none of this id.
        """
        return self._ask(calls.read(f"/files/{file_id}"), WholeTableFile)

    def register_revision(self, dataset: str, table_name: str, path: str) -> RegisteredRevision:
        """Keep a folder as a revision of a table, not active; tell its ``location_id``.

        A path that is not absolute is one below the server's folder of tables.

        Raises:
            TableNotInManifest: the dataset has no such table.
            RevisionPathTaken: the folder is a revision of another table.
        """
        call = calls.post("/revisions", calls.of_table(dataset, table_name, path=path))
        return self._ask(call, RegisteredRevision)

    def activate_revision(self, revision_id: int, dataset: str, table_name: str) -> TableRevision:
        """Have a revision be the one that is read and written, in place of the one that is.

        Raises:
            TableNotRegistered: the table has no revision at all.
            RevisionNotFound: there is none of this id, or it is one of another table.
            RevisionNotRestored: its folder has files that it does not know.
        """
        path = f"/revisions/{revision_id}/activate"
        return self._ask(calls.post(path, calls.of_table(dataset, table_name)), TableRevision)

    def deactivate_revision(self, dataset: str, table_name: str) -> None:
        """Have a table have no active revision, so that the next job begins a new one.

        Raises:
            TableNotFound: the table has no revision, or there is no such table.
        """
        call = calls.post("/revisions/deactivate", calls.of_table(dataset, table_name))
        calls.told(self._send(call))

    def delete_revision(self, revision_id: int) -> None:
        """Forget a revision; its files stay where they lie.

        Raises:
            RevisionIsActive: it is the active one of its table.
        """
        calls.told(self._send(calls.removal(f"/revisions/{revision_id}")))

    def truncate_revision(self, revision_id: int, *, concurrency: int = 10) -> DeletedFiles:
        """Forget a revision and remove its files; tell ``files_deleted``.

        Raises:
            RevisionIsActive: it is the active one of its table.
            FilesRemaining: some files are still there; a controller goes on trying.
        """
        call = calls.removals(f"/revisions/{revision_id}/truncate", concurrency=concurrency)
        return self._ask(call, DeletedFiles)

    def prune_revision(
        self, revision_id: int, *, before_block: int | None = None, gc_delay_secs: int = 3600
    ) -> ScheduledFiles:
        """Have files removed later that are not in the canonical chain; tell ``files_scheduled``.

        Only those that end below ``before_block``, if it is given.
        """
        call = calls.removals(
            f"/revisions/{revision_id}/prune",
            before_block=before_block,
            gc_delay_secs=gc_delay_secs,
        )
        return self._ask(call, ScheduledFiles)

    def restore_revision(self, revision_id: int) -> RestoredFiles:
        """Make a revision have the files that lie in its folder; tell ``total_files``.

        Raises:
            RegisterFilesFailed: its folder cannot be read.
        """
        return self._ask(calls.lengthy(f"/revisions/{revision_id}/restore"), RestoredFiles)

    def restore_dataset(self, dataset: str) -> RestoredTables:
        """Make the newest revision in storage the active one, of each table.

        Raises:
            DatasetNotFound: there is no such dataset, or no such revision of it.
            TableNotFound: storage has no file of a table; nothing is done.
            RegisterFilesFailed: a folder cannot be read.
        """
        return self._ask(calls.lengthy(calls.of_revision(dataset, "restore")), RestoredTables)

    def restore_table(
        self, dataset: str, table_name: str, *, location_id: int | None = None
    ) -> RestoredTable:
        """Do the same with one table, or with the revision ``location_id`` of it.

        Raises:
            TableNotInManifest: the dataset has no such table.
            TableNotFound: storage has no file of it.
            RevisionNotFound: there is none of this id, or it is one of another table.
        """
        path = f"{calls.of_revision(dataset)}/tables/{calls.quoted(table_name)}/restore"
        return self._ask(calls.lengthy(path, location_id=location_id), RestoredTable)
