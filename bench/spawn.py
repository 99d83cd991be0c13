"""Measure how many processes a second each way of spawning does, as ratios in one run."""

from __future__ import annotations

import asyncio
import os
import select
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

from jobyard.core.job import Program
from jobyard.executor.base import Exit, Handle, Launch
from jobyard.executor.process import ProcessExecutor

if TYPE_CHECKING:
    from collections.abc import Callable

TRUE = "/bin/true"
PARALLEL = 16
PROGRAM = Program(command=(TRUE,))


def run_floor(count: int) -> None:
    """Spawn with posix_spawn, read two pipes by epoll, see ends by pidfd: the machine's floor."""
    epoll = select.epoll()
    pipes: set[int] = set()
    children: dict[int, int] = {}
    started = ended = 0
    while ended < count:
        while started < count and len(children) < PARALLEL:
            (out, out_write), (err, err_write) = (os.pipe2(os.O_CLOEXEC) for _ in range(2))
            actions = [(os.POSIX_SPAWN_DUP2, out_write, 1), (os.POSIX_SPAWN_DUP2, err_write, 2)]
            pid = os.posix_spawn(TRUE, (TRUE,), {}, file_actions=actions)
            os.close(out_write)
            os.close(err_write)
            pidfd = os.pidfd_open(pid)
            children[pidfd] = pid
            pipes.update((out, err))
            for fd in (out, err, pidfd):
                epoll.register(fd, select.EPOLLIN)
            started += 1
        for fd, _ in epoll.poll():
            if fd in children:
                os.wait4(children.pop(fd), 0)
                ended += 1
            elif os.read(fd, 65536):
                continue
            pipes.discard(fd)
            # A child in the middle of its exec may still hold a copy: closing is not enough.
            epoll.unregister(fd)
            os.close(fd)
    for fd in pipes:
        os.close(fd)
    epoll.close()


def run_asyncio(count: int) -> None:
    """Spawn with asyncio's subprocesses, both outputs captured."""

    async def lane(numbers: range) -> None:
        for _ in numbers:
            child = await asyncio.create_subprocess_exec(
                TRUE, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            await child.communicate()

    async def main() -> None:
        await asyncio.gather(*(lane(range(count // PARALLEL)) for _ in range(PARALLEL)))

    asyncio.run(main())


class Lane:
    """Starts the next program when one ends."""

    def __init__(self, executor: ProcessExecutor, count: int, done: asyncio.Event) -> None:
        """Run ``count`` programs."""
        self.executor = executor
        self.left = self.unended = count
        self.done = done

    def next(self) -> None:
        """Start one more, if any is left."""
        if self.left:
            self.left -= 1
            self.executor.start(Launch(self.left, (TRUE,), {}, PROGRAM), self)

    def started(self, handle: Handle) -> None:
        """Take no note."""

    def output(self, stream: int, data: bytes) -> None:
        """Take no note."""

    def progress(self, done: int, total: int | None) -> None:
        """Take no note."""

    def ended(self, how: Exit) -> None:
        """Start the next one."""
        if how.exit_code:
            sys.exit(f"{TRUE} ended with {how}")
        self.unended -= 1
        if not self.unended:
            self.done.set()
        self.next()


def run_executor(count: int) -> None:
    """Run programs through the process executor: tree killing, scratch folder and watcher."""

    async def main(root: str) -> float:
        executor = ProcessExecutor(root, environ=os.environ)
        await executor.open("bench")
        start = time.perf_counter()
        lane = Lane(executor, count, asyncio.Event())
        for _ in range(PARALLEL):
            lane.next()
        await lane.done.wait()
        seconds = time.perf_counter() - start
        await executor.close()
        return seconds

    with tempfile.TemporaryDirectory() as root:
        asyncio.run(main(root))


def measure(run: Callable[[int], None], seconds: float) -> float:
    """Measure runs a second, in a run of about ``seconds``."""
    count, took, rate = 320, 0.0, 0.0
    while took < seconds / 3:
        start = time.perf_counter()
        run(count)
        took = time.perf_counter() - start
        rate = count / took
        count = max(count * 2, int(rate * seconds) // PARALLEL * PARALLEL)
    return rate


def main() -> None:
    """Print rates and their ratios to the floor; medians of three rounds, about ten seconds."""
    ways = {"floor": run_floor, "asyncio": run_asyncio, "executor": run_executor}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(3):
        for name, run in ways.items():
            rates[name].append(measure(run, 0.7))
    floor = sorted(rates["floor"])[1]
    for name, seen in rates.items():
        rate = sorted(seen)[1]
        print(f"{name:10} {rate:7.0f} processes/s   {rate / floor:.2f} of the floor")


if __name__ == "__main__":
    main()
