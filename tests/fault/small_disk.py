"""A disk of a few megabytes, or one that cannot be written, in a mount namespace of its own."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import missing_service
from tests.fault.services import Services

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 4096
FILLER = "filler"
HOW_TO = "mount namespaces are needed: run as root, or where `unshare -rm true` works"


class SmallDisk:
    """A file system in memory, mounted on a folder for those processes alone that enter it."""

    def __init__(self, folder: Path, size: str) -> None:
        self.folder = folder
        folder.mkdir()
        whoever = [] if os.geteuid() == 0 else ["--map-root-user"]
        mount = 'mount -t tmpfs -o size="$1",mode=700 tmpfs "$0" && echo mounted && exec cat'
        self._keeper = subprocess.Popen(
            ["unshare", "--mount", *whoever, "sh", "-c", mount, str(folder), size],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._keeper.stdout is not None
        if self._keeper.stdout.readline() != b"mounted\n":
            self.close()
            missing_service(HOW_TO)
        self.seen = Path(f"/proc/{self._keeper.pid}/root{folder}")
        """The folder as those in the namespace see it, for those outside."""

    def enter(self, *command: str) -> list[str]:
        """Make the command line that runs a command in the namespace."""
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        target = ["--target", str(self._keeper.pid)]
        return ["nsenter", *target, "--mount", *user, f"--wd={Path.cwd()}", "--", *command]

    def fill(self) -> None:
        """Leave no room at all."""
        with (self.seen / FILLER).open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(BLOCK))
            except OSError:
                assert self.free == 0

    def empty(self) -> None:
        (self.seen / FILLER).unlink()

    def forbid_writing(self) -> None:
        command = self.enter("mount", "-o", "remount,ro", str(self.folder))
        subprocess.run(command, check=True)

    @property
    def free(self) -> int:
        return os.statvfs(self.seen).f_bavail

    def close(self) -> None:
        for pipe in (self._keeper.stdin, self._keeper.stdout):
            assert pipe is not None
            pipe.close()
        self._keeper.wait()


class ServicesOnSmallDisk(Services):
    """Services that run where the small disk is."""

    def __init__(self, disk: SmallDisk, folder: Path) -> None:
        super().__init__(folder, None)
        self.disk = disk

    def command(self, *words: str) -> list[str]:
        return self.disk.enter(*super().command(*words))

    @property
    def seen(self) -> Path:
        """The state folder, as it is seen from outside."""
        return self.disk.seen / self.folder.relative_to(self.disk.folder)

    def solo(self, *flags: str) -> str:
        """Start all services in one process; tell the address."""
        return self.start("solo", "--port", "0", *flags).last_line.split()[-1]


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[ServicesOnSmallDisk]:
    """Give a small disk and services on it; the state folder is one on it."""
    disk = SmallDisk(folder, size)
    services = ServicesOnSmallDisk(disk, folder / "state")
    try:
        yield services
    finally:
        services.end()
        disk.close()
