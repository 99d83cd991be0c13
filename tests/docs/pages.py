"""Read the documentation: its pages, its fenced blocks, the commands and files in them."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
    ]
)
WRITTEN = [page for page in PAGES if page.name != "CHANGELOG.md"]

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_EXITS = re.compile(r"\s+# exits (\d+)$")


def name_of(page: Path) -> str:
    """Name a page as its links do."""
    return page.relative_to(ROOT).as_posix()


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a console block, and what it is said to print and to end with."""

    line: str
    exits: int
    prints: tuple[str, ...]


def blocks(page: Path) -> Iterator[Block]:
    """Give the fenced blocks of a page, in order."""
    for _, language, text in _FENCE.findall(page.read_text()):
        yield Block(language, textwrap.dedent(text))


def file_in(block: Block) -> tuple[str, str] | None:
    """Tell which file a block is: its first line is a comment with the file's name alone."""
    first = block.text.partition("\n")[0]
    match = re.fullmatch(r"# ([\w-]+\.\w+)", first)
    return (match[1], block.text) if match and block.language != "console" else None


def commands_in(block: Block) -> list[Command]:
    """Read a console block: `$ command`, then the lines that it prints."""
    commands: list[Command] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            exits = _EXITS.search(line)
            command = _EXITS.sub("", line[2:])
            commands.append(Command(command, int(exits[1]) if exits else 0, ()))
        elif commands and line.strip():
            last = commands[-1]
            commands[-1] = Command(last.line, last.exits, (*last.prints, line))
    return commands


def steps_of(page: Path) -> list[tuple[str, str] | Command]:
    """Give what a page has its reader do: files to write and commands to run, in order."""
    steps: list[tuple[str, str] | Command] = []
    for block in blocks(page):
        file = file_in(block)
        if file is not None:
            steps.append(file)
        elif block.language == "console":
            steps.extend(commands_in(block))
    return steps


def says(printed: str, line: str) -> bool:
    """Tell whether output has a line as the page shows it.

    `…` stands for anything, spaces for any spaces; numbers of seconds and times are never shown.
    """
    parts = [r"\s+".join(map(re.escape, part.split())) for part in line.split("…")]
    pattern = r"[^\n]*".join(parts)
    # Spaces beside `…` give way too.
    wanted = re.compile(rf"^\s*{pattern}\s*$" if parts[-1] else rf"^\s*{pattern}")
    return any(wanted.search(said) for said in printed.splitlines())
