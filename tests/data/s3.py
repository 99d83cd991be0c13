"""An object store to test with: moto's S3, spoken to over HTTP."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyarrow import fs
from tests.conftest import missing_service

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
"""Not in this process: pyarrow may wait for an answer while it holds the interpreter."""


@contextmanager
def object_store() -> Iterator[str]:
    """Serve an empty store at the address that is given, until the end."""
    if importlib.util.find_spec("moto") is None:
        missing_service("no S3 to test with: install moto[s3] and flask-cors")
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as server:
        assert server.stdout is not None
        yield f"127.0.0.1:{int(server.stdout.readline())}"
        server.kill()


def make_bucket(endpoint: str, bucket: str) -> fs.S3FileSystem:
    """Make a bucket; whoever knows any key may do all with it."""
    store = fs.S3FileSystem(
        access_key="a",
        secret_key="b",
        endpoint_override=endpoint,
        scheme="http",
        region="us-east-1",
        allow_bucket_creation=True,
    )
    store.create_dir(bucket)
    return store
