"""What the command line prints: data on stdout, talk on stderr, colour only where it helps."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any

from jobyard.errors import InvalidDocument, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.errors import JobyardError

RED, GREEN, YELLOW, DIM, BOLD = "31", "32", "33", "2", "1"
_UNSEEN = re.compile("[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What JSON may hold as it is and a terminal obeys: C1 controls, and what turns text around."""
PREFIX_COLOURS = ("36", "35", "33", "32", "34", "96", "95", "93", "92", "94")

COLOUR_OF_STATUS = {
    "COMPLETED": GREEN, "SUCCEEDED": GREEN, "FAILED": RED, "LOST": RED, "STOPPED": YELLOW,
    "CANCELED": YELLOW, "RUNNING": "36",
}  # fmt: skip


def colours(stream: Any) -> bool:
    """Tell whether a stream is a terminal that wants colour."""
    return not os.environ.get("NO_COLOR") and stream.isatty()


def paint(text: str, colour: str | None, *, on: bool) -> str:
    """Colour a text, if at all."""
    return f"\x1b[{colour}m{text}\x1b[0m" if on and colour else text


def show_json(value: Any) -> None:
    """Print data for machines: one document, one line."""
    sys.stdout.write(as_text(value) + "\n")
    sys.stdout.flush()


def show_indented(value: Any) -> None:
    """Print data that machines and people may read."""
    sys.stdout.write(as_text(value, indent=2) + "\n")


def as_text(value: Any, *, indent: int | None = None) -> str:
    """Write JSON, on one line unless indented, in which nothing can play with a terminal."""
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, indent=indent, ensure_ascii=False, separators=separators)
    # Characters such as these can only stand in strings, where an escape means the same.
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def say(text: str) -> None:
    """Print a line for people, control characters as escapes: some of it may be a program's."""
    sys.stderr.write(printable(text) + "\n")


def show_error(error: JobyardError) -> None:
    """Print an error as one line, its problems each on theirs, and the hint under it."""
    _say_after("error", RED, error.detail)
    if isinstance(error, InvalidDocument):
        for problem in error.problems:
            say(f"  {problem}")
        if error.more:
            say(f"  … and {error.more:,} more")
    if error.hint:
        _say_after("hint", YELLOW, error.hint)


def _say_after(word: str, colour: str, text: str) -> None:
    sys.stderr.write(f"{paint(word, colour, on=colours(sys.stderr))}: {printable(text)}\n")


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, on: bool) -> str:
    """Lay out rows under a header; a cell that is a status gets its colour.

    Control characters come as escapes: what is told of a job may be its program's text.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [
        max(len(header[at]), *(len(row[at]) for row in rows)) if rows else len(header[at])
        for at in range(len(header))
    ]
    lines = [paint(_line(header, widths), BOLD, on=on)]
    for row in rows:
        cells = [
            paint(cell.ljust(width), COLOUR_OF_STATUS.get(cell), on=on)
            for cell, width in zip(row, widths, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def seconds(value: float | None) -> str:
    """Write a duration as people read it."""
    if value is None:
        return "-"
    if value < 60:  # noqa: PLR2004 - a minute
        return f"{value:.1f}s" if value < 10 else f"{value:.0f}s"  # noqa: PLR2004 - two digits
    minutes, rest = divmod(int(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s"
