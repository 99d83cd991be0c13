"""The prefix that says whose a line of output is, where lines of several programs come together."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from jobyard.cli.printer import PREFIX_COLOURS, paint

if TYPE_CHECKING:
    from collections.abc import Mapping

    Object = Mapping[str, Any]


def width_of(job: Object) -> int:
    """Tell how wide the labels of a job's programs can be."""
    digits = len(str(job["completions"] or 0)) + len("[]")
    return len(job["name"]) + (digits if job["completion_mode"] == "Indexed" else 0)


def label_of(name: str, index: int | None) -> str:
    """Name a program: its job, and its index if it has one."""
    return name if index is None else f"{name}[{index}]"


def prefix(label: str, width: int, *, alike: str, on: bool) -> str:
    """Write the prefix, in one colour for all that are ``alike`` where colours are ``on``."""
    colour = PREFIX_COLOURS[zlib.crc32(alike.encode()) % len(PREFIX_COLOURS)]
    return paint(f"{label.ljust(width)} |", colour, on=on) + " "
