"""`jobyard verify`: prove tables from their Parquet files alone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from jobyard import app
from jobyard.cli.options import as_json as json_option
from jobyard.cli.options import server_options
from jobyard.cli.printer import colours, say, show_json, table
from jobyard.errors import ExitCode

if TYPE_CHECKING:
    from jobyard.config import Settings
    from jobyard.data.verify import Verified


@click.command()
@click.argument("place", metavar="DIR|s3://…|NAMESPACE/NAME")
@click.option(
    "--full/--quick", "full", default=True, show_default=True,
    help="All that can be proved, or what costs little: headers, links, indexes.",
)  # fmt: skip
@click.option("--quarantine", is_flag=True, help="Put damaged files aside, out of their tables.")
@json_option
@server_options
@click.pass_context
def verify(
    ctx: click.Context,
    /,
    settings: Settings,
    place: str,
    full: bool,
    quarantine: bool,
    as_json: bool,
) -> None:
    """Prove tables below a folder, in an object store or of a dataset, from their files alone.

    Exits 0 only if nothing is damaged, nothing fails, and there is something to prove. What cannot
    be proved is said. With `--quarantine` a damaged file is called `.NAME.damaged` from then on,
    and its blocks are missing: it is said how they come back. It is never removed.
    """
    from jobyard.cli.kept import has_store, kept_at
    from jobyard.cli.quarantine import (
        forget_replaced,
        note_lost,
        put_aside,
        quarantined_object,
        tell,
    )
    from jobyard.data.folder import DataFolder
    from jobyard.data.verify import verify_files, verify_folder

    kept = kept_at(settings, place, chained=False)
    if isinstance(kept, str):
        folder = DataFolder.at(kept)
        found = verify_folder(folder, full=full)
        if has_store(settings):
            app.run_async(note_lost(settings, folder, found))
    else:
        found = verify_files((each for one in kept for each in one.infos()), full=full)
    if has_store(settings):
        app.run_async(forget_replaced(settings, found))
    taken = app.run_async(put_aside(settings, found)) if quarantine else []
    if as_json:
        show_json({**found.as_json(), "quarantined": quarantined_object(taken)})
    else:
        click.echo(_page(found))
        if quarantine:
            tell(found, taken)
        elif found.damaged:
            say("--quarantine puts damaged files aside, so that their blocks are extracted again")
    ctx.exit(ExitCode.DONE if found.sound and found.rows else ExitCode.FAILED)


def _page(found: Verified) -> str:
    said: dict[str, Any] = found.as_json()
    rows = [
        (name, ", ".join(f"{a} - {b}" for a, b in one["blocks"][:3]), str(one["rows"]))
        for name, one in sorted(said["tables"].items())
    ]
    lines = [table(("TABLE", "BLOCKS", "ROWS"), rows, on=colours(sys.stdout)), ""]
    checks = [
        (name, str(one["proved"]), str(one["failed"]), _open(one["not_provable"]))
        for name, one in said["checks"].items()
    ]
    lines.append(
        table(("CHECK", "PROVED", "FAILED", "NOT PROVABLE"), checks, on=colours(sys.stdout))
    )
    for name, one in said["checks"].items():
        lines += [f"{name}: block {each['block']}: {each['cause']}" for each in one["failures"]]
    lines += [f"damaged: {name}: {cause}" for name, cause in said["damaged"].items()]
    lines += ["", "sound" if found.sound and found.rows else "NOT SOUND"]
    return "\n".join(lines)


def _open(left: list[dict[str, Any]]) -> str:
    return "; ".join(
        f"{sum(b - a + 1 for a, b in one['blocks'])} blocks: {one['reason']}" for one in left
    )
