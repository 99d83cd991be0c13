"""The ids of events in streams: places from which a follower can go on."""

from __future__ import annotations

from typing import NamedTuple

from jobyard.core.records import LedgerPlace
from jobyard.errors import InvalidQueryParam
from jobyard.store.base import LogPlace

LARGEST = 2**63 - 1


class Position(NamedTuple):
    """How far a follower of a job's output is.

    All that ends up to ``place`` was told. Reading has to begin at ``since``, which is earlier
    when a line that is looked at as a whole has begun and not ended.
    """

    place: LogPlace
    since: LogPlace

    def __str__(self) -> str:
        """Write it as the id of an event."""
        text = _written(self.place)
        return text if self.since == self.place else f"{text}~{_written(self.since)}"

    def upto(self, end: LogPlace) -> Position:
        """Come back to what there is: the id of an event of another database may be beyond it."""
        return Position(min(self.place, end), min(self.since, end))

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read the id of an event.

        Raises:
            InvalidQueryParam: it is none.
        """
        first, tilde, second = text.partition("~")
        place = _place(first, text)
        return cls(place, _place(second, text) if tilde else place)


def _written(place: LogPlace) -> str:
    return ":".join(map(str, place))


def _numbers(text: str, count: int, whole: str) -> list[int]:
    parts = text.split(":")
    digits = all(part.isascii() and part.isdigit() and len(part) < 20 for part in parts)  # noqa: PLR2004 - 64 bits
    numbers = [int(part) for part in parts] if digits else []
    if len(numbers) != count or max(numbers) > LARGEST:
        raise InvalidQueryParam(
            f"last_event_id is `{whole[:80]}`",
            hint="it is the id of an event of this stream",
            parameter="last_event_id",
        )
    return numbers


def _place(text: str, whole: str) -> LogPlace:
    return LogPlace(*_numbers(text, 3, whole))


def ledger_place(text: str) -> LedgerPlace:
    """Read the id of a status change.

    Raises:
        InvalidQueryParam: it is none.
    """
    return LedgerPlace(*_numbers(text, 2, text))


def ledger_id(place: LedgerPlace) -> str:
    """Write the id of a status change."""
    return f"{place.order}:{place.event_id}"
