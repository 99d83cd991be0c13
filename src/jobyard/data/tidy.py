"""A table's folder and the store that knows of it: what one has and the other has not."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobyard import log
from jobyard.errors import DataFileMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobyard.core.ranges import Span
    from jobyard.data.folder import DataFolder
    from jobyard.data.link import Link
    from jobyard.data.parquet import Published


async def tidy(
    folder: DataFolder, table: str, link: Link, is_mine: Callable[[int], bool], place: Place
) -> None:
    """Remove files that were written but never became part of the table; hide those retired.

    Only those of blocks that are this writer's: another one may just be about to publish its own.

    Raises:
        DataFileMissing: a file that is part of the table is not there.
    """
    known, retired = await link.files(table)
    found = {info.name for info in await asyncio.to_thread(folder.files)}
    lost = {name for name in known.keys() - found if is_mine(known[name][0])}
    strange = {name for name in found - known.keys() - retired if is_mine(_start_of(name))}
    if lost or strange:
        # What others did meanwhile is neither a loss nor left over.
        known, retired = await link.files(table)
        lost, strange = lost & known.keys(), strange - known.keys() - retired
    if lost:
        first = min(lost)
        raise DataFileMissing(
            table, first, folder.path, place.repair([known[name] for name in lost])
        )
    for name in found & retired:
        await asyncio.to_thread(folder.retire, name)
    for name in strange:
        log.info("removing a file that is not part of the table", table=table, file=name)
        await asyncio.to_thread(folder.remove, name)
    for name in await asyncio.to_thread(folder.unfinished):
        if is_mine(_start_of(name.removeprefix("."))):
            await asyncio.to_thread(folder.remove, name)


async def settle(done: Published, folder: DataFolder, link: Link) -> None:
    """Make a file part of its table, and hide those that it takes the place of."""
    for name in await link.publish(done):
        # One that never became part of its table has no reader.
        never = name == done.segment.name
        await asyncio.to_thread(folder.remove if never else folder.retire, name)


@dataclass(frozen=True, slots=True)
class Place:
    """What tables are called by whoever looks after them: a dataset's revision, or a folder."""

    revision: str
    folder: str | None = None

    def repair(self, lost: Sequence[Span]) -> str:
        """Say how the blocks of files come back that are gone."""
        if self.folder is not None:
            verify = f"jobyard verify {self.folder} --quarantine"
            return f"put it back, or `{verify}`, and extract once more"
        if len(lost) > 1:
            verify = f"jobyard verify {self.revision} --quarantine"
            return f"{len(lost)} files are gone: put them back, or `{verify}`"
        [(start, stop)] = lost
        blocks = f"--start-block {start} --end-block {stop - 1}"
        return f"put it back, or `jobyard dataset rematerialize {self.revision} {blocks}`"


def _start_of(name: str) -> int:
    digits = name.partition("-")[0]
    return int(digits) if digits.isdecimal() else 0
