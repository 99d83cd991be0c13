"""An executor that runs nothing: each program does what the ``fake`` part of its spec says.

For dry runs and for tests of everything above executors. A program without such a part succeeds
at once, and costs next to nothing.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

from jobyard import clock
from jobyard.core.job import FakeScript
from jobyard.executor.base import STDOUT, Capabilities, Exit, Handle, Usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobyard.executor.base import Launch, Observer, Running

_HANDLE = Handle("fake", {})
_SUCCESS = Exit(exit_code=0)
_NO_SCRIPT = FakeScript()


class _Instant:
    """A program that has succeeded by the time anybody could stop it."""

    def begin(self, observer: Observer) -> None:
        """Run from start to end."""
        observer.started(_HANDLE)
        observer.ended(_SUCCESS)

    def stop(self, grace: float) -> None:
        """Lose the race against its success."""

    def pause_output(self) -> None:
        """Do nothing."""

    def resume_output(self) -> None:
        """Do nothing."""


_INSTANT = _Instant()


class FakeProgram:
    """A program that only waits for its time to end."""

    __slots__ = (
        "_began",
        "_executor",
        "_kill_at",
        "_kill_timer",
        "_launch",
        "_observer",
        "_over",
        "_script",
        "_started_at",
        "_timed_out",
        "_timers",
    )

    def __init__(self, executor: FakeExecutor, launch: Launch, observer: Observer) -> None:
        """Know its orders."""
        self._executor = executor
        self._launch = launch
        self._observer = observer
        self._script = launch.program.fake or _NO_SCRIPT
        self._started_at = clock.monotonic()
        self._began = self._over = self._timed_out = False
        self._kill_at = math.inf
        self._kill_timer: asyncio.TimerHandle | None = None
        self._timers: list[asyncio.TimerHandle] = []

    def begin(self, observer: Observer) -> None:
        """Do what the script says; called by the loop, after ``start`` returned."""
        script = self._script
        self._began = True
        if script.fail_to_start:
            sentence = "the fake script says `fail_to_start`"
            self._end(Exit(exit_code=127, start_error=sentence))
            return
        observer.started(_HANDLE)
        if script.output:
            observer.output(STDOUT, script.output.encode())
        if self._over:
            return
        later = self._executor.loop.call_later
        if script.run_for <= 0:
            self.finish()
            return
        self._timers.append(later(script.run_for, self.finish))
        if self._launch.program.attempt_timeout is not None:
            self._timers.append(later(self._launch.program.attempt_timeout, self._time_out))
        if self._kill_at < math.inf:
            self._ask()

    def stop(self, grace: float) -> None:
        """End with 143 at once; with 137 after ``grace`` seconds if the script ignores stops."""
        kill_at = clock.monotonic() + grace
        if self._over or kill_at >= self._kill_at:
            return
        self._kill_at = kill_at
        if self._began:
            self._ask()

    def _ask(self) -> None:
        left = self._kill_at - clock.monotonic()
        if left <= 0:
            self.kill()
        elif not self._script.ignore_stop:
            self._end(self._exit(143, 15))
        else:
            if self._kill_timer:
                self._kill_timer.cancel()
            self._kill_timer = self._executor.loop.call_later(left, self.kill)

    def kill(self) -> None:
        """End by SIGKILL."""
        self._end(self._exit(137, 9))

    def finish(self) -> None:
        """End as the script says."""
        self._end(self._exit(self._script.exit_code, None))

    def _time_out(self) -> None:
        if self._kill_at == math.inf:
            self._timed_out = True
            self.stop(self._launch.grace)

    def _exit(self, code: int, number: int | None) -> Exit:
        usage = Usage(wall_seconds=clock.monotonic() - self._started_at)
        return Exit(exit_code=code, signal=number, timed_out=self._timed_out, usage=usage)

    def _end(self, how: Exit) -> None:
        if self._over:
            return
        self._over = True
        for timer in (*self._timers, self._kill_timer):
            if timer:
                timer.cancel()
        self._executor.forget(self)
        self._executor.tell(self._observer.ended, how)

    def pause_output(self) -> None:
        """Do nothing: its output is told in one piece when it starts."""

    def resume_output(self) -> None:
        """Do nothing."""


class FakeExecutor:
    """Runs programs in imagination only."""

    name = "fake"

    def __init__(self) -> None:
        """Run nothing yet."""
        self._waiting: list[tuple[_Instant | FakeProgram, Observer]] = []
        self._running: set[FakeProgram] = set()
        self.loop: asyncio.AbstractEventLoop

    def capabilities(self) -> Capabilities:
        """Tell that there is nothing to limit."""
        return Capabilities(
            self.name, adopts=False, memory_limit="none", cpu_limit="none", notes=("runs nothing",)
        )

    async def open(self, session: str) -> None:
        """Remember the event loop."""
        del session
        self.loop = asyncio.get_running_loop()

    def start(self, launch: Launch, observer: Observer) -> Running:
        """Begin in the next turn of the loop, together with all others started in this one."""
        program: _Instant | FakeProgram = _INSTANT
        if launch.program.fake is not None:
            program = FakeProgram(self, launch, observer)
            self._running.add(program)
        if not self._waiting:
            self.loop.call_soon(self._begin)
        self._waiting.append((program, observer))
        return program

    def _begin(self) -> None:
        waiting, self._waiting = self._waiting, []
        for program, observer in waiting:
            self.tell(program.begin, observer)

    def tell(self, callback: Callable[..., None], *args: Any) -> None:
        """Call an observer; what it raises is its own and must not stop the other programs."""
        try:
            callback(*args)
        except Exception as error:  # noqa: BLE001 - reported, see above
            self.loop.call_exception_handler(
                {"message": "an observer of the fake executor failed", "exception": error}
            )

    def forget(self, program: FakeProgram) -> None:
        """Let go of a program that ended."""
        self._running.discard(program)

    def renew(self, deadline: float) -> None:
        """Do nothing: there is nothing that could outlive its worker."""

    async def adopt(self, handle: Handle, launch: Launch, observer: Observer) -> Running | None:
        """Find nothing: imagination dies with its worker."""
        del handle, launch, observer
        return None

    async def collect(self, session: str) -> int:
        """Find nothing."""
        del session
        return 0

    async def close(self) -> None:
        """End whatever still runs."""
        if self._waiting:
            self._begin()
        for program in list(self._running):
            program.kill()
