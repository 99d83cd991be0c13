"""A worker in little, to be killed: opens a process executor, starts programs, waits for ever.

Reads one JSON object as its argument: ``scratch``, ``session``, ``programs`` (argument vectors),
and what else is to happen: ``tick`` (seconds between looks for strays), ``deadline`` (seconds from
now to renew until), ``die_unregistered`` (SIGKILL itself between the spawn of the last program and
its registration). Prints one line for each event; what its programs print goes through as it is.
``renew SECONDS`` on stdin renews.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from jobyard import clock
from jobyard.core.job import Program
from jobyard.executor import process
from jobyard.executor.base import Exit, Handle, Launch
from jobyard.executor.guard import Guard

if TYPE_CHECKING:
    from jobyard.executor.base import Observer


class Teller:
    """Prints what it is told."""

    def __init__(self, number: int) -> None:
        self.number = number

    def started(self, handle: Handle) -> None:
        tell("started", self.number, handle.state["pid"])

    def output(self, stream: int, data: bytes) -> None:
        os.write(1, data)

    def progress(self, done: int, total: int | None) -> None:
        pass

    def ended(self, how: Exit) -> None:
        tell("ended", self.number, how.exit_code)


def tell(*words: Any) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class TellingGuard(Guard):
    """Says who its watcher is and which processes it knows of."""

    def start(self) -> None:
        super().start()
        tell("watcher", self.pid)

    def flush(self) -> None:
        new = [pid for pid in self._alive if b"start %d " % pid in b"".join(self._lines)]
        super().flush()
        for pid in new:
            tell("registered", pid)


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def main(orders: dict[str, Any]) -> None:
    setattr(process, "Guard", TellingGuard)  # noqa: B010 - not for the type checker
    executor = process.ProcessExecutor(
        orders["scratch"], environ=os.environ, tick=orders.get("tick", 0.02)
    )
    await executor.open(orders["session"])
    if "deadline" in orders:
        executor.renew(clock.monotonic() + orders["deadline"])
    for number, argv in enumerate(orders["programs"], 1):
        if orders.get("die_unregistered") and number == len(orders["programs"]):
            TellingGuard.began = die  # type: ignore[method-assign,assignment]
        observer: Observer = Teller(number)
        executor.start(Launch(number, tuple(argv), {}, Program()), observer)
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        executor.renew(clock.monotonic() + float(line.split()[1]))
        tell("renewed")
    await executor.close()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
