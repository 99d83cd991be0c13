"""A worker played by hand, on the store that a server serves."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobyard import app, ids
from jobyard.core.states import AttemptStatus
from jobyard.store.base import EndReport, Registration, Reports, StartReport, Want

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.api.conftest import Serving

    from jobyard.store.base import Claim, Settled, Store

LEASE = 600.0
ALL = Want({"process": 10}, 8.0, 2**30)


def on_the_store(still: Serving, work: Callable[[Store], Awaitable[Any]]) -> Any:
    """Do something on the store that the server serves, beside the server."""

    async def opened() -> Any:
        async with app.open_yard(still.settings) as yard:
            return await work(yard.store)

    return asyncio.run(opened())


def decide(still: Serving) -> None:
    """Be the controller for a moment: take dead workers' leases, decide on what is due."""

    async def work(store: Store) -> None:
        await store.expire_leases(unbroken=LEASE * 2)
        while (await store.decide_due()).jobs:
            pass

    on_the_store(still, work)


@dataclass
class Hand:
    """One worker; what it claims, reports and hears."""

    still: Serving
    session: str

    def settle(self, reports: Reports | None = None, want: Want | None = None) -> Settled:
        news = reports or Reports()
        settled: Settled = on_the_store(
            self.still,
            lambda store: store.settle(self.session, news, want, look_for_stops=True),
        )
        return settled

    def claim(self, slots: int = 1) -> list[Claim]:
        return self.settle(want=Want({"process": slots}, 8.0, 2**30)).claims

    def start(self) -> Claim:
        """Claim the one attempt that waits, and start it."""
        (claim,) = self.claim()
        report = StartReport(claim.attempt_id, claim.job_id, 0.0, "h", claim.first)
        self.settle(Reports(started=[report]))
        return claim

    def end(self, claim: Claim, exit_code: int | None = 0) -> Settled:
        """End an attempt; None means that it was stopped."""
        status = {0: AttemptStatus.SUCCEEDED, None: AttemptStatus.STOPPED}
        report = EndReport(
            claim.attempt_id, claim.job_id, claim.index, claim.number,
            status.get(exit_code, AttemptStatus.FAILED), 0.0, 0.0, exit_code=exit_code,
        )  # fmt: skip
        return self.settle(Reports(ended=[report]))

    def run(self, exit_code: int = 0) -> None:
        """Run the one attempt that waits to its end."""
        self.end(self.start(), exit_code)


def hand(still: Serving, name: str = "w1", *, dead: bool = False, **labels: str) -> Hand:
    """Register a worker with one slot; the lease of a ``dead`` one is over at once."""
    session = ids.session()
    lease = 1e-6 if dead else LEASE
    registration = Registration(
        name, session, "host", 1, "9.9", {"process": 1}, 8.0, 2**30, labels, lease
    )
    on_the_store(still, lambda store: store.register(registration))
    return Hand(still, session)
