"""What an extraction's program is told, and how it answers: the contract of `extract`.

The program is ``python -m jobyard.data extract``, one attempt for each index of an Indexed job
whose ``completions`` are its parallelism. It gets everything over the attempt channel:

* ``GET orders`` (``Channel.orders()``) answers with ``Orders``. The worker puts them together for
  each attempt anew: from the job's spec, which has no secrets, and from the providers of the store
  and of the providers' folder as they are then. A provider's ``config`` is as it was written,
  ``${VAR}`` and all; ``variables`` are those of the worker's environment that the configs name, so
  that ``chain.provider.build(config, name, variables)`` reads it, and names a variable that is not
  set. Neither the job's spec nor the program's environment ever holds them.
* ``PUT stop`` with ``{"stop": n}`` (``Channel.fix_stop(n)``) answers with the ``{"stop": m}`` that
  counts for the whole job, its retries included: the first one who says it wins. Only for an
  ``end_block`` that is relative (``core.extract.is_relative``); ``Orders.stop`` is then null until
  somebody has said it. ``core.extract.stop_of`` makes it of the head. An absolute ``end_block``
  comes with its ``stop``; a null one (follow the head, never end) never has any.
* Index i of P works on the pieces j of `core.shares.chunk_size` blocks, counted from block 0,
  with j % P == i: no index needs to know of another.
* ``POST tables`` makes the job the one writer of its tables and answers, under ``tables``, with a
  folder for each: ``{"table", "path"}``.
* ``POST lacking`` with ``{"start", "stop", "chunk", "index", "writers"}`` answers, under
  ``tables``, with what each lacks of these blocks (``spans``: those that touch the share of this
  index, the lowest if there are many), what a reorganisation left unlinked (``repairs``), and the
  newest ends of what it has (``known``: last block and hash, ascending).
* ``POST files`` with ``{"table"}`` answers with ``files``: name, size, first block, the one behind
  the last; and with ``retired``, the names of files that are not part of the table any more.
* ``POST sources`` with ``{"tables": [[alias, table], …]}``, of a derived dataset, answers with
  ``sources``: the active revision of each, its chain, and whether a job goes on with it.
* ``POST links`` with ``{"alias", "table", "revision", "below"}`` answers with ``segments``: the
  files of that chain that begin below a block, the last one first, as many as fit; null when
  another revision is active.
* ``POST segments`` (``Channel.publish``) makes a finished file part of its table: ``SegmentWords``.
  It answers with names under ``gone``. The file's own says that it is not needed: its writer
  removes it. Others are retired: whoever hears of them renames them (``DataFolder.retire``).
* ``POST chain`` with ``{"table", "start"}`` answers with a page of the table's canonical chain from
  that block on, and what tells whether a file may be joined with others: `core.compaction`.
* ``POST compact`` puts a file in the place of others of the chain: `MergerWords`. ``gone`` are
  their names, to be renamed; null when the chain is not what the file was made of any more: then
  its writer removes it.
* ``POST cost`` adds what reading has cost: ``CostWords``. ``PUT failure`` keeps
  why a program fails.
* It ends with exit code 0 when its part is complete, ``FATAL_EXIT`` when trying again is no use
  (the job fails at once), anything else when it may be (the index is tried again, with a growing
  delay, for ever).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypedDict

from jobyard.core.extract import FATAL_EXIT, is_relative, stop_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobyard.core.derived import Derivation, Origin
    from jobyard.core.extract import Extract

__all__ = [
    "FATAL_EXIT",
    "RETRY_EXIT",
    "WORDS",
    "CostWords",
    "DerivedOrder",
    "FileWords",
    "MergerWords",
    "Orders",
    "OriginOrder",
    "ProviderOrder",
    "SegmentWords",
    "orders",
]

RETRY_EXIT = 75
"""The exit code of what another attempt may do better (EX_TEMPFAIL of sysexits.h)."""


WORDS = (
    ("POST", "tables"),
    ("POST", "lacking"),
    ("POST", "files"),
    ("POST", "sources"),
    ("POST", "links"),
    ("POST", "segments"),
    ("POST", "chain"),
    ("POST", "compact"),
    ("POST", "cost"),
    ("PUT", "failure"),
)
"""What an extraction's program may say of its tables."""


class ProviderOrder(TypedDict):
    """One provider to read from; ``config`` is as it was written."""

    name: str
    config: dict[str, Any]


class DerivedOrder(TypedDict):
    """The queries of tables, and the datasets that they speak of, as (name in SQL, tables)."""

    tables: dict[str, str]
    origins: list[OriginOrder]
    headers: list[OriginOrder]
    batch_blocks: int | None


class OriginOrder(TypedDict):
    """A dataset to read from; ``alias`` is what SQL and the words of the channel call it."""

    alias: str
    dataset: str
    manifest_hash: str
    tables: list[str]
    start: int


class Orders(TypedDict):
    """What one attempt is to extract. Numbers of blocks are as people write them, but ``stop``."""

    job_id: int
    attempt_id: int
    namespace: str
    dataset: str
    version: str
    manifest_hash: str
    kind: str
    """``evm-rpc``, ``solana`` or ``recorded``; ``manifest`` for tables made by SQL."""
    chain: str
    """``evm`` or ``solana``: whose tables these are."""
    network: str
    tables: list[str]
    start_block: int
    end_block: str | None
    stop: int | None
    """The block behind the last one, as far as it is known."""
    index: int
    parallelism: int
    verify: float
    """The share of blocks that are proved in full, 0 to 1."""
    finalized_blocks_only: bool
    providers: list[ProviderOrder]
    sparse: bool
    """Whether blocks that a recording does not have are none that are wanted."""
    derived: DerivedOrder | None
    """How the tables are made of others, null when they are read from a chain."""
    folder: str | None
    """Where its tables lie if somebody said so; None means below the data folder."""
    layout: dict[str, Any]
    """How its files are laid out: the members of `core.layout.FileLayout`."""
    variables: dict[str, str]
    """What the providers' ``${VAR}`` stand for; a variable that is not set is not here. Where files
    go to an object store, also the worker's ``AWS_…``."""


class CostWords(TypedDict):
    """What reading has cost since it was last told; ``head`` is the newest block that was seen."""

    requests: int
    retries: int
    bytes_fetched: int
    head: int | None


class FileWords(TypedDict):
    """A finished file: blocks ``[start, stop)`` of a table."""

    table: str
    name: str
    network: str
    start: int
    stop: int
    hash: str
    prev_hash: str
    size: int
    rows: int


class SegmentWords(FileWords):
    """A file that is published, and what fetching its blocks cost."""

    cost: CostWords


class MergerWords(FileWords):
    """A file that has the rows of others, ``parents``, which are neighbours in the chain."""

    parents: list[str]


def orders(
    job_id: int,
    attempt_id: int,
    index: int,
    extract: Extract,
    *,
    stop: int | None,
    providers: Sequence[tuple[str, Mapping[str, Any]]],
    variables: Mapping[str, str],
) -> Orders:
    """Put the orders of one attempt together.

    ``stop`` is what an attempt of this job has found a relative end to be; ``providers`` are
    names and configs.
    """
    if not is_relative(extract.end):
        stop = stop_of(extract.end, extract.start, None)
    return Orders(
        job_id=job_id,
        attempt_id=attempt_id,
        namespace=extract.namespace,
        dataset=extract.name,
        version=extract.version,
        manifest_hash=extract.manifest_hash,
        kind=extract.kind,
        chain=extract.chain,
        network=extract.network,
        tables=list(extract.tables),
        start_block=extract.start,
        end_block=extract.end,
        stop=stop,
        index=index,
        parallelism=extract.parallelism,
        verify=extract.verify,
        finalized_blocks_only=extract.finalized_only,
        providers=[ProviderOrder(name=name, config=dict(config)) for name, config in providers],
        sparse=extract.sparse,
        derived=_derived(extract.derived),
        folder=extract.folder,
        layout=asdict(extract.layout),
        variables=dict(variables),
    )


def _derived(derivation: Derivation | None) -> DerivedOrder | None:
    if derivation is None:
        return None
    return DerivedOrder(
        tables={table.name: table.sql for table in derivation.tables},
        origins=[_origin(one) for one in derivation.origins],
        headers=[_origin(one) for one in derivation.headers],
        batch_blocks=derivation.batch_blocks,
    )


def _origin(origin: Origin) -> OriginOrder:
    return OriginOrder(
        alias=origin.alias,
        dataset=origin.dataset,
        manifest_hash=origin.manifest_hash,
        tables=list(origin.tables),
        start=origin.start,
    )
