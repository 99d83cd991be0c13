"""What a store promises of tables' revisions and their files: keep, change, retire, forget.

The rest of its promises is in ``base.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.core.segments import Segment
    from jobyard.core.tables import RetiredFile, TableFile, TableOf, TableRevision


class Revisions(Protocol):
    """Revisions by id.

    What changes one raises, besides what is said, ``RevisionNotFound`` where there is none of this
    id, and ``WriterJobNotTerminal`` while a job that is not over writes it.
    """

    async def table_revisions(
        self, *, active: bool | None = None, after: int = 0, limit: int = 100
    ) -> list[TableRevision]:
        """List revisions above an id, in their order; only active ones, or only others."""

    async def table_revision(self, revision_id: int) -> TableRevision:
        """Read a revision.

        Raises:
            RevisionNotFound: there is none of this id.
        """

    async def register_revision(self, of: TableOf, path: str) -> int:
        """Keep a folder as a revision of a table, not active; tell its id. Idempotent.

        Raises:
            RevisionPathTaken: the folder is a revision of another table.
        """

    async def activate_revision(self, of: TableOf, revision_id: int) -> None:
        """Have a revision be the one that is read and written, and no other of its table.

        Raises:
            TableNotRegistered: the table has no revision at all.
            WriterJobNotTerminal: a job that is not over writes the one that is active.
        """

    async def deactivate_revision(self, of: TableOf) -> None:
        """Have a table have no active revision, so that the next job begins a new one. Idempotent.

        Raises:
            TableNotFound: the table has no revision at all.
        """

    async def delete_revision(self, revision_id: int) -> None:
        """Forget a revision and its files; what lies in storage stays there.

        Raises:
            RevisionIsActive: it is the active one of its table.
        """

    async def truncate_revision(self, revision_id: int) -> None:
        """Forget a revision; all of its files are retired, to be removed at once.

        Raises:
            RevisionIsActive: it is the active one of its table.
        """

    async def retired_files(
        self, revision_id: int, *, after: str = "", limit: int = 1000
    ) -> list[RetiredFile]:
        """List retired files of a revision, which may be gone itself, by name."""

    async def prune_revision(
        self, revision_id: int, below: int, delay_us: int, limit: int = 1000
    ) -> list[str]:
        """Retire some of the files beside the canonical chain that end below a block: their names.

        Empty when there is none left.
        """

    async def known_files(self, revision_id: int) -> tuple[set[str], set[str]]:
        """Name all files of a revision, and those that are retired and not collected yet."""

    async def take_in(
        self, revision_id: int, found: Sequence[tuple[Segment, int]], delay_us: int
    ) -> list[str]:
        """Make files that lie in a revision's folder part of it, each with its number of rows.

        They are given in the order in which they were made. Tells the names of those that are not
        needed, and of those that others take the place of: both are retired.
        """

    async def lose_files(self, revision_id: int, names: Sequence[str]) -> int:
        """Take files out of a revision that are not there any more; tell how many."""

    async def revision_files(
        self, revision_id: int, *, after: str = "", limit: int = 1000
    ) -> list[TableFile]:
        """List files of a revision above a name, in their order, which is that of first blocks.

        Raises:
            RevisionNotFound: there is no such revision.
        """

    async def table_file(self, file_id: int) -> TableFile:
        """Read a file, also one that is retired and not collected yet.

        Raises:
            FileNotKnown: there is none of this id.
        """

    async def collectable(self, limit: int) -> list[RetiredFile]:
        """Find retired files whose time has come, the longest due first.

        The cost does not grow with those that wait.
        """

    async def collected(self, file_ids: Sequence[int]) -> None:
        """Forget retired files that were removed."""

    async def postpone(self, file_ids: Sequence[int], delay_us: int) -> None:
        """Have retired files that cannot be removed now come up again after a delay."""
