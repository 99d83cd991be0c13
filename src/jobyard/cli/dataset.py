"""The commands of datasets: register, list, read, delete, deploy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from jobyard.cli.desk import open_desk
from jobyard.cli.groups import LazyGroup
from jobyard.cli.layout import layout_options
from jobyard.cli.options import JOB_ID, Number, as_json, run, server_options
from jobyard.cli.printer import say, show_json
from jobyard.cli.shown import jobs_table, page, plain_table, show_object
from jobyard.cli.sources import read_value
from jobyard.core.derived import MOST_BATCH
from jobyard.errors import InvalidRequest
from jobyard.spec.naming import is_manifest_hash

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from jobyard.cli.desk import Desk
    from jobyard.config import Settings

    Object = Mapping[str, Any]

ALIASES = {
    "ls": "list", "get": "inspect", "reg": "register", "dep": "deploy", "remove": "rm",
}  # fmt: skip

_revision = click.argument("dataset", metavar="NAMESPACE/NAME[@REVISION]")
_dataset = click.argument("dataset", metavar="NAMESPACE/NAME")
_limit = click.option("--limit", "-l", type=click.IntRange(1, 1000), default=1000)


def asked(settings: Settings, question: Callable[[Desk], Awaitable[Any]]) -> Any:
    """Ask a question that may be the first one ever asked of a state folder."""

    async def work() -> Any:
        async with open_desk(settings, make=True) as desk:
            return await question(desk)

    return run(work())


@click.group(cls=LazyGroup, aliases=ALIASES)
def dataset() -> None:
    """Register datasets, and have them extracted."""


@dataset.command()
@_dataset
@click.argument("manifest", metavar="FILE|-|HASH")
@click.option("--tag", "-t", metavar="VERSION", help="Its version too, such as 1.2.0.")
@as_json
@server_options
def register(
    settings: Settings, dataset: str, manifest: str, tag: str | None, as_json: bool
) -> None:
    """Have a dataset mean a manifest from now on (alias: reg).

    The manifest is a file, - for standard input, or the hash of one that is registered. The
    dataset's `dev` is then this manifest, and so is `latest` if the version is the highest.
    """
    given: Any = manifest
    if not is_manifest_hash(manifest):
        given = read_value(manifest, settings.document_limit)
    found = asked(settings, lambda desk: desk.register_dataset(dataset, given, version=tag))
    show_object(found, page, as_json=as_json)


@dataset.command("list")
@_limit
@click.option("--after", "-a", default="", metavar="NAME", help="Only names behind this one.")
@as_json
@server_options
def list_datasets(settings: Settings, limit: int, after: str, as_json: bool) -> None:
    """List datasets by name (alias: ls)."""
    found = asked(settings, lambda desk: desk.datasets_page(after=after, limit=limit))
    if as_json:
        show_json(found)
        return
    rows = [
        (f"{one['namespace']}/{one['name']}", one["latest_version"], ", ".join(one["versions"]))
        for one in found["datasets"]
    ]
    click.echo(plain_table(("DATASET", "LATEST", "VERSIONS"), rows))
    mention_more(found)


def mention_more(found: Object) -> None:
    """Tell how to see the next page, if there is one."""
    if "next_cursor" in found:
        say(f"there are more: --after {found['next_cursor']}")


@dataset.command()
@_revision
@as_json
@server_options
def inspect(settings: Settings, dataset: str, as_json: bool) -> None:
    """Show a revision of a dataset (alias: get)."""
    show_object(asked(settings, lambda desk: desk.dataset(dataset)), page, as_json=as_json)


@dataset.command()
@_dataset
@as_json
@server_options
def versions(settings: Settings, dataset: str, as_json: bool) -> None:
    """List a dataset's versions, from the highest down."""
    found = asked(settings, lambda desk: desk.versions(dataset))
    if as_json:
        show_json(found)
        return
    rows = [(one["version"], one["manifest_hash"], one["updated_at"]) for one in found["versions"]]
    if found["special_tags"]["dev"] is not None:
        rows.append(("dev", found["special_tags"]["dev"], None))
    click.echo(plain_table(("VERSION", "MANIFEST", "SINCE"), rows))


@dataset.command()
@_revision
@as_json
@server_options
def manifest(settings: Settings, dataset: str, as_json: bool) -> None:
    """Print the manifest of a revision."""
    found = asked(settings, lambda desk: desk.manifest_of_dataset(dataset))
    if as_json:
        show_json(found)
    else:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))


@dataset.command()
@_revision
@click.option("--status", "-s", default="all", show_default=True, help="As for `job list`.")
@click.option("--limit", "-l", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--after", "-a", type=JOB_ID, help="Only ids below this one.")
@as_json
@server_options
def jobs(
    settings: Settings, dataset: str, status: str, limit: int, after: int | None, as_json: bool
) -> None:
    """List the jobs of a revision, newest first."""
    found = asked(
        settings,
        lambda desk: desk.dataset_jobs(dataset, status=status, last_job_id=after, limit=limit),
    )
    if as_json:
        show_json(found)
        return
    click.echo(jobs_table(found["jobs"]))
    mention_more(found)


@dataset.command()
@_revision
@click.option("--start-block", type=Number(0), help="The first block; if not said the manifest's.")
@click.option(
    "--end-block",
    "-e",
    metavar="N|latest|-N|none",
    help="The last block; -N is N below the head. Without one it follows the head for ever.",
)
@click.option(
    "--parallelism",
    "-p",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Attempts that extract at the same time.",
)
@click.option("--worker-id", metavar="ID", help="Who is to have the job; `abc*` is a beginning.")
@click.option("--verify", is_flag=True, help="Prove all that can be proved of every block.")
@click.option("--verify-share", type=click.FloatRange(0, 1), help="Prove that share of them.")
@click.option("--provider", "providers", multiple=True, metavar="NAME", help="Read from it only.")
@click.option(
    "--batch-blocks",
    type=click.IntRange(1, MOST_BATCH),
    help="Blocks that SQL is evaluated for at once, of a dataset made of others.",
)
@layout_options
@as_json
@server_options
def deploy(
    settings: Settings,
    dataset: str,
    start_block: int | None,
    end_block: str | None,
    parallelism: int,
    worker_id: str | None,
    verify: bool,
    verify_share: float | None,
    providers: tuple[str, ...],
    batch_blocks: int | None,
    layout: dict[str, Any],
    as_json: bool,
) -> None:
    """Have a revision of a dataset extracted (alias: dep).

    While its job is not over, the same again is that job, and anything else is a conflict. When it
    is over, a new job goes on where the data end.
    """
    share = verify if verify_share is None else verify_share
    given = {
        "start_block": start_block, "end_block": end_block, "parallelism": parallelism,
        "worker_id": worker_id, "verify": share, "providers": list(providers) or None,
        "batch_blocks": batch_blocks, "layout": layout or None,
    }  # fmt: skip
    options: Any = {name: value for name, value in given.items() if value is not None}
    found = asked(settings, lambda desk: desk.deploy(dataset, **options))
    for warning in found.get("warnings", ()):
        say(f"warning: {warning}")
    if as_json:
        show_json(found)
    else:
        click.echo(found["job_id"])


@dataset.command()
@_revision
@click.option("--table", "table_name", metavar="TABLE", help="Only this table.")
@click.option("--location-id", type=JOB_ID, metavar="N", help="This revision of the table.")
@as_json
@server_options
def restore(
    settings: Settings,
    dataset: str,
    table_name: str | None,
    location_id: int | None,
    as_json: bool,
) -> None:
    """Make the newest revision that lies in storage the active one, of every table.

    So tables go on where they were when the database is lost and their files are not.
    """
    if location_id is not None and table_name is None:
        raise InvalidRequest("--location-id is of one table", hint="--table names it")

    async def work(desk: Desk) -> Mapping[str, Any]:
        if table_name is None:
            return await desk.restore_dataset(dataset)
        return await desk.restore_table(dataset, table_name, location_id=location_id)

    found = asked(settings, work)
    if as_json:
        show_json(found)
        return
    tables = found["tables"] if table_name is None else [found]
    rows = [
        (one["table_name"], str(one["location_id"]), str(one["total_files"]), one["url"])
        for one in tables
    ]
    click.echo(plain_table(("TABLE", "REVISION", "FILES", "WHERE"), rows))
    for one in tables:
        for name in one["damaged"]:
            say(f"put aside: {name} cannot be read, or is of another table")


@dataset.command()
@_revision
@click.option("--start-block", "--start", type=Number(0), required=True, help="The first block.")
@click.option("--end-block", "--end", type=Number(0), required=True, help="The last block.")
@click.option("--provider", "providers", multiple=True, metavar="NAME", help="Read from it only.")
@as_json
@server_options
def rematerialize(
    settings: Settings,
    dataset: str,
    start_block: int,
    end_block: int,
    providers: tuple[str, ...],
    as_json: bool,
) -> None:
    """Have blocks of a revision extracted anew, and proved in full.

    The files that have them leave their tables. A job that follows the head fetches the blocks
    again; else a new job does, which waits for one that is at work.
    """
    more: Any = {"providers": list(providers)} if providers else {}
    found = asked(
        settings,
        lambda desk: desk.rematerialize(
            dataset, start_block=start_block, end_block=end_block, **more
        ),
    )
    if as_json:
        show_json(found)
        return
    say(
        f"{found['files']} files left their tables; job {found['job_id']} extracts blocks "
        f"{found['start_block']} to {found['end_block']}"
    )
    click.echo(found["job_id"])


@dataset.command()
@click.argument("dataset", metavar="NAMESPACE/NAME[@VERSION]")
@as_json
@server_options
def rm(settings: Settings, dataset: str, as_json: bool) -> None:
    """Delete a dataset, or one version of it; its data stay (alias: remove)."""

    async def work(desk: Desk) -> None:
        await (desk.delete_version if "@" in dataset else desk.delete_dataset)(dataset)

    asked(settings, work)
    if as_json:
        show_json({"dataset": dataset})
    else:
        say(f"dataset {dataset} removed")
