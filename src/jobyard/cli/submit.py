"""Submit a command as a job, without a file."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import click

from jobyard.cli import options
from jobyard.cli.desk import open_desk, server_of, until_over
from jobyard.cli.logs import copy
from jobyard.cli.options import as_json, server_options
from jobyard.cli.printer import say, show_json
from jobyard.errors import ExitCode

if TYPE_CHECKING:
    from jobyard.cli.desk import Desk
    from jobyard.config import Settings

    Object = dict[str, Any]

LONGEST_NAME = 63


@click.command(context_settings={"ignore_unknown_options": False})
@click.option("--name", help="The job's name; the command's own name otherwise.")
@click.option("--namespace", help="The job's namespace.")
@click.option("--completions", type=click.IntRange(0), help="How often it must succeed.")
@click.option("--parallelism", type=click.IntRange(0), help="How many may run at a time.")
@click.option("--indexed", is_flag=True, help="Each success has an index of its own.")
@click.option("--env", "-e", multiple=True, metavar="KEY=VALUE", help="For the program.")
@click.option("--backoff-limit", type=click.IntRange(0), help="Failures before it has failed.")
@click.option("--priority", type=int, help="Higher goes first.")
@click.option("--executor", help="What runs it: process, fake.")
@click.option("--idempotency-key", metavar="KEY", help="The same key makes one job.")
@click.option("--wait", is_flag=True, help="Wait until it is over; exit with 1 unless completed.")
@click.option("--logs", is_flag=True, help="Print what it prints, and wait.")
@as_json
@server_options
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def submit(
    ctx: click.Context,
    /,
    settings: Settings,
    command: tuple[str, ...],
    wait: bool,
    logs: bool,
    as_json: bool,
    indexed: bool,
    env: tuple[str, ...],
    **fields: Any,
) -> None:
    """Submit COMMAND as a job: `jobyard submit --completions 3 -- sh -c 'echo hello'`."""
    spec = {name: value for name, value in fields.items() if value is not None}
    spec["command"] = list(command)
    spec.setdefault("name", name_of(command[0]))
    if indexed:
        spec["completion_mode"] = "Indexed"
    if env:
        spec["env"] = options.pairs(env, "--env")
    job = options.run(_submit(settings, spec, wait=wait, logs=logs, as_json=as_json))
    if as_json:
        show_json(job)
    if (wait or logs) and job["status"] != "COMPLETED":
        ctx.exit(ExitCode.FAILED)


async def _submit(
    settings: Settings, spec: Object, *, wait: bool, logs: bool, as_json: bool
) -> Object:
    async with open_desk(settings, make=True) as desk:
        job = (await desk.submit_all(spec))[0]
        if not as_json:
            say(f"job {job['id']} `{job['name']}` is {job['status']}")
        await _mention_missing_worker(desk, settings, job)
        if logs and not as_json:
            await copy(desk.follow_logs(job["id"]))
        if not (wait or logs):
            return job
        job = await until_over(desk, job["id"])
        if not as_json:
            say(f"job {job['id']} is {job['status']}{_why(job)}")
        return job


async def _mention_missing_worker(desk: Desk, settings: Settings, job: Object) -> None:
    """Say what else must run: a job that nobody can claim looks like a job that hangs."""
    if (await desk.workers())["workers"]:
        return
    say(f"no worker is there: job {job['id']} waits until one runs")
    if server_of(settings) is None:
        say("hint: `jobyard solo` in this folder runs it")


def _why(job: Object) -> str:
    why = job["message"] or job["reason"]
    return f": {why}" if why and job["status"] != "COMPLETED" else ""


def name_of(command: str) -> str:
    """Make a job's name of a command: what Kubernetes allows, of the program's own name."""
    plain = re.sub(r"[^a-z0-9]+", "-", PurePath(command).name.lower())[:LONGEST_NAME].strip("-")
    return plain or "job"
