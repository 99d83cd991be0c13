"""A worker that kills itself with SIGKILL at the step named on its command line."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from jobyard import app, config, log
from jobyard.engine.attempt import AttemptRun
from jobyard.engine.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS: dict[str, tuple[type, str]] = {
    "claimed": (Worker, "_take_on"),
    "started": (Worker, "has_started"),
    "printed": (AttemptRun, "output"),
    "ended": (AttemptRun, "ended"),
    "reported": (Worker, "_release"),
}


def die_at(step: str) -> None:
    owner, name = STEPS[step]
    before: Callable[..., Any] = getattr(owner, name)

    def last(self: Any, *args: Any) -> Any:
        has_news = step != "reported" or args[0].ended
        takes_claims = step != "claimed" or args[0].claims
        if has_news and takes_claims:
            os.kill(os.getpid(), signal.SIGKILL)
        return before(self, *args)

    setattr(owner, name, last)


async def main(step: str, folder: str, database: str) -> None:
    log.configure("info")
    settings = config.load(
        {"state_dir": folder, "database": database or None, "slots": 4, "lease": 1.0}, {}
    )
    die_at(step)
    async with app.open_yard(settings) as yard:
        await yard.worker(app.worker_settings(settings)).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
