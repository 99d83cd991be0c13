"""`jobyard query`: SQL over extracted tables."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from jobyard.cli.options import server_options
from jobyard.cli.printer import colours, table

if TYPE_CHECKING:
    from jobyard.config import Settings

FORMATS = ("table", "csv", "json", "arrow")


@click.command()
@click.argument("sql")
@click.option(
    "--from", "places", multiple=True, metavar="DIR|s3://…|NAMESPACE/NAME",
    help="Where tables lie, this folder by default; with NAME=… in a schema.",
)  # fmt: skip
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@server_options
def query(settings: Settings, sql: str, places: tuple[str, ...], form: str) -> None:
    """Answer an SQL query over the Parquet tables of folders, object stores or datasets.

    A table is called as its folder is; of a dataset, its active revision is read as far as its
    blocks are linked. Binary values are printed in hexadecimal; `arrow` writes an
    Arrow stream.
    """
    from jobyard.cli.kept import kept_at
    from jobyard.data.query import answer

    named = []
    for place in places or (".",):
        name, equals, path = _named(place)
        found = kept_at(settings, path if equals else place, chained=True)
        named.append((name if equals else None, found))
    result = answer(sql, named)
    if form == "arrow":
        import pyarrow as pa

        with pa.ipc.new_stream(sys.stdout.buffer, result.schema) as stream:
            for batch in result.to_batches():
                stream.write_batch(batch)
        return
    _print(result, form)


def _named(place: str) -> tuple[str, str, str]:
    """Tell the schema's name from the place, in which `=` may stand, too."""
    name, equals, path = place.partition("=")
    return (name, equals, path) if equals and name.isidentifier() else ("", "", place)


def _print(result: Any, form: str) -> None:
    import csv

    names = result.schema.names
    rows = ([_plain(value) for value in row.values()] for row in result.to_pylist())
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(["" if value is None else value for value in row] for row in rows)
    elif form == "json":
        for row in rows:
            click.echo(json.dumps(dict(zip(names, row, strict=True)), default=str))
    else:
        shown = [tuple("" if value is None else str(value) for value in row) for row in rows]
        click.echo(table(tuple(names), shown, on=colours(sys.stdout)))


def _plain(value: Any) -> Any:
    """Write bytes as people read them, and whatever holds bytes."""
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value
