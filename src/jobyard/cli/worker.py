"""Run a worker; list, inspect, drain and resume those that run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jobyard import app, config
from jobyard.cli import completion, options
from jobyard.cli.desk import ask
from jobyard.cli.groups import LazyGroup
from jobyard.cli.options import COUNT, DURATION, SIZE, as_json, server_options
from jobyard.cli.printer import say, show_json
from jobyard.cli.shown import page, show_object, workers_table

if TYPE_CHECKING:
    from jobyard.config import Settings


ALIASES = {"ls": "list", "get": "inspect"}


@click.group(cls=LazyGroup, aliases=ALIASES, invoke_without_command=True)
@click.option("--slots", type=COUNT, help="Programs that run at a time.")
@click.option("--cpu", type=click.FloatRange(min=0), help="Processors that programs may ask for.")
@click.option("--memory", type=SIZE, help="Memory that programs may ask for, such as 4Gi.")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="For selectors.")
@click.option("--lease", type=DURATION, help="How long it may be silent before it is lost.")
@click.option("--grace", type=DURATION, help="How long programs may go on when told to end.")
@click.option("--id", "worker_id", metavar="ID", help="Its id; one of its own otherwise.")
@click.option("--state-dir", type=click.Path(file_okay=False), help="The state folder.")
@click.option("--database", metavar="URL", help="PostgreSQL in place of SQLite.")
@click.pass_context
def worker(ctx: click.Context, /, **given: Any) -> None:
    """Run a worker, or say what is to become of those that run."""
    if ctx.invoked_subcommand is None:
        _run(**given)


def _run(
    *,
    cpu: float | None,
    memory: int | None,
    labels: tuple[str, ...],
    worker_id: str | None,
    **flags: Any,
) -> None:
    # Engines are imported only by processes that run one.
    from jobyard.cli.services import serve

    settings = config.load(flags)
    introduced = app.worker_settings(
        settings,
        worker_id=worker_id,
        cpu=cpu,
        memory=memory,
        labels=options.pairs(labels, "--label"),
    )
    app.run_async(serve(settings, worker=introduced))


@worker.command("list")
@as_json
@server_options
def list_workers(settings: Settings, as_json: bool) -> None:
    """List the workers whose lease runs (alias: ls)."""
    found = ask(settings, lambda desk: desk.workers())
    if as_json:
        show_json(found)
    else:
        click.echo(workers_table(found["workers"]))


_id = click.argument("worker_id", metavar="ID", shell_complete=completion.worker_ids)


@worker.command()
@_id
@as_json
@server_options
def inspect(settings: Settings, worker_id: str, as_json: bool) -> None:
    """Show all that is known of a worker (alias: get)."""
    found = ask(settings, lambda desk: desk.worker(worker_id))
    show_object(found, page, as_json=as_json)


@worker.command()
@_id
@as_json
@server_options
def drain(settings: Settings, worker_id: str, as_json: bool) -> None:
    """Have a worker claim nothing new; what it runs goes on."""
    _drain(settings, worker_id, draining=True, as_json=as_json)


@worker.command()
@_id
@as_json
@server_options
def resume(settings: Settings, worker_id: str, as_json: bool) -> None:
    """Have a drained worker claim again."""
    _drain(settings, worker_id, draining=False, as_json=as_json)


def _drain(settings: Settings, worker_id: str, *, draining: bool, as_json: bool) -> None:
    changed = ask(settings, lambda desk: desk.drain(worker_id, draining=draining))
    if as_json:
        show_json(changed)
    else:
        say(f"worker {worker_id} is {'draining' if draining else 'working'}")
