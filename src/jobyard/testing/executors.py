"""For tests of executors and of what stands above them: an observer that remembers."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

from jobyard.executor import tree
from jobyard.executor.base import STDERR, STDOUT

if TYPE_CHECKING:
    from jobyard.executor.base import Exit, Handle

PATIENCE = 20.0
"""Seconds after which a test that waits for an event has failed."""


class Witness:
    """Remembers what it was told about one program, in order; make it inside a running loop."""

    def __init__(self) -> None:
        self.story: list[str] = []
        self.handle: Handle | None = None
        self.stdout = b""
        self.stderr = b""
        self.progress_seen: list[tuple[int, int | None]] = []
        self._exit: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self._news = asyncio.Event()

    def started(self, handle: Handle) -> None:
        """Remember where it runs."""
        self._note("started")
        self.handle = handle

    def output(self, stream: int, data: bytes) -> None:
        """Remember what it wrote."""
        self._note("output")
        if stream == STDOUT:
            self.stdout += data
        elif stream == STDERR:
            self.stderr += data

    def progress(self, done: int, total: int | None) -> None:
        """Remember how far it said it was."""
        self._note("progress")
        self.progress_seen.append((done, total))

    def ended(self, how: Exit) -> None:
        """Remember how it ended."""
        self._note("ended")
        self._exit.set_result(how)

    def _note(self, word: str) -> None:
        self.story.append(word)
        self._news.set()

    async def end(self) -> Exit:
        """Wait for the end."""
        async with asyncio.timeout(PATIENCE):
            return await asyncio.shield(self._exit)

    async def line(self) -> bytes:
        """Wait for a whole line on stdout, take it, return it without its end."""
        async with asyncio.timeout(PATIENCE):
            while b"\n" not in self.stdout:
                self._news.clear()
                await self._news.wait()
        line, _, self.stdout = self.stdout.partition(b"\n")
        return line

    async def until(self, word: str) -> None:
        """Wait until it was told ``word`` at least once."""
        async with asyncio.timeout(PATIENCE):
            while word not in self.story:
                self._news.clear()
                await self._news.wait()


def own_children() -> set[int]:
    """Name this process's children, dead ones included; other tests' servers may be among them."""
    threads = Path("/proc/self/task").iterdir()
    return {child for task in threads for child in tree.read_children(os.getpid(), int(task.name))}
