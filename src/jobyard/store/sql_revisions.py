"""Tables' revisions over any database: each promise is one transaction of the database's driver."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from jobyard.store.transactions import retiring, revisions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.core.segments import Segment
    from jobyard.core.tables import RetiredFile, TableFile, TableOf, TableRevision
    from jobyard.store.query import Driver


class SqlRevisions:
    """Keeps the promises of ``Revisions`` (revisions.py) with a driver's named queries."""

    _driver: Driver

    async def table_revisions(
        self, *, active: bool | None = None, after: int = 0, limit: int = 100
    ) -> list[TableRevision]:
        """List revisions."""
        return await self._driver.read(partial(revisions.revisions, active, after, limit))

    async def table_revision(self, revision_id: int) -> TableRevision:
        """Read a revision."""
        return await self._driver.read(partial(revisions.revision, revision_id))

    async def register_revision(self, of: TableOf, path: str) -> int:
        """Keep a folder as a revision of a table."""
        return await self._driver.write(partial(revisions.register, of, path), durable=True)

    async def activate_revision(self, of: TableOf, revision_id: int) -> None:
        """Have a revision be the active one."""
        await self._driver.write(partial(revisions.activate, of, revision_id), durable=True)

    async def deactivate_revision(self, of: TableOf) -> None:
        """Have a table have no active revision."""
        await self._driver.write(partial(revisions.deactivate, of), durable=True)

    async def delete_revision(self, revision_id: int) -> None:
        """Forget a revision."""
        await self._driver.write(partial(revisions.delete, revision_id), durable=True)

    async def truncate_revision(self, revision_id: int) -> None:
        """Forget a revision, and retire its files."""
        await self._driver.write(partial(revisions.truncate, revision_id), durable=True)

    async def retired_files(
        self, revision_id: int, *, after: str = "", limit: int = 1000
    ) -> list[RetiredFile]:
        """List retired files of a revision."""
        return await self._driver.read(partial(revisions.retired, revision_id, after, limit))

    async def prune_revision(
        self, revision_id: int, below: int, delay_us: int, limit: int = 1000
    ) -> list[str]:
        """Retire some of the files beside the canonical chain."""
        step = partial(revisions.prune, revision_id, below, delay_us, limit)
        return await self._driver.write(step)

    async def known_files(self, revision_id: int) -> tuple[set[str], set[str]]:
        """Name all files of a revision, and those that are retired."""
        return await self._driver.write(partial(revisions.known, revision_id))

    async def take_in(
        self, revision_id: int, found: Sequence[tuple[Segment, int]], delay_us: int
    ) -> list[str]:
        """Make files that lie in a revision's folder part of it."""
        step = partial(revisions.take_in, revision_id, found, delay_us)
        return await self._driver.write(step, durable=True)

    async def lose_files(self, revision_id: int, names: Sequence[str]) -> int:
        """Take files out of a revision that are not there any more."""
        return await self._driver.write(partial(revisions.lose, revision_id, names))

    async def revision_files(
        self, revision_id: int, *, after: str = "", limit: int = 1000
    ) -> list[TableFile]:
        """List files of a revision."""
        return await self._driver.read(partial(revisions.files, revision_id, after, limit))

    async def table_file(self, file_id: int) -> TableFile:
        """Read a file."""
        return await self._driver.read(partial(revisions.file, file_id))

    async def collectable(self, limit: int) -> list[RetiredFile]:
        """Find retired files whose time has come."""
        return await self._driver.read(partial(retiring.collectable, limit))

    async def collected(self, file_ids: Sequence[int]) -> None:
        """Forget retired files that were removed."""
        await self._driver.write(partial(retiring.collected, file_ids))

    async def postpone(self, file_ids: Sequence[int], delay_us: int) -> None:
        """Have retired files come up again later."""
        await self._driver.write(partial(retiring.postpone, file_ids, delay_us))
