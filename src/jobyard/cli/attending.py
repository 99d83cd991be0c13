"""See a job through to its end: what `submit` and `retry` do when they are told to wait."""

from __future__ import annotations

import asyncio
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from jobyard.cli.desk import server_of, until_over
from jobyard.cli.logs import copy
from jobyard.cli.printer import say
from jobyard.cli.shown import times
from jobyard.core.states import TERMINAL
from jobyard.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jobyard.cli.desk import Desk
    from jobyard.cli.options import Command
    from jobyard.config import Settings

    Object = Mapping[str, Any]


_wait = click.option(
    "--wait", is_flag=True, help="Wait until it is over; exit with 1 unless completed."
)
_logs = click.option("--logs", is_flag=True, help="Print what it prints, and wait.")


class Attention(NamedTuple):
    """How a job that was just made is seen through."""

    wait: bool
    """Whether to wait for its end."""
    logs: bool
    """Whether to copy what it prints meanwhile."""

    def code(self, job: Object) -> int:
        """Tell the exit code that says how the job ended, if that was waited for."""
        unmet = self.wait and job["status"] != "COMPLETED"
        return ExitCode.FAILED if unmet else ExitCode.DONE


def attended(command: Command) -> Command:
    """Let a command wait for the job that it makes; it gets ``attention``."""

    @wraps(command)
    def gathering(*args: Any, wait: bool, logs: bool, **options: Any) -> Any:
        return command(*args, attention=Attention(wait or logs, logs), **options)

    return _wait(_logs(gathering))


async def see_through(
    desk: Desk, settings: Settings, job: Object, attention: Attention, *, quiet: bool
) -> Object:
    """Say what a new job lacks, and see it to its end if that is wanted; return it as it is then.

    ``quiet`` says and copies nothing more.
    """
    await mention_missing_worker(desk, settings, job)
    return await _attend(desk, job, attention, quiet=quiet) if attention.wait else job


async def _attend(desk: Desk, job: Object, attention: Attention, *, quiet: bool) -> Object:
    mention_endless([job])
    told = _Troubles(job["id"])
    over = asyncio.ensure_future(until_over(desk, job["id"], None if quiet else told.look))
    try:
        if attention.logs and not quiet:
            await copy(desk.follow_logs(job["id"]))
        job = await over
    except asyncio.CancelledError:
        # Behind what the terminal shows of Ctrl-C.
        say("")
        say(f"job {job['id']} goes on; `jobyard job stop {job['id']}` stops it")
        raise
    finally:
        over.cancel()
    if not quiet:
        say(f"job {job['id']} is {job['status']}{why(job)}")
    return job


class _Troubles:
    """Says that a job is tried again, so that who waits knows what for."""

    def __init__(self, job_id: int) -> None:
        self._job_id = job_id
        self._failed = 0
        self._restarts = 0

    def look(self, job: Object) -> None:
        """Tell of failures that were not told of yet."""
        if job["status"] in TERMINAL:
            return
        if job["failed"] > self._failed:
            tries = "try" if job["failed"] == 1 else "tries"
            waits = f", {job['waiting_reason']}" if job["waiting_reason"] else ""
            say(f"job {self._job_id}: {job['failed']} failed {tries}{waits}")
        # A server that is older than this program does not tell.
        restarts = job.get("restarts", 0)
        if restarts > self._restarts:
            again = times(restarts)
            say(f"job {self._job_id}: its program failed and is restarted, {again} so far")
        self._failed, self._restarts = job["failed"], restarts


def why(job: Object) -> str:
    """Say why a job did not complete, to be put behind its status."""
    told = job["message"] or job["reason"]
    return f": {told}" if told and job["status"] != "COMPLETED" else ""


def mention_endless(jobs: Iterable[Object]) -> None:
    """Say of jobs that nobody should wait for their end."""
    for job in jobs:
        extract = job["spec"].get("extract")
        if extract is not None and extract["end"] is None and job["status"] not in TERMINAL:
            say(
                f"job {job['id']} has no last block: it follows the head of {extract['network']} "
                f"and never completes; `jobyard job stop {job['id']}` ends it"
            )


async def mention_missing_worker(desk: Desk, settings: Settings, job: Object) -> None:
    """Say what else must run: a job that nobody can claim looks like a job that hangs."""
    if (await desk.workers())["workers"]:
        return
    say(f"no worker is there: job {job['id']} waits until one runs")
    if server_of(settings) is None:
        say("hint: `jobyard solo` in this folder runs it")
