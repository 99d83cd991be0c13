"""Where the server of a state folder is to be found: a file that lives as long as its server.

The server holds a lock on the file. A lock dies with its process, however that ends, so a file
that nobody holds is a dead server's.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from typing import TYPE_CHECKING

from jobyard import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "server.json"


@contextlib.contextmanager
def announced(state_dir: Path, url: str) -> Iterator[None]:
    """Keep the address of this process's server in the state folder.

    The first of several servers of one folder is the one that is found.
    """
    if find(state_dir) is not None:
        yield
        return
    path = state_dir / NAME
    fresh = state_dir / f"{NAME}.{os.getpid()}"
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        written = {"url": url, "pid": os.getpid(), "version": __version__}
        os.write(file, json.dumps(written).encode())
        fresh.rename(path)
        yield
    finally:
        with contextlib.suppress(OSError):
            # Another server may have put its own there meanwhile.
            if path.stat().st_ino == os.fstat(file).st_ino:
                path.unlink()
        os.close(file)


def find(state_dir: Path) -> str | None:
    """Find the address of the live server of a state folder."""
    try:
        with (state_dir / NAME).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                url: str = json.load(file)["url"]
                return url
    except (OSError, ValueError, KeyError):
        return None
    return None
