"""Documents that cannot be read or are wrong, with everything that is wrong in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jobyard.errors.root import JobyardError


def printable(text: str) -> str:
    """Write control characters as escapes, so that a text cannot play with a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a document.

    ``path`` leads into the person's document (``jobs[2].backoff_limit``), ``line`` is 1-based and
    known when it came from YAML, ``value`` is what stands there, ``legal`` what could.
    """

    path: str
    message: str
    code: str = "Invalid"
    line: int | None = None
    value: Any = None
    legal: str | None = None

    def __str__(self) -> str:
        """Read as one line: where, what, what stands there, what would be legal."""
        line = f"line {self.line}" if self.line else ""
        value = '""' if self.value == "" else self.value
        found = "" if value is None else f"found: {value}"
        legal = f"legal: {self.legal}" if self.legal else ""
        facts = "; ".join(fact for fact in (found, legal) if fact)
        what = f"{self.message} ({facts})" if facts else self.message
        return printable(": ".join(part for part in (line, self.path, what) if part))


_READ_IN_A_TRACE = 10


class InvalidDocument(JobyardError):
    """A document that cannot be read, or is wrong in one or many places; all are listed."""

    slug = "invalid-document"
    title = "The document is not valid"
    status = 400
    code = "INVALID_DOCUMENT"

    def __init__(
        self, problems: list[Problem], *, source: str | None = None, more: int = 0
    ) -> None:
        """Carry the problems in the order of the document; ``more`` were found and not kept."""
        count = len(problems) + more
        noun = "problem" if count == 1 else "problems"
        where = f" in {source}" if source else ""
        super().__init__(f"{count:,} {noun}{where}", source=source)
        self.problems = problems
        self.source = source
        self.more = more

    def __str__(self) -> str:
        """Read as the count and the first problems: all that a trace in a program shows."""
        shown = self.problems[:_READ_IN_A_TRACE]
        rest = len(self.problems) + self.more - len(shown)
        lines = [self.detail, *(f"  {problem}" for problem in shown)]
        return "\n".join([*lines, f"  … and {rest:,} more"] if rest else lines)
