"""The scratch folder of an attempt: where a program leaves words for its job, gone afterwards."""

from __future__ import annotations

import json
import os
import shutil
import stat
from typing import Any

_PRIVATE_FOLDER = stat.S_IFDIR | 0o700
MAX_RESULT = 64 * 1024
MAX_RETRY = 200
MAX_PROGRESS = 256


class InvalidResult(ValueError):
    """What a program wrote to JOBYARD_RESULT cannot be kept; the message says why."""


class Folders:
    """Makes scratch folders, each for one program at a time.

    Nearly every program leaves its folder empty; it then serves the next one, because making and
    removing a folder costs a third of a spawn on a disk.
    """

    def __init__(self, root: str) -> None:
        """Make them in ``root``, which is made here."""
        os.makedirs(os.path.dirname(root), 0o700, exist_ok=True)
        os.makedirs(root, 0o700, exist_ok=True)
        self.root = root
        self._made = 0
        self._empty: list[str] = []

    def take(self, volumes: int) -> str:
        """Give a folder that only this user can enter, with one in it for each emptyDir volume."""
        if self._empty and not volumes:
            return self._empty.pop()
        self._made += 1
        path = f"{self.root}/{self._made}"
        os.mkdir(path, 0o700)
        if volumes:
            # One by one: folders that `makedirs` makes on the way are as open as the umask is.
            os.mkdir(f"{path}/volumes", 0o700)
        for number in range(volumes):
            os.mkdir(f"{path}/volumes/{number}", 0o700)
        return path

    def take_back(self, path: str) -> bool:
        """Take a folder back if it is as it was given; else tell that it has to be removed."""
        try:
            untouched = os.lstat(path).st_mode == _PRIVATE_FOLDER and not os.listdir(path)
        except OSError:
            return False
        if untouched:
            self._empty.append(path)
        return untouched


def remove(path: str) -> None:
    """Remove a folder with everything in it; may take long, so not in the event loop."""
    shutil.rmtree(path, ignore_errors=True)


def read_progress(path: str) -> tuple[int, int | None] | None:
    """Read ``done/total`` or ``done``; None when the file is not there or says something else."""
    text = _read(f"{path}/progress", MAX_PROGRESS)
    if text is None:
        return None
    done, slash, total = text.decode(errors="replace").strip().partition("/")
    try:
        return int(done), int(total) if slash else None
    except ValueError:
        return None


def read_result(path: str) -> Any:
    """Read the JSON that a program left, None if it left none.

    Raises:
        InvalidResult: it is too large or is not JSON.

    """
    text = _read(f"{path}/result", MAX_RESULT + 1)
    if text is None or not text.strip():
        return None
    if len(text) > MAX_RESULT:
        message = f"JOBYARD_RESULT is larger than {MAX_RESULT} bytes and was not kept"
        raise InvalidResult(message)
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        message = f"JOBYARD_RESULT is not JSON and was not kept: {error}"
        raise InvalidResult(message) from error


def read_retry(path: str) -> str | None:
    """Read what a program says about being tried again, None if it says nothing."""
    text = _read(f"{path}/retry", 4 * MAX_RETRY)
    return (text.decode(errors="replace").strip()[:MAX_RETRY] or None) if text else None


def _refuse(constant: str) -> Any:
    message = f"{constant} has no place in JSON"
    raise ValueError(message)


def _read(path: str, limit: int) -> bytes | None:
    try:
        # A program could leave a FIFO or a link to a device here: neither may block the worker.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        return os.read(file, limit)
    except OSError:
        return None
    finally:
        os.close(file)
