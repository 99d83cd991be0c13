"""How long one who waits bears it that a server, or its database, is away for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from jobyard import clock
from jobyard.errors import JobyardError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds before asking again one who was away, doubled while that fails."""
GIVE_UP = 60.0
"""Seconds without any answer after which a server that answered before is given up."""
MEANWHILE_AWAY = (502, 503, 504)
"""Statuses that pass: nobody is there, a database is away, or a proxy says so."""


class Patience:
    """How long an absence is borne; one who never answered is not waited for at all.

    The address may be wrong then.
    """

    def __init__(self, deadline: float | None = None) -> None:
        """Bear no absence beyond ``deadline``, a time of the monotonic clock."""
        self._deadline = deadline
        self._answered_at: float | None = None
        self._pause = SHORTEST_PAUSE

    def _answered(self) -> None:
        self._answered_at, self._pause = clock.monotonic(), SHORTEST_PAUSE

    def _bear(self, error: JobyardError) -> float:
        """Tell how many seconds to wait, or raise what cannot be borne."""
        now = clock.monotonic()
        late = self._deadline is not None and now >= self._deadline
        if error.status not in MEANWHILE_AWAY or self._answered_at is None or late:
            raise error
        if now - self._answered_at > GIVE_UP:
            raise error
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST_PAUSE)
        return pause if self._deadline is None else min(pause, self._deadline - now)


class AsyncAbsence(Patience):
    """Reads again while one who has answered is away: a server is started anew within seconds."""

    async def ask(self, read: Callable[[], Awaitable[T]]) -> T:
        """Read until there is an answer.

        Raises:
            JobyardError: the answer is a refusal, or nobody answers for too long.
        """
        while True:
            try:
                answer = await read()
            except JobyardError as error:
                await clock.sleep(self._bear(error))
            else:
                self._answered()
                return answer


class Absence(Patience):
    """The same in a program without an event loop."""

    def ask(self, read: Callable[[], T]) -> T:
        """Read until there is an answer; raises as ``AsyncAbsence.ask`` does."""
        while True:
            try:
                answer = read()
            except JobyardError as error:
                clock.pause(self._bear(error))
            else:
                self._answered()
                return answer
