"""One attempt on this worker: prepare, start, watch, restart in place, classify, report.

Driven by the executor's callbacks; it speaks to its worker through the few methods of ``Desk``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Protocol

from jobyard import clock, config, ids
from jobyard.core.backoff import SECOND, advised, delay
from jobyard.core.job import RestartPolicy
from jobyard.core.states import AttemptReason, AttemptStatus, StopReason
from jobyard.executor.base import STDERR, Exit, Launch
from jobyard.spec import expand

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jobyard.core.job import JobSpec
    from jobyard.engine.output import Tape
    from jobyard.executor.base import Executor, Handle, Running
    from jobyard.store.base import Claim


SOON = "after 500ms"
"""When an attempt is tried again that failed but left something done."""


class Desk(Protocol):
    """What an attempt needs of its worker."""

    def has_started(self, attempt: AttemptRun, handle: Handle) -> None:
        """Take note that the program runs."""

    def has_progressed(self, attempt: AttemptRun, done: int, total: int | None) -> None:
        """Take note of how far the program says it is."""

    def has_crashed(self, attempt: AttemptRun) -> None:
        """Ask for a restart in place."""

    def has_ended(self, attempt: AttemptRun) -> None:
        """Take the attempt's report; its output is kept by now."""


class Template:
    """What all attempts of a job have in common, worked out once."""

    __slots__ = ("env", "name", "namespace", "plain", "spec")

    def __init__(self, job_id: int, name: str, namespace: str, spec: JobSpec) -> None:
        """Prepare for attempts of a job."""
        self.spec = spec
        self.name = name
        self.namespace = namespace
        self.env: dict[str, str] = {
            "JOBYARD_JOB_ID": str(job_id),
            "JOBYARD_JOB_NAME": name,
            "JOBYARD_NAMESPACE": namespace,
        }
        words = (*spec.program.command, *spec.program.args, *spec.program.env.values())
        self.plain = not any("$" in word for word in words)
        """Whether nothing is to be expanded."""

    def launch(self, claim: Claim, channel: Mapping[str, str], restart: int) -> Launch:
        """Make an attempt's order to its executor."""
        env = {**self.env, "JOBYARD_ATTEMPT": str(claim.number), **channel}
        if claim.index is not None:
            env["JOB_COMPLETION_INDEX"] = env["JOBYARD_INDEX"] = str(claim.index)
        program = self.spec.program
        if self.spec.extract is not None:
            env.update(own_python())
        if self.plain:
            env.update(program.env)
            argv = program.command + program.args
        else:
            env = expand.environment(program, env)
            argv = expand.argument_vector(program, env)
        grace = self.spec.policy.grace
        return Launch(claim.attempt_id, argv, env, program, grace, restart)


def own_python() -> dict[str, str]:
    """Tell a program that is a part of Jobyard how the worker's own Jobyard is started."""
    found = {"JOBYARD_PYTHON": sys.executable}
    if (path := config.environment().get("PYTHONPATH")) is not None:
        found["PYTHONPATH"] = path
    return found


class AttemptRun:
    """An attempt while this worker has it; the executor's observer."""

    __slots__ = (
        "_executor", "_printed", "_restart_timer", "_running", "advanced", "channel", "claim",
        "claimed_at", "cpu_seconds", "desk", "ended_at", "exit", "peak_memory", "reason",
        "restarts", "result", "started_at", "status", "stop_reason", "tape", "template",
    )  # fmt: skip

    def __init__(
        self,
        desk: Desk,
        claim: Claim,
        template: Template,
        executor: Executor,
        tape: Tape,
        printed: Callable[[Claim, int, bytes], None] | None = None,
    ) -> None:
        """Take on a claim; ``printed`` sees the output as it comes."""
        self._printed = printed
        self.desk = desk
        self.claim = claim
        self.claimed_at = clock.monotonic()
        self.template = template
        self.tape = tape
        self.channel: Mapping[str, str] = {}
        self.restarts = 0
        self.advanced = False
        self.cpu_seconds = 0.0
        self.peak_memory = 0
        self.result: str | None = None
        self.started_at: float | None = None
        self.ended_at = 0.0
        self.exit: Exit | None = None
        self.stop_reason: StopReason | None = None
        self.status: AttemptStatus | None = None
        self.reason: str | None = None
        self._executor = executor
        self._running: Running | None = None
        self._restart_timer: asyncio.TimerHandle | None = None

    @property
    def launched(self) -> bool:
        """Whether its program was ever handed to the executor."""
        return self._running is not None

    def start(self) -> None:
        """Start the program."""
        self._restart_timer = None
        launch = self.template.launch(self.claim, self.channel, self.restarts)
        self._running = self._executor.start(launch, self)
        self.tape.running = self._running

    def stop(self, reason: StopReason, grace: float) -> None:
        """End the program because somebody said so; the first reason stands."""
        if self.status is not None:
            return
        self.stop_reason = self.stop_reason or reason
        if self._restart_timer is not None:
            self._restart_timer.cancel()
            self._restart_timer = None
            self._conclude(AttemptStatus.STOPPED, None)
        elif self._running is None:
            self._conclude(AttemptStatus.STOPPED, None)
        elif self.exit is None:
            self._running.stop(grace)

    def started(self, handle: Handle) -> None:
        """Learn that the program runs."""
        if self.started_at is None:
            self.started_at = clock.monotonic()
            self.desk.has_started(self, handle)
        self.exit = None

    def output(self, stream: int, data: bytes) -> None:
        """Take what the program printed."""
        self.tape.add(stream, data)
        if self._printed is not None:
            self._printed(self.claim, stream, data)

    def progress(self, done: int, total: int | None) -> None:
        """Take how far the program is."""
        self.desk.has_progressed(self, done, total)

    def ended(self, how: Exit) -> None:
        """Learn how the program ended, and what follows from it."""
        self.ended_at = clock.monotonic()
        self.exit = how
        self.cpu_seconds += how.usage.cpu_seconds
        self.peak_memory = max(self.peak_memory, how.usage.peak_memory_bytes)
        if how.result is not None:
            self.result = json.dumps(how.result)
        if how.start_error is not None:
            self.output(STDERR, f"jobyard: cannot start: {how.start_error}\n".encode())
        if self.stop_reason is not None:
            self._conclude(AttemptStatus.STOPPED, None)
            return
        reason = classify(how)
        if reason is None:
            self._conclude(AttemptStatus.SUCCEEDED, None)
        elif self._may_ask_for_restart(how):
            self.reason = reason
            self.desk.has_crashed(self)
        else:
            self._conclude(AttemptStatus.FAILED, reason)

    def _may_ask_for_restart(self, how: Exit) -> bool:
        on_failure = self.template.spec.policy.restart_policy is RestartPolicy.ON_FAILURE
        return on_failure and advised(self.advice_of(how))[0]

    def advice_of(self, how: Exit) -> str | None:
        """Tell what is known about a retry: what the program wrote, or that it cannot start.

        One that has published segments does not wait longer for each failure before: it gets on.
        """
        if how.retry is None and how.start_error is not None and not how.transient:
            return "no"
        return SOON if how.retry is None and self.advanced else how.retry

    def grant_restart(self) -> None:
        """Restart the program in place once its crash-loop delay is over (B.4)."""
        if self.exit is None or self.status is not None:
            return
        if self.stop_reason is not None:
            self._conclude(AttemptStatus.STOPPED, None)
            return
        self.restarts += 1
        asked = advised(self.exit.retry)[1]
        backoff = self.template.spec.policy.backoff
        wait = delay(backoff, self.restarts, ids.fraction()) if asked is None else asked
        loop = asyncio.get_running_loop()
        self._restart_timer = loop.call_later(wait / SECOND, self.start)

    def refuse_restart(self) -> None:
        """End as failed: the limit of restarts is reached, or the job is over."""
        if self.status is None:
            self._conclude(AttemptStatus.FAILED, self.reason)

    def abandon(self) -> None:
        """End at once, whatever it is doing: somebody else speaks for the attempt now."""
        if self.exit is not None and self._restart_timer is None:
            # Its program crashed, and nobody will answer whether it may restart.
            self.refuse_restart()
        else:
            self.stop(StopReason.WORKER_SHUTDOWN, 0.0)

    def _conclude(self, status: AttemptStatus, reason: str | None) -> None:
        self.status = status
        self.reason = str(self.stop_reason) if status is AttemptStatus.STOPPED else reason
        if not self.ended_at:
            self.ended_at = clock.monotonic()
        self.tape.running = None
        self.tape.finish(self._report)

    def _report(self) -> None:
        self.desk.has_ended(self)


def classify(how: Exit) -> str | None:
    """Tell why a program that nobody stopped failed; None when it succeeded."""
    if how.start_error is not None:
        return AttemptReason.START_FAILED
    if how.oom:
        return AttemptReason.OOM_KILLED
    if how.timed_out:
        return AttemptReason.ATTEMPT_TIMEOUT
    return AttemptReason.ERROR if how.exit_code else None
