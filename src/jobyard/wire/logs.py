"""What programs printed as JSON, one object a line, and back to bytes."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from jobyard.clock import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Line = Mapping[str, Any]

Object = dict[str, Any]

STREAMS = {1: "stdout", 2: "stderr"}
NUMBERS = {name: number for number, name in STREAMS.items()}
"""The streams as stores and executors number them, by name."""


def line_object(
    *,
    attempt_id: int,
    index: int | None,
    number: int,
    stream: int,
    at: int,
    offset: int,
    data: bytes,
    partial: bool,
) -> Object:
    """Write a line, or a piece of one, without its newline.

    ``partial`` says that no newline follows. Bytes that are no UTF-8 are replaced in ``line``;
    then, and only then, there is ``base64`` with the bytes as they are.
    """
    written: Object = {
        "attempt_id": attempt_id,
        "index": index,
        "number": number,
        "stream": STREAMS.get(stream, "stderr"),
        "at": rfc3339(at),
        "offset": offset,
        "line": "",
        "partial": partial,
    }
    try:
        written["line"] = data.decode()
    except UnicodeDecodeError:
        written["line"] = data.decode("utf-8", "replace")
        written["base64"] = base64.b64encode(data).decode()
    return written


def bytes_of(line: Line) -> bytes:
    """Take the bytes from a line's object, as they were printed."""
    exact = line.get("base64")
    data: bytes = line["line"].encode() if exact is None else base64.b64decode(exact)
    return data if line["partial"] else data + b"\n"


class Joiner:
    """Joins pieces to lines, each under its prefix, so that lines of several attempts stay whole.

    Args:
        timestamps: whether the prefix says when the line was read.
        names: what else is to stand before the lines of an attempt and index, if anything.

    """

    def __init__(self, *, timestamps: bool, names: Callable[[Line], str] | None = None) -> None:
        """Hold nothing yet."""
        self._timestamps = timestamps
        self._names = names
        self._open: dict[tuple[int, str], tuple[bytes, list[bytes]]] = {}

    def add(self, piece: Line) -> bytes:
        """Take a piece; give the line that it ends, or nothing."""
        key = (piece["attempt_id"], piece["stream"])
        prefix, parts = self._open.pop(key, (None, []))
        if prefix is None:
            prefix = self._prefix(piece)
        parts.append(bytes_of(piece))
        if piece["partial"]:
            self._open[key] = (prefix, parts)
            return b""
        return prefix + b"".join(parts)

    def rest(self) -> bytes:
        """Give the lines that never ended."""
        left = b"".join(prefix + b"".join(parts) + b"\n" for prefix, parts in self._open.values())
        self._open.clear()
        return left

    def _prefix(self, piece: Line) -> bytes:
        name = self._names(piece) if self._names is not None else ""
        return (name + (f"{piece['at']} " if self._timestamps else "")).encode()


def joined(lines: Iterable[Line], joiner: Joiner) -> Iterator[bytes]:
    """Join pieces to lines, to the last."""
    for line in lines:
        if whole := joiner.add(line):
            yield whole
    if left := joiner.rest():
        yield left
