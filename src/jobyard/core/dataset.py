"""Datasets as they are kept: manifests, the names that lead to them, providers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RAW_KINDS = ("evm-rpc", "solana", "recorded")
"""Kinds of datasets that are read from a chain."""
DERIVED_KIND = "manifest"
"""The kind of datasets that are made of others by SQL."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a dataset is: where its blocks come from, or what its tables are made of.

    A derived one has no network of its own, no chain and no first block.
    """

    kind: str
    tables: tuple[str, ...]
    network: str | None = None
    chain: str | None = None
    """``evm`` or ``solana``: what the blocks look like."""
    start: int | None = None
    finalized_only: bool = False
    dependencies: tuple[tuple[str, str], ...] = ()
    """What SQL calls other datasets, and the datasets, as ``namespace/name@revision``."""


@dataclass(frozen=True, slots=True)
class ManifestRecord:
    """A manifest as it is kept; ``value`` is what was registered."""

    hash: str
    kind: str
    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ManifestLine:
    """A manifest in a list, and how many datasets have it."""

    hash: str
    kind: str
    datasets: int


@dataclass(frozen=True, slots=True)
class Tag:
    """A version of a dataset, or ``dev``. Times are microseconds since 1970."""

    name: str
    hash: str
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """A dataset and its tags, versions from the highest down, ``dev`` not among them."""

    namespace: str
    name: str
    versions: Sequence[Tag]
    dev: Tag | None

    @property
    def full_name(self) -> str:
        """The dataset as ``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    @property
    def latest(self) -> Tag | None:
        """The highest version; as long as there is none, what was registered last."""
        return self.versions[0] if self.versions else self.dev

    def version_of(self, manifest_hash: str) -> str | None:
        """Find the highest version that has this manifest."""
        return next((tag.name for tag in self.versions if tag.hash == manifest_hash), None)


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision of a dataset, as somebody asked for it, and its manifest."""

    dataset: DatasetRecord
    revision: str
    manifest: ManifestRecord


@dataclass(frozen=True, slots=True)
class ProviderRecord:
    """A provider as it was written; its ``config`` has ``${VAR}`` in place of what it stands for.

    ``file`` is where it was read, None for one that the store keeps.
    """

    name: str
    config: Mapping[str, Any]
    file: str | None = None

    @property
    def kind(self) -> str:
        """What it reads, or nothing that is known."""
        return str(self.config.get("kind", ""))

    @property
    def network(self) -> str:
        """The network that it reads."""
        return str(self.config.get("network", ""))
