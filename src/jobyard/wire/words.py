"""The words by which people name statuses in filters, and the statuses that each word finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobyard.core.states import ACTIVE, TERMINAL, JobStatus
from jobyard.errors import InvalidQueryParam

if TYPE_CHECKING:
    from collections.abc import Mapping

ALL = "all"

WORDS: Mapping[str, tuple[JobStatus, ...]] = {
    "active": ACTIVE,
    "terminal": TERMINAL,
    ALL: tuple(JobStatus),
    "error": (JobStatus.FAILED,),
    **{status.value.lower(): (status,) for status in JobStatus},
    # The operator's word for everything that waits for a worker.
    "scheduled": (JobStatus.SCHEDULED, JobStatus.QUEUED),
}
"""Words in their plain form, in the order in which an error lists them."""

_BY_LETTERS = {word.replace("_", ""): statuses for word, statuses in WORDS.items()}


def statuses(
    text: str, wrong: type[InvalidQueryParam] = InvalidQueryParam
) -> tuple[JobStatus, ...] | None:
    """Read a comma list of words, in any letter case, with ``_``, ``-`` or nothing inside.

    None means that no status is left out. ``wrong`` is the error that a list is refused with.

    Raises:
        InvalidQueryParam: a word is unknown, or there is none.
    """
    found: set[JobStatus] = set()
    for word in text.split(","):
        letters = word.strip().lower().replace("_", "").replace("-", "")
        if letters not in _BY_LETTERS:
            raise wrong(
                f"status `{word.strip()}` is unknown",
                hint=f"one or more, with commas, of {', '.join(WORDS)}",
                parameter="status",
                legal=list(WORDS),
            )
        found.update(_BY_LETTERS[letters])
    if len(found) == len(JobStatus):
        return None
    return tuple(status for status in JobStatus if status in found)
