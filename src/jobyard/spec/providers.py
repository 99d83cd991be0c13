"""Providers as they are written: files of a folder, variables in texts, and what may be shown.

A ``${VAR}`` stays as it is until a provider is used; what is shown has no secret in it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from jobyard.core.dataset import ProviderRecord
from jobyard.errors import InvalidDocument, InvalidProvider
from jobyard.spec.document import Limits, read
from jobyard.spec.naming import PROVIDER_RULE, is_provider

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SUFFIXES = (".yaml", ".yml", ".toml", ".json")
MOST_BYTES = 1024 * 1024
"""A provider has some dozen lines; whatever is larger is another file."""
HIDDEN = "***"
PLAIN = (
    "kind", "network", "name", "chain_id", "genesis_hash", "concurrent_request_limit",
    "rpc_batch_size", "rate_limit_per_minute", "max_rpc_calls_per_second", "fetch_receipts_per_tx",
    "timeout_secs", "auth_header", "use_archive", "commitment", "path",
)  # fmt: skip
"""Keys whose values are no secrets. Addresses are shown in part, other texts not at all."""
ADDRESSES = ("url",)

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_ONLY_VARIABLES = re.compile(r"(?:\$\{\w+\})+")


def read_provider(content: bytes, name: str, *, toml: bool, source: str) -> ProviderRecord:
    """Read one provider's file.

    Raises:
        InvalidProvider: it cannot be read, or is no mapping.
    """
    import tomllib

    try:
        if toml:
            value: Any = tomllib.loads(content.decode())
        else:
            found = read(content, limits=Limits(size=MOST_BYTES))
            value = found[0].value if len(found) == 1 else None
    except (ValueError, RecursionError) as error:
        raise InvalidProvider(f"{source} is not TOML: {error}", file=source) from error
    except InvalidDocument as error:
        raise InvalidProvider(f"{source}: {error.problems[0]}", file=source) from error
    if not isinstance(value, dict):
        raise InvalidProvider(f"{source} is not a mapping of keys to values", file=source)
    return ProviderRecord(name, {key: v for key, v in value.items() if key != "name"}, source)


def read_folder(folder: Path | None) -> dict[str, ProviderRecord]:
    """Read the providers of a folder by name, which is the file's; no folder has none.

    Raises:
        InvalidProvider: one of the files cannot be read.
    """
    found: dict[str, ProviderRecord] = {}
    for file in _files(folder):
        source = str(file)
        if not is_provider(file.stem):
            hint = f"a file is named for its provider: {PROVIDER_RULE}"
            raise InvalidProvider(f"{source} is no name of a provider", hint=hint, file=source)
        if file.stem in found:
            other = found[file.stem].file
            raise InvalidProvider(f"{source} and {other} are one provider", file=source)
        try:
            with file.open("rb") as opened:
                content = opened.read(MOST_BYTES + 1)
        except OSError as error:
            message = f"{source} cannot be read: {error.strerror}"
            raise InvalidProvider(message, file=source) from error
        if len(content) > MOST_BYTES:
            raise InvalidProvider(f"{source} has more than {MOST_BYTES:,} bytes", file=source)
        toml = file.suffix == ".toml"
        found[file.stem] = read_provider(content, file.stem, toml=toml, source=source)
    return found


def _files(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    try:
        return sorted(
            file
            for file in folder.iterdir()
            if file.suffix in SUFFIXES and not file.name.startswith(".")
        )
    except OSError as error:
        message = f"the folder of providers {folder} cannot be read: {error.strerror}"
        raise InvalidProvider(message, file=str(folder)) from error


def variables_in(value: Any) -> Iterator[str]:
    """Name the variables that a provider's texts have."""
    if isinstance(value, str):
        yield from _VARIABLE.findall(value)
    elif isinstance(value, dict):
        for member in value.values():
            yield from variables_in(member)
    elif isinstance(value, list):
        for member in value:
            yield from variables_in(member)


def shown(config: Mapping[str, Any]) -> dict[str, Any]:
    """Write a provider without what may be a secret; ``${VAR}`` is none."""
    return {key: _shown(key, value) for key, value in config.items()}


def _shown(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return shown(value)
    if not isinstance(value, str):
        return value if value is None or key in PLAIN else HIDDEN
    if key in PLAIN or _ONLY_VARIABLES.fullmatch(value):
        return value
    return _shown_address(value) if key in ADDRESSES else HIDDEN


def _shown_address(url: str) -> str:
    """Leave out what may be a key: the user, and the path unless its key is a variable."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return HIDDEN
    if not parts.netloc:
        return url
    user, at, host = parts.netloc.rpartition("@")
    secret = user.partition(":")[2] or user
    netloc = parts.netloc if not at or _ONLY_VARIABLES.fullmatch(secret) else f"{HIDDEN}@{host}"
    behind = f"{parts.path}?{parts.query}" if parts.query else parts.path
    if not behind.strip("/") or _VARIABLE.search(behind):
        return urlunsplit(parts._replace(netloc=netloc))
    return urlunsplit((parts.scheme, netloc, f"/{HIDDEN}", "", ""))


def is_masked(value: Any) -> bool:
    """Tell whether a provider has a text that somebody was shown in place of a secret."""
    if isinstance(value, dict):
        return any(is_masked(member) for member in value.values())
    return isinstance(value, str) and HIDDEN in value
