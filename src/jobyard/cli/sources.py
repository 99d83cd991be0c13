"""Read the documents that a person names, no further than the limit."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

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


def _bounded(file: IO[bytes], limit: int) -> bytes:
    content = file.read(limit + 1)
    if len(content) > limit:
        raise too_large(limit)
    return content
