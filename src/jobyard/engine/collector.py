"""The collector: removes files that are not part of a table any more, once nobody reads them.

First the file, then its row: a row whose file is gone is collected again, which is nothing. What
cannot be removed comes up again later and holds up no other folder.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from jobyard import log

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobyard.core.tables import RetiredFile
    from jobyard.store.base import Store

SLICE = 200
"""Files of one turn: seconds, also where each takes a journey to an object store."""

LATER_US = 600 * 1_000_000
"""When a file that cannot be removed is tried again: somebody has to do something first."""


class Remover(Protocol):
    """Removes files of a folder; may take its time, in a thread."""

    def __call__(self, path: str, names: Sequence[str]) -> Mapping[str, str]:
        """Remove files; tell of each that is still there why it is. A missing one is removed."""


class Collector:
    """Collects, a slice at a time."""

    def __init__(self, store: Store, remove: Remover) -> None:
        """Ask ``store`` what is due, and have ``remove`` do it."""
        self._store = store
        self._remove = remove

    async def collect(self) -> bool:
        """Collect a slice of what is due; tell whether there may be more."""
        due = await self._store.collectable(SLICE)
        by_folder: dict[str, list[RetiredFile]] = {}
        for file in due:
            by_folder.setdefault(file.path, []).append(file)
        for path, files in by_folder.items():
            await self._collect(path, files)
        return len(due) == SLICE

    async def _collect(self, path: str, files: Sequence[RetiredFile]) -> None:
        names = [file.name for file in files]
        try:
            left = await asyncio.to_thread(self._remove, path, names)
        except Exception as error:  # noqa: BLE001 - one folder, whatever is wrong with it
            left = dict.fromkeys(names, str(error) or type(error).__name__)
        gone = [file.id for file in files if file.name not in left]
        kept = [file.id for file in files if file.name in left]
        if gone:
            await self._store.collected(gone)
        if kept:
            why = next(iter(left.values()))
            log.warning("files cannot be removed", folder=path, files=len(kept), cause=why)
            await self._store.postpone(kept, LATER_US)
