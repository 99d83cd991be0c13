"""Hand in files: `create` makes new jobs of them, `apply` makes jobs be what they say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobyard.cli.desk import open_desk
from jobyard.cli.options import as_json, run, server_options
from jobyard.cli.printer import say, show_error, show_json
from jobyard.cli.sources import STDIN, name_of, read_source
from jobyard.errors import ExitCode, FileUnreadable, InvalidDocument, JobyardError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from jobyard.cli.desk import Desk
    from jobyard.config import Settings

    Object = Mapping[str, Any]
    HandIn = Callable[[Desk, bytes], Awaitable[Sequence[Object]]]

SUFFIXES = (".yaml", ".yml", ".json")
"""The files of a folder that are documents."""

_files = click.option(
    "--filename",
    "-f",
    "names",
    multiple=True,
    required=True,
    metavar="FILE|DIR|-",
    type=click.Path(exists=True, allow_dash=True),
    help="A file, a folder of .yaml, .yml and .json files, or - for standard input.",
)
_executor = click.option("--executor", help="Run every job with this executor: process or fake.")


@click.command()
@_files
@_executor
@as_json
@server_options
@click.pass_context
def create(
    ctx: click.Context,
    /,
    settings: Settings,
    names: tuple[str, ...],
    executor: str | None,
    as_json: bool,
) -> None:
    """Submit the jobs of files, always new ones, and do not wait for them.

    All jobs of one file are accepted, or none.
    """

    async def hand_in(desk: Desk, document: bytes) -> Sequence[Object]:
        jobs = await desk.submit_all(document, executor=executor)
        return [{"action": "created", "job": job} for job in jobs]

    applied, code = run(_hand_in(settings, names, hand_in, quiet=as_json))
    if as_json:
        show_json({"jobs": [one["job"] for one in applied]})
    ctx.exit(code)


@click.command()
@_files
@_executor
@click.option("--rerun", is_flag=True, help="Also make anew what is over and would not change.")
@as_json
@server_options
@click.pass_context
def apply(
    ctx: click.Context,
    /,
    settings: Settings,
    names: tuple[str, ...],
    executor: str | None,
    rerun: bool,
    as_json: bool,
) -> None:
    """Make jobs be what files say: create what is not there, change what may change.

    The newest job of each name counts. One that is over and was another is made anew; one that is
    not over and would have to change in what cannot change is a conflict. All jobs of one file are
    accepted, or none.
    """

    async def hand_in(desk: Desk, document: bytes) -> Sequence[Object]:
        return await desk.apply(document, rerun=rerun, executor=executor)

    applied, code = run(_hand_in(settings, names, hand_in, quiet=as_json))
    if as_json:
        show_json({"jobs": applied})
    ctx.exit(code)


async def _hand_in(
    settings: Settings, names: tuple[str, ...], hand_in: HandIn, *, quiet: bool
) -> tuple[list[Object], int]:
    """Hand in file after file; a file that is refused does not keep the others back."""
    done: list[Object] = []
    code = ExitCode.DONE
    async with open_desk(settings, make=True) as desk:
        for name in _documents(names):
            try:
                applied = await hand_in(desk, read_source(name, settings.document_limit))
            except JobyardError as error:
                show_error(_with_source(error, name))
                code = code or error.exit_code
                continue
            done += applied
            for one in () if quiet else applied:
                job = one["job"]
                say(f"job {job['id']} `{job['name']}` {one['action']}, is {job['status']}")
    return done, code


def _documents(names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        folder = Path(name)
        if name == STDIN or not folder.is_dir():
            yield name
            continue
        found = sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES)
        if not found:
            raise FileUnreadable(
                f"no document is in {name}", hint=f"documents end in {', '.join(SUFFIXES)}"
            )
        yield from map(str, found)


def _with_source(error: JobyardError, name: str) -> JobyardError:
    """Say which file is wrong: whoever read it had only its bytes."""
    if isinstance(error, InvalidDocument):
        return InvalidDocument(error.problems, source=name_of(name), more=error.more)
    return error
