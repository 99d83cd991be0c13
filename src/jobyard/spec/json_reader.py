"""Read JSON as fast as the standard library does, and find out about lines only when asked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from json.decoder import scanstring  # type: ignore[attr-defined]  # missing in typeshed
from typing import TYPE_CHECKING, Any

from jobyard.spec.document import Document, Limits, refuse, too_many_nodes, unstorable
from jobyard.spec.report import dotted, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobyard.spec.report import Steps

_SPACE = re.compile(r"[ \t\n\r]*")
_PLAIN = re.compile(r"[^\[\]{}\",: \t\n\r]+")
"""A number, or one of the words true, false, null, NaN and Infinity."""
_LONGEST_INTEGER = 4300
"""Digits up to which Python reads an integer; beyond it the time would grow with their square."""


class NotJson(Exception):
    """The text is no JSON from ``line`` on."""

    def __init__(self, message: str, line: int) -> None:
        """Say what is wrong where."""
        super().__init__(message)
        self.line = line


class _Doubtful(ValueError):
    """Something is wrong whose place has to be looked for."""


def read_json(text: str, limits: Limits) -> Document:
    """Read one JSON value.

    Raises:
        NotJson: the text is none.
        InvalidDocument: it is, but holds what cannot be kept, or too much of it.
    """
    _refuse_a_flood(text, limits)
    try:
        value = json.loads(text, object_pairs_hook=_without_duplicates)
        _Gate(limits).check(value, 1)
    except json.JSONDecodeError as error:
        raise NotJson(error.msg, error.lineno) from error
    except RecursionError:
        refuse(f"nested more than {limits.depth} levels deep", code="TooMany")
    except ValueError:
        # The slow way ends at the same thing, and knows where it is.
        _Finder(text, limits).lines()
        raise
    return Document(value, _Lines(text, limits))


def _refuse_a_flood(text: str, limits: Limits) -> None:
    """Count the values of a text that may hold too many, before there is an object for each.

    In 64 MiB there is room for twenty million empty lists, which take a gigabyte and more.
    """
    if sum(map(text.count, ",[{")) < limits.nodes:
        return
    # What is no JSON is told by who reads it.
    with suppress(ValueError, IndexError):
        _Finder(text, limits).lines()


class _Lines(Mapping["Steps", int]):
    """The line of each place; the text is looked through when the first one is asked for."""

    def __init__(self, text: str, limits: Limits) -> None:
        self._text = text
        self._limits = limits

    @cached_property
    def _found(self) -> dict[Steps, int]:
        return _Finder(self._text, self._limits).lines()

    def __getitem__(self, steps: Steps) -> int:
        return self._found[steps]

    def __iter__(self) -> Iterator[Steps]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise _Doubtful
    return members


class _Gate:
    """Count the values of a document and stop at what no store can keep."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._nodes = 0

    def check(self, value: Any, depth: int) -> None:
        self._nodes += 1
        if self._nodes > self._limits.nodes or depth > self._limits.depth + 1:
            raise _Doubtful
        if isinstance(value, dict):
            for name, member in value.items():
                self._scalar(name)
                self.check(member, depth + 1)
        elif isinstance(value, list):
            for element in value:
                self.check(element, depth + 1)
        else:
            self._scalar(value)

    @staticmethod
    def _scalar(value: Any) -> None:
        if unstorable(value):
            raise _Doubtful


class _Finder:
    """Go through a JSON text and note where everything stands.

    What is wrong with it beyond its grammar is refused here, at its line. Of a text that is no JSON
    it may say anything, but it comes to an end.
    """

    def __init__(self, text: str, limits: Limits) -> None:
        self._text = text
        self._limits = limits
        self._at = 0
        self._line = 1
        self._nodes = 0
        self._lines: dict[Steps, int] = {}

    def lines(self) -> dict[Steps, int]:
        """Find the line of every place; that of a member is its name's."""
        self._space()
        self._value(())
        return self._lines

    def _space(self) -> None:
        match = _SPACE.match(self._text, self._at)
        if match is not None:
            self._line += self._text.count("\n", self._at, match.end())
            self._at = match.end()

    def _value(self, steps: Steps) -> None:
        self._lines.setdefault(steps, self._line)
        self._nodes += 1
        if self._nodes > self._limits.nodes:
            too_many_nodes(self._limits, self._line)
        if len(steps) > self._limits.depth:
            self._refuse(f"nested more than {self._limits.depth} levels deep", "TooMany", ())
        opened = self._text[self._at]
        if opened == "{":
            self._members(steps)
        elif opened == "[":
            self._elements(steps)
        else:
            self._checked(self._string() if opened == '"' else self._plain(steps), steps)

    def _members(self, steps: Steps) -> None:
        names: set[str] = set()
        while self._next("}"):
            name = self._string()
            self._checked(name, steps)
            if name in names:
                message = f"the name `{shown(name)}` stands twice in one object"
                self._refuse(message, "Duplicate", (*steps, name))
            names.add(name)
            self._lines[(*steps, name)] = self._line
            self._space()
            self._at += len(":")
            self._space()
            self._value((*steps, name))

    def _elements(self, steps: Steps) -> None:
        position = 0
        while self._next("]"):
            self._value((*steps, position))
            position += 1

    def _next(self, end: str) -> bool:
        """Step over what opens or separates; False at the end, which is stepped over too."""
        self._space()
        if self._text[self._at] != end:
            self._at += len(",")
            self._space()
        if self._text[self._at] == end:
            self._at += len(end)
            return False
        return True

    def _string(self) -> str:
        text: str
        text, self._at = scanstring(self._text, self._at + 1)
        return text

    def _plain(self, steps: Steps) -> Any:
        match = _PLAIN.match(self._text, self._at)
        word = match[0] if match else ""
        self._at += len(word)
        digits = word.removeprefix("-")
        if len(digits) > _LONGEST_INTEGER and digits.isdigit():
            self._refuse(f"a number of {len(digits)} digits is too large", "Invalid", steps)
        return json.loads(word)

    def _checked(self, value: Any, steps: Steps) -> None:
        wrong = unstorable(value)
        if wrong:
            self._refuse(wrong, "Invalid", steps)

    def _refuse(self, message: str, code: str, steps: Steps) -> None:
        refuse(message, line=self._line, path=dotted(steps), code=code)
