"""What a derived dataset is made of: tables by SQL, and the datasets that its SQL speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jobyard.core.dataset import Manifest

SELF = "self"
"""What SQL calls the dataset that its table belongs to."""
MOST_BATCH = 1_000_000
"""The most blocks of which SQL is evaluated at once."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A dataset that others are made of, as a job finds it; ``alias`` is what SQL calls it.

    ``dataset`` is ``namespace/name``, ``start`` its first block. An origin without an alias is
    there for its table of blocks alone: it tells which block follows which.
    """

    alias: str
    dataset: str
    manifest_hash: str
    tables: tuple[str, ...]
    start: int = 0


@dataclass(frozen=True, slots=True)
class DerivedTable:
    """A table and the query that it is made by."""

    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class Derivation:
    """How the tables of a derived dataset are made.

    ``headers`` are the datasets at the bottom that have a row for each block; ``batch_blocks`` are
    evaluated at once, None leaves it to the size of the files.
    """

    tables: tuple[DerivedTable, ...]
    origins: tuple[Origin, ...]
    headers: tuple[Origin, ...] = ()
    batch_blocks: int | None = None

    def origin(self, alias: str) -> Origin | None:
        """Find what SQL, or the program, calls by this name."""
        return next((one for one in (*self.origins, *self.headers) if one.alias == alias), None)


@dataclass(frozen=True, slots=True)
class Source:
    """A table to read, as it is now: its active revision and the chain ``[start, stop)`` of it.

    ``revision`` and ``path`` are None when nobody has ever written it, ``start``, ``stop`` and
    ``hash`` as long as there is no chain; ``changed_at`` are microseconds since 1970. ``active``
    tells whether a job of its dataset is not over.
    """

    revision: int | None
    path: str | None
    network: str | None
    start: int | None
    stop: int | None
    hash: str | None
    files: int
    changed_at: int
    active: bool


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A dataset that another one builds on, with all that it builds on itself."""

    alias: str
    namespace: str
    name: str
    manifest_hash: str
    manifest: Manifest
    value: Mapping[str, Any]
    ancestors: tuple[Ancestor, ...] = ()

    @property
    def dataset(self) -> str:
        """The dataset as ``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    def raw(self) -> Iterator[Ancestor]:
        """Go through the datasets at the bottom, which are read from a chain."""
        if not self.ancestors:
            yield self
        for one in self.ancestors:
            yield from one.raw()


def read_derivation(written: Mapping[str, Any] | None) -> Derivation | None:
    """Read back what ``dataclasses.asdict`` made of a derivation, after JSON."""
    if written is None:
        return None
    tables = tuple(DerivedTable(**one) for one in written["tables"])
    return Derivation(
        tables, _origins(written["origins"]), _origins(written["headers"]), written["batch_blocks"]
    )


def _origins(written: list[Mapping[str, Any]]) -> tuple[Origin, ...]:
    return tuple(Origin(**{**one, "tables": tuple(one["tables"])}) for one in written)
