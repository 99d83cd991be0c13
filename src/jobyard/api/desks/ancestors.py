"""What derived datasets build on, found in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobyard.core.derived import Ancestor
from jobyard.errors import DatasetNotFound, DependencyNotFound, Unusable
from jobyard.spec.manifest import manifest_of
from jobyard.spec.references import reference

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobyard.store.datasets import Datasets

MOST_ANCESTORS = 1000
"""Datasets that one is followed through; more must be a circle."""


async def ancestors_of(
    store: Datasets, dependencies: Iterable[tuple[str, str]]
) -> tuple[Ancestor, ...]:
    """Find datasets by what SQL calls them and their references, with all that they build on.

    Raises:
        DependencyNotFound: one of them is not registered, or has no such version.
        Unusable: they build on each other in a circle.
    """
    return await _Search(store).find(dependencies)


class _Search:
    def __init__(self, store: Datasets) -> None:
        self._store = store
        self._left = MOST_ANCESTORS

    async def find(self, dependencies: Iterable[tuple[str, str]]) -> tuple[Ancestor, ...]:
        return tuple([await self._one(alias, text) for alias, text in dependencies])

    async def _one(self, alias: str, text: str) -> Ancestor:
        self._left -= 1
        if self._left < 0:
            raise Unusable(
                f"`{alias}` builds on more than {MOST_ANCESTORS} datasets, or on itself",
                hint="register a version that does not",
            )
        place = reference(text)
        try:
            found = await self._store.revision(place[:2], place.revision)
        except DatasetNotFound as error:
            raise DependencyNotFound(alias, text) from error
        value = found.manifest.value
        manifest = manifest_of(value)
        below = await self.find(manifest.dependencies)
        return Ancestor(alias, *place[:2], found.manifest.hash, manifest, value, below)
