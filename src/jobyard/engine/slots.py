"""What a worker can run at a time, and the few attempts it keeps at hand for the next free slot.

A program of a few milliseconds is over before the store has answered who is next. So while
programs are short, a worker claims somewhat more than it can start; what then has to wait for
longer than a moment is handed back for others.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from jobyard import clock
from jobyard.store.base import Want

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobyard.engine.attempt import AttemptRun
    from jobyard.engine.worker import WorkerSettings

SHORT = 0.05
"""Seconds of a program, on average, below which the next ones are claimed ahead."""
LONG = 10 * SHORT
"""Seconds that an attempt may be kept waiting at hand."""
AHEAD = 2
"""Attempts kept at hand for each slot."""
MANY = 256
"""Slots from which on none are kept at hand: so many ends come in together anyway."""
WEIGHT = 0.1
"""How much the last program counts in the average."""


class Slots:
    """Slots by executor, CPU and memory: how much of each is free."""

    def __init__(self, settings: WorkerSettings) -> None:
        """Begin with everything free."""
        self._settings = settings
        self._slots = dict(settings.slots)
        self.clear()

    def clear(self) -> None:
        """Forget all attempts: everything is free."""
        self._cpu, self._memory = self._settings.cpu, self._settings.memory
        self._held = dict.fromkeys(self._slots, 0)
        self._running = dict.fromkeys(self._slots, 0)
        self._mean = dict.fromkeys(self._slots, LONG)
        self._at_hand: dict[str, deque[AttemptRun]] = {name: deque() for name in self._slots}

    @property
    def at_hand(self) -> bool:
        """Whether an attempt waits here for a slot."""
        return any(self._at_hand.values())

    def take(self, attempt: AttemptRun) -> None:
        """Take on a claimed attempt; it starts when ``startable`` names it."""
        executor = attempt.claim.executor
        resources = attempt.template.spec.program.resources
        self._cpu -= resources.request_cpu
        self._memory -= resources.request_memory
        self._held[executor] += 1
        self._at_hand[executor].append(attempt)

    def startable(self) -> Iterator[AttemptRun]:
        """Name the attempts that have a slot now; each is named once, and fills its slot."""
        for executor, waiting in self._at_hand.items():
            while waiting and self._running[executor] < self._slots[executor]:
                attempt = waiting.popleft()
                if attempt.status is None:
                    self._running[executor] += 1
                    yield attempt

    def give_back(self, attempt: AttemptRun) -> None:
        """Free what an attempt held that has ended."""
        executor = attempt.claim.executor
        resources = attempt.template.spec.program.resources
        self._cpu += resources.request_cpu
        self._memory += resources.request_memory
        self._held[executor] -= 1
        if attempt.launched:
            self._running[executor] -= 1
            if attempt.started_at is not None:
                took = attempt.ended_at - attempt.started_at
                self._mean[executor] += WEIGHT * (took - self._mean[executor])

    def want(self) -> Want | None:
        """Tell what could be taken on now."""
        free = {
            name: slots + self._ahead(name) - self._held[name]
            for name, slots in self._slots.items()
        }
        free = {name: number for name, number in free.items() if number > 0}
        if not free:
            return None
        return Want(free, self._cpu, self._memory, own_only=self._settings.own_only)

    def _ahead(self, executor: str) -> int:
        slots = self._slots[executor]
        return AHEAD * slots if slots < MANY and self._mean[executor] < SHORT else 0

    def kept_too_long(self) -> list[AttemptRun]:
        """Name the attempts at hand that had better go to others; programs are no longer short."""
        before = clock.monotonic() - LONG
        late = []
        for executor, waiting in self._at_hand.items():
            while waiting and waiting[0].claimed_at < before:
                late.append(waiting.popleft())
                self._mean[executor] = LONG
        return late

    def all_at_hand(self) -> list[AttemptRun]:
        """Take out every attempt that waits for a slot."""
        waiting = [attempt for queue in self._at_hand.values() for attempt in queue]
        for queue in self._at_hand.values():
            queue.clear()
        return waiting
