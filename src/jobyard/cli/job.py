"""The commands of jobs: list, read, stop, cancel, suspend, resume; logs, attempts, events."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from jobyard.cli import options
from jobyard.cli.desk import open_desk
from jobyard.cli.logs import logs
from jobyard.cli.options import as_json, job_id, server_options
from jobyard.cli.printer import say, show_json
from jobyard.cli.shown import attempts_table, events_table, jobs_table, page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from jobyard.cli.desk import Desk
    from jobyard.config import Settings

    Object = dict[str, Any]

_LARGEST_ID = 2**63 - 1
_after = click.option("--after", type=click.IntRange(0, _LARGEST_ID), default=0, help="An id.")


class _WithAliases(click.Group):
    """A group whose commands answer to other names too, without listing them."""

    ALIASES = {"ls": "list", "get": "inspect"}  # noqa: RUF012 - a table, never written

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command by its name or by another one."""
        return super().get_command(ctx, self.ALIASES.get(cmd_name, cmd_name))


@click.group(cls=_WithAliases)
def job() -> None:
    """List, inspect, stop jobs; read their logs."""


@job.command("list")
@click.option("--limit", "-l", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--after", "-a", type=click.IntRange(1, _LARGEST_ID), help="Only ids below this one.")
@click.option(
    "--status",
    "-s",
    default="active",
    show_default=True,
    help="active, all, terminal, error, or statuses with commas between.",
)
@click.option("--name", help="Only jobs called so.")
@click.option("--namespace", help="Only jobs of this namespace.")
@as_json
@server_options
def list_jobs(
    settings: Settings,
    limit: int,
    after: int | None,
    status: str,
    name: str | None,
    namespace: str | None,
    as_json: bool,
) -> None:
    """List jobs, newest first (alias: ls)."""
    found = _ask(
        settings,
        lambda desk: desk.jobs_page(
            status=status, last_job_id=after, limit=limit, name=name, namespace=namespace
        ),
    )
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
    _show(_ask(settings, lambda desk: desk.job(job_id)), as_json=as_json)


@job.command()
@job_id
@as_json
@server_options
def progress(settings: Settings, job_id: int, as_json: bool) -> None:
    """Tell how far a job is."""
    _show(_ask(settings, lambda desk: desk.progress(job_id)), as_json=as_json)


def _verb(name: str, about: str) -> None:
    """Add a command that changes one job."""

    @job.command(name, help=about)
    @job_id
    @as_json
    @server_options
    def change(settings: Settings, job_id: int, as_json: bool) -> None:
        changed = _ask(settings, lambda desk: getattr(desk, name)(job_id))
        if as_json:
            show_json(changed)
        else:
            say(f"job {job_id} is {changed['status']}")


_verb("stop", "Have a job stop; its programs may finish what they have in hand.")
_verb("cancel", "Withdraw a job.")
_verb("suspend", "Stop a job's attempts, uncounted, until it is resumed.")
_verb("resume", "Let a suspended job go on.")


@job.command()
@job_id
@click.option("--limit", "-l", type=click.IntRange(1, 1000), default=1000, show_default=True)
@_after
@click.option("--index", type=click.IntRange(0), help="Only attempts of this index.")
@as_json
@server_options
def attempts(
    settings: Settings, job_id: int, limit: int, after: int, index: int | None, as_json: bool
) -> None:
    """List a job's attempts, oldest first, lost ones included."""
    found = _ask(
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
@click.option("--limit", "-l", type=click.IntRange(1, 1000), default=1000, show_default=True)
@_after
@as_json
@server_options
def events(settings: Settings, job_id: int, limit: int, after: int, as_json: bool) -> None:
    """Tell a job's story, oldest first."""
    found = _ask(settings, lambda desk: desk.events(job_id, after=after, limit=limit))
    if as_json:
        show_json(found)
        return
    click.echo(events_table(found["events"]))
    _mention_more(found)


job.add_command(logs)


def _ask(settings: Settings, question: Callable[[Desk], Awaitable[Object]]) -> Object:
    async def work() -> Object:
        async with open_desk(settings) as desk:
            return await question(desk)

    return options.run(work())


def _show(value: Object, *, as_json: bool) -> None:
    """Show one object to a person; to a program, or where JSON was asked for, as JSON."""
    if as_json or not sys.stdout.isatty():
        show_json(value)
    else:
        click.echo(page(value))


def _mention_more(found: Object) -> None:
    if "next_cursor" in found:
        say(f"there are more: --after {found['next_cursor']}")
