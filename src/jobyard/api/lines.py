"""Cut what programs printed into lines, or into pieces of them as they came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobyard.store.base import LogPlace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobyard.store.base import Chunk

LONGEST = 64 * 1024
"""Bytes of a line that are told in one piece; longer ones come in several."""


@dataclass(frozen=True, slots=True)
class Source:
    """The attempt that printed something."""

    attempt_id: int
    index: int | None
    number: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line, or a piece of one. ``data`` is without the newline at its end.

    ``at`` is when its first byte was read (microseconds), ``offset`` the place of that byte in its
    attempt. A ``partial`` one has no newline at its end: it goes on in the next one of its stream,
    or never ended. ``head`` is whether it begins a line. Behind ``end`` nothing of it is left.
    """

    source: Source
    stream: int
    at: int
    offset: int
    data: bytes
    partial: bool
    head: bool
    end: LogPlace

    @property
    def raw(self) -> bytes:
        """The bytes as they were printed."""
        return self.data if self.partial else self.data + b"\n"


class _Open:
    """A line of one stream that has no end yet."""

    __slots__ = ("at", "begin", "head", "offset", "pieces", "size")

    def __init__(self, begin: LogPlace, at: int) -> None:
        self.begin = begin
        self.at = at
        self.offset = begin.offset
        self.pieces: list[bytes] = []
        self.size = 0
        self.head = True


class Cutter:
    """Cuts the output of one attempt, chunk by chunk.

    With ``whole`` a line is held back until its newline comes. Without, what there is of it comes
    at once, in strict order of its bytes: whoever knows the end of the last piece knows it all.
    """

    def __init__(self, source: Source, *, stream: int | None, whole: bool) -> None:
        """Cut what ``source`` printed to ``stream``, or to both."""
        self.source = source
        self._stream = stream
        self._whole = whole
        self._open: dict[int, _Open] = {}

    @property
    def open_since(self) -> LogPlace | None:
        """Where the oldest line begins that has no end yet."""
        return min((line.begin for line in self._open.values()), default=None)

    def cut(self, chunk: Chunk, start: int = 0) -> Iterator[Line]:
        """Give the lines that end in a chunk, of which bytes below ``start`` are passed over."""
        stop = chunk.offset
        for stream, length, after in chunk.runs:
            begin, stop = stop, stop + length
            if stop <= start or self._stream not in (None, stream):
                continue
            if not self._whole:
                yield from self._let_go(chunk.order, begin, but=stream)
            begin = max(begin, start)
            data = chunk.data[begin - chunk.offset : stop - chunk.offset]
            yield from self._run(LogPlace(chunk.order, chunk.attempt_id, begin), stream, data,
                                 chunk.at + after)  # fmt: skip
        if not self._whole:
            yield from self._let_go(chunk.order, stop)

    def rest(self, order: int, offset: int) -> Iterator[Line]:
        """Give what is left when nothing more comes behind a place.

        Nothing else lies behind that, so there they end one byte after the other.
        """
        for stream in sorted(self._open):
            line = self._open.pop(stream)
            place = LogPlace(order, self.source.attempt_id, offset + stream)
            yield self._piece(line, stream, place, partial=True)

    def _run(self, begin: LogPlace, stream: int, data: bytes, at: int) -> Iterator[Line]:
        order, attempt_id, offset = begin
        *whole, last = data.split(b"\n")
        for text in whole:
            line, end = self._open.pop(stream, None), offset + len(text) + 1
            place = LogPlace(order, attempt_id, end)
            if line is None and len(text) <= LONGEST:
                yield Line(self.source, stream, at, offset, text, False, True, place)  # noqa: FBT003
            else:
                line = line or _Open(LogPlace(order, attempt_id, offset), at)
                yield from self._add(line, stream, text, place._replace(offset=end - 1), at)
                yield self._piece(line, stream, place, partial=False)
            offset = end
        if last:
            line = self._open.get(stream)
            if line is None:
                line = self._open[stream] = _Open(LogPlace(order, attempt_id, offset), at)
            place = LogPlace(order, attempt_id, offset + len(last))
            yield from self._add(line, stream, last, place, at)

    def _add(
        self, line: _Open, stream: int, text: bytes, place: LogPlace, at: int
    ) -> Iterator[Line]:
        """Make a line longer, up to ``place``; what is too long to be held is let go."""
        line.pieces.append(text)
        line.size += len(text)
        if line.size <= LONGEST:
            return
        data = b"".join(line.pieces)
        while len(data) > LONGEST:
            line.pieces, data = [data[:LONGEST]], data[LONGEST:]
            # All that is left is of this text, which is in one piece.
            end = place._replace(offset=place.offset - len(data))
            yield self._piece(line, stream, end, partial=True)
            line.head, line.at, line.offset = False, at, end.offset
        line.pieces, line.size = [data], len(data)

    def _let_go(self, order: int, offset: int, but: int | None = None) -> Iterator[Line]:
        for stream in [stream for stream in self._open if stream != but]:
            line = self._open.pop(stream)
            place = LogPlace(order, self.source.attempt_id, offset)
            yield self._piece(line, stream, place, partial=True)

    def _piece(self, line: _Open, stream: int, end: LogPlace, *, partial: bool) -> Line:
        data = b"".join(line.pieces)
        return Line(self.source, stream, line.at, line.offset, data, partial, line.head, end)
