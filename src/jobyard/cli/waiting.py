"""Wait for jobs: until they are over, or until they are where somebody wants them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from jobyard import clock
from jobyard.cli.attending import mention_endless, why
from jobyard.cli.desk import FIRST_LOOK, SLOWEST_LOOK, ask
from jobyard.cli.options import DURATION, as_json, job_ids, server_options
from jobyard.cli.printer import say, show_json
from jobyard.client.absence import AsyncAbsence
from jobyard.core.states import TERMINAL
from jobyard.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from jobyard.cli.desk import Desk
    from jobyard.config import Settings

    Object = Mapping[str, Any]


def _is(*words: str) -> Callable[[Object], bool]:
    return lambda job: job["status"] in words


CONDITIONS: Mapping[str, Callable[[Object], bool]] = {
    "completed": _is("COMPLETED"),
    "failed": _is("FAILED"),
    "stopped": _is("STOPPED"),
    "canceled": _is("CANCELED"),
    "finished": _is(*TERMINAL),
    "started": lambda job: job["started_at"] is not None,
}
"""What can be waited for. A job that is over is never elsewhere again."""


@click.command()
@job_ids
@click.option(
    "--for",
    "condition",
    type=click.Choice(list(CONDITIONS)),
    default="completed",
    show_default=True,
    help="What to wait for; finished is any end, started is the first program's start.",
)
@click.option("--timeout", type=DURATION, help="How long to wait at most, such as 90s or 2h.")
@click.option("--exit-code", is_flag=True, help="End with the last exit code of the (last) job.")
@as_json
@server_options
@click.pass_context
def wait(
    ctx: click.Context,
    /,
    settings: Settings,
    job_ids: tuple[int, ...],
    condition: str,
    timeout: float | None,
    exit_code: bool,
    as_json: bool,
) -> None:
    """Wait for jobs; exit 0 if all got there, 1 if one cannot any more or time is up.

    Every job is told of as soon as it is decided; with --json as one line each.
    """
    wish = _Wish(CONDITIONS[condition], condition, quiet=as_json)

    async def work(desk: Desk) -> int | None:
        await wish.wait(desk, job_ids, timeout)
        return await last_exit_code(desk, job_ids[-1]) if exit_code else None

    code = ask(settings, work)
    ctx.exit((ExitCode.DONE if wish.granted else ExitCode.FAILED) if code is None else code)


class _Wish:
    """What is waited for, and whether every job that is decided got there."""

    def __init__(self, met: Callable[[Object], bool], name: str, *, quiet: bool) -> None:
        self._met = met
        self._name = name
        self._quiet = quiet
        self._seen: set[int] = set()
        self.granted = True

    async def wait(self, desk: Desk, job_ids: Iterable[int], within: float | None) -> None:
        """Look at the jobs, ever more slowly, until all are decided or time is up."""
        left = list(dict.fromkeys(job_ids))
        deadline = None if within is None else clock.monotonic() + within
        absence = AsyncAbsence(deadline)
        pause = FIRST_LOOK
        while True:
            left = [
                job_id
                for job_id in left
                if not self._decided(await absence.ask(partial(desk.job, job_id)))
            ]
            if not left:
                return
            if deadline is not None and clock.monotonic() >= deadline:
                say(f"time is up: not {self._name}: {', '.join(map(str, left))}")
                self.granted = False
                return
            rest = pause if deadline is None else deadline - clock.monotonic()
            await clock.sleep(max(0.0, min(pause, rest)))
            pause = min(pause * 1.5, SLOWEST_LOOK)

    def _decided(self, job: Object) -> bool:
        met = self._met(job)
        if not met and job["status"] not in TERMINAL:
            self._mention(job)
            return False
        if not met:
            self.granted = False
        if self._quiet:
            show_json(job)
        else:
            say(f"job {job['id']} is {job['status']}{why(job)}")
        return True

    def _mention(self, job: Object) -> None:
        """Say once of a job that it never gets there by itself."""
        if self._name != "started" and job["id"] not in self._seen:
            self._seen.add(job["id"])
            mention_endless([job])


async def last_exit_code(desk: Desk, job_id: int) -> int:
    """Read the exit code of a job's program that ended last; FAILED if none has one."""
    code, after = int(ExitCode.FAILED), 0
    while True:
        page = await desk.attempts_page(job_id, after=after)
        for attempt in page["attempts"]:
            code = code if attempt["exit_code"] is None else attempt["exit_code"]
        after = page.get("next_cursor", 0)
        if not after:
            return code
