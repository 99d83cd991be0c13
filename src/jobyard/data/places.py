"""Tables where they lie: which files of which folder, on this machine or in an object store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobyard.core.places import below
from jobyard.data.folder import DataFolder, FileInfo

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Kept:
    """Files of a table, in bytes by name, in one folder."""

    table: str
    place: str
    files: Mapping[str, int] = field(repr=False)

    @property
    def folder(self) -> DataFolder:
        """The folder that they lie in."""
        return DataFolder.at(self.place)

    def infos(self) -> Iterator[tuple[DataFolder, FileInfo]]:
        """Give every file, and where it lies."""
        folder = self.folder
        for name, size in sorted(self.files.items()):
            yield folder, FileInfo(name, size)


def tables_below(place: str) -> Iterator[tuple[str, str]]:
    """Find the tables below a folder: what has Parquet files, by the name of its folder."""
    root = DataFolder.at(place)
    names = dict.fromkeys(
        folder.path.removeprefix(f"{root.path}/").partition("/")[0]
        for folder in root.folders()
        if folder.path != root.path and folder.files()
    )
    for name in sorted(names):
        yield name, below(place, name)
