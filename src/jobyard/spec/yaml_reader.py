"""Compose plain values with lines from the events of the YAML parser, counting as it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import yaml
from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from yaml.reader import ReaderError

from jobyard.spec.document import Document, Limits, refuse, too_many_nodes, unstorable
from jobyard.spec.report import dotted, shown
from jobyard.spec.scalars import scalar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobyard.spec.report import Steps

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's parser, ten times as fast as one in Python. What words mean is ``scalar``'s matter."""

_ENDS_OF_1_1 = "\x85\u2028\u2029"
"""Characters that end a line in YAML 1.1, and are nothing special in YAML 1.2."""
_PRIVATE_USE = range(0xE000, 0xF900)
"""Characters that mean nothing, from which stand-ins are taken."""
_CORE = "tag:yaml.org,2002:"


def read_yaml(text: str, limits: Limits) -> list[Document]:
    """Read every document of a YAML 1.2 text.

    Raises:
        InvalidDocument: it cannot be read; says on which line and why.
    """
    try:
        return list(_Composer(text, limits).documents())
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.context, error.problem) if part)
        refuse(f"not YAML: {what}", line=mark.line + 1 if mark else None)
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        character = ord(error.character) if isinstance(error.character, str) else error.character
        refuse(f"not YAML: the character U+{character:04X} is not allowed", line=line)
    except (YAMLError, RecursionError, ValueError) as error:
        refuse(f"not YAML: {error}")


class _Composer:
    """Turns events into values; the expanded size of every anchor is known before it is used."""

    def __init__(self, text: str, limits: Limits) -> None:
        stand_ins = _stand_ins(text)
        self._back = {stand_in: end for end, stand_in in stand_ins.items()}
        plain = text.translate(stand_ins) if stand_ins else text
        self._events: Iterator[Any] = yaml.parse(plain, Loader=_LOADER)
        self._limits = limits
        self._nodes = 0
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._lines: dict[Steps, int] = {}

    def documents(self) -> Iterator[Document]:
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                self._anchors, self._lines = {}, {}
                value = self._value(next(self._events), ())
                yield Document(value, self._lines)

    def _value(self, event: Any, steps: Steps) -> Any:
        line = event.start_mark.line + 1
        self._lines.setdefault(steps, line)
        if isinstance(event, AliasEvent):
            return self._alias(event, line)
        if len(steps) > self._limits.depth:
            refuse(f"nested more than {self._limits.depth} levels deep", line=line, code="TooMany")
        before = self._nodes
        self._count(1, line)
        if isinstance(event, ScalarEvent):
            value = self._scalar(event, steps, line)
        elif isinstance(event, SequenceStartEvent):
            value = self._sequence(event, steps)
        else:
            value = self._mapping(event, steps)
        if event.anchor:
            self._anchors[event.anchor] = (value, self._nodes - before)
        return value

    def _count(self, nodes: int, line: int) -> None:
        self._nodes += nodes
        if self._nodes > self._limits.nodes:
            too_many_nodes(self._limits, line)

    def _alias(self, event: Any, line: int) -> Any:
        if event.anchor not in self._anchors:
            refuse(f"the alias `*{event.anchor}` has no anchor before it", line=line)
        value, size = self._anchors[event.anchor]
        self._count(size, line)
        return value

    def _scalar(self, event: Any, steps: Steps, line: int) -> Any:
        if self._back:
            event.value = event.value.translate(self._back)
        value = event.value
        if not event.tag:
            if event.implicit[0]:
                try:
                    value = scalar(event.value)
                except ValueError as error:
                    refuse(str(error), line=line, path=dotted(steps))
        else:
            value = _tagged(event, line)
        wrong = unstorable(value)
        if wrong:
            refuse(wrong, line=line, path=dotted(steps))
        return value

    def _sequence(self, event: Any, steps: Steps) -> list[Any]:
        _plain_tag(event, "seq")
        values: list[Any] = []
        for element in self._events:
            if isinstance(element, SequenceEndEvent):
                break
            values.append(self._value(element, (*steps, len(values))))
        return values

    def _mapping(self, event: MappingStartEvent, steps: Steps) -> dict[str, Any]:
        _plain_tag(event, "map")
        members: dict[str, Any] = {}
        merged: list[Any] = []
        for key in self._events:
            if isinstance(key, MappingEndEvent):
                break
            name, line = self._key(key, steps)
            if name in members:
                message = f"the name `{shown(name)}` stands twice in one mapping"
                refuse(message, line=line, path=dotted((*steps, name)), code="Duplicate")
            self._lines[(*steps, name)] = line
            value = self._value(next(self._events), (*steps, name))
            if name == "<<" and not key.style:
                merged.extend(_mergeable(value, line))
            else:
                members[name] = value
        for other in merged:
            members = {**other, **members}
        return members

    def _key(self, event: Any, steps: Steps) -> tuple[str, int]:
        line = event.start_mark.line + 1
        self._count(1, line)
        if not isinstance(event, ScalarEvent):
            refuse("a name in a mapping is text", line=line, path=dotted(steps))
        name = str(event.value).translate(self._back)
        wrong = unstorable(name)
        if wrong:
            refuse(wrong, line=line, path=dotted(steps))
        return name, line


def _stand_ins(text: str) -> dict[int, int]:
    """Choose a character that the text does not have for each that would end a line."""
    ends = [ord(end) for end in _ENDS_OF_1_1 if end in text]
    free = (code for code in _PRIVATE_USE if chr(code) not in text)
    return dict(zip(ends, free, strict=False)) if ends else {}


def _mergeable(value: Any, line: int) -> list[dict[str, Any]]:
    sources = value if isinstance(value, list) else [value]
    if not all(isinstance(source, dict) for source in sources):
        refuse("`<<` merges mappings", line=line)
    return sources


def _plain_tag(event: Any, name: str) -> None:
    if event.tag and str(event.tag) not in (f"{_CORE}{name}", "!", f"!!{name}"):
        _meaningless(event)


def _meaningless(event: Any) -> NoReturn:
    refuse(f"the tag `{event.tag}` means nothing here", line=event.start_mark.line + 1)


def _tagged(event: Any, line: int) -> Any:
    name = str(event.tag).removeprefix(_CORE).removeprefix("!!")
    if name in ("str", "!"):
        return event.value
    kinds: dict[str, type] = {"int": int, "float": float, "bool": bool, "null": type(None)}
    if name not in kinds:
        _meaningless(event)
    value = scalar(event.value)
    if name == "float" and isinstance(value, (int, float)):
        return float(value)
    if type(value) is not kinds[name]:
        refuse(f"the tag `{event.tag}` does not fit `{shown(event.value)}`", line=line)
    return value
