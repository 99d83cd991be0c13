"""The settings: what they are called, where they come from, what they are if nobody sets them.

Flag > environment > settings file > default, everywhere. The reference page is generated from
``SETTINGS``.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobyard.duration import seconds
from jobyard.errors import InvalidSetting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

STATE_DIR = Path(".jobyard")
CONFIG_VARIABLE = "JOBYARD_CONFIG"
FILE_NAME = "settings.toml"
"""The settings file of a state folder."""
MOST_FILE_BYTES = 1024 * 1024
"""A settings file has some dozen lines; whatever is larger is another file."""


class Origin(StrEnum):
    """Where the value of a setting comes from, the strongest first."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its variable, how its text is read, its default, what it is for.

    ``read`` raises ValueError with what would be legal. ``in_file`` tells whether it may stand in a
    settings file.
    """

    name: str
    variable: str
    read: Callable[[str], Any]
    default: Any
    meaning: str
    in_file: bool = True
    secret: bool = False
    """Whether it is never shown."""


_PLAIN_SECONDS = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.ASCII)
_LONGEST = 1e10
"""Seconds, some 300 years: timers and databases can still count so far."""
_SIZE = re.compile(r"(\d{1,15})(Ki|Mi|Gi|K|M|G|)", re.ASCII)
_BYTES = {
    "": 1, "K": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30,
}  # fmt: skip
_COUNT = re.compile(r"[1-9]\d{0,8}", re.ASCII)
_PORT = re.compile(r"\d{1,5}", re.ASCII)
_MOST_PORT = 65535
_PASSWORD = re.compile(r"://[^:/@]*:[^@]+@")
_LOG_LEVELS = ("debug", "info", "warning", "error")


def duration(text: str) -> float:
    """Read seconds from text such as ``15``, ``15s``, ``1h30m``, ``500ms``."""
    written = text.strip()
    found = float(written) if _PLAIN_SECONDS.fullmatch(written) else seconds(written)
    if found is None or found > _LONGEST:
        raise ValueError("a duration such as 15s, 1h30m or 500ms")
    return found


def size(text: str) -> int:
    """Read bytes from text such as ``64Mi`` or ``1G``."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("a size such as 64Mi or 1G")
    return int(match[1]) * _BYTES[match[2]]


def count(text: str) -> int:
    """Read a number of things, one at least."""
    if not _COUNT.fullmatch(text.strip()):
        raise ValueError("a whole number from 1")
    return int(text)


def unless_off(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Have ``0`` and ``off`` read as None: no limit."""

    def read_limit(text: str) -> Any:
        if text.strip().lower() in {"0", "off"}:
            return None
        try:
            return read(text)
        except ValueError as error:
            raise ValueError(f"{error}, or `off`") from error

    return read_limit


def names(text: str) -> tuple[str, ...]:
    """Read names with commas between."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def port(text: str) -> int:
    """Read the number of a port; 0 means any that is free."""
    if not _PORT.fullmatch(text.strip()) or int(text) > _MOST_PORT:
        raise ValueError(f"a whole number from 0 to {_MOST_PORT}")
    return int(text)


def log_level(text: str) -> str:
    """Read the word for how much is logged."""
    if text.strip().lower() not in _LOG_LEVELS:
        raise ValueError(f"one of {', '.join(_LOG_LEVELS)}")
    return text.strip().lower()


def cores() -> int:
    """Count the processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_OF_TEXT = (str, Path, log_level, names)
"""The readers of settings that no number can be."""

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "config", CONFIG_VARIABLE, Path, None,
        "the settings file; `settings.toml` in the state folder otherwise, if it is there",
        in_file=False,
    ),
    Setting(
        "state_dir", "JOBYARD_STATE_DIR", Path, STATE_DIR,
        "the folder of the SQLite database, the logs and the scratch folders",
    ),
    Setting(
        "database", "JOBYARD_DATABASE_URL", str, None,
        "`postgresql://…` to keep everything there; SQLite in the state folder otherwise",
    ),
    Setting("url", "JOBYARD_URL", str, None, "the server that the commands talk to"),
    Setting("host", "JOBYARD_HOST", str, "127.0.0.1", "the address that the server listens on"),
    Setting(
        "hosts", "JOBYARD_HOSTS", names, (),
        "names, with commas between, that the server answers to besides the loopback ones",
    ),
    Setting(
        "token_file", "JOBYARD_TOKEN_FILE", Path, None,
        "a file of `role:token` lines; whoever asks the server needs one of them",
    ),
    Setting(
        "token", "JOBYARD_TOKEN", str, None,
        "one token: the server takes it as an admin's, the commands send it",
        in_file=False, secret=True,
    ),
    Setting("port", "JOBYARD_PORT", port, 1610, "the port that the server listens on"),
    Setting(
        "slots", "JOBYARD_SLOTS", count, None,
        "programs that a worker runs at a time; two for each processor otherwise",
    ),
    Setting(
        "lease", "JOBYARD_LEASE", duration, 15.0,
        "how long a worker may be silent before its attempts are lost",
    ),
    Setting(
        "grace", "JOBYARD_SHUTDOWN_GRACE", duration, 30.0,
        "how long a worker that is told to end lets its programs finish",
    ),
    Setting(
        "outage_grace", "JOBYARD_OUTAGE_GRACE", duration, 300.0,
        "how long programs go on while the store cannot be reached",
    ),
    Setting(
        "attempt_log_limit", "JOBYARD_ATTEMPT_LOG_LIMIT", size, 100 * 2**20,
        "bytes of output kept of one attempt, exactly",
    ),
    Setting(
        "job_log_limit", "JOBYARD_JOB_LOG_LIMIT", size, 2**30,
        "bytes of output kept of one job, about",
    ),
    Setting(
        "retention_age", "JOBYARD_RETENTION_AGE", unless_off(duration), 90 * 86400.0,
        "how long a finished job without a `ttl` of its own is kept; `off` for ever",
    ),
    Setting(
        "retention_count", "JOBYARD_RETENTION_COUNT", unless_off(count), 1_000_000,
        "finished jobs kept of each terminal status, the latest to end; `off` for all",
    ),
    Setting(
        "providers_dir", "JOBYARD_PROVIDERS_DIR", Path, None,
        "a folder of providers, a YAML, TOML or JSON file each, besides those that were registered",
    ),
    Setting(
        "data_dir", "JOBYARD_DATA_DIR", str, None,
        "the folder of datasets' tables, or an address such as `s3://bucket/path`; `data` in the "
        "state folder if it is not named",
    ),
    Setting(
        "collect_after", "JOBYARD_COLLECT_AFTER", duration, 1800.0,
        "how long a file stays that is not part of its table any more, for those who read it",
    ),
    Setting(
        "document_limit", "JOBYARD_DOCUMENT_LIMIT", size, 64 * 2**20,
        "bytes of one document, in a file or in the body of a request",
    ),
    Setting(
        "node_limit", "JOBYARD_NODE_LIMIT", count, 100_000,
        "values in one document, each alias counted as what it stands for",
    ),
    Setting(
        "errors_shown", "JOBYARD_ERRORS_SHOWN", count, 100,
        "problems of one document that are listed; the others are counted",
    ),
    Setting(
        "log_level", "JOBYARD_LOG_LEVEL", log_level, "info",
        "`debug`, `info`, `warning`, `error`",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of this process, and in ``origins``, by name, where each one comes from."""

    config: Path | None
    state_dir: Path
    database: str | None
    url: str | None
    host: str
    hosts: tuple[str, ...]
    token_file: Path | None
    token: str | None = field(repr=False)
    port: int
    slots: int
    lease: float
    grace: float
    outage_grace: float
    attempt_log_limit: int
    job_log_limit: int
    retention_age: float | None
    """Seconds, None for ever."""
    retention_count: int | None
    """Jobs of each terminal status, None for all."""
    providers_dir: Path | None
    data_dir: str | None
    collect_after: float
    document_limit: int
    node_limit: int
    errors_shown: int
    log_level: str
    origins: Mapping[str, Origin] = field(default_factory=dict, compare=False)


def load(flags: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Settings:
    """Gather the settings: a flag that is not None wins over all others, a default over none.

    The settings file is the one that ``JOBYARD_CONFIG`` names, else ``settings.toml`` in the state
    folder, if it is there.

    Raises:
        InvalidSetting: a variable's text, the settings file or a value in it cannot be used.
    """
    found = _Found(flags, os.environ if environ is None else environ)
    named = found.values.get("config")
    found.take_file(Path(named) if named else None)
    values, origins = found.values, found.origins
    for setting in SETTINGS:
        if setting.name not in values:
            values[setting.name] = setting.default
            origins[setting.name] = Origin.DEFAULT
    if values["slots"] is None:
        values["slots"] = 2 * cores()
    values["state_dir"] = Path(values["state_dir"]).absolute()
    return Settings(**values, origins=origins)


class _Found:
    """What somebody has set, by name, and where; whoever comes first wins."""

    def __init__(self, flags: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        self.values: dict[str, Any] = {}
        self.origins: dict[str, Origin] = {}
        for setting in SETTINGS:
            value, text = flags.get(setting.name), environ.get(setting.variable)
            if value is not None:
                self._set(setting, value, Origin.FLAG)
            elif text:
                self._set(setting, _read(setting, text, setting.variable), Origin.ENVIRONMENT)

    def _set(self, setting: Setting, value: Any, origin: Origin) -> None:
        self.values[setting.name] = value
        self.origins[setting.name] = origin

    def take_file(self, named: Path | None) -> None:
        """Fill in what the settings file says; without ``named`` there may be none."""
        path = named or Path(self.values.get("state_dir", STATE_DIR)) / FILE_NAME
        if named is None and not path.is_file():
            return
        known = {setting.name: setting for setting in SETTINGS if setting.in_file}
        if named is None:
            # It was found through the state folder, so it cannot say where that is.
            del known["state_dir"]
        for name, value in _file(path).items():
            if name not in known:
                raise InvalidSetting(
                    f"{path}: no setting is called `{name}`", hint=_suggestion(name, known)
                )
            setting, where = known[name], f"{path}: {name}"
            read = _read(setting, _text(setting, value, where), where)
            if isinstance(read, Path):
                read = path.parent / read
            if name not in self.values:
                self._set(setting, read, Origin.FILE)
        self.values["config"] = path.absolute()
        self.origins.setdefault("config", Origin.DEFAULT)


def _read(setting: Setting, text: str, where: str) -> Any:
    try:
        return setting.read(text)
    except ValueError as error:
        raise InvalidSetting(f"{where} is `{text}`", hint=f"it must be {error}") from error


def _text(setting: Setting, value: Any, where: str) -> str:
    """Write a value of the file as its variable would hold it."""
    if isinstance(value, str):
        return value
    if setting.read is names and isinstance(value, list):
        return ",".join(map(str, value))
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or setting.read in _OF_TEXT:
        legal = "text in quotes" if setting.read in _OF_TEXT else "a number, or text in quotes"
        raise InvalidSetting(f"{where} is `{value}`", hint=f"it must be {legal}")
    return str(value)


def _suggestion(name: str, known: Mapping[str, Setting]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name.lower().removeprefix("jobyard_"), known, n=1)
    return f"did you mean `{close[0]}`?" if close else f"there are {', '.join(known)}"


def _file(path: Path) -> dict[str, Any]:
    """Read a settings file that nobody but its owner could have written.

    Raises:
        InvalidSetting: it cannot be read, is no TOML, or others may do with it what they must not.
    """
    import tomllib

    content, status = _content(path)
    try:
        found = tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise InvalidSetting(
            f"the settings file {path} is not TOML: {error}",
            hint='it has lines such as `slots = 4` or `lease = "15s"`',
        ) from error
    _refuse_strangers(path, status, secret=_PASSWORD.search(str(found.get("database"))) is not None)
    return found


def _content(path: Path) -> tuple[bytes, os.stat_result]:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(MOST_FILE_BYTES + 1)
    except OSError as error:
        raise InvalidSetting(
            f"the settings file {path} cannot be read: {error.strerror}",
            hint=f"{CONFIG_VARIABLE} names it, or it lies in the state folder",
        ) from error
    if len(content) > MOST_FILE_BYTES:
        raise InvalidSetting(
            f"{path} has more than {MOST_FILE_BYTES:,} bytes", hint="is it a settings file?"
        )
    return content, status


def _refuse_strangers(path: Path, status: os.stat_result, *, secret: bool) -> None:
    """Refuse a file that another user may have written, or whose password others may read.

    The file says where jobs come from, so whoever writes it can run programs here.
    """
    if status.st_uid not in (0, os.geteuid()):
        raise InvalidSetting(
            f"the settings file {path} belongs to another user",
            hint="make a copy that belongs to you",
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise InvalidSetting(
            f"others can write the settings file {path}", hint=f"chmod go-w {path}"
        )
    if secret and status.st_mode & (stat.S_IRGRP | stat.S_IROTH):
        raise InvalidSetting(
            f"others can read the password in the settings file {path}", hint=f"chmod 600 {path}"
        )


def default(name: str) -> Any:
    """Tell what a setting is when nobody says."""
    return next(setting.default for setting in SETTINGS if setting.name == name)


def environment() -> dict[str, str]:
    """Copy this process's environment, for those who hand parts of it on."""
    return dict(os.environ)


def total_memory() -> int:
    """Tell the bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def export(variables: Mapping[str, str]) -> None:
    """Put variables into this process's environment, where foreign libraries look for them."""
    os.environ.update(variables)
