"""What the command line prints: data on stdout, talk on stderr, colour only where it helps."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from jobyard.errors import InvalidDocument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.errors import JobyardError

RED, GREEN, YELLOW, DIM, BOLD = "31", "32", "33", "2", "1"
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
    sys.stdout.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def show_indented(value: Any) -> None:
    """Print data that machines and people may read."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def say(text: str) -> None:
    """Print a line for people."""
    sys.stderr.write(text + "\n")


def show_error(error: JobyardError) -> None:
    """Print an error as one line, its problems each on theirs, and the hint under it."""
    on = colours(sys.stderr)
    say(f"{paint('error', RED, on=on)}: {error.detail}")
    if isinstance(error, InvalidDocument):
        for problem in error.problems:
            say(f"  {problem}")
        if error.more:
            say(f"  … and {error.more:,} more")
    if error.hint:
        say(f"{paint('hint', YELLOW, on=on)}: {error.hint}")


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, on: bool) -> str:
    """Lay out rows under a header; a cell that is a status gets its colour."""
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
