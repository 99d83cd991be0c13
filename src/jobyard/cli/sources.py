"""Read the documents that a person names, no further than the limit."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobyard.errors import FileUnreadable
from jobyard.spec.document import too_large

if TYPE_CHECKING:
    from typing import IO

STDIN = "-"


def name_of(source: str) -> str:
    """Call a source what people call it."""
    return "standard input" if source == STDIN else source


def read_source(source: str, limit: int) -> bytes:
    """Read a file, standard input (``-``) or an address; no byte more than it takes to refuse it.

    An address begins with ``file://``, ``http(s)://``, ``s3://`` or what else pyarrow knows.

    Raises:
        FileUnreadable: it cannot be read.
        TooLarge: it has more than ``limit`` bytes.
    """
    if source == STDIN:
        return _bounded(sys.stdin.buffer, limit)
    source = source.removeprefix("file://")
    if "://" in source:
        from jobyard.cli.remote import read_remote

        return read_remote(source, limit)
    try:
        with Path(source).open("rb") as file:
            if os.fstat(file.fileno()).st_size > limit:
                raise too_large(limit)
            return _bounded(file, limit)
    except OSError as error:
        raise FileUnreadable(
            f"{source} cannot be read: {error.strerror}", hint="is the path right?"
        ) from error


def read_value(source: str, limit: int) -> Any:
    """Read the one document of a file or an address, YAML or JSON.

    Raises:
        FileUnreadable: it cannot be read, or is not one document.
        InvalidDocument: it is neither YAML nor JSON.
        TooLarge: it has more than ``limit`` bytes.
    """
    from jobyard.spec.document import Limits, read

    found = read(read_source(source, limit), limits=Limits(size=limit))
    if len(found) != 1:
        raise FileUnreadable(f"{name_of(source)} has {len(found)} documents, not one")
    return found[0].value


def _bounded(file: IO[bytes], limit: int) -> bytes:
    content = file.read(limit + 1)
    if len(content) > limit:
        raise too_large(limit)
    return content
