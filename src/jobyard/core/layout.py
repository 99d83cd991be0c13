"""How an extraction lays out its files, and which small ones it makes into larger ones."""

from __future__ import annotations

from dataclasses import dataclass

from jobyard.core.shares import LARGEST_CHUNK

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class FileLayout:
    """What a file is like, when it is published, and when it may be joined with others.

    ``row_group_bytes`` are of memory, ``file_bytes`` of the file, which one row group may exceed.
    A joined file is no larger than any other. Times are in seconds.
    """

    row_group_bytes: int = 16 * MEBIBYTE
    file_bytes: int = 256 * MEBIBYTE
    file_blocks: int = LARGEST_CHUNK
    compression: str = "zstd:1"
    """``zstd:LEVEL``, ``snappy`` or ``none``."""
    flush_after: float | None = None
    """How long blocks may wait to be published; None leaves it to the program."""
    compact: bool = True
    """Whether small files are joined."""
    compact_files: int = 8
    """The least number of files that are joined."""
    compact_after: float = 900.0
    """The age of a file from which on it may be joined."""
    compact_distance: int = 256
    """How far below the head a file must end: chains in use reorganise less than that."""

    @property
    def codec(self) -> tuple[str, int | None]:
        """The way of compression, and its level if it has any."""
        name, _, level = self.compression.partition(":")
        return name, int(level) if level else None


DEFAULT_LAYOUT = FileLayout()
