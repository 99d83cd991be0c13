"""Extractions that run here and now: what they read, their jobs, what became of them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from jobyard import app, clock, config
from jobyard.cli.leftovers import make_way, take_over
from jobyard.cli.printer import say
from jobyard.cli.shown import progress_page
from jobyard.core.extract import Extract
from jobyard.core.places import is_address
from jobyard.errors import InvalidProvider, InvalidRequest
from jobyard.wire.extraction import MOST_GAPS, wanted_of
from jobyard.wire.progress import progress_object

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobyard.config import Settings
    from jobyard.spec.extraction_file import Wanted
    from jobyard.store.base import Store

    Config = Mapping[str, Any]

PROVIDERS = "extract"
"""The folder of the state folder where the providers of such extractions lie."""
DEFAULT_NETWORK = "default"
SCHEMES = ("http", "https", "ws", "wss", "ipc", "unix")
LONGEST_NAME = 64
"""Characters of a host's name that a provider is called by."""
SHOWN_SPANS = 10
"""Missing ranges that are named on a line."""


def settings_for(settings: Settings, extracts: Sequence[Extract]) -> Settings:
    """Make room for extractions, and have them read from the providers that were kept for them."""
    if not extracts:
        return settings
    return replace(
        settings,
        slots=max(settings.slots, sum(one.parallelism for one in extracts)),
        providers_dir=settings.state_dir / PROVIDERS,
    )


async def prepare(settings: Settings, wanted: Sequence[Wanted]) -> list[Extract]:
    """Find out what is to be extracted, and clear the way for it.

    Raises:
        InvalidProvider: there is nothing to read from, or it cannot be used.
        InvalidRequest: the source has not what is asked for.
        Conflict: another job extracts into the same folder.
    """
    if not wanted:
        return []
    async with app.open_yard(settings) as yard:
        extracts = [await _resolve(settings, yard.store, one) for one in wanted]
        for one in extracts:
            await make_way(yard.store, one)
            await take_over(yard.store, one, settings.collect_after)
    return extracts


async def _resolve(settings: Settings, store: Store, wanted: Wanted) -> Extract:
    network = wanted.network or DEFAULT_NETWORK
    chain = "solana" if "solana" in (wanted.kind, wanted.chain) else "evm"
    extract = Extract(
        namespace="_", name="", version="dev", manifest_hash="", kind=wanted.kind, chain=chain,
        network=network, tables=(), parallelism=wanted.parallelism, verify=wanted.verify,
        finalized_only=wanted.finalized_only, layout=wanted.layout,
    )  # fmt: skip
    configs = await _configs(settings, store, wanted, extract)
    look = await _looked_at(chain, configs[0][1])
    start, end = _range(wanted, look)
    folder = folder_named(wanted.out)
    told = hashlib.sha256(json.dumps([look.chain, folder]).encode()).hexdigest()
    return replace(
        extract,
        name=f"extract_{told[:12]}",
        manifest_hash=told,
        chain=look.chain,
        tables=_chosen(wanted.tables, look),
        start=start,
        end=end,
        folder=folder,
        sparse=look.last is not None and wanted.start is None and wanted.end is None,
        providers=tuple(_keep(settings, *each) for each in configs),
    )


def folder_named(out: str) -> str:
    """Name the folder that a person means, wherever the command is called from.

    Raises:
        InvalidRequest: it is an address with a secret in it.
    """
    place = out.removeprefix("file://")
    if not is_address(place):
        return os.path.abspath(place)  # noqa: PTH100 - not resolved
    if "@" in urlsplit(place).netloc:
        raise InvalidRequest(
            "the address of the folder has a key in it, and would be kept with the job",
            hint="keys come from the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY",
        )
    return place


async def _configs(
    settings: Settings, store: Store, wanted: Wanted, extract: Extract
) -> list[tuple[str, Config]]:
    """Write out the providers that are meant, by name; those that have names are looked up."""
    names = tuple(one for one in wanted.providers if isinstance(one, str))
    own = {"kind": extract.kind, "network": extract.network}
    written: list[tuple[str, Config]] = [
        (_name_of(one), {**one, **own}) for one in wanted.providers if not isinstance(one, str)
    ]
    for one in wanted.providers:
        if not isinstance(one, str):
            _check_address(one)
    if written and not names:
        return written
    from jobyard.engine.supply import Suppliers

    suppliers = Suppliers(store, settings.providers_dir, {})
    try:
        found = await suppliers.fitting(replace(extract, providers=names))
    except InvalidProvider as error:
        hint = f"say `url:` in {wanted.source}, or: {error.hint}" if wanted.source else error.hint
        raise InvalidProvider(error.detail, hint=hint) from error
    if missing := [name for name in names if name not in found]:
        what = f"reads the network {extract.network} as {extract.kind}"
        raise InvalidProvider(
            f"no provider of the name `{missing[0]}` {what}",
            hint="`jobyard provider list` shows all of them",
        )
    return [*found.items(), *written]


def _check_address(provider: Config) -> None:
    """Refuse an address that is none: a node is waited for, so nobody would ever hear of it.

    Raises:
        InvalidRequest: it has a strange scheme, or none and is no socket of this machine.
    """
    url = provider.get("url")
    if not isinstance(url, str) or "${" in url:
        return
    scheme, separator, _ = url.partition("://")
    if scheme.lower() not in SCHEMES if separator else not Path(url).exists():
        raise InvalidRequest(
            f"`{url}` is not the address of a node",
            hint="it begins with http://, https://, ws:// or wss://, or is the path of a socket",
        )


def _name_of(provider: Config) -> str:
    """Call a provider that has no name as its host is called, or as the file of its blocks."""
    path, url = provider.get("path"), provider.get("url")
    name = Path(str(path)).stem if path is not None else urlsplit(str(url)).hostname
    return re.sub(r"[^A-Za-z0-9.]+", "-", name or "")[:LONGEST_NAME].strip("-.") or "node"


@dataclass(frozen=True, slots=True)
class _Look:
    """What is known of a source before its blocks are extracted."""

    chain: str
    first: int = 0
    last: int | None = None
    receipts: bool = True


async def _looked_at(chain: str, provider: Config) -> _Look:
    """Tell a source's chain, and of a recording what is in it."""
    if provider["kind"] != "recorded":
        return _Look(chain)
    from jobyard.chain.recorded import RecordedSource

    source = RecordedSource(Path(str(provider.get("path", ""))))
    first, last = await source.first_available(), await source.head() or 0
    receipts = True
    async for block in source.blocks(first, last + 1):
        if block.transactions and source.kind == "evm":
            receipts = block.receipts is not None
            break
    return _Look(source.kind, first, last, receipts)


def _range(wanted: Wanted, look: _Look) -> tuple[int, str | None]:
    """Tell the first block and the last one, as an extraction has it.

    Raises:
        InvalidRequest: the last block is before the first.
    """
    newest = "latest" if look.last is None else str(look.last)
    end = None if wanted.endless else wanted.end or newest
    start = look.first if wanted.start is None else wanted.start
    if end is not None and end.isdecimal() and int(end) < start:
        raise InvalidRequest(f"the range ends with block {end}, before it starts with {start}")
    return start, end


def _chosen(names: tuple[str, ...] | None, look: _Look) -> tuple[str, ...]:
    from jobyard.chain.catalogue import TABLES
    from jobyard.chain.evm_tables import LOGS

    known = tuple(TABLES[look.chain])
    if names is None and not look.receipts:
        say(f"the recording has no receipts: the table `{LOGS.name}` is left out")
        return tuple(name for name in known if name != LOGS.name)
    if names is None:
        return known
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise InvalidRequest(
            f"there is no table `{', '.join(unknown)}`", hint=f"there are: {', '.join(known)}"
        )
    return names


def _keep(settings: Settings, called: str, provider: Config) -> str:
    """Keep a provider where only this user reads it: it may have a key in it. Tell its name.

    Raises:
        InvalidProvider: it cannot be used, or a variable in it is not set.
    """
    from jobyard.chain.provider import build

    written = dict(provider)
    if written["kind"] == "recorded" and isinstance(written.get("path"), str):
        written["path"] = os.path.abspath(written["path"])  # noqa: PTH100 - not resolved
    text = json.dumps(written)
    name = f"{called}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    build(written, name, config.environment(), source=f"the provider {called}")
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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an extraction: ``missing`` are the ranges that each table lacks, as JSON."""

    extract: Extract
    job: Mapping[str, Any]
    progress: Mapping[str, Any]
    missing: Mapping[str, list[list[int]]]

    def show(self) -> None:
        """Show how far it is, table by table."""
        sys.stdout.write(progress_page(self.progress) + "\n")
        if self.missing and self.extract.sparse and self.job["status"] == "COMPLETED":
            say(f"not in the source: {self._spans()}")

    def as_json(self) -> dict[str, Any]:
        """Write what is not in the job's own JSON."""
        return {
            "progress": self.progress,
            "missing": self.missing,
            "folder": self.extract.folder,
        }

    @property
    def lacking(self) -> str | None:
        """What is not as it was wanted; None when the range is complete."""
        progress, sparse = self.progress, self.extract.sparse
        if self.job["status"] != "COMPLETED":
            detail = progress.get("detail", {})
            code, told = detail.get("error_code"), detail.get("error_message")
            return f"{code}: {told}" if told else self.job["message"] or self.job["status"]
        if self.missing and not sparse:
            return f"blocks are missing: {self._spans()}"
        end, start = progress["end_block"], progress["start_block"]
        if sparse or (end is not None and end < start):
            return None
        for name, one in progress["tables"].items():
            if one["current_block"] != end:
                above = one["current_block"]
                return f"the blocks of `{name}` do not link to each other above {above}"
        return None

    def _spans(self) -> str:
        spans = next(iter(self.missing.values()))
        named = [f"{first}-{last}" for first, last in spans[:SHOWN_SPANS]]
        more = len(spans) - len(named)
        return ", ".join([*named, *([f"{more} more"] if more else [])])


async def outcome(settings: Settings, job: Mapping[str, Any], extract: Extract) -> Outcome:
    """Read what became of an extraction's job."""
    async with app.open_yard(settings) as yard:
        store, job_id = yard.store, job["id"]
        record, done = await store.job(job_id), await store.extraction(job_id)
        span = wanted_of(record, None if done is None else done.stop)
        gaps = await store.gaps(job_id, span, MOST_GAPS)
        progress = progress_object(record, clock.now_us(), done, gaps)
        last = progress.get("end_block")
        stop = extract.start if last is None else last + 1
        lacking = await store.lacking(job_id, (extract.start, max(stop, extract.start)))
    missing = {
        name: [[first, behind - 1] for first, behind in one.spans]
        for name, one in lacking.items()
        if one.spans
    }
    return Outcome(extract, job, progress, missing)


async def outcomes(
    settings: Settings, jobs: Sequence[Mapping[str, Any]], extracts: Sequence[Extract]
) -> list[Outcome]:
    """Read what became of extractions, whose jobs are the last ones of ``jobs``."""
    own = jobs[len(jobs) - len(extracts) :]
    return [await outcome(settings, job, one) for job, one in zip(own, extracts, strict=True)]
