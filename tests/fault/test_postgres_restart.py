"""PostgreSQL goes away under load and comes back: nobody is lost for it, nothing counts twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncpg
import pytest

from jobyard import clock, ids
from jobyard.errors import StoreUnavailable
from jobyard.store.base import Registration, Reports, Submission, Want
from jobyard.store.postgres import open_postgres
from jobyard.testing.postgres import PrivatePostgres
from jobyard.testing.stage import ended, make_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobyard.store.sql_store import SqlStore

COMPLETIONS = 1500
LEASE = 0.6
OUTAGE = 1.5
"""Seconds: longer than a lease, so that a controller that only looked at the time would take it."""
WANT = Want({"fake": 7}, 1.0, 1)
STRIKES: dict[str, Callable[[PrivatePostgres], None]] = {
    "stopped": lambda server: server.stop("fast"),
    "killed": lambda server: server.kill(),
}


@pytest.fixture
def server(postgres: PrivatePostgres) -> Iterator[PrivatePostgres]:
    """A server to strike at; asks for the shared one only to share its rule for absence."""
    del postgres
    with PrivatePostgres() as mine:
        yield mine


@dataclass
class Play:
    """Workers and a controller at work on one job, and how often the store failed them."""

    store: SqlStore
    job_id: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    done: int = 0
    up: asyncio.Event = field(default_factory=asyncio.Event)
    reached: dict[int, asyncio.Event] = field(default_factory=dict)
    over: bool = False

    async def failed(self, who: str) -> None:
        self.failures[who] += 1
        await self.up.wait()

    async def work(self, name: str) -> None:
        """Run attempts as a worker does: what it could not tell it tells again."""
        session = ids.session()
        await self.store.register(
            Registration(name, session, "h", 1, "0", {"fake": 7}, 1.0, 1, {}, LEASE)
        )
        beat = asyncio.create_task(self.beat(session))
        reports, lost_an_answer = Reports(), False
        while not self.over:
            try:
                if lost_an_answer:
                    held = await self.store.held(session)
                    told = {report.attempt_id for report in reports.ended}
                    reports.ended += [
                        ended(claim) for claim in held.claims if claim.attempt_id not in told
                    ]
                    lost_an_answer = False
                settled = await self.store.settle(session, reports, WANT)
            except StoreUnavailable:
                lost_an_answer = True
                await self.failed(name)
                continue
            self.count(len(reports.ended))
            reports = Reports(ended=[ended(claim) for claim in settled.claims])
        await beat

    def count(self, ends: int) -> None:
        self.done += ends
        for goal, event in self.reached.items():
            if self.done >= goal:
                event.set()

    async def beat(self, session: str) -> None:
        while not self.over:
            try:
                assert await self.store.renew(session) is not None
                await clock.sleep(LEASE / 4)
            except StoreUnavailable:
                await self.failed("heartbeat")

    async def control(self) -> None:
        in_touch_since = clock.monotonic()
        while not self.over:
            try:
                await self.store.decide_due()
                unbroken = clock.monotonic() - in_touch_since
                assert await self.store.expire_leases(unbroken=unbroken) == []
                self.over = (await self.store.job(self.job_id)).state.terminal
                await clock.sleep(0.02)
            except StoreUnavailable:
                await self.failed("controller")
                in_touch_since = clock.monotonic()

    async def strike(
        self, server: PrivatePostgres, how: Callable[[PrivatePostgres], None], after: int
    ) -> None:
        """Take the server away when so much is done, for longer than a lease."""
        await self.reached[after].wait()
        self.up.clear()
        await asyncio.to_thread(how, server)
        # An outage is time that passes; nothing that could be waited for happens in it.
        await clock.sleep(OUTAGE)
        await asyncio.to_thread(server.start)
        self.up.set()


@pytest.mark.parametrize("how", STRIKES)
def test_an_outage_of_the_database_loses_nobody_and_counts_nothing_twice(
    server: PrivatePostgres, how: str
) -> None:
    async def play() -> None:
        store, _ = open_postgres(server.dsn())
        await store.open()
        play = Play(store)
        play.up.set()
        policy = {"completions": COMPLETIONS, "parallelism": 30}
        [job] = await store.submit(Submission([make_spec(indexed=True, policy=policy)]))
        play.job_id = job.id
        play.reached = {goal: asyncio.Event() for goal in (200, 800)}
        actors = [
            *(play.work(f"w{number}") for number in range(3)),
            play.control(),
            play.strike(server, STRIKES[how], 200),
            play.strike(server, STRIKES[how], 800),
        ]
        await asyncio.wait_for(asyncio.gather(*actors), 60)
        state = (await store.job(job.id)).state
        attempts = await store.attempts(job.id, limit=10 * COMPLETIONS)
        await store.close()
        assert set(play.failures) == {"w0", "w1", "w2", "heartbeat", "controller"}
        assert (state.status, state.succeeded) == ("COMPLETED", COMPLETIONS)
        assert str(state.completed) == f"0-{COMPLETIONS - 1}"
        assert Counter(attempt.status for attempt in attempts) == {"SUCCEEDED": COMPLETIONS}

    asyncio.run(play())


def test_a_call_while_the_database_is_away_fails_soon_and_the_next_one_works(
    server: PrivatePostgres,
) -> None:
    async def play() -> None:
        store, logs = open_postgres(server.dsn())
        await logs.open()
        await store.open()
        await store.submit(Submission([make_spec()]))
        server.kill()
        for call in (lambda: store.submit(Submission([make_spec()])), store.now, store.workers):
            with pytest.raises(StoreUnavailable, match="PostgreSQL cannot be used"):
                await asyncio.wait_for(call(), 5)
        with pytest.raises(StoreUnavailable):
            await asyncio.wait_for(logs.append([]), 5)
        server.start()
        assert len(await store.submit(Submission([make_spec()]))) == 1
        assert await logs.read(1) == []
        await store.close()
        await logs.close()

    asyncio.run(play())


def test_a_call_that_the_database_never_answers_is_given_up(
    server: PrivatePostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobyard.store.postgres.connecting.COMMAND_TIMEOUT", 0.3)

    async def play() -> None:
        store, _ = open_postgres(server.dsn())
        await store.open()
        [job] = await store.submit(Submission([make_spec()]))
        rival = await asyncpg.connect(server.dsn())
        await rival.execute("BEGIN")
        await rival.execute("SELECT 1 FROM jobs FOR UPDATE")
        with pytest.raises(StoreUnavailable, match="does not answer in time"):
            await store.suspend(job.id, suspend=True)
        await rival.close()
        assert (await store.suspend(job.id, suspend=True)).state.status == "PENDING"
        await store.close()

    asyncio.run(play())
