"""An extraction in one document: which blocks, read from where, into which tables of which folder.

A manifest of a dataset is such a document, too: it only leaves out where to read from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobyard.core.dataset import DERIVED_KIND, RAW_KINDS
from jobyard.core.extract import MOST_BLOCK, is_relative
from jobyard.core.layout import DEFAULT_LAYOUT, FileLayout
from jobyard.spec import naming
from jobyard.spec.extraction import BLOCK_END, SHARE
from jobyard.spec.kinds import Anything, Choice, Flag, Kind, ListOf, MapOf, Text, Whole
from jobyard.spec.layout import LAYOUT
from jobyard.spec.manifest import RAW_TABLE, Chain, RawKind, chain_of
from jobyard.spec.overrides import FLAG, resolved
from jobyard.spec.report import BROKEN, Place, kind_of
from jobyard.spec.shape import Field, Shape, closest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from jobyard.spec.kinds import Schema

TABLES = {
    Chain.EVM: ("blocks", "transactions", "logs"),
    Chain.SOLANA: ("block_headers", "block_rewards", "transactions", "messages", "instructions"),
}
"""The tables of each chain; chains themselves stand above documents."""
MOST_HERE = 1000
"""The largest parallelism of an extraction on one machine."""
OUT = "data"
"""The folder for files, if a document names none."""
PLACES = frozenset(("url", "providers"))


@dataclass(frozen=True, slots=True)
class Wanted:
    """An extraction as somebody asks for it; what nobody said is None.

    ``providers`` are names of providers, or providers as they are written, without kind and
    network; if there are none, all that are registered for kind and network are meant.
    """

    kind: str
    out: str
    network: str | None = None
    chain: str | None = None
    providers: tuple[str | Mapping[str, Any], ...] = ()
    tables: tuple[str, ...] | None = None
    start: int | None = None
    end: str | None = None
    endless: bool = False
    """Whether there is no last block; without one and this, it is the newest there is."""
    parallelism: int = 1
    verify: float = 0.0
    finalized_only: bool = False
    layout: FileLayout = DEFAULT_LAYOUT
    source: str | None = field(default=None, compare=False)
    """The document it stands in, for messages."""


class _Either(Kind):
    """A value of one of several kinds, told apart by the type of JSON that they have."""

    def __init__(self, words: str, kinds: Mapping[type, Kind]) -> None:
        """Read values of a Python type with its kind; ``words`` name them all."""
        self._words = words
        self._kinds = kinds

    def read(self, value: Any, place: Place) -> Any:
        """Take any of them."""
        kind = self._kinds.get(type(value))
        if kind is None:
            message = f"must be {self._words}, not {kind_of(value)}"
            return place.problem(message, value=value, legal=self._words)
        return kind.read(value, place)

    def schema(self) -> Schema:
        """Describe all of them."""
        return {"anyOf": [kind.schema() for kind in self._kinds.values()]}


_ADDRESS = Text(least=1, rule="an address, or of `recorded` a file or folder")
_PROVIDER = Text(naming.is_provider, naming.PROVIDER_RULE)
_TABLE = Text(naming.is_table, naming.TABLE_RULE)
EXTRACTION = Shape(
    "an extraction",
    Field("kind", Choice(RawKind), "what reads the blocks", required=True),
    Field("network", Text(naming.is_network, naming.NETWORK_RULE), "what the chain is called"),
    Field("chain", Choice(Chain), "what recorded blocks look like; they say so themselves"),
    Field(
        "url",
        _Either("text, or a list of texts", {str: _ADDRESS, list: ListOf(_ADDRESS, least=1)}),
        "the address of a node, or several of one chain; of `recorded` a file or a folder",
    ),
    Field(
        "providers",
        ListOf(
            _Either("a name or a mapping", {str: _PROVIDER, dict: Anything(mapping=True)}), least=1
        ),
        "names of registered providers, or providers as files of them have them; in place of `url`",
    ),
    Field(
        "tables",
        _Either(
            "a list of names, or a mapping",
            {
                list: ListOf(_TABLE, least=1),
                dict: MapOf(naming.is_table, naming.TABLE_RULE, RAW_TABLE),
            },
        ),
        "their names, or as a manifest has them; all that the chain has if nobody says",
    ),
    Field("start_block", Whole(0, MOST_BLOCK), "the first block, 0 if nobody says"),
    Field("end_block", BLOCK_END, "the last block; `latest` if nobody says, `none` for no end"),
    Field("parallelism", Whole(1, MOST_HERE), "attempts that extract at the same time"),
    Field("verify", SHARE, "whether everything is proved that can be, or of which share"),
    Field("finalized_blocks_only", Flag(), "whether blocks that may still change wait"),
    Field("layout", LAYOUT, "sizes of files, compression, and which files are joined"),
    Field("out", Text(least=1), f"the folder or object store for files, `{OUT}` if nobody says"),
)


def is_extraction(value: Any) -> bool:
    """Tell whether a document is an extraction, or the manifest of a dataset."""
    kinds = (*RAW_KINDS, DERIVED_KIND)
    return isinstance(value, dict) and "apiVersion" not in value and value.get("kind") in kinds


def read_extraction(
    value: Mapping[str, Any], root: Place, overrides: Mapping[str, Any], source: str | None
) -> Wanted | None:
    """Read an extraction; ``overrides`` are fields in place of those of the document.

    None if something is wrong, which is then in the report.
    """
    if value["kind"] == DERIVED_KIND:
        (root / "kind").problem(
            "made of other datasets, which are not here", code="NotSupported", value=DERIVED_KIND,
            legal=f"{', '.join(RAW_KINDS)}; this one is for `jobyard dataset register`",
        )  # fmt: skip
        return None
    before = len(root.report.problems)
    given = {name: member for name, member in value.items() if name not in overrides}
    values = dict(EXTRACTION.draft({**given, "kind": value["kind"]}, root).values)
    values |= _overridden(overrides, root)
    said = {name for name, member in value.items() if member is not None}
    _check(values, said | overrides.keys(), root)
    return _wanted(values, source) if len(root.report.problems) == before else None


def _overridden(overrides: Mapping[str, Any], root: Place) -> dict[str, Any]:
    kinds = {row.name: row.kind for row in EXTRACTION.fields}
    found = {}
    for name, text in overrides.items():
        place = Place(root.report, (FLAG, name))
        if name not in kinds:
            message, legal = "no field of an extraction", closest(name, list(kinds))
            place.problem(message, code="Unknown", value=text, legal=legal)
        elif (sound := resolved(kinds[name], text, place)) is not BROKEN:
            found[name] = sound
    return found


def _check(values: Mapping[str, Any], said: AbstractSet[str], root: Place) -> None:
    """Report what does not go together; ``said`` is what is there, be it legal or not."""
    kind = values["kind"]
    chain = chain_of(kind, values.get("chain"))
    if values.get("chain", chain) != chain:
        message = f"blocks of kind {kind} are of another chain"
        (root / "chain").problem(message, value=str(values["chain"]), legal=str(chain))
    known = TABLES[chain] if kind != RawKind.RECORDED or "chain" in values else None
    for at, name in enumerate(values.get("tables", ())):
        place = root.at("tables", at if isinstance(values["tables"], tuple) else name)
        legal = known or sorted({*TABLES[Chain.EVM], *TABLES[Chain.SOLANA]})
        if name not in legal:
            message = f"{chain} has no such table" if known else "no chain has such a table"
            place.problem(message, code="Unknown", value=name, legal=", ".join(legal))
    if said >= PLACES:
        (root / "providers").problem("`url` says already where to read from", code="Forbidden")
    if not said & PLACES and "network" not in said:
        (root / "url").problem("missing", code="Required", legal="where to read from")
    if kind == RawKind.RECORDED and isinstance(values.get("url"), tuple):
        (root / "url").problem("a recording is one file or one folder", value=values["url"])
    named = any(isinstance(one, str) for one in values.get("providers", ()))
    if named and "network" not in said:
        (root / "network").problem("missing", code="Required", legal="which the providers have too")
    start, end = values.get("start_block", 0), values.get("end_block")
    if end is not None and not is_relative(end) and int(end) < start:
        message = "the range ends before it starts"
        (root / "end_block").problem(message, value=end, legal=f"{start} or more")


def _wanted(values: Mapping[str, Any], source: str | None) -> Wanted:
    url = values.get("url", ())
    key = "path" if values["kind"] == RawKind.RECORDED else "url"
    inline = [{key: one} for one in (url if isinstance(url, tuple) else (url,))]
    tables = values.get("tables")
    return Wanted(
        kind=str(values["kind"]),
        out=values.get("out", OUT),
        network=values.get("network"),
        chain=None if "chain" not in values else str(values["chain"]),
        providers=(*values.get("providers", ()), *inline),
        tables=None if tables is None else tuple(tables),
        start=values.get("start_block"),
        end=values.get("end_block"),
        endless="end_block" in values and values["end_block"] is None,
        parallelism=values.get("parallelism", 1),
        verify=values.get("verify", 0.0),
        finalized_only=values.get("finalized_blocks_only", False),
        layout=values.get("layout", DEFAULT_LAYOUT),
        source=source,
    )
