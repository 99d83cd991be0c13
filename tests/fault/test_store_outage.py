"""PostgreSQL goes away under load and comes back: nobody is lost, nothing counts twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from tests.engine.yards import Engine, an_indexed_job
from tests.fault.services import services_on
from tests.fault.test_killed_workers import all_attempts

from jobyard import app, config
from jobyard.core.states import AttemptStatus, JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jobyard.testing.postgres import PrivatePostgres


@pytest.fixture
def own_postgres(postgres: PrivatePostgres) -> Iterator[PrivatePostgres]:
    """A server of this test's own, since it is stopped under everybody's feet."""
    del postgres  # its presence shows that there are server programs here
    from jobyard.testing.postgres import PrivatePostgres

    with PrivatePostgres() as server:
        yield server


@pytest.mark.parametrize("how", ["fast", "immediate", "kill"])
def test_a_restart_of_postgres_loses_nobody(
    own_postgres: PrivatePostgres, tmp_path: Path, how: str
) -> None:
    own_postgres.create_database("yard")
    dsn = own_postgres.dsn("yard")

    def bounce() -> None:
        if how == "kill":
            own_postgres.kill()
        else:
            own_postgres.stop(how)  # type: ignore[arg-type]  # one of its modes
        own_postgres.start()

    async def main() -> None:
        flags = {"state_dir": tmp_path / "state", "database": dsn}
        with services_on(tmp_path / "state", dsn) as services:
            services.start("controller")
            for _ in range(2):
                services.worker(slots=20, lease=4.0)
            async with app.open_yard(config.load(flags, {})) as yard:
                engine = Engine(yard)
                [job] = await engine.submit(
                    an_indexed_job("through", 1500, "sleep", "0.02", parallelism=40)
                )
                await engine.until(job.id, lambda job: job.state.succeeded > 100)
            await asyncio.to_thread(bounce)
            async with app.open_yard(config.load(flags, {})) as yard:
                engine = Engine(yard)
                job = await engine.end(job.id)
                assert (job.state.status, job.state.failed) == (JobStatus.COMPLETED, 0)
                assert str(job.state.completed) == "0-1499"
                attempts = await all_attempts(engine, job.id)
                statuses = Counter(attempt.status for attempt in attempts)
                assert statuses == {AttemptStatus.SUCCEEDED: 1500}

    asyncio.run(main())
