"""One provider's address as the pool sees it: its pace, its health, what it can and cannot do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobyard import clock, ids
from jobyard.chain.rpc_failures import Failure, Kind
from jobyard.chain.rpc_pace import Meter, Pace
from jobyard.chain.rpc_transport import connect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobyard.chain.rpc_wire import Call
    from jobyard.chain.source import Traffic
    from jobyard.errors import ChainFailed

LONGEST_WAIT = 120.0
"""Seconds of ``Retry-After`` that are believed."""
_FORGETTING = 0.05
"""Weight of the newest answer in an endpoint's share of trouble."""
_LIES = {Kind.UNREADABLE: 1.0, Kind.NOT_YET: 0.5, Kind.PRUNED: 0.5}
"""How bad a failure is beside others: a wrong answer costs more than none."""
_SOON = 2.0
"""Seconds that every answer may take."""
_OUTLIER = 20.0
"""Times the mean latency that an answer may take before it is taken for lost."""
_PATIENCE = 5
"""Failures in a row after which an endpoint is left alone for a while."""
_REST = (0.25, 5.0)
"""Seconds that it is left alone: at first, at most. One request then asks whether it is back, so
that it may be asked often."""
RESTS_AFTER = frozenset({Kind.BROKEN, Kind.SLOW})
"""Failures that say of an endpoint, and not of what it was asked, that it does not work."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a provider allows, as its owner wrote it down."""

    concurrent: int = 1024
    batch: int = 0
    """Calls in one request; 0 and 1 mean no batches."""
    per_second: float | None = None
    timeout: float = 30.0


class Endpoint:
    """One address: sends requests, remembers how that went."""

    def __init__(
        self,
        name: str,
        url: str,
        limits: Limits,
        traffic: Traffic,
        *,
        headers: Mapping[str, str] | None = None,
        spare: bool = False,
    ) -> None:
        """Speak to ``url``; a ``spare`` one is asked only when no other can be."""
        self.name = name
        self.spare = spare
        self.limits = limits
        self.pace = Pace(limits.concurrent)
        self.batch = max(1, limits.batch)
        self.in_flight = 0
        self.greeted = False
        self.dead: ChainFailed | None = None
        self.health = _Health()
        self._meter = Meter(limits.per_second)
        self._transport = connect(url, headers or {}, self._received)
        self._traffic = traffic

    async def send(self, calls: Sequence[Call], slow: int = 0) -> list[bytes | Failure]:
        """Make calls as one request, at the pace that the provider allows.

        Gives up long before the timeout where answers usually come soon; the more so the less often
        (``slow``) the calls were given up for that before.

        Raises:
            Failure: The request as a whole failed.
        """
        wait = self._meter.book(len(calls), clock.monotonic())
        if wait:
            await clock.sleep(wait)
        began = clock.monotonic()
        patience = max(_SOON, _OUTLIER * self.pace.latency) * 2.0**slow
        self._traffic.requests += 1
        self._traffic.calls += len(calls)
        try:
            answers = await self._transport.send(calls, min(patience, self.limits.timeout))
        except Failure as failure:
            self.failed(failure, began)
            raise
        now = clock.monotonic()
        self.pace.answered(now - began, self.in_flight)
        return answers

    def succeeded(self) -> None:
        """Take note of an answer that was accepted."""
        self.health.succeeded()

    def failed(self, failure: Failure, began: float | None = None) -> None:
        """Take note of a failure of what was sent when it ``began``; the endpoint may rest then."""
        now = clock.monotonic()
        self._traffic.causes[failure.kind.name.lower()] = (
            self._traffic.causes.get(failure.kind.name.lower(), 0) + 1
        )
        self._traffic.throttled += failure.kind is Kind.THROTTLED
        self.pace.complained(failure.kind, now)
        self.health.failed(failure, now, now if began is None else began)

    def cost(self) -> float:
        """Tell how dear the next request here is: how long it takes, and how often in vain."""
        load = (self.in_flight + 1) / max(1, self.pace.limit)
        return (self.pace.latency + 0.001) * load * (1 + 10 * self.health.trouble)

    @property
    def room(self) -> int:
        """How many more requests may be in flight: of one that seems to be away, one alone."""
        limit = 1 if self.health.seems_away else self.pace.limit
        return limit - self.in_flight

    async def close(self) -> None:
        """Disconnect."""
        await self._transport.close()

    def _received(self, count: int) -> None:
        self._traffic.bytes_received += count


@dataclass(slots=True)
class _Health:
    """What an endpoint's answers were like lately."""

    trouble: float = 0.0
    """Share of requests that failed, newer ones counting more."""
    rests_until: float = 0.0
    """Monotonic time before which it is not asked."""
    lacks: set[str] = field(default_factory=set)
    """Methods that it does not know."""
    last: Failure | None = None
    _row: int = 0

    @property
    def seems_away(self) -> bool:
        return self._row >= _PATIENCE

    def succeeded(self) -> None:
        self._row = 0
        self.trouble *= 1 - _FORGETTING

    def failed(self, failure: Failure, now: float, began: float) -> None:
        self.last = failure
        self.trouble += _FORGETTING * (_LIES.get(failure.kind, 0.5) - self.trouble)
        if failure.retry_after is not None:
            self.rests_until = max(self.rests_until, now + min(failure.retry_after, LONGEST_WAIT))
        # What was sent before the rest began fails for the same reason: it is no further failure.
        if failure.kind not in RESTS_AFTER or began < self.rests_until:
            return
        self._row += 1
        if self._row >= _PATIENCE:
            first, longest = _REST
            rest = min(longest, first * 2.0 ** min(self._row - _PATIENCE, 10))
            self.rests_until = max(self.rests_until, now + rest * (0.5 + ids.fraction() / 2))
