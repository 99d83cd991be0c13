"""`jobyard extract`: blocks of a chain to Parquet files, in one line and without any server."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobyard import app, clock, log
from jobyard.cli.layout import layout_options
from jobyard.cli.live import Live
from jobyard.cli.options import as_json as json_option
from jobyard.cli.options import store_options
from jobyard.cli.printer import say, show_json
from jobyard.cli.shown import progress_page
from jobyard.core.extract import END_RULE, MOST_BLOCK, Extract, end_of
from jobyard.errors import ExitCode, InvalidProvider, InvalidRequest
from jobyard.spec.extraction import job_of
from jobyard.spec.layout import read_layout
from jobyard.wire.progress import progress_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobyard.cli.session import Session
    from jobyard.config import Settings

KINDS = ("evm-rpc", "solana", "recorded")
PROVIDERS = "extract"
"""The folder of the state folder where the addresses of such extractions lie."""


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.option(
    "--url", "source", required=True, help="The node's address; of `recorded` a file or folder."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where files go.")
@click.option("--start-block", type=click.IntRange(0, MOST_BLOCK), help="The first block.")
@click.option(
    "--end-block", metavar="N|latest|-N|none", help="The last block, `latest` if not said."
)
@click.option("--tables", help="Names with commas between them; all tables if not said.")
@click.option("--parallelism", type=click.IntRange(1, 1000), default=1, help="Writers at a time.")
@click.option("--verify", type=click.Choice(["full"]), help="Prove all that can be proved.")
@click.option("--network", default="default", help="What the chain is called in the files.")
@click.option("--finalized", is_flag=True, help="Only blocks that are final.")
@layout_options
@json_option
@store_options
@click.pass_context
def extract(
    ctx: click.Context,
    /,
    settings: Settings,
    kind: str,
    source: str,
    out: Path,
    start_block: int | None,
    end_block: str | None,
    tables: str | None,
    parallelism: int,
    verify: str | None,
    network: str,
    finalized: bool,
    layout: dict[str, Any],
    as_json: bool,
) -> None:
    """Extract blocks into Parquet files below a folder, here and now.

    What the folder has of them already stays: only what is missing is fetched. Exits 0 only if
    the range is complete and proved. Without `--start-block` and `--end-block` a recording is
    extracted as far as it goes.
    """
    log.configure("warning")
    settings = replace(
        settings,
        slots=max(settings.slots, parallelism),
        providers_dir=settings.state_dir / PROVIDERS,
    )
    wanted = _wanted(
        kind, source, out, start_block, end_block, tables,
        Extract(
            namespace="_", name="", version="dev", manifest_hash="", kind=kind, chain="evm",
            network=network, tables=(), parallelism=parallelism, finalized_only=finalized,
            verify=1.0 if verify else 0.0, layout=read_layout(layout),
        ),
    )  # fmt: skip
    wanted = replace(wanted, providers=(_save_provider(settings, kind, source, network),))
    session, progress = app.run_async(_run(settings, wanted, quiet=as_json))
    (job,) = session.jobs.values()
    if as_json:
        show_json({"job": job, "progress": progress, "folder": wanted.folder})
    else:
        sys.stdout.write(progress_page(progress) + "\n")
        if progress["gaps"]:
            say(f"not in the source: {_gaps(progress)}")
    if session.interrupted:
        ctx.exit(ExitCode.INTERRUPTED)
    lacking = _lacking(job, progress, sparse=wanted.sparse)
    if lacking is not None:
        say(f"error: {lacking}")
    ctx.exit(ExitCode.DONE if lacking is None else ExitCode.FAILED)


def _lacking(job: Mapping[str, Any], progress: Mapping[str, Any], *, sparse: bool) -> str | None:
    """Say what is not as it was wanted; None when the range is complete."""
    if job["status"] != "COMPLETED":
        told: str | None = progress.get("detail", {}).get("error_message")
        return told or job["message"]
    if progress["gaps"] and not sparse:
        return f"blocks are missing: {_gaps(progress)}"
    for name, one in progress["tables"].items():
        empty = (
            progress["end_block"] is not None and progress["end_block"] < progress["start_block"]
        )
        if not (sparse or empty or one["current_block"] == progress["end_block"]):
            return f"the blocks of `{name}` do not link to each other above {one['current_block']}"
    return None


def _gaps(progress: Mapping[str, Any]) -> str:
    first = next(iter(progress["gaps"].values()))
    return ", ".join(f"{start}-{stop}" for start, stop in first)


def _wanted(
    kind: str, url: str, out: Path, start: int | None, end: str | None, tables: str | None,
    rest: Extract,
) -> Extract:  # fmt: skip
    """Say what is to be extracted, from what was asked.

    Raises:
        InvalidRequest: it cannot be asked for.
    """
    look = _looked_at(kind, url)
    asked_end, last = end, look.last
    try:
        end = end_of(end) if end is not None else str(last) if last is not None else "latest"
    except ValueError as error:
        raise InvalidRequest(f"--end-block is `{end}`", hint=f"it is {END_RULE}") from error
    begin = start if start is not None else look.first
    if end is not None and end.isdecimal() and int(end) < begin:
        raise InvalidRequest(f"the range ends with block {end}, before it starts with {begin}")
    folder = os.path.abspath(out)  # noqa: PTH100 - not resolved
    told = hashlib.sha256(json.dumps([look.chain, folder]).encode()).hexdigest()
    return replace(
        rest,
        name=f"extract_{told[:12]}",
        manifest_hash=told,
        chain=look.chain,
        tables=_chosen(tables, look),
        start=begin,
        end=end,
        folder=folder,
        sparse=last is not None and start is None and asked_end is None,
    )


@dataclass(frozen=True, slots=True)
class _Look:
    """What is known of a source before its blocks are extracted."""

    chain: str
    first: int = 0
    last: int | None = None
    receipts: bool = True


def _looked_at(kind: str, url: str) -> _Look:
    """Tell a source's chain, and of a recording what is in it."""
    if kind != "recorded":
        return _Look("solana" if kind == "solana" else "evm")
    from jobyard.chain.recorded import RecordedSource

    source = RecordedSource(Path(url))

    async def look() -> _Look:
        first, last = await source.first_available(), await source.head() or 0
        receipts = True
        async for block in source.blocks(first, last + 1):
            if block.transactions and source.kind == "evm":
                receipts = block.receipts is not None
                break
        return _Look(source.kind, first, last, receipts)

    return asyncio.run(look())


def _chosen(text: str | None, look: _Look) -> tuple[str, ...]:
    from jobyard.chain import evm_tables, solana_tables

    known = tuple(solana_tables.TABLES if look.chain == "solana" else evm_tables.EVM_TABLES)
    if text is None and not look.receipts:
        say("the recording has no receipts: the table `logs` is left out")
        return tuple(name for name in known if name != evm_tables.LOGS.name)
    if text is None:
        return known
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise InvalidRequest(
            f"there is no table `{', '.join(unknown)}`", hint=f"there are: {', '.join(known)}"
        )
    return names


def _save_provider(settings: Settings, kind: str, url: str, network: str) -> str:
    """Keep the address where only this user reads it: it may have a key in it.

    Raises:
        InvalidProvider: it is no address.
    """
    from jobyard.chain.provider import build

    config: dict[str, Any] = {"kind": kind, "network": network}
    if kind == "recorded":
        config["path"] = os.path.abspath(url)  # noqa: PTH100 - not resolved
    else:
        config["url"] = url.replace("$", "$$")
    text = json.dumps(config)
    name = f"extract-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    build(config, name, {})
    app.prepare_state_dir(settings.state_dir)
    folder = settings.state_dir / PROVIDERS
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        file = folder / f"{name}.json"
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidProvider(f"{folder} cannot be written: {error.strerror}") from error
    return name


async def _run(
    settings: Settings, wanted: Extract, *, quiet: bool
) -> tuple[Session, dict[str, Any]]:
    from jobyard.cli.leftovers import make_way, take_over
    from jobyard.cli.run_here import Here
    from jobyard.cli.session import Session

    async with app.open_yard(settings) as yard:
        await make_way(yard.store, wanted)
        await take_over(yard.store, wanted, settings.collect_after)
    woken = asyncio.Event()
    live = Live(sys.stderr if quiet else sys.stdout, woken.set)
    session = Session(Here(settings, [job_of(wanted)], live), live, woken, None)
    await session.run()
    (job_id,) = session.jobs
    async with app.open_yard(settings) as yard:
        job, done = await yard.store.job(job_id), await yard.store.extraction(job_id)
        progress = progress_object(job, clock.now_us(), done)
        last = progress.get("end_block")
        stop = wanted.start if last is None else last + 1
        lacking = await yard.store.lacking(job_id, (wanted.start, max(stop, wanted.start)))
        progress["gaps"] = {
            name: [[first, behind - 1] for first, behind in one.spans]
            for name, one in lacking.items()
            if one.spans
        }
        return session, progress
