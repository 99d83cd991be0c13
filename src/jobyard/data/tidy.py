"""A table's folder and the store that knows of it: what one has and the other has not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jobyard import log
from jobyard.errors import DataFileMissing

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobyard.data.folder import DataFolder
    from jobyard.data.link import Link
    from jobyard.data.parquet import Published


async def tidy(folder: DataFolder, table: str, link: Link, is_mine: Callable[[int], bool]) -> None:
    """Remove files that were written but never became part of the table; hide those retired.

    Only those of blocks that are this writer's: another one may just be about to publish its own.

    Raises:
        DataFileMissing: a file that is part of the table is not there.
    """
    known, retired = await link.files(table)
    found = {info.name: info.size for info in await asyncio.to_thread(folder.files)}
    for name, (_, start) in sorted(known.items()):
        if is_mine(start) and name not in found:
            raise DataFileMissing(table, name, folder.path)
    for name in found.keys() & retired:
        await asyncio.to_thread(folder.retire, name)
    for name in found.keys() - known.keys() - retired:
        if is_mine(_start_of(name)):
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


def _start_of(name: str) -> int:
    digits = name.partition("-")[0]
    return int(digits) if digits.isdecimal() else 0
