"""Manifests: what may stand in them, what of it makes sense together, and their hash.

A manifest is kept as it was written; its name is the SHA-256 of its canonical JSON.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from jobyard.core.dataset import DERIVED_KIND, RAW_KINDS, Manifest
from jobyard.core.extract import MOST_BLOCK
from jobyard.errors import InvalidManifest, ManifestContradicts
from jobyard.spec import naming
from jobyard.spec.encode import canonical
from jobyard.spec.kinds import Anything, Choice, Flag, ListOf, MapOf, Text, Whole
from jobyard.spec.references import is_pinned
from jobyard.spec.report import BROKEN, Place, Report, kind_of
from jobyard.spec.shape import Field, Shape
from jobyard.spec.table_sql import check_derived

if TYPE_CHECKING:
    from collections.abc import Mapping

    Schemas = Mapping[str, Mapping[str, Any]]
    """Tables' schemas by chain and name."""


class Chain(StrEnum):
    """What blocks look like."""

    EVM = "evm"
    SOLANA = "solana"


class RawKind(StrEnum):
    """What reads blocks."""

    EVM = "evm-rpc"
    SOLANA = "solana"
    RECORDED = "recorded"


class DerivedKind(StrEnum):
    """What makes tables of tables."""

    MANIFEST = "manifest"


_CHAINS = {RawKind.EVM: Chain.EVM, RawKind.SOLANA: Chain.SOLANA}
_NETWORK = Text(naming.is_network, naming.NETWORK_RULE)
_SCHEMA = Field("schema", Anything(mapping=True), "the columns, as `manifest generate` writes them")

RAW_TABLE = Shape(
    "a table",
    Field("network", _NETWORK, "the manifest's own, if it is given"),
    _SCHEMA,
)
RAW = Shape(
    "a manifest",
    Field("kind", Choice(RawKind), "what reads the blocks", required=True),
    Field("network", _NETWORK, "the chain's name, which providers have too", required=True),
    Field("chain", Choice(Chain), "what recorded blocks look like; evm if nobody says"),
    Field("start_block", Whole(0, MOST_BLOCK), "the first block, 0 if nobody says"),
    Field("finalized_blocks_only", Flag(), "whether blocks that may still change wait"),
    Field("tables", MapOf(naming.is_table, naming.TABLE_RULE, RAW_TABLE), "by name", required=True),
)

_FUNCTION = Shape(
    "a function",
    Field("inputTypes", ListOf(Anything()), "the types of its arguments", required=True),
    Field("outputType", Anything(), "the type of its result", required=True),
    Field(
        "source",
        Shape(
            "a source",
            Field("filename", Text(), "the file's name"),
            Field("source", Text(), "the program's text", required=True),
        ),
        "the program",
        required=True,
    ),
)
DERIVED_TABLE = Shape(
    "a table",
    Field(
        "input",
        Shape("an input", Field("sql", Text(least=1), "a SELECT", required=True)),
        "what the table is made of",
        required=True,
    ),
    _SCHEMA,
    Field("network", _NETWORK, "the network of its blocks"),
)
DERIVED = Shape(
    "a manifest",
    Field("kind", Choice(DerivedKind), "`manifest`", required=True),
    Field(
        "dependencies",
        MapOf(naming.is_table, naming.TABLE_RULE, Text(is_pinned, "`namespace/name@1.2.0`")),
        "the datasets that SQL speaks of, by what it calls them",
    ),
    Field(
        "tables",
        MapOf(naming.is_table, naming.TABLE_RULE, DERIVED_TABLE),
        "by name",
        required=True,
    ),
    Field("functions", MapOf(naming.is_table, naming.TABLE_RULE, _FUNCTION), "by name"),
)
SHAPES = {**dict.fromkeys(RAW_KINDS, RAW), DERIVED_KIND: DERIVED}


def load_manifest(value: Any, schemas: Schemas) -> Manifest:
    """Check what is to be a manifest, and read it; ``schemas`` are those of the tables there are.

    Raises:
        InvalidManifest: it is none; all problems are listed.
        ManifestContradicts: each of its fields could be right, but not all together.
    """
    report = Report()
    place = Place(report)
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(value, dict):
        place.problem(f"a manifest is a mapping, not {kind_of(value)}", value=value)
    elif not isinstance(kind, str) or kind not in SHAPES:
        message = "missing" if kind is None else "not a kind of dataset"
        (place / "kind").problem(message, code="NotSupported", value=kind, legal=", ".join(SHAPES))
    else:
        read = SHAPES[kind].read(value, place)
        sound = not report.problems
        if read is not BROKEN and kind == DERIVED_KIND:
            check_derived(read, place)
        elif read is not BROKEN:
            _check_raw(read, schemas, place)
        if not report.problems:
            return manifest_of(value)
        _refuse(report, ManifestContradicts if sound else InvalidManifest)
    raise _refuse(report, InvalidManifest)


def _refuse(report: Report, kind: type[InvalidManifest]) -> InvalidManifest:
    raise kind(report.listed(report.problems), more=report.unlisted)


def _check_raw(read: Mapping[str, Any], schemas: Schemas, place: Place) -> None:
    """Compare tables with those that the chain has."""
    kind, network = read["kind"], read["network"]
    chain = chain_of(kind, read.get("chain"))
    if "chain" in read and read["chain"] != chain:
        message = f"a dataset of kind {kind} is of another chain"
        (place / "chain").problem(message, value=str(read["chain"]), legal=str(chain))
        return
    known = schemas[chain]
    here = place / "tables"
    if not read["tables"]:
        here.problem("empty", code="Required", legal=", ".join(known))
    for name, table in read["tables"].items():
        if name not in known:
            what = f"{chain} has no such table"
            (here / name).problem(what, code="Unknown", value=name, legal=", ".join(known))
            continue
        if table.get("network", network) != network:
            message = "all tables of a dataset are of its network"
            here.at(name, "network").problem(message, value=table["network"], legal=network)
        if "schema" in table and table["schema"] != known[name]:
            message = f"not the columns of {chain}'s table {name}"
            legal = "what `jobyard manifest generate` writes, or nothing"
            here.at(name, "schema").problem(message, legal=legal)


def chain_of(kind: str, chain: str | None) -> Chain:
    """Tell the chain of a kind of dataset; ``chain`` is what a manifest says of recordings."""
    return _CHAINS.get(RawKind(kind)) or Chain(chain or Chain.EVM)


def manifest_of(value: Mapping[str, Any]) -> Manifest:
    """Read a manifest that was checked."""
    kind = value["kind"]
    tables = tuple(value["tables"])
    if kind == DERIVED_KIND:
        return Manifest(kind, tables, dependencies=tuple((value.get("dependencies") or {}).items()))
    return Manifest(
        kind,
        tables,
        value["network"],
        str(chain_of(kind, value.get("chain"))),
        value.get("start_block") or 0,
        bool(value.get("finalized_blocks_only")),
    )


def manifest_hash(value: Any) -> str:
    """Name a manifest: the SHA-256 of its canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def generated(  # what a person may say of a raw dataset
    kind: str,
    network: str,
    schemas: Schemas,
    *,
    start_block: int = 0,
    finalized_blocks_only: bool = False,
    chain: str | None = None,
    tables: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Write a raw dataset's manifest, with all tables of its chain unless some are named.

    Raises:
        InvalidManifest: there is no such kind, or the chain has no such table.
    """
    written: dict[str, Any] = {"kind": kind, "network": network}
    if kind == RawKind.RECORDED:
        written["chain"] = chain or Chain.EVM.value
    elif chain is not None:
        written["chain"] = chain
    written |= {"start_block": start_block, "finalized_blocks_only": finalized_blocks_only}
    known = schemas[chain_of(kind, chain)] if kind in RAW_KINDS else {}
    written["tables"] = {
        name: {"network": network, **({"schema": known[name]} if name in known else {})}
        for name in tables or known
    }
    load_manifest(written, schemas)
    return written
