"""Hints between the processes that share a state folder: one datagram socket each."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

from jobyard import ids

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LONGEST_PATH = 100
"""Bytes that a socket's path may have, a few spared; a longer one is gone through its folder."""


class Wakes:
    """Sends hints to every socket in a folder, and hears those of others on its own."""

    def __init__(self, folder: Path) -> None:
        """Meet the other processes in ``folder``."""
        self._folder = folder
        self._listeners: list[Callable[[], None]] = []
        self._socket: socket.socket | None = None
        self._own: str | None = None
        self._opened: int | None = None

    def send(self) -> None:
        """Wake everyone; a full or dead socket needs no waking."""
        for heard in self._listeners:
            heard()
        try:
            others = [path.name for path in self._folder.iterdir() if path.name != self._own]
        except FileNotFoundError:
            return
        if not others:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(0)
            for name in others:
                self._send_to(sender, name)

    def _send_to(self, sender: socket.socket, name: str) -> None:
        try:
            sender.sendto(b"!", self._path(name))
        except ConnectionRefusedError:
            # Its process is gone; whoever notices first tidies up.
            (self._folder / name).unlink(missing_ok=True)
        except OSError:
            # A full queue already holds a hint; any other failure leaves it to polling.
            return

    def _path(self, name: str) -> str:
        """Name a socket in the few bytes that there are for it."""
        path = os.fspath(self._folder / name)
        if len(os.fsencode(path)) <= LONGEST_PATH:
            return path
        if self._opened is None:
            self._opened = os.open(self._folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._opened}/{name}"

    async def listen(self, heard: Callable[[], None]) -> None:
        """Have ``heard`` called in this event loop on every hint."""
        self._listeners.append(heard)
        if self._socket is not None:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{os.getpid()}-{ids.session()[:8]}"
        self._socket = _bound(self._path(name))
        self._own = name
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._receive)

    def _receive(self) -> None:
        if self._socket is None:
            return
        try:
            while self._socket.recv(16):
                pass
        except BlockingIOError:
            pass
        for heard in self._listeners:
            heard()

    async def close(self) -> None:
        """Stop hearing."""
        self._listeners.clear()
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
        if self._own is not None:
            (self._folder / self._own).unlink(missing_ok=True)
        if self._opened is not None:
            os.close(self._opened)
            self._opened = None


def _bound(path: str) -> socket.socket:
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    bound.bind(path)
    os.chmod(path, 0o600)  # noqa: PTH101 - a text, as all paths of sockets
    return bound
