"""The desk of providers: register, show without secrets, delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobyard.api.desks.counter import Counter, Object
from jobyard.core.dataset import RAW_KINDS
from jobyard.engine.supply import Suppliers
from jobyard.errors import (
    Conflict,
    DataConversion,
    InvalidProvider,
    InvalidProviderName,
    InvalidRequestBody,
    ProviderNotFound,
)
from jobyard.spec.naming import PROVIDER_RULE, is_provider
from jobyard.spec.providers import HIDDEN, is_masked
from jobyard.wire.datasets import provider_object


class ProviderDesk(Counter):
    """Keeps providers. What it answers has ``${VAR}`` as it was written, and no secret."""

    async def providers(self) -> Object:
        """List all ``providers`` by name: those that were registered, and those of the folder."""
        return {"providers": [provider_object(one) for one in (await self._all()).values()]}

    async def provider(self, name: str) -> Object:
        """Read one provider.

        Raises:
            ProviderNotFound: there is none of this name.
        """
        found = (await self._all()).get(_name(name))
        if found is None:
            raise ProviderNotFound(name)
        return provider_object(found)

    async def register_provider(self, name: str, config: Mapping[str, Any]) -> Object:
        """Keep a provider, in place of an older one of its name.

        Raises:
            InvalidRequestBody: it has no kind.
            DataConversion: it has a key that its kind does not have, or a wrong value.
        """
        kept = {key: value for key, value in config.items() if key not in {"name", "source"}}
        _check(_name(name), kept)
        await self.store.put_provider(name, kept)
        return await self.provider(name)

    async def delete_provider(self, name: str) -> None:
        """Delete a provider; one that is not there is deleted already.

        Raises:
            Conflict: it is a file of the folder of providers.
        """
        await self.store.delete_provider(_name(name))
        left = (await self._all()).get(name)
        if left is not None and left.file is not None:
            raise Conflict(
                f"the provider `{name}` is a file of the server's folder of providers",
                hint="delete the file",
                name=name,
            )

    async def _all(self) -> Mapping[str, Any]:
        return await Suppliers(self.store, self._providers_dir, {}).all()


class _AnyVariables(Mapping[str, str]):
    """Has every variable, so that a provider can be checked where its variables are not set."""

    def __getitem__(self, name: str) -> str:
        return "1"

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Any:
        return iter(())

    def __len__(self) -> int:
        return 0


def _check(name: str, config: Mapping[str, Any]) -> None:
    kind = config.get("kind")
    if kind not in RAW_KINDS:
        what = "is missing" if kind is None else f"`{kind}` is unknown"
        raise InvalidRequestBody(
            f"the provider's kind {what}", hint=f"it is one of {', '.join(RAW_KINDS)}"
        )
    if is_masked(config):
        raise DataConversion(
            f"`{HIDDEN}` is what stands in place of a secret that is not shown",
            hint="write the secret itself, or better ${VAR}",
        )
    from jobyard.chain.provider import build

    try:
        build(dict(config), name, _AnyVariables(), source="the provider")
    except InvalidProvider as error:
        raise DataConversion(error.detail, hint=error.hint, **error.fields) from error


def _name(text: str) -> str:
    if not is_provider(text):
        raise InvalidProviderName(
            f"`{text}` is not the name of a provider", hint=PROVIDER_RULE, value=text
        )
    return text
