"""Providers as people write them: a file each, with its secrets in variables.

A provider file is YAML, TOML or JSON. ``${VAR}`` in any text stands for a variable; a secret that
was read is never shown again: `Secret` says so in every form that it is printed in.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit, urlunsplit

from jobyard.errors import InvalidDocument, InvalidProvider, TooLarge
from jobyard.spec.document import read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_VARIABLE = re.compile(r"\$\{(\w+)\}|\$\$")
_HIDDEN = "***"
COMMITMENTS = ("processed", "confirmed", "finalized")
SUFFIXES = (".yaml", ".yml", ".toml", ".json")


class Secret:
    """A text that is used but never shown."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Keep ``text``."""
        self._text = text

    def reveal(self) -> str:
        """Give the text to whoever has to send it."""
        return self._text

    def __repr__(self) -> str:
        """Hide it."""
        return f"Secret('{_HIDDEN}')"

    def __str__(self) -> str:
        """Hide it."""
        return _HIDDEN

    def __eq__(self, other: object) -> bool:
        """Compare what is hidden."""
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        """Hash what is hidden."""
        return hash(self._text)


@dataclass(frozen=True, slots=True)
class RpcAddress:
    """Where a node answers, and what it wants to be told."""

    url: Secret
    auth_token: Secret | None = None
    auth_header: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers that carry the token: a bearer, or as it is under a name of its own."""
        if self.auth_token is None:
            return {}
        token = self.auth_token.reveal()
        if self.auth_header is None:
            return {"Authorization": f"Bearer {token}"}
        return {self.auth_header: token}


@dataclass(frozen=True, slots=True)
class EvmProvider:
    """A provider of an EVM chain (``kind: evm-rpc``)."""

    kind: ClassVar[str] = "evm-rpc"
    name: str
    network: str
    address: RpcAddress
    chain_id: int | None = None
    concurrent_request_limit: int = 1024
    rpc_batch_size: int = 0
    rate_limit_per_minute: int | None = None
    fetch_receipts_per_tx: bool = False
    timeout_secs: float = 30.0


@dataclass(frozen=True, slots=True)
class SolanaProvider:
    """A provider of Solana (``kind: solana``)."""

    kind: ClassVar[str] = "solana"
    name: str
    network: str
    address: RpcAddress
    fallback: RpcAddress | None = None
    genesis_hash: str | None = None
    concurrent_request_limit: int = 1024
    max_rpc_calls_per_second: int | None = None
    commitment: str = "finalized"
    timeout_secs: float = 30.0


@dataclass(frozen=True, slots=True)
class RecordedProvider:
    """Blocks that were recorded (``kind: recorded``)."""

    kind: ClassVar[str] = "recorded"
    name: str
    network: str
    path: str


Provider = EvmProvider | SolanaProvider | RecordedProvider


def load(file: Path, variables: Mapping[str, str]) -> Provider:
    """Read a provider's file; its name is the file's. ``variables`` fill ``${VAR}``.

    Raises:
        InvalidProvider: It cannot be read, or is wrong somewhere; names file, key and variable.
    """
    try:
        text = file.read_bytes()
        if file.suffix == ".toml":
            return build(tomllib.loads(text.decode()), file.stem, variables, source=str(file))
        documents = read(text)
    except (
        OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, InvalidDocument, TooLarge,
    ) as error:  # fmt: skip
        message = f"{file}: {error}"
        raise InvalidProvider(message) from error
    if len(documents) != 1:
        message = f"{file}: holds {len(documents)} documents"
        raise InvalidProvider(message, hint="a provider is one document in a file of its own")
    return build(documents[0].value, file.stem, variables, source=str(file))


def load_folder(folder: Path, variables: Mapping[str, str]) -> list[Provider]:
    """Read all providers of a folder, by name.

    Raises:
        InvalidProvider: One of them is wrong.
    """
    files = sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES)
    return [load(file, variables) for file in files]


def build(
    document: Any, name: str, variables: Mapping[str, str], *, source: str = "the provider"
) -> Provider:
    """Make a provider of a document that has been read.

    Raises:
        InvalidProvider: It is wrong somewhere; names the source, the key and the variable.
    """
    reader = _Reader(_mapping(document, source), source, variables)
    kind = reader.text("kind")
    network = reader.text("network")
    provider: Provider
    if kind == EvmProvider.kind:
        provider = EvmProvider(
            name,
            network,
            reader.address(),
            reader.number("chain_id"),
            reader.number("concurrent_request_limit", least=1) or 1024,
            reader.number("rpc_batch_size") or 0,
            reader.number("rate_limit_per_minute", least=1),
            reader.flag("fetch_receipts_per_tx"),
            reader.seconds("timeout_secs"),
        )
    elif kind == SolanaProvider.kind:
        inner = reader.inner("rpc_provider_info")
        fallback = reader.inner("fallback_rpc_provider_info")
        if reader.text("use_archive", "never", ("never", "auto", "always")) == "always":
            raise reader.wrong("use_archive", "archives cannot be read", "never, auto")
        provider = SolanaProvider(
            name,
            network,
            (inner or reader).address(),
            None if fallback is None else fallback.address(),
            reader.text("genesis_hash", "") or None,
            reader.number("concurrent_request_limit", least=1) or 1024,
            reader.number("max_rpc_calls_per_second", least=1),
            reader.text("commitment", "finalized", COMMITMENTS),
            reader.seconds("timeout_secs"),
        )
        for each in filter(None, (inner, fallback)):
            each.finish()
    elif kind == RecordedProvider.kind:
        provider = RecordedProvider(name, network, reader.text("path"))
    else:
        kinds = (EvmProvider.kind, SolanaProvider.kind, RecordedProvider.kind)
        raise reader.wrong("kind", f"`{kind}` is no kind of provider", ", ".join(kinds))
    reader.finish()
    return provider


def shown(provider: Provider) -> dict[str, Any]:
    """Write a provider for people: everything but its secrets; of addresses only the host."""
    said: dict[str, Any] = {"kind": provider.kind}
    for each in fields(provider):
        value = getattr(provider, each.name)
        if isinstance(value, RpcAddress):
            token = None if value.auth_token is None else _HIDDEN
            value = {"url": _host_only(value.url.reveal()), "auth_token": token}
        said[each.name] = value
    return said


def _host_only(url: str) -> str:
    """Leave out what may be a key: user, path and query."""
    parts = urlsplit(url)
    if not parts.netloc:
        return url
    host = parts.netloc.rpartition("@")[2]
    path = f"/{_HIDDEN}" if parts.path.strip("/") or parts.query else ""
    return urlunsplit((parts.scheme, host, path, "", ""))


def _mapping(document: Any, source: str) -> dict[str, Any]:
    if not isinstance(document, dict):
        message = f"{source}: not a mapping of keys to values"
        raise InvalidProvider(message)
    return document


class _Reader:
    """Takes fields out of a mapping, and knows what was not taken."""

    def __init__(
        self, values: dict[str, Any], source: str, variables: Mapping[str, str], path: str = ""
    ) -> None:
        self._values = values
        self._source = source
        self._variables = variables
        self._path = path
        self._taken: set[str] = set()

    def wrong(self, key: str, message: str, legal: str | None = None) -> InvalidProvider:
        hint = f"legal: {legal}" if legal else None
        where = f"{self._source}: {self._path}{key}"
        return InvalidProvider(f"{where}: {message}", hint=hint, file=self._source, key=key)

    def text(self, key: str, default: str | None = None, legal: tuple[str, ...] = ()) -> str:
        value = self._take(key)
        if value is None and default is None:
            raise self.wrong(key, "is missing")
        text = default if value is None else value
        if not isinstance(text, str):
            raise self.wrong(key, f"`{value}` is not a text")
        text = self._filled(key, text)
        if legal and text not in legal:
            raise self.wrong(key, f"`{text}` is not known", ", ".join(legal))
        return text

    def secret(self, key: str) -> Secret | None:
        return Secret(self.text(key)) if self._values.get(key) is not None else None

    def number(self, key: str, *, least: int = 0) -> int | None:
        value = self._take(key)
        if isinstance(value, str):
            filled = self._filled(key, value)
            value = int(filled) if filled.isdecimal() else filled
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.wrong(key, f"`{value}` is not a whole number from {least}")
        return value

    def seconds(self, key: str) -> float:
        value = self._take(key)
        if value is None:
            return 30.0
        if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
            raise self.wrong(key, f"`{value}` is not a number of seconds above 0")
        return float(value)

    def flag(self, key: str) -> bool:
        value = self._take(key)
        if value not in {None, True, False}:
            raise self.wrong(key, f"`{value}` is neither true nor false")
        return bool(value)

    def address(self) -> RpcAddress:
        url = self.text("url")
        if not url.strip():
            raise self.wrong("url", "is empty")
        return RpcAddress(
            Secret(url), self.secret("auth_token"), self.text("auth_header", "") or None
        )

    def inner(self, key: str) -> _Reader | None:
        value = self._take(key)
        if value is None:
            return None
        values = _mapping(value, f"{self._source}: {key}")
        return _Reader(values, self._source, self._variables, f"{self._path}{key}.")

    def finish(self) -> None:
        """Refuse keys that nobody asked for."""
        unknown = sorted(str(key) for key in self._values if key not in self._taken)
        if unknown:
            raise self.wrong(unknown[0], "is not a key of this kind of provider")

    def _take(self, key: str) -> Any:
        self._taken.add(key)
        return self._values.get(key)

    def _filled(self, key: str, text: str) -> str:
        def fill(match: re.Match[str]) -> str:
            name = match[1]
            if name is None:
                return "$"
            if name not in self._variables:
                raise self.wrong(key, f"the variable {name} is not set")
            return self._variables[name]

        return _VARIABLE.sub(fill, text)
