"""Nodes that nobody here wrote, for tests: anvil, a local EVM chain.

anvil is looked for in ``JOBYARD_TEST_ANVIL``, on PATH and in the cache folder; else its package is
fetched from the npm registry that is configured here, checked, and kept in the cache.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
import threading
import urllib.parse
import urllib.request
from collections import deque
from pathlib import Path
from typing import Any, Self

ANVIL_VERSION = "1.7.1"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_PATIENCE = 60.0
"""Seconds that the registry and the node may take for one answer."""


class NodeMissing(Exception):
    """There is no such node here, and none can be fetched; says what to do."""


class Anvil:
    """A local EVM chain on the loopback device, gone when it is closed."""

    def __init__(self, *arguments: str) -> None:
        """Start it; ``arguments`` are anvil's own.

        Raises:
            NodeMissing: There is no anvil.
        """
        program = find_anvil()
        self._folder = tempfile.TemporaryDirectory(prefix="jobyard-anvil-")
        self.ipc = str(Path(self._folder.name) / "anvil.ipc")
        self._process = subprocess.Popen(
            [program, "--host", "127.0.0.1", "--port", "0", "--ipc", self.ipc, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": os.defpath, "HOME": self._folder.name, "NO_COLOR": "1"},
            start_new_session=True,
        )
        self.url = f"http://{self._listening()}"
        # It tells of every request; a pipe that nobody empties would stop it.
        self._drain = threading.Thread(target=deque, args=(self._process.stdout, 0), daemon=True)
        self._drain.start()

    def __enter__(self) -> Self:
        """Use it for a while."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.close()

    def call(self, method: str, *params: Any) -> Any:
        """Ask it something, for example ``call("anvil_mine", 5)``.

        Raises:
            RuntimeError: It answers with an error.
        """
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        request = urllib.request.Request(  # noqa: S310 - its own address
            self.url, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=_PATIENCE) as response:  # noqa: S310
            answer = json.load(response)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["result"]

    def close(self) -> None:
        """Stop it and forget its chain."""
        self._process.kill()
        self._process.wait()
        self._drain.join()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._folder.cleanup()

    def _listening(self) -> str:
        said = []
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        for line in self._process.stdout:
            said.append(line.decode(errors="replace"))
            if said[-1].startswith("Listening on "):
                return said[-1].removeprefix("Listening on ").strip()
        message = f"anvil does not start:\n{''.join(said)}"
        raise NodeMissing(message)


def find_anvil() -> Path:
    """Find the program, or fetch it.

    Raises:
        NodeMissing: It is nowhere, and no registry gives it.
    """
    if named := os.environ.get("JOBYARD_TEST_ANVIL"):
        return Path(named)
    if on_path := shutil.which("anvil"):
        return Path(on_path)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    kept = Path(base) / "jobyard" / f"anvil-{ANVIL_VERSION}"
    if not kept.exists():
        machine = _MACHINES.get(platform.machine(), platform.machine())
        package = f"@foundry-rs/anvil-{platform.system().lower()}-{machine}"
        program = _from_package(package, ANVIL_VERSION, "anvil")
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as file:
            file.write(program)
        Path(file.name).chmod(0o755)
        Path(file.name).replace(kept)
    return kept


def _from_package(package: str, version: str, program: str) -> bytes:
    """Take a program out of an npm package, checked against what the registry says of it."""
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
            file = archive.extractfile(member) if Path(member.name).name == program else None
            if file is not None:
                return file.read()
    message = f"{package} {version} has no program {program}"
    raise NodeMissing(message)


def _registry() -> str:
    """Tell the npm registry that is configured here, as npm itself would."""
    for name in ("npm_config_registry", "NPM_CONFIG_REGISTRY"):
        if named := os.environ.get(name):
            return named.rstrip("/")
    npm = shutil.which("npm")
    if npm is None:
        message = (
            "no anvil: install it, name it in JOBYARD_TEST_ANVIL, or name an npm registry in "
            "npm_config_registry to fetch it from"
        )
        raise NodeMissing(message)
    asked = subprocess.run([npm, "config", "get", "registry"], capture_output=True, check=False)
    return asked.stdout.decode().strip().rstrip("/")


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=_PATIENCE) as response:  # noqa: S310 - the registry's
        data: bytes = response.read()
    return data
