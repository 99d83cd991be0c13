"""The command that prints what a job's programs print: what was printed so far, or live."""

from __future__ import annotations

import sys
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Unpack

import click

from jobyard.cli import options
from jobyard.cli.desk import open_desk
from jobyard.cli.options import Number, job_id, server_options
from jobyard.cli.prefixes import label_of, width_of
from jobyard.cli.prefixes import prefix as prefix_of
from jobyard.cli.printer import colours
from jobyard.wire.logs import Joiner

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from jobyard.cli.desk import Desk
    from jobyard.client.following import ChosenLines
    from jobyard.config import Settings


@click.command()
@job_id
@click.option("--follow", "-f", is_flag=True, help="Go on until the job is over.")
@click.option("--attempt", type=Number(1), help="Only attempts of this number.")
@click.option("--index", type=Number(0), help="Only attempts of this index.")
@click.option("--stream", type=click.Choice(["stdout", "stderr"]), help="Only this stream.")
@click.option("--since", metavar="TIME", help="Only what is newer: a time, or a duration as 10m.")
@click.option("--tail", type=Number(0), metavar="N", help="Only the last N lines.")
@click.option("--grep", metavar="RE", help="Only lines in which this expression (RE2) is found.")
@click.option("--timestamps", is_flag=True, help="Begin each line with the time it was read.")
@click.option("--prefix", is_flag=True, help="Begin each line with the job's name and the index.")
@server_options
def logs(
    settings: Settings,
    job_id: int,
    follow: bool,
    timestamps: bool,
    prefix: bool,
    **chosen: Unpack[ChosenLines],
) -> None:
    """Print what a job's programs printed, byte for byte, attempt after attempt.

    With --follow it comes as it is printed, several attempts at once.
    """

    async def work() -> None:
        async with open_desk(settings) as desk:
            if prefix:
                pieces = prefixed(desk, job_id, chosen, follow=follow, timestamps=timestamps)
            else:
                pieces = plain(desk, job_id, chosen, follow=follow, timestamps=timestamps)
            await copy(pieces)

    options.run(work())


async def plain(
    desk: Desk, job_id: int, chosen: ChosenLines, *, follow: bool, timestamps: bool
) -> AsyncGenerator[bytes]:
    """Read the output as it is."""
    read = desk.follow_logs if follow else desk.logs
    async with aclosing(read(job_id, timestamps=timestamps, **chosen)) as pieces:
        async for piece in pieces:
            yield piece


async def prefixed(
    desk: Desk, job_id: int, chosen: ChosenLines, *, follow: bool, timestamps: bool
) -> AsyncGenerator[bytes]:
    """Read the output line by line, each with whose it is before it."""
    read = desk.follow_lines if follow else desk.log_lines
    job = await desk.job(job_id)
    joiner = Joiner(timestamps=timestamps, names=_names(job))
    async with aclosing(read(job_id, **chosen)) as lines:
        async for line in lines:
            if whole := joiner.add(line):
                yield whole
    if left := joiner.rest():
        yield left


def _names(job: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], str]:
    """Name attempts as `run` does, each index in a colour of its own."""
    on, width = colours(sys.stdout), width_of(job)

    def name(line: Mapping[str, Any]) -> str:
        label = label_of(job["name"], line["index"])
        return prefix_of(label, width, alike=label, on=on)

    return name


async def copy(pieces: AsyncGenerator[bytes]) -> None:
    """Copy bytes to stdout as they come; when nobody takes them any more, ask for no more."""
    out = sys.stdout.buffer
    async with aclosing(pieces):
        async for piece in pieces:
            out.write(piece)
            out.flush()
