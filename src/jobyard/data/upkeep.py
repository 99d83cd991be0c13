"""What is done in the folders of tables beside extracting: find files, hide them, remove them.

Nothing here blocks for the sake of another folder, and what cannot be done is told, not raised:
whoever asks tries again later.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from jobyard.core.places import below
from jobyard.data.folder import DataFolder
from jobyard.data.footer import GENERATION_KEY, KEY, PARENTS_KEY
from jobyard.data.reading import DataFile
from jobyard.errors import DataFileDamaged, RegisterFilesFailed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from jobyard.core.segments import Segment

CONCURRENCY = 10
"""Files that are removed at a time: what an object store does at leisure."""


@dataclass(slots=True)
class Found:
    """What lies in a folder: all names, and of those that were to be read what they are.

    ``files`` stand in the order in which they were made, each with its number of rows.
    """

    names: set[str] = field(default_factory=set)
    files: list[tuple[Segment, int]] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


def remove(path: str, names: Sequence[str], concurrency: int = CONCURRENCY) -> dict[str, str]:
    """Remove retired files of a folder; tell of each that is still there why it is.

    One that is gone already is no failure. A folder that is not here at all may be that of another
    machine, or of a disk that is not mounted: nothing of it counts as removed.
    """
    folder = DataFolder.at(path)
    if not folder.is_there():
        return dict.fromkeys(names, f"the folder {path} is not here")

    def one(name: str) -> str | None:
        try:
            folder.remove_retired(name)
        except OSError as error:
            return str(error) or type(error).__name__
        return None

    with ThreadPoolExecutor(concurrency) as pool:
        told = zip(names, pool.map(one, names), strict=True)
        return {name: why for name, why in told if why is not None}


def hide(path: str, names: Sequence[str]) -> None:
    """Hide retired files from readers; one that cannot be hidden is collected all the same."""
    folder = DataFolder.at(path)
    for name in names:
        with suppress(OSError):
            folder.retire(name)


def put_aside(path: str, names: Sequence[str]) -> None:
    """Rename files that are no part of a table, for somebody to look at; readers pass them by."""
    folder = DataFolder.at(path)
    for name in names:
        with suppress(OSError):
            folder.put_aside(name)


def names(path: str) -> set[str]:
    """Name the files of a folder; none when it is not here.

    Raises:
        RegisterFilesFailed: the folder cannot be read.
    """
    try:
        return {info.name for info in DataFolder.at(path).files()}
    except OSError as error:
        raise RegisterFilesFailed(f"the folder {path} cannot be read: {error}") from error


def look(path: str, table: str, known: Collection[str] = ()) -> Found:
    """Read what files of a folder say of themselves, as far as they are not ``known``.

    Raises:
        RegisterFilesFailed: the folder is not here, or cannot be read.
    """
    folder = DataFolder.at(path)
    if not folder.is_there():
        raise RegisterFilesFailed(
            f"the folder {path} is not here", hint="is its disk mounted where the server runs?"
        )
    found = Found()
    try:
        for info in folder.files():
            found.names.add(info.name)
            if info.name not in known:
                _read(folder, info.name, info.size, table, found)
    except OSError as error:
        raise RegisterFilesFailed(f"the folder {path} cannot be read: {error}") from error
    found.files.sort(key=lambda one: (one[0].created_at, one[0].key))
    return found


def _read(folder: DataFolder, name: str, size: int, table: str, found: Found) -> None:
    try:
        file = DataFile.read(folder, name, size)
    except DataFileDamaged:
        found.damaged.append(name)
        return
    if file.about.table == table:
        found.files.append((file.about.segment, file.rows))
    else:
        found.damaged.append(name)


def revisions_below(place: str) -> Iterator[str]:
    """Name the folders below a table's that have files, the newest first.

    Raises:
        RegisterFilesFailed: the table's folder cannot be read.
    """
    folder = DataFolder.at(place)
    selector = fs.FileSelector(folder.path, allow_not_found=True)
    try:
        infos = folder.filesystem.get_file_info(selector)
        names = [one.base_name for one in infos if one.type is fs.FileType.Directory]
        for name in sorted(names, reverse=True):
            if folder.below(name).files():
                yield below(place, name)
    except OSError as error:
        raise RegisterFilesFailed(f"{place} cannot be read: {error}") from error


def metadata(path: str, name: str) -> dict[str, Any] | None:
    """Read what a file says of itself; None when it is not there or not what was written."""
    try:
        with DataFolder.at(path).open(name) as stream:
            written = pq.read_metadata(stream).metadata or {}
        texts = {key: written.get(key.encode()) for key in (KEY, PARENTS_KEY, GENERATION_KEY)}
        return {key: json.loads(text) for key, text in texts.items() if text is not None}
    except (OSError, ValueError, pa.ArrowException):
        return None
