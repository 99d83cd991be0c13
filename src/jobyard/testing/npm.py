"""Programs out of npm packages, kept in the cache folder of whoever runs the tests."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

PATIENCE = 60.0
"""Seconds that the registry may take for one answer."""


class NodeMissing(Exception):
    """There is no such node here, and none can be fetched; says what to do."""


def kept_file(package: str, version: str, file: str) -> Path:
    """Give a file of a package, fetched from the registry that is configured here if need be.

    Raises:
        NodeMissing: No registry gives it, or not what it says it gives.
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    suffix = Path(file).suffix
    kept = Path(base) / "jobyard" / f"{file.removesuffix(suffix)}-{version}{suffix}"
    if not kept.exists():
        content = _from_package(package, version, file)
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as fresh:
            fresh.write(content)
        Path(fresh.name).chmod(0o755)
        Path(fresh.name).replace(kept)
    return kept


def _from_package(package: str, version: str, file: str) -> bytes:
    """Take a file out of an npm package, checked against what the registry says of it."""
    registry = _registry()
    try:
        name = urllib.parse.quote(package, safe="@")
        about = json.loads(_get(f"{registry}/{name}/{version}"))
        packed = _get(about["dist"]["tarball"])
    except (OSError, ValueError, KeyError) as error:
        message = f"{package} {version} is not to be had from the npm registry: {error}"
        raise NodeMissing(message) from error
    form, _, digest = about["dist"]["integrity"].partition("-")
    if base64.b64encode(hashlib.new(form, packed).digest()).decode() != digest:
        message = f"{package} {version} is not what the registry says of it"
        raise NodeMissing(message)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            content = archive.extractfile(member) if Path(member.name).name == file else None
            if content is not None:
                return content.read()
    message = f"{package} {version} has no file {file}"
    raise NodeMissing(message)


def _registry() -> str:
    """Tell the npm registry that is configured here, as npm itself would."""
    for name in ("npm_config_registry", "NPM_CONFIG_REGISTRY"):
        if named := os.environ.get(name):
            return named.rstrip("/")
    npm = shutil.which("npm")
    if npm is None:
        message = "name an npm registry in npm_config_registry to fetch nodes from"
        raise NodeMissing(message)
    asked = subprocess.run([npm, "config", "get", "registry"], capture_output=True, check=False)
    return asked.stdout.decode().strip().rstrip("/")


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=PATIENCE) as response:  # noqa: S310 - the registry's
        data: bytes = response.read()
    return data
