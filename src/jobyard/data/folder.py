"""Where the files of a table lie: a local folder or an object store, by pyarrow's file systems.

A file is there whole or not at all. On a local disk it is written under a name that no reader looks
at, synced, and renamed. For an object store it is written into a nameless local file first, and
uploaded when it is whole: a stream to a store that is given up would leave half an object there.
Parts of an upload that was cut off are never an object; a rule of the bucket removes them
(``AbortIncompleteMultipartUpload``).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa
from pyarrow import fs

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIX = ".parquet"
UNFINISHED = ".part"
"""Ending of files that are being written; with a dot in front, so that readers pass them by."""


RETIRED = ".retired"
"""Ending of files that are not part of their table any more, with a dot in front like the others:
whoever has one open goes on, nobody else meets it."""

DAMAGED = ".damaged"
"""Ending of files that cannot be read, with a dot in front: for somebody to look at, never removed
by any program."""

PART = 8 << 20
"""Bytes handed to an upload at a time."""


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A file of a folder, by its name within it, and its size in bytes."""

    name: str
    size: int


class DataFolder:
    """A folder on some file system, with atomic publication of files."""

    def __init__(self, filesystem: fs.FileSystem, path: str) -> None:
        """Use a path of a file system; it need not be there yet."""
        self.filesystem = filesystem
        self.path = path.rstrip("/")
        self._is_local = isinstance(filesystem, fs.LocalFileSystem)

    @classmethod
    def at(cls, place: str | os.PathLike[str]) -> DataFolder:
        """Open a path of this machine, or a URI such as ``s3://bucket/path``."""
        text = os.fspath(place)
        if "://" in text:
            return cls(*fs.FileSystem.from_uri(text))
        return cls(fs.LocalFileSystem(), os.path.abspath(text))  # noqa: PTH100 - not resolved

    def below(self, name: str) -> DataFolder:
        """Name a folder below this one."""
        return DataFolder(self.filesystem, f"{self.path}/{name}")

    def create(self, name: str) -> Unpublished:
        """Begin a file; it is not there before `publish`.

        Raises:
            OSError: the folder cannot be written.

        """
        if not self._is_local:
            return UnpublishedObject(self, name)
        self.filesystem.create_dir(self.path, recursive=True)
        return UnpublishedFile(self, name)

    def open(self, name: str) -> pa.NativeFile:
        """Open a file to read it at random."""
        return self.filesystem.open_input_file(f"{self.path}/{name}")

    def remove(self, name: str) -> None:
        """Remove a file; one that is gone already is no error."""
        with contextlib.suppress(FileNotFoundError):
            self.filesystem.delete_file(f"{self.path}/{name}")

    def files(self, suffix: str = SUFFIX) -> list[FileInfo]:
        """List the published files of the folder by name; files below it are not of it."""
        selector = fs.FileSelector(self.path, allow_not_found=True)
        return sorted(
            (
                FileInfo(found.base_name, found.size)
                for found in self.filesystem.get_file_info(selector)
                if found.type is fs.FileType.File
                and found.base_name.endswith(suffix)
                and not found.base_name.startswith(".")
            ),
            key=lambda found: found.name,
        )

    def folders(self) -> Iterator[DataFolder]:
        """Go through this folder and all below it, by name."""
        yield self
        selector = fs.FileSelector(self.path, recursive=True, allow_not_found=True)
        for found in sorted(self.filesystem.get_file_info(selector), key=lambda info: info.path):
            if found.type is fs.FileType.Directory:
                yield DataFolder(self.filesystem, found.path)

    def unfinished(self) -> list[str]:
        """List what writers have begun: names that no reader looks at."""
        left = fs.FileSelector(self.path, allow_not_found=True)
        return [
            found.base_name
            for found in self.filesystem.get_file_info(left)
            if found.base_name.startswith(".") and found.base_name.endswith(UNFINISHED)
        ]

    def rename(self, name: str, other: str) -> None:
        """Give a file another name."""
        self.filesystem.move(f"{self.path}/{name}", f"{self.path}/{other}")

    def is_there(self) -> bool:
        """Tell whether the folder is there; an object store has no folders, only names."""
        return not self._is_local or os.path.isdir(self.path)  # noqa: PTH112 - a plain text

    def remove_retired(self, name: str) -> None:
        """Remove a file that is not part of its table any more, hidden or not."""
        self.remove(f".{name}{RETIRED}")
        self.remove(name)

    def retire(self, name: str) -> None:
        """Hide a file that is not part of its table any more; one that is gone is no error."""
        with contextlib.suppress(FileNotFoundError):
            self.rename(name, f".{name}{RETIRED}")

    def put_aside(self, name: str) -> None:
        """Hide a damaged file for somebody to look at; one that is gone is no error."""
        with contextlib.suppress(FileNotFoundError):
            self.rename(name, f".{name}{DAMAGED}")

    def sweep(self) -> list[str]:
        """Remove what interrupted writers left unfinished; only when no writer is at work here."""
        names = self.unfinished()
        for name in names:
            self.remove(name)
        return names

    def sync(self, name: str) -> None:
        """Make a file's bytes, or with an empty name the folder's entries, survive a power cut."""
        if not self._is_local:
            return
        descriptor = os.open(f"{self.path}/{name}", os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Unpublished(Protocol):
    """A file that is being written."""

    name: str
    stream: pa.NativeFile

    @property
    def size(self) -> int:
        """Tell how many bytes are written."""

    def publish(self) -> int:
        """Let it be there, whole; return its size.

        Raises:
            OSError: it cannot be; then nothing is there.

        """

    def discard(self) -> None:
        """Leave nothing of it."""


class UnpublishedFile:
    """A file of a local folder, under another name as yet."""

    def __init__(self, folder: DataFolder, name: str) -> None:
        """Open it."""
        self.name = name
        self._folder = folder
        self._written_as = f".{name}{UNFINISHED}"
        self.stream = folder.filesystem.open_output_stream(f"{folder.path}/{self._written_as}")

    @property
    def size(self) -> int:
        """Tell how many bytes are written."""
        return int(self.stream.tell())

    def publish(self) -> int:
        """Sync it and give it its name."""
        size = self.size
        self.stream.close()
        self._folder.sync(self._written_as)
        path = self._folder.path
        self._folder.filesystem.move(f"{path}/{self._written_as}", f"{path}/{self.name}")
        self._folder.sync("")
        return size

    def discard(self) -> None:
        """Leave nothing of it."""
        with contextlib.suppress(OSError):
            self.stream.close()
        self._folder.remove(self._written_as)


class UnpublishedObject:
    """An object to be: a local file without a name, gone with whoever writes it."""

    def __init__(self, folder: DataFolder, name: str) -> None:
        """Open it."""
        self.name = name
        self._folder = folder
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by publish and discard
        self.stream = pa.PythonFile(self._file, mode="w")

    @property
    def size(self) -> int:
        """Tell how many bytes are written."""
        return int(self.stream.tell())

    def publish(self) -> int:
        """Upload it; it appears with the last byte, and then its size is looked at."""
        self.stream.flush()
        size = self._file.tell()
        path = f"{self._folder.path}/{self.name}"
        try:
            self._upload(path, size)
        except BaseException:
            self._folder.remove(self.name)
            raise
        finally:
            self.discard()
        return size

    def _upload(self, path: str, size: int) -> None:
        self._file.seek(0)
        with self._folder.filesystem.open_output_stream(path) as there:
            shutil.copyfileobj(self._file, there, PART)
        found = self._folder.filesystem.get_file_info(path).size
        if found != size:
            raise OSError(f"{path} has {found} bytes instead of {size}")

    def discard(self) -> None:
        """Leave nothing of it."""
        self.stream.close()
        self._file.close()
