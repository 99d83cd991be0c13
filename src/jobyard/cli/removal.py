"""Delete jobs that are over: some by their ids, all that match."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jobyard.cli import completion
from jobyard.cli.desk import ask, one_by_one
from jobyard.cli.options import as_json, filtered, job_ids, server_options
from jobyard.cli.printer import say, show_json
from jobyard.errors import InvalidRequest

if TYPE_CHECKING:
    from jobyard.cli.desk import Desk
    from jobyard.config import Settings


@click.command()
@job_ids
@as_json
@server_options
def remove(settings: Settings, job_ids: tuple[int, ...], as_json: bool) -> None:
    """Delete jobs that are over, with all that is kept of them (alias: remove).

    A job that is not there needs no deleting. One that is not over is a conflict; stop it first.
    """

    async def work(desk: Desk) -> None:
        async def delete(job_id: int) -> None:
            await desk.delete(job_id)
            if as_json:
                show_json({"job_id": job_id})
            else:
                say(f"job {job_id} removed")

        await one_by_one(job_ids, delete)

    ask(settings, work)


@click.command()
@click.option(
    "--status",
    "-s",
    default="terminal",
    show_default=True,
    help="terminal, completed, failed (or error), stopped, canceled; commas between.",
    shell_complete=completion.statuses,
)
@click.option("--older-than", metavar="AGE", help="Only jobs that ended longer ago, such as 7d.")
@click.option("--dry-run", is_flag=True, help="Delete nothing; tell how many would go.")
@filtered("labels", "name", "namespace")
@as_json
@server_options
def prune(
    settings: Settings,
    status: str,
    older_than: str | None,
    dry_run: bool,
    filters: dict[str, Any],
    as_json: bool,
) -> None:
    """Delete all jobs that are over and match, with all that is kept of them."""
    if older_than is not None and older_than.strip().isdecimal():
        # Seconds everywhere else; who deletes most likely means days.
        raise InvalidRequest(
            f"--older-than is `{older_than}`",
            hint=f"say the unit: {older_than}d for days, {older_than}s for seconds",
        )
    deleted = ask(
        settings,
        lambda desk: desk.prune(status=status, older_than=older_than, dry_run=dry_run, **filters),
    )
    if as_json:
        show_json({"status_filter": status, "dry_run": dry_run, "deleted": deleted})
    else:
        noun = "job" if deleted == 1 else "jobs"
        say(f"{deleted} {noun} {'would be removed' if dry_run else 'removed'}")
