"""What an extraction reads from: the providers of its kind and network, and their variables."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from jobyard.core.places import is_address
from jobyard.errors import InvalidProvider

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from jobyard.core.dataset import ProviderRecord
    from jobyard.core.extract import Extract
    from jobyard.store.datasets import Datasets

STORES = "AWS_"
"""Beginning of the variables that say how an object store is reached, keys among them."""
OURS = "JOBYARD_"
"""Variables with this beginning are the worker's own: what opens its database and its server."""


@dataclass(frozen=True, slots=True)
class Supplied:
    """Providers as (name, config), and what the ``${VAR}`` in the configs stand for."""

    providers: Sequence[tuple[str, Mapping[str, Any]]] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


Supply: TypeAlias = "Callable[[Extract], Awaitable[Supplied]]"


class Suppliers:
    """Finds providers, in the store and in a folder, anew each time."""

    def __init__(
        self,
        store: Datasets,
        folder: Path | None,
        environment: Mapping[str, str],
        data: str = "",
    ) -> None:
        """Look into ``store`` and ``folder``; ``environment`` has the variables.

        Tables lie below ``data`` if nothing else is said.
        """
        self._store = store
        self._folder = folder
        self._environment = environment
        self._data = data

    async def all(self) -> dict[str, ProviderRecord]:
        """Read all providers by name; one that was registered hides a file of its name.

        Raises:
            InvalidProvider: a file cannot be read.
        """
        from jobyard.spec.providers import read_folder

        found = await asyncio.to_thread(read_folder, self._folder)
        found.update({record.name: record for record in await self._store.providers()})
        return dict(sorted(found.items()))

    async def fitting(self, extract: Extract) -> dict[str, Mapping[str, Any]]:
        """Find the providers that an extraction may read from, by name.

        Raises:
            InvalidProvider: there is none, or a file cannot be read.
        """
        if extract.derived is not None:
            return {}
        fitting = {
            name: record.config
            for name, record in (await self.all()).items()
            if (record.kind, record.network) == (extract.kind, extract.network)
            and (not extract.providers or name in extract.providers)
        }
        if not fitting:
            named = f" among {', '.join(extract.providers)}" if extract.providers else ""
            raise InvalidProvider(
                f"no provider of kind {extract.kind} reads the network {extract.network}{named}",
                hint="`jobyard provider register NAME FILE` adds one, or a file in the worker's "
                "JOBYARD_PROVIDERS_DIR",
            )
        return fitting

    async def supply(self, extract: Extract) -> Supplied:
        """Find what an extraction may read from.

        Raises:
            InvalidProvider: there is none, or a file cannot be read.
        """
        fitting = await self.fitting(extract)
        from jobyard.spec.providers import variables_in

        names = {name for config in fitting.values() for name in variables_in(config)}
        if extract.derived is not None or is_address(extract.folder or self._data):
            names |= {name for name in self._environment if name.startswith(STORES)}
        return Supplied(
            tuple(fitting.items()),
            {
                name: self._environment[name]
                for name in sorted(names)
                if name in self._environment and not name.startswith(OURS)
            },
        )
