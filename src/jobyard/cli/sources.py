"""Read the documents that a person names, no further than the limit."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobyard.errors import InvalidSetting
from jobyard.spec.document import too_large

if TYPE_CHECKING:
    from typing import IO

STDIN = "-"


def name_of(source: str) -> str:
    """Call a source what people call it."""
    return "standard input" if source == STDIN else source


def read_source(source: str, limit: int) -> bytes:
    """Read a file, or standard input (``-``); not a byte more than it takes to refuse it.

    Raises:
        InvalidSetting: it cannot be read.
        TooLarge: it has more than ``limit`` bytes.
    """
    if source == STDIN:
        return _bounded(sys.stdin.buffer, limit)
    try:
        with Path(source).open("rb") as file:
            if os.fstat(file.fileno()).st_size > limit:
                raise too_large(limit)
            return _bounded(file, limit)
    except OSError as error:
        raise InvalidSetting(
            f"{source} cannot be read: {error.strerror}", hint="is the path right?"
        ) from error


def read_value(source: str, limit: int) -> Any:
    """Read the one document of a file, YAML or JSON; `file://` may stand before its path.

    Raises:
        InvalidSetting: it cannot be read, or is not one document.
        InvalidDocument: it is neither YAML nor JSON.
        TooLarge: it has more than ``limit`` bytes.
    """
    from jobyard.spec.document import Limits, read

    scheme, separator, path = source.partition("://")
    if separator and scheme != "file":
        raise InvalidSetting(
            f"{source} cannot be read: only files of this machine can", hint="copy it here first"
        )
    name = path if separator else source
    found = read(read_source(name, limit), limits=Limits(size=limit))
    if len(found) != 1:
        raise InvalidSetting(f"{name_of(name)} has {len(found)} documents, not one")
    return found[0].value


def _bounded(file: IO[bytes], limit: int) -> bytes:
    content = file.read(limit + 1)
    if len(content) > limit:
        raise too_large(limit)
    return content
