"""From a derived dataset and what it builds on to what its job is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jobyard.core.dataset import DERIVED_KIND
from jobyard.core.derived import Derivation, DerivedTable, Origin
from jobyard.errors import Unusable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jobyard.core.dataset import Manifest
    from jobyard.core.derived import Ancestor
    from jobyard.spec.report import Place

_ONLY_RAW = {
    "start_block": (None, "it begins where what it is made of does"),
    "parallelism": (1, "SQL is evaluated on all cores, one range after the other"),
    "verify": (0, "what it is made of is proved when that is extracted"),
    "providers": ((), "it is made of other datasets, which are deployed with providers"),
}
"""Options that mean nothing for a derived dataset: what they may be, and why."""


def networks_of(ancestors: Iterable[Ancestor]) -> list[str]:
    """Name the networks at the bottom of what a dataset builds on."""
    return sorted({one.manifest.network or "" for each in ancestors for one in each.raw()})


def derived_from(
    name: str, value: Mapping[str, Any], manifest: Manifest, ancestors: Sequence[Ancestor]
) -> Manifest:
    """Add network, chain and first block to a derived dataset, from what it builds on.

    Raises:
        Unusable: it has functions, or is of several networks, or of none.
    """
    if value.get("functions"):
        raise Unusable(
            f"{name} has functions, which cannot be run here",
            hint="say the same in SQL, or make the table with a program of your own",
        )
    networks = networks_of(ancestors)
    if len(networks) != 1:
        found = ", ".join(networks) or "none"
        raise Unusable(
            f"{name} builds on datasets of several networks: {found}",
            hint="blocks of one network only can be put together",
        )
    raw = [one for each in ancestors for one in each.raw()]
    start = min(one.manifest.start or 0 for one in raw)
    return replace(manifest, network=networks[0], chain=raw[0].manifest.chain, start=start)


def derivation(
    value: Mapping[str, Any], ancestors: Sequence[Ancestor], batch_blocks: int | None
) -> Derivation:
    """Say of what a derived dataset's job makes its tables."""
    tables = tuple(
        DerivedTable(name, table["input"]["sql"]) for name, table in value["tables"].items()
    )
    origins = tuple(_origin(one, one.alias) for one in ancestors)
    known = {(one.dataset, one.manifest_hash): one for one in origins}
    headers: dict[tuple[str, str], Origin] = {}
    for each in ancestors:
        for one in each.raw():
            key = (one.dataset, one.manifest_hash)
            # No alias in SQL has such a name.
            headers.setdefault(key, known.get(key) or _origin(one, f"#{len(headers)}"))
    return Derivation(tables, origins, tuple(headers.values()), batch_blocks)


def _origin(one: Ancestor, alias: str) -> Origin:
    start = min(each.manifest.start or 0 for each in one.raw())
    return Origin(alias, one.dataset, one.manifest_hash, one.manifest.tables, start)


def check_options(options: Mapping[str, Any], place: Place, *, derived: bool) -> None:
    """Report options that mean nothing for a dataset of this kind."""
    if not derived:
        if options.get("batch_blocks") is not None:
            message = f"only for datasets of kind `{DERIVED_KIND}`"
            (place / "batch_blocks").problem(message, code="Forbidden")
        return
    for name, (nothing, why) in _ONLY_RAW.items():
        if options.get(name, nothing) != nothing:
            message = f"not for datasets of kind `{DERIVED_KIND}`: {why}"
            (place / name).problem(message, code="Forbidden", legal="nothing")
