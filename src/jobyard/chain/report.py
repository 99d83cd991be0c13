"""What a verification found: per check how much was proved, what failed, what cannot be proved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_TOLD = 100
"""Failures told one by one in each check; more are counted only, so a report stays small."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A block that contradicts its hashes."""

    check: str
    block: int
    cause: str


@dataclass(slots=True)
class Tally:
    """What became of one check; block numbers as inclusive ranges."""

    proved: int = 0
    failed: int = 0
    failures: list[Failure] = field(default_factory=list)
    unprovable: dict[str, list[tuple[int, int]]] = field(default_factory=dict)


class Report:
    """Outcomes by check; its size does not grow with the number of blocks in a row."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self.tallies: dict[str, Tally] = {}

    def prove(self, check: str, count: int = 1) -> None:
        """Note that blocks passed."""
        self._tally(check).proved += count

    def fail(self, check: str, block: int, cause: str) -> None:
        """Note that a block failed, and why."""
        tally = self._tally(check)
        tally.failed += 1
        if len(tally.failures) < MOST_TOLD:
            tally.failures.append(Failure(check, block, cause))

    def leave_open(self, check: str, block: int, reason: str, last: int | None = None) -> None:
        """Note that a check cannot be made of a block, or of all up to ``last``, and why."""
        ranges = self._tally(check).unprovable.setdefault(reason, [])
        end = block if last is None else last
        if ranges and ranges[-1][1] + 1 == block:
            ranges[-1] = (ranges[-1][0], end)
        else:
            ranges.append((block, end))

    def failures(self) -> Iterator[Failure]:
        """Go through what failed, check by check."""
        for tally in self.tallies.values():
            yield from tally.failures

    @property
    def sound(self) -> bool:
        """Tell whether nothing failed."""
        return not any(tally.failed for tally in self.tallies.values())

    def as_json(self) -> dict[str, Any]:
        """Write the report as JSON has it."""
        return {
            "sound": self.sound,
            "checks": {
                check: {
                    "proved": tally.proved,
                    "failed": tally.failed,
                    "failures": [
                        {"block": failure.block, "cause": failure.cause}
                        for failure in tally.failures
                    ],
                    "not_provable": [
                        {"reason": reason, "blocks": [list(pair) for pair in ranges]}
                        for reason, ranges in tally.unprovable.items()
                    ],
                }
                for check, tally in self.tallies.items()
            },
        }

    def _tally(self, check: str) -> Tally:
        return self.tallies.setdefault(check, Tally())
