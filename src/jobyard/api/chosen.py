"""What of a job's output is wanted: attempts, stream, time, lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobyard.api.moments import moment_or_ago
from jobyard.errors import InvalidQueryParam
from jobyard.wire.logs import NUMBERS

if TYPE_CHECKING:
    from jobyard.api.lines import Line, Source

MOST_TAIL = 1_000_000
"""Lines that can be asked for from the end."""
LONGEST_PATTERN = 1000
"""Characters of a regular expression."""
PATTERN_MEMORY = 8 * 1024 * 1024
"""Bytes that a compiled expression may need; beyond it matching is slower, never longer."""


class Grep:
    """Chooses lines by a regular expression, in time linear in the line whatever it is.

    A line that comes in several pieces is chosen, or not, by the first of them.
    """

    def __init__(self, pattern: str) -> None:
        """Compile ``pattern``, in the syntax of RE2.

        Raises:
            InvalidQueryParam: it is none, or too long.
        """
        if len(pattern) > LONGEST_PATTERN:
            raise _invalid(
                "grep", pattern[:40] + "…", f"it has {LONGEST_PATTERN} characters at most"
            )
        # Python's own matcher needs exponential time for some expressions, and holds up every
        # thread while it does.
        import re2  # type: ignore[import-untyped]

        options = re2.Options()
        options.log_errors = False
        options.max_mem = PATTERN_MEMORY
        try:
            self._search = re2.compile(pattern.encode("utf-8", "surrogateescape"), options).search
        except re2.error as error:
            said = error.args[0].decode("utf-8", "replace")
            hint = f"it is a regular expression as RE2 has them: {said}"
            raise _invalid("grep", pattern, hint) from error
        self._chosen: dict[tuple[int, int], bool] = {}

    def __call__(self, line: Line) -> bool:
        """Tell whether a line is wanted."""
        key = (line.source.attempt_id, line.stream)
        if not line.head:
            return self._chosen.get(key, False)
        wanted = self._search(line.data) is not None
        if line.partial:
            self._chosen[key] = wanted
        return wanted


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is wanted; made by ``choose``. ``since`` is in microseconds since 1970."""

    attempt: int | None = None
    attempt_id: int | None = None
    index: int | None = None
    stream: int | None = None
    since: int | None = None
    tail: int | None = None
    pattern: str | None = None
    timestamps: bool = False
    matches: Grep | None = field(default=None, compare=False)

    @property
    def plain(self) -> bool:
        """Whether all bytes of the chosen attempts and streams are wanted, as they are."""
        return (self.since, self.tail, self.pattern, self.timestamps) == (None, None, None, False)

    @property
    def one_by_one(self) -> bool:
        """Whether only whole lines can be looked at."""
        return self.pattern is not None or self.timestamps

    def wants(self, source: Source) -> bool:
        """Tell whether an attempt is wanted."""
        return (
            self.attempt in (None, source.number)
            and self.attempt_id in (None, source.attempt_id)
            and self.index in (None, source.index)
        )

    def keeps(self, line: Line) -> bool:
        """Tell whether a line of a wanted attempt is wanted."""
        if self.since is not None and line.at < self.since:
            return False
        return self.matches is None or self.matches(line)


def choose(
    *,
    stream: str | None = None,
    since: str | None = None,
    tail: int | None = None,
    grep: str | None = None,
    **others: Any,
) -> Chosen:
    """Read what a person asked for.

    ``others`` are fields of ``Chosen`` as they are.

    Raises:
        InvalidQueryParam: something of it is none of what is legal.
    """
    if stream is not None and stream not in NUMBERS:
        raise _invalid("stream", stream, f"it is {' or '.join(NUMBERS)}")
    if tail is not None and not 0 <= tail <= MOST_TAIL:
        raise _invalid("tail", tail, f"it goes from 0 to {MOST_TAIL}")
    return Chosen(
        stream=NUMBERS[stream] if stream is not None else None,
        since=None if since is None else _since(since),
        tail=tail,
        pattern=grep,
        matches=None if grep is None else Grep(grep),
        **others,
    )


def _since(text: str) -> int:
    found = moment_or_ago(text)
    if found is None:
        raise _invalid(
            "since", text, "it is a time such as 2026-01-31T12:00:00Z, or a duration such as 10m"
        )
    return found


def _invalid(name: str, value: object, hint: str) -> InvalidQueryParam:
    return InvalidQueryParam(f"{name} is `{value}`", hint=hint, parameter=name)
