"""Make a new job of one that is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jobyard.cli.attending import Attention, attended, see_through
from jobyard.cli.desk import ask
from jobyard.cli.options import as_json, job_id, server_options
from jobyard.cli.printer import say, show_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobyard.cli.desk import Desk
    from jobyard.config import Settings

    Object = Mapping[str, Any]


@click.command()
@job_id
@click.option(
    "--indexes",
    type=click.Choice(["all", "failed", "remaining"]),
    default="all",
    show_default=True,
    help="Which to do again: all, those that failed, or all that did not succeed.",
)
@attended
@as_json
@server_options
@click.pass_context
def retry(
    ctx: click.Context,
    /,
    settings: Settings,
    job_id: int,
    indexes: str,
    attention: Attention,
    as_json: bool,
) -> None:
    """Make a new job of one that is over; the old one stays as it is."""

    async def work(desk: Desk) -> Object:
        job = await desk.retry(job_id, indexes=indexes)
        if not as_json:
            say(f"job {job['id']} `{job['name']}` is {job['status']}, made of job {job_id}")
        return await see_through(desk, settings, job, attention, quiet=as_json)

    job = ask(settings, work)
    if as_json:
        show_json(job)
    ctx.exit(attention.code(job))
