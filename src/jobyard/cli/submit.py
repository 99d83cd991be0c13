"""Submit a command as a job, without a file."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import click

from jobyard.cli import options
from jobyard.cli.attending import Attention, attended, see_through
from jobyard.cli.desk import open_desk
from jobyard.cli.options import DURATION, Number, as_json, server_options
from jobyard.cli.printer import say, show_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobyard.config import Settings

    Object = dict[str, Any]

LONGEST_NAME = 63
_NUMBER = Number(0)

FIELDS = (
    click.option("--name", help="The job's name; the command's own name otherwise."),
    click.option("--namespace", "-n", help="The job's namespace."),
    click.option("--completions", type=_NUMBER, help="How often it must succeed."),
    click.option("--parallelism", type=_NUMBER, help="How many may run at a time."),
    click.option(
        "--completion-mode",
        type=click.Choice(["NonIndexed", "Indexed"]),
        help="Whether each success has an index of its own.",
    ),
    click.option("--image", help="A container image, for executors that run containers."),
    click.option("--working-dir", metavar="DIR", help="Where the program starts."),
    click.option(
        "--restart-policy",
        type=click.Choice(["Never", "OnFailure"]),
        help="Whether a failed program starts anew inside its attempt.",
    ),
    click.option("--backoff-limit", type=_NUMBER, help="Failures before it has failed."),
    click.option("--active-deadline", type=DURATION, help="How long it may take in all."),
    click.option("--attempt-timeout", type=DURATION, help="How long one try may take."),
    click.option("--ttl", type=DURATION, help="How long it is kept once it is over."),
    click.option("--priority", type=int, help="Higher goes first."),
    click.option("--scheduled-at", metavar="TIME", help="Not before this: RFC 3339 with a zone."),
    click.option(
        "--worker-id", metavar="ID", help="Only this worker; `abc*` for all that begin so."
    ),
    click.option("--executor", help="What runs it: process, fake."),
    click.option("--idempotency-key", metavar="KEY", help="The same key makes one job."),
)
"""The options that are fields of a job, each under the field's own name."""


def _fields(command: options.Command) -> options.Command:
    for option in reversed(FIELDS):
        command = option(command)
    return command


@click.command()
@_fields
@click.option("--indexed", is_flag=True, help="The same as --completion-mode Indexed.")
@click.option("--suspend", is_flag=True, help="Let it wait until it is resumed.")
@click.option("--env", "-e", multiple=True, metavar="KEY=VALUE", help="For the program.")
@click.option("--label", multiple=True, metavar="KEY=VALUE", help="To find it by.")
@click.option(
    "--depends-on",
    multiple=True,
    metavar="ID[:CONDITION]",
    help="Start when this job has completed, or else failed or finished.",
)
@attended
@as_json
@server_options
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def submit(
    ctx: click.Context,
    /,
    settings: Settings,
    attention: Attention,
    as_json: bool,
    **given: Any,
) -> None:
    """Submit COMMAND as a job: `jobyard submit --completions 3 -- sh -c 'echo hello'`."""
    job = options.run(_submit(settings, spec_of(given), attention, quiet=as_json))
    if as_json:
        show_json(job)
    ctx.exit(attention.code(job))


def spec_of(given: Object) -> Object:
    """Make a job's document of what the options say.

    Raises:
        InvalidRequest: a pair has no ``=`` or no key.
    """
    lists = {name: given.pop(name) for name in ("env", "label", "depends_on")}
    flags = {name: given.pop(name) for name in ("indexed", "suspend")}
    spec = {name: value for name, value in given.items() if value is not None}
    spec["command"] = list(spec["command"])
    spec.setdefault("name", name_of(spec["command"][0]))
    if flags["indexed"]:
        spec["completion_mode"] = "Indexed"
    if flags["suspend"]:
        spec["suspend"] = True
    if lists["env"]:
        spec["env"] = options.pairs(lists["env"], "--env")
    if lists["label"]:
        spec["labels"] = options.pairs(lists["label"], "--label")
    if lists["depends_on"]:
        spec["depends_on"] = [_edge(text) for text in lists["depends_on"]]
    return spec


def _edge(text: str) -> Object:
    job, colon, condition = text.partition(":")
    edge: Object = {"job": int(job) if job.isdecimal() else job}
    return edge | {"condition": condition} if colon else edge


async def _submit(
    settings: Settings, spec: Object, attention: Attention, *, quiet: bool
) -> Mapping[str, Any]:
    async with open_desk(settings, make=True) as desk:
        job = (await desk.submit_all(spec))[0]
        if not quiet:
            say(f"job {job['id']} `{job['name']}` is {job['status']}")
        return await see_through(desk, settings, job, attention, quiet=quiet)


def name_of(command: str) -> str:
    """Make a job's name of a command: what Kubernetes allows, of the program's own name."""
    plain = re.sub(r"[^a-z0-9]+", "-", PurePath(command).name.lower())[:LONGEST_NAME].strip("-")
    return plain or "job"
