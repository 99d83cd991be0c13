"""Nodes that nobody here wrote, for tests: anvil, a local EVM chain, and surfpool, a local Solana.

anvil is looked for in ``JOBYARD_TEST_ANVIL`` and on PATH, surfpool in ``JOBYARD_TEST_SURFPOOL``,
both in the cache folder; else their packages are fetched from the npm registry that is configured
here, checked, and kept in the cache. surfpool is a module of Node.js, so it needs that, too.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import tempfile
import threading
import urllib.request
from collections import deque
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import msgspec

from jobyard.testing.npm import NodeMissing, kept_file

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Anvil", "NodeMissing", "Surfpool", "find_anvil", "find_surfpool"]

ANVIL_VERSION = "1.7.1"
SURFPOOL_VERSION = "1.5.0"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_PATIENCE = 60.0
"""Seconds that a node may take for one answer."""


class _Answer(msgspec.Struct):
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: Any = None


class LocalNode:
    """A chain of one process on the loopback device, gone when it is closed."""

    url: str

    def __init__(self, name: str) -> None:
        """Make a folder for it."""
        self._name = name
        self._folder = tempfile.TemporaryDirectory(prefix=f"jobyard-{name}-")
        self._process: subprocess.Popen[bytes]
        self._drain: threading.Thread

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
        return json.loads(self.raw(method, *params))

    def raw(self, method: str, *params: Any) -> bytes:
        """Ask it something; its answer is given as the bytes that it has written.

        Raises:
            RuntimeError: It answers with an error.
        """
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        request = urllib.request.Request(  # noqa: S310 - its own address
            self.url, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=_PATIENCE) as response:  # noqa: S310
            answer = msgspec.json.decode(response.read(), type=_Answer)
        if answer.error is not None:
            raise RuntimeError(answer.error)
        return bytes(answer.result)

    def close(self) -> None:
        """Stop it and forget its chain."""
        self._process.kill()
        self._process.wait()
        self._drain.join()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._folder.cleanup()

    def _start(self, command: Sequence[str | Path], ready: str) -> str:
        """Start a program; return what follows ``ready`` in the line that begins with it."""
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self._folder.name,
            env={"PATH": os.defpath, "HOME": self._folder.name, "NO_COLOR": "1"},
            start_new_session=True,
        )
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        said = self._heard(self._process.stdout, ready)
        # It tells of every request; a pipe that nobody empties would stop it.
        self._drain = threading.Thread(target=deque, args=(self._process.stdout, 0), daemon=True)
        self._drain.start()
        return said

    def _heard(self, output: IO[bytes], ready: str) -> str:
        said = []
        for line in output:
            said.append(line.decode(errors="replace"))
            if said[-1].startswith(ready):
                return said[-1].removeprefix(ready).strip()
        message = f"{self._name} does not start:\n{''.join(said)}"
        raise NodeMissing(message)


class Anvil(LocalNode):
    """A local EVM chain."""

    def __init__(self, *arguments: str) -> None:
        """Start it; ``arguments`` are anvil's own.

        Raises:
            NodeMissing: There is no anvil.
        """
        program = find_anvil()
        super().__init__("anvil")
        self.ipc = str(Path(self._folder.name) / "anvil.ipc")
        command: list[str | Path] = [
            program,
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--ipc",
            self.ipc,
            *arguments,
        ]
        self.url = f"http://{self._start(command, 'Listening on ')}"


class Surfpool(LocalNode):
    """A local Solana without a network: it makes blocks by the clock.

    ``payer`` is the secret key, 64 bytes, of an account that has lamports.
    """

    def __init__(self, *, slot_ms: int = 100, **config: Any) -> None:
        """Start it, with a slot each ``slot_ms``; ``config`` is surfpool's own.

        Raises:
            NodeMissing: There is no Node.js or no surfpool.
        """
        node = shutil.which("node")
        if node is None:
            message = "surfpool needs Node.js: install it"
            raise NodeMissing(message)
        module = find_surfpool()
        super().__init__("surfpool")
        shape = {"offline": True, "blockProductionMode": "clock", "slotTimeMs": slot_ms, **config}
        program = Path(self._folder.name) / "surfpool.js"
        program.write_text(_SURFPOOL, encoding="utf-8")
        said = json.loads(self._start([node, program, str(module), json.dumps(shape)], "ready "))
        self.url: str = said["url"]
        self.payer = bytes(said["payer"])


_SURFPOOL = """\
const [module_, shape] = process.argv.slice(2);
const net = require(module_).Surfnet.startWithConfig(JSON.parse(shape));
console.log("ready " + JSON.stringify({url: net.rpcUrl, payer: Array.from(net.payerSecretKey)}));
setInterval(() => net, 1 << 30);
"""


def find_anvil() -> Path:
    """Find the program, or fetch it.

    Raises:
        NodeMissing: It is nowhere, and no registry gives it.
    """
    if named := os.environ.get("JOBYARD_TEST_ANVIL"):
        return Path(named)
    if on_path := shutil.which("anvil"):
        return Path(on_path)
    machine = _MACHINES.get(platform.machine(), platform.machine())
    package = f"@foundry-rs/anvil-{platform.system().lower()}-{machine}"
    return kept_file(package, ANVIL_VERSION, "anvil")


def find_surfpool() -> Path:
    """Find the module of Node.js, or fetch it.

    Raises:
        NodeMissing: It is nowhere, and no registry gives it, or not for this machine.
    """
    if named := os.environ.get("JOBYARD_TEST_SURFPOOL"):
        return Path(named)
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        message = "there is no surfpool for this machine; name one in JOBYARD_TEST_SURFPOOL"
        raise NodeMissing(message)
    package = "@solana/surfpool-linux-x64-gnu"
    return kept_file(package, SURFPOOL_VERSION, "surfpool-sdk.linux-x64-gnu.node")
