"""The YAML library's reader and scanner, made to step over whole stretches of text at once.

They take the same text for the same tokens as the library's own: only the loops over single
characters are gone, of which a document of comments or of long lines would need millions.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.reader import Reader
from ruamel.yaml.scanner import Scanner

if TYPE_CHECKING:
    from collections.abc import Iterator

_IDLE_LINES = re.compile("(?: *(?:#[^\n\r\x85\u2028\u2029\0]*)?\n)+")
"""Blank lines and comments, ended as most files end their lines; others are stepped through."""
_WORDS = re.compile("(?: *[^ \t\n\r\x85\u2028\u2029\0'\"\\\\]++)++")
"""What stands in a quoted scalar as it is."""
_COUNTED = re.compile("[\n\r\ufeff]")
"""Characters that do not simply take one column."""


class _Reader(Reader):
    """Goes on by many characters as fast as by one."""

    def forward(self, length: int = 1) -> None:
        """Go on by ``length`` characters."""
        pointer = self.pointer
        if _COUNTED.search(self.buffer, pointer, pointer + length):
            super().forward(length)
            return
        self.pointer = pointer + length
        self.index += length
        self.column += length

    def over(self, end: int) -> None:
        """Go on to ``end``, which is the beginning of a line."""
        self.line += self.buffer.count("\n", self.pointer, end)
        self.index += end - self.pointer
        self.pointer = end
        self.column = 0


class _Scanner(Scanner):
    """Steps over blank lines and comments at once."""

    def scan_to_next_token(self) -> Any:
        """Leave out what is no token."""
        reader: Any = self.reader
        idle = _IDLE_LINES.match(reader.buffer, reader.pointer)
        if idle is not None:
            reader.over(idle.end())
            if not self.flow_level:
                self.allow_simple_key = True
        return super().scan_to_next_token()

    def scan_flow_scalar_non_spaces(self, double: Any, start_mark: Any) -> Any:
        """Take what stands there as it is, then what has a meaning of its own."""
        reader: Any = self.reader
        words = _WORDS.match(reader.buffer, reader.pointer)
        if words is None:
            return super().scan_flow_scalar_non_spaces(double, start_mark)
        reader.forward(words.end() - words.start())
        return [words[0], *super().scan_flow_scalar_non_spaces(double, start_mark)]


def events(text: str) -> Iterator[Any]:
    """Parse a text into the library's events."""
    parser = YAML(typ="safe", pure=True)
    parser.Reader, parser.Scanner = _Reader, _Scanner
    found: Iterator[Any] = parser.parse(text)
    return found
