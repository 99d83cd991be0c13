"""The commands of tables: list revisions, keep, activate, restore and clean them up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jobyard.cli.dataset import asked, mention_more
from jobyard.cli.groups import LazyGroup
from jobyard.cli.options import LARGEST_ID, Number, as_json, server_options
from jobyard.cli.printer import say, show_json
from jobyard.cli.shown import in_bytes, page, plain_table, show_object
from jobyard.core.extract import MOST_BLOCK
from jobyard.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobyard.config import Settings

    Object = Mapping[str, Any]

ALIASES = {
    "ls": "list", "inspect": "get", "reg": "register", "rm": "delete", "remove": "delete",
}  # fmt: skip
ID = Number(1, LARGEST_ID)
MOST_DELAY = 10**9

_id = click.argument("revision_id", type=ID, metavar="ID")
_dataset = click.argument("dataset", metavar="NAMESPACE/NAME[@REVISION]")
_table = click.argument("table_name", metavar="TABLE")
_force = click.option("--force", "-f", is_flag=True, help="Do not ask.")


@click.group(cls=LazyGroup, aliases=ALIASES)
def table() -> None:
    """Keep the revisions of tables and their files."""


@table.command("list")
@click.option("--active", "-a", type=click.BOOL, help="true: only active ones; false: only others.")
@click.option("--limit", "-l", type=click.IntRange(1, 1000), default=100, show_default=True)
@click.option(
    "--after", type=Number(0, LARGEST_ID), default=0, metavar="ID", help="Only ids above."
)
@as_json
@server_options
def list_revisions(
    settings: Settings, active: bool | None, limit: int, after: int, as_json: bool
) -> None:
    """List revisions of tables by id (alias: ls)."""
    found = asked(settings, lambda desk: desk.revisions(active=active, limit=limit, after=after))
    if as_json:
        show_json(found)
        return
    click.echo(
        plain_table(
            ("ID", "TABLE", "ACTIVE", "WRITER", "BLOCKS", "FILES", "SIZE", "PATH"),
            [_line(one) for one in found],
        )
    )
    if len(found) == limit:
        say(f"there may be more: --after {found[-1]['id']}")


def _line(one: Object) -> tuple[Any, ...]:
    of = one["metadata"]
    full_name = f"{of['dataset_namespace']}/{of['dataset_name']}@{of['manifest_hash'][:7]}"
    blocks = _blocks(one["start_block"], one["current_block"])
    return (
        str(one["id"]), f"{full_name} {of['table_name']}", "yes" if one["active"] else "no",
        one["writer"], blocks, str(one["files_count"]), in_bytes(one["total_size_bytes"]),
        one["path"],
    )  # fmt: skip


def _blocks(first: int | None, last: int | None) -> str:
    return "(no data)" if last is None else f"{first} - {last}"


@table.command()
@_id
@as_json
@server_options
def get(settings: Settings, revision_id: int, as_json: bool) -> None:
    """Show a revision of a table (alias: inspect)."""
    show_object(asked(settings, lambda desk: desk.revision(revision_id)), page, as_json=as_json)


@table.command()
@_id
@click.option("--limit", "-l", type=click.IntRange(1, 1000), default=1000, show_default=True)
@click.option("--after", "-a", default="", metavar="NAME", help="Only names behind this one.")
@as_json
@server_options
def files(settings: Settings, revision_id: int, limit: int, after: str, as_json: bool) -> None:
    """List the files of a revision by their first blocks.

    Files that are not in the canonical chain wait for blocks between, or are of another branch.
    """
    found = asked(settings, lambda desk: desk.revision_files(revision_id, limit=limit, after=after))
    if as_json:
        show_json(found)
        return
    rows = [
        (
            str(one["id"]), _blocks(one["start_block"], one["end_block"]),
            "chain" if one["canonical"] else "beside", one["rows"], in_bytes(one["object_size"]),
            one["file_name"],
        )
        for one in found["files"]
    ]  # fmt: skip
    click.echo(plain_table(("ID", "BLOCKS", "PART", "ROWS", "SIZE", "NAME"), rows))
    mention_more(found)


@table.command()
@click.argument("file_id", type=ID, metavar="FILE-ID")
@as_json
@server_options
def file(settings: Settings, file_id: int, as_json: bool) -> None:
    """Show a file of a table, with what it says of itself."""
    show_object(asked(settings, lambda desk: desk.file(file_id)), page, as_json=as_json)


@table.command()
@_dataset
@_table
@click.argument("path", metavar="PATH")
@as_json
@server_options
def register(settings: Settings, dataset: str, table_name: str, path: str, as_json: bool) -> None:
    """Keep a folder as a revision of a table, not active yet (alias: reg).

    The path is absolute, a URI such as s3://bucket/path, or below the server's folder of tables.
    Its files become part of the revision by `jobyard table restore`.
    """
    found = asked(settings, lambda desk: desk.register_revision(dataset, table_name, path))
    if as_json:
        show_json(found)
    else:
        click.echo(found["location_id"])


@table.command()
@_dataset
@_table
@_id
@as_json
@server_options
def activate(
    settings: Settings, dataset: str, table_name: str, revision_id: int, as_json: bool
) -> None:
    """Have a revision be the one that is read and written, in place of the one that is."""
    found = asked(settings, lambda desk: desk.activate_revision(revision_id, dataset, table_name))
    if as_json:
        show_json(found)
    else:
        say(f"revision {revision_id} is the active one of {dataset} {table_name}")


@table.command()
@_dataset
@_table
@as_json
@server_options
def deactivate(settings: Settings, dataset: str, table_name: str, as_json: bool) -> None:
    """Have a table have no active revision, so that the next job begins a new one."""
    asked(settings, lambda desk: desk.deactivate_revision(dataset, table_name))
    if as_json:
        show_json({"dataset": dataset, "table_name": table_name})
    else:
        say(f"{dataset} {table_name} has no active revision")


@table.command()
@_id
@as_json
@server_options
def restore(settings: Settings, revision_id: int, as_json: bool) -> None:
    """Make a revision have the Parquet files that lie in its folder, and no others."""
    found = asked(settings, lambda desk: desk.restore_revision(revision_id))
    if as_json:
        show_json(found)
        return
    say(f"revision {revision_id} has {counted(found['total_files'])}")
    for name in found["damaged"]:
        say(f"put aside: {name} cannot be read, or is of another table")


def counted(count: int) -> str:
    """Count files in words."""
    return f"{count} {'file' if count == 1 else 'files'}"


@table.command()
@_id
@_force
@as_json
@server_options
def delete(settings: Settings, revision_id: int, force: bool, as_json: bool) -> None:
    """Forget a revision that is not active; its files stay where they lie (alias: rm)."""
    _ask(f"Forget revision {revision_id}?", force=force)
    asked(settings, lambda desk: desk.delete_revision(revision_id))
    if as_json:
        show_json({"id": revision_id})
    else:
        say(f"revision {revision_id} deleted; its files are where they were")


@table.command()
@_id
@_force
@click.option(
    "--concurrency", type=click.IntRange(1, 100), default=10, show_default=True,
    help="Files removed at the same time.",
)  # fmt: skip
@as_json
@server_options
def truncate(
    settings: Settings, revision_id: int, force: bool, concurrency: int, as_json: bool
) -> None:
    """Forget a revision that is not active, and remove its files for ever."""
    _ask(f"Remove revision {revision_id} with all of its files?", force=force)
    found = asked(
        settings, lambda desk: desk.truncate_revision(revision_id, concurrency=concurrency)
    )
    if as_json:
        show_json(found)
    else:
        say(f"revision {revision_id} deleted with {counted(found['files_deleted'])}")


@table.command()
@_id
@_force
@click.option(
    "--before-block", type=click.IntRange(0, MOST_BLOCK), metavar="N",
    help="Only files that end below this block.",
)  # fmt: skip
@click.option(
    "--gc-delay", type=click.IntRange(0, MOST_DELAY), default=3600, show_default=True,
    metavar="SECONDS", help="How long the files stay for those who read them.",
)  # fmt: skip
@as_json
@server_options
def prune(
    settings: Settings,
    revision_id: int,
    force: bool,
    before_block: int | None,
    gc_delay: int,
    as_json: bool,
) -> None:
    """Have the files of a revision removed that are not in its canonical chain.

    Of an extraction that is not complete these include files that wait for blocks between: they
    are fetched again when they are wanted.
    """
    _ask(f"Remove the files of revision {revision_id} that are beside its chain?", force=force)
    found = asked(
        settings,
        lambda desk: desk.prune_revision(
            revision_id, before_block=before_block, gc_delay_secs=gc_delay
        ),
    )
    if as_json:
        show_json(found)
    else:
        say(f"{counted(found['files_scheduled'])} will be removed in {found['gc_delay_secs']} s")


def _ask(question: str, *, force: bool) -> None:
    """Ask before what cannot be undone; no answer is a no.

    Raises:
        Exit: the answer is no.
    """
    if force:
        return
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        # Nobody is there to answer, or somebody has pressed Ctrl-C.
        agreed = False
    if not agreed:
        say("nothing was done; --force does not ask")
        raise click.exceptions.Exit(ExitCode.FAILED)
