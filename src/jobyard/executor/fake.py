"""An executor that runs nothing: each program does what the ``fake`` part of its spec says.

For dry runs and for tests of everything above executors. A program without such a part succeeds
at once, and costs next to nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from jobyard import clock
from jobyard.core.job import FakeScript
from jobyard.executor.base import STDOUT, Capabilities, Exit, Handle, Usage

if TYPE_CHECKING:
    from jobyard.executor.base import Launch, Observer, Running

_SUCCESS = Exit(exit_code=0)
_NO_SCRIPT = FakeScript()
_KILLED = Exit(exit_code=137, signal=9)
_TERMINATED = Exit(exit_code=143, signal=15)
_HANDLE = Handle("fake", {})


class FakeProgram:
    """A program that only waits for its time to end."""

    __slots__ = ("_executor", "_held", "_kill_at", "_timer", "launch", "observer", "paused",
                 "script", "started_at")

    def __init__(self, executor: FakeExecutor, launch: Launch, observer: Observer) -> None:
        """Know its orders."""
        self._executor = executor
        self.launch = launch
        self.observer = observer
        self.script = launch.program.fake or _NO_SCRIPT
        self.paused = False
        self._held: Exit | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._kill_at: float | None = None
        self.started_at = 0.0

    def begin(self) -> None:
        """Do what the script says; called by the loop, after ``start`` returned."""
        script = self.script
        observer = self.observer
        if script.fail_to_start:
            self._executor.end(self, Exit(127, start_error="the fake script says: fail to start"))
            return
        observer.started(_HANDLE)
        if script.output:
            observer.output(STDOUT, script.output.encode())
        if self._kill_at is not None:
            # Stopped before it began, which an outsider sees as stopped at once.
            return
        timeout = self.launch.program.attempt_timeout
        if script.run_for <= 0:
            self._executor.end(self, self._exit())
        elif timeout is not None and timeout < script.run_for:
            self._wait(timeout, self._time_out)
        else:
            self._wait(script.run_for, self._finish)
