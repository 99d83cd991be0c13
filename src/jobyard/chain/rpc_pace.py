"""How many requests a provider gets at a time, and how fast: found out, within what is allowed.

Additive increase, multiplicative decrease: the number in flight doubles each round trip until the
provider first says that it is too much, afterwards it grows by one a round trip and loses a share
on each complaint. It does not grow while answers take much longer than they did at their best,
because then requests only wait in the provider's queue instead of here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobyard.chain.rpc_failures import Kind

from jobyard.chain import rpc_failures

_FIRST = 4.0
"""Requests in flight at the start: no public endpoint is known to refuse four."""
_LOSS = {
    rpc_failures.Kind.THROTTLED: 0.7,
    rpc_failures.Kind.SLOW: 0.7,
    rpc_failures.Kind.BROKEN: 0.9,
}
"""What remains of the limit after a complaint; TCP CUBIC keeps 0.7."""
_CROWDED = 2.5
"""Times the best latency at which the limit stops growing."""
_SMOOTHING = 0.1
"""Weight of the newest answer in the mean latency."""
_DRIFT = 1.005
"""How much the best latency is forgotten an answer, so that larger blocks are not a crowd."""


class Pace:
    """The limit on requests in flight at one provider."""

    def __init__(self, ceiling: int) -> None:
        """Start low; never exceed ``ceiling``."""
        self._ceiling = float(max(1, ceiling))
        self._limit = min(_FIRST, self._ceiling)
        self._doubling = True
        self._best: float | None = None
        self._quiet_until = 0.0
        self.latency = 0.0
        """Mean seconds an answer takes."""

    @property
    def limit(self) -> int:
        """How many requests may be in flight."""
        return int(self._limit)

    def answered(self, seconds: float, in_flight: int) -> None:
        """Take note of an answer that took ``seconds``, with so many in flight when it came."""
        first = self._best is None
        self.latency = seconds if first else self.latency + _SMOOTHING * (seconds - self.latency)
        best = self.latency if self._best is None else self._best * _DRIFT
        self._best = min(best, self.latency)
        used = in_flight + 1 >= self._limit
        if used and self.latency <= _CROWDED * self._best:
            self._limit += 1.0 if self._doubling else 1.0 / self._limit
            self._limit = min(self._limit, self._ceiling)

    def complained(self, kind: Kind, now: float) -> None:
        """Take note of a failure at ``now``, a monotonic time; one a round trip counts."""
        loss = _LOSS.get(kind)
        if loss is None or now < self._quiet_until:
            return
        self._doubling = False
        self._limit = max(1.0, self._limit * loss)
        self._quiet_until = now + self.latency


class Meter:
    """Spreads calls evenly so that there are never more than a number of them a second."""

    def __init__(self, calls_per_second: float | None) -> None:
        """Allow so many calls a second; None allows any number."""
        self._gap = 0.0 if not calls_per_second else 1.0 / calls_per_second
        self._next = 0.0

    def book(self, calls: int, now: float) -> float:
        """Take room for calls at ``now``, a monotonic time; returns the seconds to wait first."""
        if not self._gap:
            return 0.0
        at = max(now, self._next)
        self._next = at + calls * self._gap
        return at - now
