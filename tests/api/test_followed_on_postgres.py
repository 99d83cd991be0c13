"""Followers of jobs on PostgreSQL, whose worker is another process's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from jobyard import app, config
from jobyard.api.desk import Desk

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 60
SCRIPT = "for n in 1 2 3 4 5; do echo $JOB_COMPLETION_INDEX:$n; sleep 0.05; done; printf end"


def test_parallel_indexes_are_followed_whole_and_the_ledger_in_order(
    postgres_dsn: str, tmp_path: Path
) -> None:
    settings = config.load({"state_dir": tmp_path, "database": postgres_dsn, "slots": 3}, {})
    spec = {
        "name": "a", "command": ["sh", "-c", SCRIPT], "completions": 3, "parallelism": 3,
        "completion_mode": "Indexed",
    }  # fmt: skip

    async def changes(desk: Desk, job_id: int) -> list[dict[str, Any]]:
        found = []
        async for event in desk.watch("0:0", job_id=job_id):
            found.append(event)
            if event["status"] == "COMPLETED":
                break
        return found

    async def play() -> None:
        async with app.open_yard(settings) as yard, app.open_yard(settings) as other:
            controller = yard.controller()
            worker = yard.worker(app.worker_settings(settings))
            desk = Desk(other.store, other.logs, executors=app.EXECUTORS)
            async with asyncio.TaskGroup() as group:
                group.create_task(controller.run())
                group.create_task(worker.run())
                job = (await desk.submit(str(spec).replace("'", '"').encode())).jobs[0]
                async with asyncio.timeout(PATIENCE):
                    told, ledger = await asyncio.gather(
                        _all(desk.follow_logs(job["id"])), changes(desk, job["id"])
                    )
                    matched = await _all(desk.follow_logs(job["id"], grep="[24]$|end"))
                worker.end_working(0.0)
                controller.end()
            stored = (await desk.events(job["id"]))["events"]
        whole = b"".join(told)
        for index in range(3):
            for number in range(1, 6):
                assert whole.count(b"%d:%d\n" % (index, number)) == 1
        assert len(whole) == 3 * (5 * 4 + 3)
        assert sorted(b"".join(matched).split()) == sorted(
            [b"0:2", b"0:4", b"1:2", b"1:4", b"2:2", b"2:4", b"end", b"end", b"end"]
        )
        assert [event["id"] for event in ledger] == [event["id"] for event in stored]

    asyncio.run(play())


async def _all(pieces: Any) -> list[bytes]:
    return [piece async for piece in pieces]
