"""The worker: claim what fits, run it, report; one conversation with the store at a time.

Everything that happens between two conversations goes into the next one, so it batches by itself:
an idle worker answers at once, a busy one takes hundreds of reports and claims in one transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from jobyard import __version__, clock, ids, log
from jobyard.core.states import StopReason
from jobyard.engine.attempt import AttemptRun, Template
from jobyard.engine.channel import AttemptChannel
from jobyard.engine.extraction import Extractions
from jobyard.engine.gauge import Gauge
from jobyard.engine.heartbeat import Heartbeat
from jobyard.engine.news import News
from jobyard.engine.output import Recorder
from jobyard.engine.slots import Slots
from jobyard.errors import LeaseLost, StoreUnavailable
from jobyard.spec.encode import decode
from jobyard.store.base import POLL, Registration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from jobyard.core.records import WorkerRecord
    from jobyard.engine.supply import Supply
    from jobyard.executor.base import Executor, Handle
    from jobyard.store.base import Claim, LogStore, Reports, Settled, Store, Want

SPEAKING = frozenset({"process"})
"""Executors whose programs can reach the attempt channel."""

GATHER = 0.004
"""Seconds that news may wait for more while every slot is busy and the next are at hand."""

KNOWN_JOBS = 4096
"""Jobs whose specs a worker remembers."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How a worker introduces itself, and how patient it is. Times are seconds."""

    slots: Mapping[str, int]
    """Programs at a time, by executor."""
    worker_id: str | None = None
    cpu: float = 0.0
    memory: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    lease: float = 15.0
    grace: float = 30.0
    outage_grace: float = 300.0
    attempt_log_limit: int = 100 << 20
    job_log_limit: int = 1 << 30
    collect_after: float = 1800.0
    """How long files stay that are not part of their table any more."""
    own_only: bool = False
    """Whether to claim only jobs that are pinned to this worker."""


class Listener(Protocol):
    """Who wants to see what happens on a worker as it happens."""

    def printed(self, claim: Claim, stream: int, data: bytes) -> None:
        """Take what a program printed."""

    def ended(self, claim: Claim) -> None:
        """Learn that an attempt has printed its last."""

    def conversed(self) -> None:
        """Learn that the store has taken news or given claims."""


class Worker:
    """Claims attempts and runs them until it is told to end.

    Two lifetimes: ``end_fetching`` ends the claiming, ``end_working`` ends the programs too.
    """

    def __init__(
        self,
        store: Store,
        logs: LogStore,
        executors: Mapping[str, Executor],
        settings: WorkerSettings,
        open_store: Callable[[], Store],
        listener: Listener | None = None,
        supply: Supply | None = None,
        data: str = "data",
    ) -> None:
        """Work for ``store``; ``open_store`` makes another one for the heartbeat's thread.

        ``supply`` finds the providers that extractions read from; ``data`` is the folder of the
        tables that they write.
        """
        self._listener = listener
        self._store = store
        self._executors = executors
        self._settings = settings
        self._open_store = open_store
        self._recorder = Recorder(
            logs,
            attempt_limit=settings.attempt_log_limit,
            job_limit=settings.job_log_limit,
        )
        self.worker_id = settings.worker_id or ids.worker_id()
        self.session = ids.session()
        self._printed = None if listener is None else listener.printed
        self._news = News()
        self._runs: dict[int, AttemptRun] = {}
        self._templates: dict[int, Template] = {}
        self._slots = Slots(settings)
        self._gauge = Gauge()
        self._starting = False
        extractions = Extractions(store, data, settings.collect_after)
        self._channel = AttemptChannel(store, self._runs.get, supply, extractions)
        self._wake = asyncio.Event()
        self._heard = True
        self._hints = 0
        self._draining = False
        self._fetching = True
        self._working = True
        self._deferred: set[int] = set()
        self._heartbeat: Heartbeat | None = None
        self._lease_is_lost = False
        self._unsure = False
        """Whether the last conversation broke off: its answer, with claims, may be lost."""
        self.registered = asyncio.Event()

    @property
    def running(self) -> int:
        """How many attempts it holds."""
        return len(self._runs)

    def end_fetching(self) -> None:
        """Claim nothing more; ``run`` returns when everything in hand has ended."""
        self._fetching = False
        self._hand_back(self._slots.all_at_hand())
        self._wake.set()

    def end_working(self, grace: float | None = None) -> None:
        """End the programs and hand their attempts back uncounted."""
        self._fetching = self._working = False
        for attempt in list(self._runs.values()):
            patience = attempt.template.spec.policy.grace if grace is None else grace
            attempt.stop(StopReason.WORKER_SHUTDOWN, patience)
        self._wake.set()

    async def run(self) -> None:
        """Work until it is told to end and everything in hand is reported."""
        await self._introduce()
        await self._store.listen(self._hint)
        try:
            await self._converse_until_done()
        finally:
            await self._bow_out()

    async def _introduce(self) -> None:
        settings = self._settings
        await self._store.register(
            Registration(
                self.worker_id,
                self.session,
                socket.gethostname(),
                os.getpid(),
                __version__,
                settings.slots,
                settings.cpu,
                settings.memory,
                settings.labels,
                settings.lease,
            )
        )
        for executor in self._executors.values():
            await executor.open(self.session)
        await self._channel.open(self.session)
        self._heartbeat = Heartbeat(
            self._open_store,
            self.session,
            lease=settings.lease,
            outage_grace=settings.outage_grace,
            renewed=self._renewed,
            beaten=self._beaten,
            lost=self._lost,
            gathered=self._gauge.closed,
        )
        self._heartbeat.start()
        self.registered.set()
        log.info("worker ready", worker_id=self.worker_id, slots=dict(settings.slots))

    async def _bow_out(self) -> None:
        if self._heartbeat is not None:
            await self._heartbeat.close()
        await self._channel.close()
        for executor in self._executors.values():
            await executor.close()
        await self._recorder.close()
        with contextlib.suppress(StoreUnavailable):
            # The lease runs out by itself if nobody can be told.
            self._gauge.close()
            for gathered in self._gauge.closed:
                await self._store.renew(self.session, gathered)
            await self._store.leave(self.session)
        log.info("worker ended", worker_id=self.worker_id)

    def _renewed(self, deadline: float) -> None:
        for executor in self._executors.values():
            executor.renew(deadline)

    def _beaten(self, record: WorkerRecord) -> None:
        self._gauge.close()
        if self._draining and not record.draining:
            self._hint()
        self._draining = record.draining
        if self._draining:
            self._hand_back(self._slots.all_at_hand())

    def _lost(self) -> None:
        """Kill everything: others were given these attempts. Then start over as a new session."""
        log.warning("lease lost", worker_id=self.worker_id, attempts=len(self._runs))
        self._heard = True
        self._lease_is_lost = True
        self._wake.set()

    def _hint(self) -> None:
        self._hints += 1
        self._heard = True
        self._wake.set()

    async def _converse_until_done(self) -> None:
        delay = 0.0
        while self._fetching or self._runs or self._news:
            await self._wait_for_news(delay)
            try:
                if self._lease_is_lost:
                    await self._start_over()
                if self._unsure:
                    await self._recall()
                await self._converse()
                delay = 0.0
            except StoreUnavailable as error:
                self._unsure = True
                delay = min(max(delay * 2, 0.05), 2.0)
                log.warning("store unavailable", cause=str(error), retry_in=delay)
                await clock.sleep(delay * (0.5 + ids.fraction()))
                self._heard = True
            except LeaseLost:
                self._lease_is_lost = True

    async def _wait_for_news(self, delay: float) -> None:
        if self._slots.at_hand and self._news and not self._heard:
            # Nobody waits for the answer: let more news come together.
            await clock.sleep(GATHER)
        if self._heard or self._news or self._deferred or delay or self._lease_is_lost:
            return
        self._wake.clear()
        try:
            await asyncio.wait_for(self._wake.wait(), POLL * (0.8 + 0.4 * ids.fraction()))
        except TimeoutError:
            self._heard = True

    async def _recall(self) -> None:
        """Take on claims whose answer was lost with the connection."""
        settled = await self._store.held(self.session, known=self._templates)
        settled.claims = [c for c in settled.claims if c.attempt_id not in self._runs]
        self._unsure = False
        self._take_on(settled)

    async def _converse(self) -> None:
        heard, self._heard = self._heard, False
        self._hand_back(self._slots.kept_too_long())
        reports = self._news.take()
        want = self._want()
        if not reports and not heard and want is None and not self._deferred:
            return
        hints = self._hints
        self._forget_jobs()
        began = clock.monotonic()
        settled = await self._store.settle(
            self.session, reports, want, known=self._templates, look_for_stops=heard
        )
        self._gauge.conversed(clock.monotonic() - began)
        if settled.hinted and self._hints == hints + 1:
            # The one hint is what this conversation left for others to do.
            self._heard = False
        self._news.sent(reports, settled)
        self._release(reports, settled)
        self._take_on(settled)
        self._obey(settled)
        deferred = {*self._deferred, *settled.deferred}
        self._deferred = set()
        if deferred:
            await self._store.decide(sorted(deferred))
        if self._listener is not None:
            self._listener.conversed()
        if settled.claims and self._want() is not None:
            # There may be more where these came from.
            self._heard = True

    def _want(self) -> Want | None:
        return self._slots.want() if self._fetching and not self._draining else None

    def _release(self, reports: Reports, settled: Settled) -> None:
        """Let go of reported attempts, and of those that are not this worker's any more."""
        rejected = set(settled.rejected)
        let_go = self._runs.pop
        self._gauge.ended(
            [
                attempt
                for report in reports.ended
                if (attempt := let_go(report.attempt_id, None)) is not None
                and report.attempt_id not in rejected
            ]
        )
        for attempt_id in settled.rejected:
            attempt = self._runs.get(attempt_id)
            if attempt is not None and attempt.status is None:
                log.warning("attempt is not ours any more", attempt_id=attempt_id)
                attempt.abandon()
            self._news.forget(attempt_id)

    def _take_on(self, settled: Settled) -> None:
        for job_id, (name, namespace, spec) in settled.specs.items():
            template = Template(job_id, name, namespace, decode(json.loads(spec)))
            self._templates[job_id] = template
        for claim in settled.claims:
            template = self._templates[claim.job_id]
            executor = self._executors[claim.executor]
            tape = self._recorder.tape(claim.job_id, claim.attempt_id)
            attempt = AttemptRun(self, claim, template, executor, tape, self._printed)
            self._runs[claim.attempt_id] = attempt
            self._slots.take(attempt)
            if not self._working:
                attempt.stop(StopReason.WORKER_SHUTDOWN, 0.0)
        self._gauge.claimed(settled.claims)
        self._start_what_fits()

    def _start_what_fits(self) -> None:
        """Start what has a slot: claims just taken on, or the next at hand when one got free."""
        self._starting = False
        for attempt in self._slots.startable():
            if attempt.claim.executor in SPEAKING:
                attempt.channel = self._channel.variables_for(attempt.claim.attempt_id)
            attempt.start()

    def _hand_back(self, attempts: Iterable[AttemptRun]) -> None:
        """Let others run what waits here for a slot."""
        for attempt in attempts:
            attempt.stop(StopReason.HANDED_BACK, 0.0)

    def _forget_jobs(self) -> None:
        """Forget jobs of which nothing runs, when they are many; before a claim may need them."""
        if len(self._templates) < KNOWN_JOBS:
            return
        in_use = {attempt.claim.job_id for attempt in self._runs.values()}
        for old in [known for known in self._templates if known not in in_use]:
            del self._templates[old]
            self._recorder.forget(old)

    def _obey(self, settled: Settled) -> None:
        for order in settled.stops:
            attempt = self._runs.get(order.attempt_id)
            if attempt is not None:
                self._news.stopping(attempt)
                attempt.stop(StopReason(order.reason), order.grace)
        for attempt_id in settled.granted:
            if attempt := self._runs.get(attempt_id):
                attempt.grant_restart()
        for attempt_id in settled.refused:
            if attempt := self._runs.get(attempt_id):
                attempt.refuse_restart()

    async def _start_over(self) -> None:
        """After a lost lease: programs killed, nothing reported, a new session."""
        self._lease_is_lost = False
        for attempt in list(self._runs.values()):
            # A restart that waits for its delay must not start a program that others have now.
            attempt.stop(StopReason.WORKER_SHUTDOWN, 0.0)
        if self._heartbeat is not None:
            await self._heartbeat.close()
        await self._channel.close()
        for executor in self._executors.values():
            await executor.close()
        self._runs.clear()
        self._slots.clear()
        self._news = News()
        self.session = ids.session()
        await self._introduce()
        self._heard = True

    def has_started(self, attempt: AttemptRun, handle: Handle) -> None:
        """Take note that a program runs."""
        self._news.started(attempt, handle)
        self._wake.set()

    def has_progressed(self, attempt: AttemptRun, done: int, total: int | None) -> None:
        """Take note of how far a program says it is."""
        self._news.progressed(attempt, done, total)

    def has_crashed(self, attempt: AttemptRun) -> None:
        """Ask the store for a restart in place."""
        self._news.crashed(attempt)
        self._wake.set()

    def has_ended(self, attempt: AttemptRun) -> None:
        """Report an attempt, unless it is not this worker's any more."""
        if self._listener is not None:
            self._listener.ended(attempt.claim)
        if self._runs.get(attempt.claim.attempt_id) is attempt:
            self._channel.revoke(attempt.claim.attempt_id)
            self._slots.give_back(attempt)
            self._news.ended(attempt)
            self._wake.set()
            if self._slots.at_hand and not self._starting:
                # Once for all that end in this turn of the loop, and not inside the executor's.
                self._starting = True
                asyncio.get_running_loop().call_soon(self._start_what_fits)
