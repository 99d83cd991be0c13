"""`jobyard extract`: blocks of a chain to Parquet files, in one line and without any server."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import click

from jobyard import app, log
from jobyard.cli.extracting import Outcome, outcome, prepare, settings_for
from jobyard.cli.layout import layout_options
from jobyard.cli.options import as_json as json_option
from jobyard.cli.options import store_options
from jobyard.cli.printer import say, show_json
from jobyard.core.dataset import RAW_KINDS
from jobyard.core.extract import END_RULE, MOST_BLOCK, end_of
from jobyard.errors import ExitCode, InvalidRequest
from jobyard.spec.extraction import job_of
from jobyard.spec.extraction_file import MOST_HERE, Wanted
from jobyard.spec.layout import read_layout

if TYPE_CHECKING:
    from jobyard.config import Settings


@click.command()
@click.argument("kind", type=click.Choice(RAW_KINDS))
@click.option(
    "--url",
    "urls",
    required=True,
    multiple=True,
    help="The node's address, several of one chain if you like; of `recorded` a file or folder.",
)
@click.option("--out", required=True, help="Where files go: a folder, or s3://bucket/path.")
@click.option("--start-block", type=click.IntRange(0, MOST_BLOCK), help="The first block.")
@click.option(
    "--end-block", metavar="N|latest|-N|none", help="The last block, `latest` if not said."
)
@click.option("--tables", help="Names with commas between them; all tables if not said.")
@click.option(
    "--parallelism", type=click.IntRange(1, MOST_HERE), default=1, help="Writers at a time."
)
@click.option("--verify", type=click.Choice(["full"]), help="Prove all that can be proved.")
@click.option("--network", help="What the chain is called in the files.")
@click.option("--finalized", is_flag=True, help="Only blocks that are final.")
@layout_options
@click.option("--watch", is_flag=True, help="Show how far each table is, until the end.")
@json_option
@store_options
@click.pass_context
def extract(
    ctx: click.Context,
    /,
    settings: Settings,
    kind: str,
    urls: tuple[str, ...],
    out: str,
    start_block: int | None,
    end_block: str | None,
    tables: str | None,
    parallelism: int,
    verify: str | None,
    network: str | None,
    finalized: bool,
    watch: bool,
    layout: dict[str, Any],
    as_json: bool,
) -> None:
    """Extract blocks into Parquet files below a folder, here and now.

    What the folder has of them already stays: only what is missing is fetched. Exits 0 only if
    the range is complete and proved. Without `--start-block` and `--end-block` a recording is
    extracted as far as it goes.
    """
    log.configure("warning")
    if watch and as_json:
        raise click.UsageError("--watch is for people, --json for programs")
    if kind == "recorded" and len(urls) > 1:
        raise click.UsageError("a recording is one file or one folder")
    end, endless = _end(end_block)
    # What a shell has read has no variables in it.
    addresses = [{"path": one} if kind == "recorded" else {"url": _plain(one)} for one in urls]
    wanted = Wanted(
        kind=kind,
        out=out,
        network=network,
        providers=tuple(addresses),
        tables=_names(tables),
        start=start_block,
        end=end,
        endless=endless,
        parallelism=parallelism,
        verify=1.0 if verify else 0.0,
        finalized_only=finalized,
        layout=read_layout(layout),
    )
    found, interrupted = app.run_async(_run(settings, wanted, quiet=as_json, watch=watch))
    if as_json:
        show_json({"job": found.job, **found.as_json()})
    else:
        found.show()
    if interrupted:
        ctx.exit(ExitCode.INTERRUPTED)
    if found.lacking is not None:
        say(f"error: {found.lacking}")
    ctx.exit(ExitCode.DONE if found.lacking is None else ExitCode.FAILED)


def _plain(url: str) -> str:
    return url.replace("$", "$$")


def _names(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _end(text: str | None) -> tuple[str | None, bool]:
    """Read the last block; tell also whether there is to be none."""
    try:
        end = None if text is None else end_of(text)
    except ValueError as error:
        raise InvalidRequest(f"--end-block is `{text}`", hint=f"it is {END_RULE}") from error
    return end, text is not None and end is None


async def _run(
    settings: Settings, wanted: Wanted, *, quiet: bool, watch: bool
) -> tuple[Outcome, bool]:
    from jobyard.cli.run_watched import place_for
    from jobyard.cli.session import Session

    (one,) = extracts = await prepare(settings, [wanted])
    settings = settings_for(settings, extracts)
    woken = asyncio.Event()
    out = sys.stderr if quiet else sys.stdout
    place, live = place_for(settings, [job_of(one)], out, woken.set, watch=watch)
    session = Session(place, live, woken, None)
    await session.run()
    (job,) = session.jobs.values()
    return await outcome(settings, job, one), session.interrupted
