"""See a job through to its end: what `submit` and `retry` do when they are told to wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobyard.cli.desk import server_of, until_over
from jobyard.cli.logs import copy
from jobyard.cli.printer import say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobyard.cli.desk import Desk
    from jobyard.config import Settings

    Object = Mapping[str, Any]


async def attend(desk: Desk, job: Object, *, logs: bool, quiet: bool) -> Object:
    """Wait until a job is over and return it as it is then.

    ``logs`` copies what it prints to stdout meanwhile; ``quiet`` says nothing and copies nothing.
    """
    if logs and not quiet:
        await copy(desk.follow_logs(job["id"]))
    job = await until_over(desk, job["id"])
    if not quiet:
        say(f"job {job['id']} is {job['status']}{why(job)}")
    return job


def why(job: Object) -> str:
    """Say why a job did not complete, to be put behind its status."""
    told = job["message"] or job["reason"]
    return f": {told}" if told and job["status"] != "COMPLETED" else ""


async def mention_missing_worker(desk: Desk, settings: Settings, job: Object) -> None:
    """Say what else must run: a job that nobody can claim looks like a job that hangs."""
    if (await desk.workers())["workers"]:
        return
    say(f"no worker is there: job {job['id']} waits until one runs")
    if server_of(settings) is None:
        say("hint: `jobyard solo` in this folder runs it")
