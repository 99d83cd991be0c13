"""The commands of manifests: generate, register, list, read, delete, prune."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobyard.cli.dataset import asked, mention_more
from jobyard.cli.groups import LazyGroup
from jobyard.cli.options import as_json, server_options
from jobyard.cli.printer import say, show_json
from jobyard.cli.shown import plain_table
from jobyard.cli.sources import read_value
from jobyard.core.dataset import RAW_KINDS
from jobyard.core.extract import MOST_BLOCK
from jobyard.errors import FileUnreadable
from jobyard.spec.table_sql import queries_of

if TYPE_CHECKING:
    from jobyard.cli.desk import Desk
    from jobyard.config import Settings

ALIASES = {"ls": "list", "get": "inspect", "remove": "rm"}

_hash = click.argument("manifest_hash", metavar="HASH")


@click.group(cls=LazyGroup, aliases=ALIASES)
def manifest() -> None:
    """Write manifests of datasets, and keep them."""


@manifest.command()
@click.option("--kind", type=click.Choice(RAW_KINDS), required=True, help="What reads the blocks.")
@click.option("--network", required=True, help="The chain's name, which its providers have too.")
@click.option("--start-block", type=click.IntRange(0, MOST_BLOCK), default=0, show_default=True)
@click.option("--finalized-blocks-only", is_flag=True, help="Leave out what may still change.")
@click.option(
    "--chain", type=click.Choice(["evm", "solana"]), help="What recorded blocks look like."
)
@click.option(
    "--table", "tables", multiple=True, metavar="NAME", help="Only this table; all otherwise."
)
@click.option(
    "--out", "-o", type=click.Path(path_type=Path), help="A file or a folder; stdout otherwise."
)
def generate(
    kind: str,
    network: str,
    start_block: int,
    finalized_blocks_only: bool,
    chain: str | None,
    tables: tuple[str, ...],
    out: Path | None,
) -> None:
    """Write the manifest of a dataset that is read from a chain."""
    from jobyard.chain.catalogue import schemas
    from jobyard.spec.manifest import generated

    made = generated(
        kind,
        network,
        schemas(),
        start_block=start_block,
        finalized_blocks_only=finalized_blocks_only,
        chain=chain,
        tables=tables,
    )
    text = json.dumps(made, indent=2, ensure_ascii=False) + "\n"
    if out is None:
        click.echo(text, nl=False)
        return
    file = out / f"{kind}-{network}.json" if out.is_dir() else out
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise FileUnreadable(
            f"{file} cannot be written: {error.strerror}", hint="is the path right?"
        ) from error
    say(f"{file} written")


@manifest.command()
@click.argument("file", metavar="FILE|-")
@as_json
@server_options
def register(settings: Settings, file: str, as_json: bool) -> None:
    """Keep a manifest, and print its hash."""
    value = read_value(file, settings.document_limit)
    found = asked(settings, lambda desk: desk.register_manifest(value))
    if as_json:
        show_json(found)
    else:
        click.echo(found["hash"])


@manifest.command()
@click.argument("file", metavar="FILE|-")
@as_json
@server_options
def schema(settings: Settings, file: str, as_json: bool) -> None:
    """Tell the columns of a derived dataset's tables, and what is wrong with their SQL.

    FILE is a manifest of kind `manifest`; nothing of it is kept.
    """
    value = read_value(file, settings.document_limit)
    tables, dependencies, functions = queries_of(value)
    found = asked(
        settings,
        lambda desk: desk.schema(tables, dependencies=dependencies, functions=functions),
    )
    if as_json:
        show_json(found)
        return
    rows = [
        (name, field["name"], type_text(field["type"]), "null" if field["nullable"] else None)
        for name, one in found["schemas"].items()
        for field in one["arrow"]["fields"]
    ]
    click.echo(plain_table(("TABLE", "COLUMN", "TYPE", "MAY BE"), rows))


def type_text(kind: Any) -> str:
    """Write an Arrow type of a manifest in one word or a few."""
    return kind if isinstance(kind, str) else json.dumps(kind, separators=(",", ":"))


@manifest.command("list")
@click.option("--limit", "-l", type=click.IntRange(1, 1000), default=1000)
@click.option("--after", "-a", default="", metavar="HASH", help="Only hashes behind this one.")
@as_json
@server_options
def list_manifests(settings: Settings, limit: int, after: str, as_json: bool) -> None:
    """List manifests by hash (alias: ls)."""
    found = asked(settings, lambda desk: desk.manifests_page(after=after, limit=limit))
    if as_json:
        show_json(found)
        return
    rows = [(one["hash"], one["kind"], one["dataset_count"]) for one in found["manifests"]]
    click.echo(plain_table(("HASH", "KIND", "DATASETS"), rows))
    mention_more(found)


@manifest.command()
@_hash
@click.option("--datasets", is_flag=True, help="Name the datasets that have it instead.")
@as_json
@server_options
def inspect(settings: Settings, manifest_hash: str, datasets: bool, as_json: bool) -> None:
    """Print a manifest (alias: get)."""

    async def work(desk: Desk) -> Any:
        if datasets:
            return await desk.datasets_of_manifest(manifest_hash)
        return await desk.manifest(manifest_hash)

    found = asked(settings, work)
    if as_json:
        show_json(found)
    else:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))


@manifest.command()
@_hash
@as_json
@server_options
def rm(settings: Settings, manifest_hash: str, as_json: bool) -> None:
    """Delete a manifest that no dataset has (alias: remove)."""
    asked(settings, lambda desk: desk.delete_manifest(manifest_hash))
    if as_json:
        show_json({"hash": manifest_hash})
    else:
        say(f"manifest {manifest_hash} removed")


@manifest.command()
@as_json
@server_options
def prune(settings: Settings, as_json: bool) -> None:
    """Delete all manifests that no dataset has."""
    found = asked(settings, lambda desk: desk.prune_manifests())
    if as_json:
        show_json(found)
    else:
        noun = "manifest" if found["deleted_count"] == 1 else "manifests"
        say(f"{found['deleted_count']} {noun} removed")
