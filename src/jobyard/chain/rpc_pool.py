"""Several addresses of one chain as one: asks whoever answers best, again and again if need be.

A call ends with an answer that its caller accepts, or with an error that says why nobody will ever
give one. What may pass - an overload, a broken connection, a wrong answer - is met with another
try, a little later, better elsewhere.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from jobyard import clock, ids, log
from jobyard.chain.rpc_endpoint import RESTS_AFTER
from jobyard.chain.rpc_failures import Failure, Kind
from jobyard.errors import (
    BlocksUnavailable,
    BlockUnparsable,
    ChainFailed,
    NotJsonRpc,
    ProviderRefused,
    ProviderUnavailable,
    RequestRejected,
    WrongChain,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from jobyard.chain.rpc_endpoint import Endpoint
    from jobyard.chain.rpc_wire import Call
    from jobyard.chain.source import Traffic

T = TypeVar("T")

_BACKOFF = (0.02, 0.3, 5.0)
"""Seconds before the second try of a call, doubled for each further one: at first, at most while
other calls succeed, at most when nothing does."""
_LATELY = 2.0
"""Seconds for which a success says that the provider works."""
_STRANGE_ANSWERS = 6
"""Refusals, or answers of no node, in one place before an address is given up: gateways that are
overloaded give such answers, too."""
_WRONG_ANSWERS = 12
"""Wrong answers to one call after which its right one is taken for not readable: when every fifth
answer is garbage, this happens once in 200 million calls."""
_NO_NODE = {
    Kind.REFUSED,
    Kind.NOT_A_NODE,
    Kind.UNREADABLE,
    Kind.NO_METHOD,
    Kind.REJECTED,
}
"""What a node does not say when it is asked which chain it serves."""
_LOOK = 1.0
"""Seconds after which a call that waits for an endpoint looks whether patience is over."""
_NOTHINGS = 10
"""Empty answers to one call after which the block is taken for not there."""
_TOLD = frozenset(4**power for power in range(1, 12))
"""Failed greetings at which somebody is told, ever more seldom: a wrong address looks like this."""


@dataclass(slots=True)
class Tried:
    """What has been tried for one group of calls."""

    tries: int = 0
    wrong: int = 0
    nothing: int = 0
    slow: int = 0
    pruned_at: set[str] = field(default_factory=set)
    rejected_at: set[str] = field(default_factory=set)
    avoided: str = ""
    """Who failed last: somebody else comes first, if there is somebody."""

    def delay(self, *, works: bool) -> float:
        """Draw the seconds to wait before the next try, fewer where others ``work``."""
        first, longest, at_last = _BACKOFF
        doubled = first * 2.0 ** min(self.tries, 10)
        return min(longest if works else at_last, doubled) * (0.5 + ids.fraction() / 2)


class Pool:
    """Addresses of one chain."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        traffic: Traffic,
        *,
        greeting: Callable[[Endpoint], Awaitable[str]],
        expected: str | None = None,
        patience: float = 300.0,
    ) -> None:
        """Use ``endpoints`` together.

        ``greeting`` asks one of them which chain it serves; ``expected`` is the right answer, the
        first one's if None. After ``patience`` seconds without any useful answer calls fail.
        """
        self._endpoints = list(endpoints)
        self._traffic = traffic
        self._greeting = greeting
        self._expected = expected
        self._patience = patience
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._turns = itertools.count()
        self._greetings: dict[str, asyncio.Task[None]] = {}
        self._useful_at = clock.monotonic()
        self._busy = 0

    @property
    def width(self) -> int:
        """How many requests may be in flight everywhere together."""
        return sum(each.pace.limit for each in self._endpoints if each.dead is None)

    @property
    def identity(self) -> str | None:
        """Which chain is served; None before anybody was asked."""
        return self._expected

    def lacks(self, method: str) -> bool:
        """Tell whether no living endpoint knows a method."""
        living = [each for each in self._endpoints if each.dead is None]
        return bool(living) and all(method in each.health.lacks for each in living)

    async def call(
        self, calls: Sequence[Call], accept: Callable[[int, bytes, str], T], *, size: int = 0
    ) -> list[T]:
        """Make calls, in requests of ``size`` or as many as providers take; results in their order.

        ``accept`` gets a call's index, its answer and the endpoint's name, and returns what the
        answer means.

        It raises `BlockUnparsable` for a wrong answer and `Failure` for one that says nothing; the
        call is then made again. Anything else that it raises ends the calls.

        Raises:
            ChainFailed: A call will never succeed, or none has for too long.
            Failure: Kind NO_METHOD, NOT_YET or SKIPPED, which callers know how to handle.
        """
        results: dict[int, T] = {}
        size = size or max(each.batch for each in self._endpoints)
        groups = [list(range(at, min(at + size, len(calls)))) for at in range(0, len(calls), size)]
        if not self._busy:
            self._useful_at = clock.monotonic()
        self._busy += 1
        self._meet()
        try:
            await together([self._group(calls, group, accept, results) for group in groups])
        finally:
            self._busy -= 1
        return [results[index] for index in range(len(calls))]

    async def close(self) -> None:
        """Disconnect everywhere."""
        for task in self._greetings.values():
            task.cancel()
        for endpoint in self._endpoints:
            await endpoint.close()

    async def _group(
        self,
        calls: Sequence[Call],
        pending: list[int],
        accept: Callable[[int, bytes, str], T],
        results: dict[int, T],
    ) -> None:
        tried = Tried()
        while pending:
            endpoint = await self._acquire(calls[pending[0]], tried)
            part = pending[: endpoint.batch]
            failures: dict[int, Failure] = {}
            try:
                answers = await endpoint.send([calls[index] for index in part], tried.slow)
            except Failure as failure:
                failures = dict.fromkeys(part, failure)
            else:
                for index, answer in zip(part, answers, strict=True):
                    wrong = self._take(index, answer, endpoint, accept, results)
                    if wrong is not None:
                        failures[index] = wrong
            finally:
                self._release(endpoint)
            if len(failures) < len(part):
                self._useful_at = clock.monotonic()
                tried.tries = 0
            if failures:
                await self._bear(failures, endpoint, tried, calls)
            pending = [*failures, *pending[len(part) :]]

    def _take(
        self,
        index: int,
        answer: bytes | Failure,
        endpoint: Endpoint,
        accept: Callable[[int, bytes, str], T],
        results: dict[int, T],
    ) -> Failure | None:
        """Accept one answer; returns what is wrong with it."""
        try:
            if isinstance(answer, Failure):
                raise answer
            results[index] = accept(index, answer, endpoint.name)
        except BlockUnparsable as wrong:
            failure = Failure(Kind.UNREADABLE, wrong.detail)
        except Failure as said:
            failure = said
        else:
            endpoint.succeeded()
            return None
        if failure.kind is not Kind.SKIPPED:
            endpoint.failed(failure)
        return failure

    async def _bear(
        self, failures: dict[int, Failure], endpoint: Endpoint, tried: Tried, calls: Sequence[Call]
    ) -> None:
        """Decide what failures mean: wait and let the caller go on, or raise."""
        failure = next(iter(failures.values()))
        numbers = [number for index in failures if (number := calls[index].number) is not None]
        self._traffic.retries += 1
        tried.tries += 1
        tried.avoided = endpoint.name
        if failure.kind is Kind.NO_METHOD:
            endpoint.health.lacks |= {calls[index].method for index in failures}
            return
        try:
            self._judge(failure, endpoint, tried, len(failures))
        except ChainFailed as error:
            raise (error.at(min(numbers), max(numbers) + 1) if numbers else error) from failure
        if failure.kind is not Kind.TOO_LARGE:
            # An endpoint that is away rests as a whole; its calls need not wait each for itself.
            rests = failure.kind in RESTS_AFTER
            works = rests or clock.monotonic() - self._useful_at < _LATELY
            await clock.sleep(tried.delay(works=works))

    def _judge(self, failure: Failure, endpoint: Endpoint, tried: Tried, count: int) -> None:
        """Raise if a failure, after all that was tried, means that the calls will not succeed."""
        match failure.kind:
            case Kind.TOO_LARGE if count > 1:
                endpoint.batch = max(1, min(endpoint.batch, count) // 2)
            case Kind.TOO_LARGE | Kind.REJECTED:
                tried.rejected_at.add(endpoint.name)
                if self._everywhere(tried.rejected_at):
                    raise RequestRejected(f"`{endpoint.name}` says: {failure}")
            case Kind.PRUNED:
                tried.pruned_at.add(endpoint.name)
                if self._everywhere(tried.pruned_at):
                    hint = "start later, or add a provider that keeps the whole history"
                    raise BlocksUnavailable(f"`{endpoint.name}` says: {failure}", hint=hint)
            case Kind.REFUSED | Kind.NOT_A_NODE:
                self._bury(endpoint, tried, failure)
            case _:
                _count(failure, endpoint, tried)
        if clock.monotonic() - self._useful_at > self._patience:
            raise ProviderUnavailable(f"no useful answer for {self._patience:g} s: {failure}")

    def _everywhere(self, names: set[str]) -> bool:
        return all(each.name in names for each in self._endpoints if each.dead is None)

    def _bury(self, endpoint: Endpoint, tried: Tried, failure: Failure) -> None:
        """Give an endpoint up that says again and again that it is not for us."""
        tried.wrong += 1
        if tried.wrong >= _STRANGE_ANSWERS:
            error = ProviderRefused if failure.kind is Kind.REFUSED else NotJsonRpc
            endpoint.dead = error(
                f"`{endpoint.name}` says: {failure}",
                hint="check the provider's url and token",
                provider=endpoint.name,
            )
            self._wake()

    async def _acquire(self, call: Call, tried: Tried) -> Endpoint:
        """Wait for an endpoint that may take a request; calls about lower blocks come first."""
        while True:
            endpoint = self._choose(call, tried)
            if endpoint is not None:
                endpoint.in_flight += 1
                return endpoint
            await self._wait(call.number or 0)

    def _choose(self, call: Call, tried: Tried) -> Endpoint | None:
        living = [each for each in self._endpoints if each.dead is None]
        if not living:
            raise self._endpoints[0].dead or ProviderUnavailable("there is no provider")
        if all(call.method in each.health.lacks for each in living):
            raise Failure(Kind.NO_METHOD, f"nobody knows {call.method}")
        avoided, now = tried.pruned_at | tried.rejected_at, clock.monotonic()
        able = [
            each
            for each in living
            if each.greeted and call.method not in each.health.lacks and each.name not in avoided
        ]
        if not able and now - self._useful_at > self._patience:
            last = next((each.health.last for each in living if each.health.last), None)
            raise ProviderUnavailable(f"no useful answer for {self._patience:g} s: {last}")
        awake = [each for each in able if now >= each.health.rests_until]
        ordinary = [each for each in awake if not each.spare]
        free = [each for each in ordinary or awake if each.room > 0]
        others = [each for each in free if each.name != tried.avoided]
        return min(others or free, key=lambda each: each.cost(), default=None)

    async def _wait(self, priority: int) -> None:
        """Wait until a request has ended somewhere, or a rest is over."""
        now = clock.monotonic()
        rests = [each.health.rests_until - now for each in self._endpoints if each.dead is None]
        over = min((rest for rest in rests if rest > 0), default=_LOOK)
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._turns), woken))
        try:
            async with asyncio.timeout(over):
                await woken
        except TimeoutError:
            pass
        finally:
            woken.cancel()

    def _release(self, endpoint: Endpoint) -> None:
        endpoint.in_flight -= 1
        self._wake(endpoint.room)

    def _wake(self, count: int = 2**31) -> None:
        while self._waiting and count > 0:
            woken = heapq.heappop(self._waiting)[2]
            if not woken.done():
                woken.set_result(None)
                count -= 1

    def _meet(self) -> None:
        """Greet whoever was not greeted yet, beside everything else."""
        for endpoint in self._endpoints:
            task = self._greetings.get(endpoint.name)
            if not endpoint.greeted and endpoint.dead is None and (task is None or task.done()):
                task = asyncio.create_task(self._introduce(endpoint))
                self._greetings[endpoint.name] = task

    async def _introduce(self, endpoint: Endpoint) -> None:
        """Ask an endpoint which chain it serves until it answers, or is no endpoint for us."""
        tried = Tried()
        while endpoint.dead is None and not endpoint.greeted:
            try:
                actual = await self._greeting(endpoint)
            except Failure as failure:
                tried.tries += 1
                self._traffic.retries += 1
                if failure.kind in _NO_NODE:
                    self._bury(endpoint, tried, failure)
                if tried.tries in _TOLD:
                    cause = str(failure)
                    log.warning("a provider does not answer", provider=endpoint.name, cause=cause)
                await clock.sleep(tried.delay(works=False))
            else:
                self._know(endpoint, actual)
        self._wake()

    def _know(self, endpoint: Endpoint, actual: str) -> None:
        """Use an endpoint from now on if it serves the right chain."""
        if self._expected is None:
            self._expected = actual
        if actual == self._expected:
            endpoint.greeted = True
            self._useful_at = clock.monotonic()
            return
        endpoint.dead = WrongChain(endpoint.name, expected=self._expected, actual=actual)
        log.warning(
            "a provider serves another chain",
            provider=endpoint.name,
            expected=self._expected,
            actual=actual,
        )


def _count(failure: Failure, endpoint: Endpoint, tried: Tried) -> None:
    """Count what may be a mistake a few times, and not for ever."""
    tried.slow += failure.kind is Kind.SLOW
    tried.wrong += failure.kind is Kind.UNREADABLE
    tried.nothing += failure.kind is Kind.NOT_YET
    if tried.wrong >= _WRONG_ANSWERS:
        raise BlockUnparsable(f"`{endpoint.name}` gives no block: {failure}")
    if tried.nothing >= _NOTHINGS:
        raise failure


async def together(jobs: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run coroutines at the same time; when one fails, end the others and raise what it raised."""
    if len(jobs) == 1:
        await jobs[0]
        return
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
