"""The commands of jobs: list, read, stop, cancel, suspend, resume; logs, attempts, events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jobyard.cli import completion
from jobyard.cli.desk import ask, one_by_one
from jobyard.cli.groups import Entry, LazyGroup
from jobyard.cli.logs import logs
from jobyard.cli.options import (
    JOB_ID,
    LARGEST_ID,
    Number,
    as_json,
    filtered,
    job_id,
    job_ids,
    server_options,
)
from jobyard.cli.printer import say, show_json
from jobyard.cli.shown import (
    attempts_table,
    events_table,
    jobs_table,
    page,
    progress_page,
    show_object,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from jobyard.cli.desk import Desk
    from jobyard.client.calls import Filters
    from jobyard.config import Settings

    Object = Mapping[str, Any]

_after = click.option("--after", type=Number(0, LARGEST_ID), default=0, help="An id.")

ENTRIES: dict[str, Entry] = {
    "wait": Entry("jobyard.cli.waiting", "wait", "Wait until jobs are over, or until they run."),
    "retry": Entry("jobyard.cli.retry", "retry", "Make a new job of one that is over."),
    "rm": Entry("jobyard.cli.removal", "remove", "Delete jobs that are over (alias: remove)."),
    "prune": Entry("jobyard.cli.removal", "prune", "Delete all jobs that are over and match."),
    "explain": Entry("jobyard.cli.explain", "explain", "Tell why a job is where it is."),
}
ALIASES = {"ls": "list", "get": "inspect", "remove": "rm"}


@click.group(cls=LazyGroup, entries=ENTRIES, aliases=ALIASES)
def job() -> None:
    """List, inspect, stop, retry, prune jobs; read logs."""


@job.command("list")
@click.option("--limit", "-l", type=Number(1, 1000), default=50, show_default=True)
@click.option("--after", "-a", type=JOB_ID, help="Only ids below this one.")
@click.option(
    "--status",
    "-s",
    default="active",
    show_default=True,
    help="active, all, terminal, error, or statuses with commas between.",
    shell_complete=completion.statuses,
)
@click.option("--watch", "-w", is_flag=True, help="Go on, and show what changes.")
@filtered()
@as_json
@server_options
def list_jobs(
    settings: Settings,
    limit: int,
    after: int | None,
    status: str,
    watch: bool,
    filters: Filters,
    as_json: bool,
) -> None:
    """List jobs, newest first (alias: ls)."""

    def read(desk: Desk) -> Awaitable[Object]:
        return desk.jobs_page(status=status, last_job_id=after, limit=limit, **filters)

    if watch:
        from jobyard.cli.watch import watch_jobs

        watch_jobs(settings, read, as_json=as_json)
        return
    found = ask(settings, read)
    if as_json:
        show_json(found)
        return
    click.echo(jobs_table(found["jobs"]))
    _mention_more(found)


@job.command()
@job_id
@as_json
@server_options
def inspect(settings: Settings, job_id: int, as_json: bool) -> None:
    """Show all that is known of a job (alias: get)."""
    show_object(ask(settings, lambda desk: desk.job(job_id)), page, as_json=as_json)


@job.command()
@job_id
@click.option("--watch", is_flag=True, help="Show it again whenever it changes, until it is over.")
@as_json
@server_options
def progress(settings: Settings, job_id: int, watch: bool, as_json: bool) -> None:
    """Tell how far a job is; of an extraction each table, its rate and its end."""
    if watch:
        from jobyard.cli.watch import watch_progress

        watch_progress(settings, job_id, as_json=as_json)
        return
    found = ask(settings, lambda desk: desk.progress(job_id))
    show_object(found, progress_page, as_json=as_json)


def _verb(name: str, about: str) -> None:
    """Add a command that changes jobs, one after the other."""

    @job.command(name, help=about)
    @job_ids
    @as_json
    @server_options
    def change(settings: Settings, job_ids: tuple[int, ...], as_json: bool) -> None:
        async def work(desk: Desk) -> None:
            async def one(job_id: int) -> None:
                changed = await getattr(desk, name)(job_id)
                if as_json:
                    show_json(changed)
                else:
                    say(f"job {job_id} is {changed['status']}")

            await one_by_one(job_ids, one)

        ask(settings, work)


_verb("stop", "Have jobs stop; their programs may finish what they have in hand.")
_verb("cancel", "Withdraw jobs.")
_verb("suspend", "Stop jobs' attempts, uncounted, until they are resumed.")
_verb("resume", "Let suspended jobs go on.")


@job.command()
@job_id
@click.option("--limit", "-l", type=Number(1, 1000), default=1000, show_default=True)
@_after
@click.option("--index", type=Number(0), help="Only attempts of this index.")
@as_json
@server_options
def attempts(
    settings: Settings, job_id: int, limit: int, after: int, index: int | None, as_json: bool
) -> None:
    """List a job's attempts, oldest first, lost ones included."""
    found = ask(
        settings,
        lambda desk: desk.attempts_page(job_id, after=after, limit=limit, index=index),
    )
    if as_json:
        show_json(found)
        return
    click.echo(attempts_table(found["attempts"]))
    _mention_more(found)


@job.command()
@job_id
@click.option("--event-id", type=JOB_ID, metavar="N", help="Only this one, with its detail.")
@click.option("--limit", "-l", type=Number(1, 1000), default=1000, show_default=True)
@_after
@as_json
@server_options
def events(
    settings: Settings, job_id: int, event_id: int | None, limit: int, after: int, as_json: bool
) -> None:
    """Tell a job's story, oldest first."""
    if event_id is not None:
        one = ask(settings, lambda desk: desk.event(job_id, event_id))
        show_object(one, page, as_json=as_json)
        return
    found = ask(settings, lambda desk: desk.events(job_id, after=after, limit=limit))
    if as_json:
        show_json(found)
        return
    click.echo(events_table(found["events"]))
    _mention_more(found)


job.add_command(logs)


def _mention_more(found: Object) -> None:
    if "next_cursor" in found:
        say(f"there are more: --after {found['next_cursor']}")
