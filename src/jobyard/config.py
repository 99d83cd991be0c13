"""The settings: what they are called, where they come from, what they are if nobody sets them.

Flag > environment > default, everywhere. The reference page is generated from ``SETTINGS``.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobyard.errors import InvalidSetting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its variable, how its text is read, its default, what it is for."""

    name: str
    variable: str
    read: Callable[[str], Any]
    default: Any
    meaning: str


_OFF = object()
"""What a limit reads as that somebody turned off, so that its default does not step in."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|)", re.ASCII)
_SECONDS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+)(Ki|Mi|Gi|K|M|G|)", re.ASCII)
_BYTES = {
    "": 1, "K": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30,
}  # fmt: skip


def duration(text: str) -> float:
    """Read seconds from text such as ``15``, ``15s``, ``2m``, ``500ms``."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError("a duration such as 15s, 2m or 500ms")
    return float(match[1]) * _SECONDS[match[2]]


def size(text: str) -> int:
    """Read bytes from text such as ``64Mi`` or ``1G``."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("a size such as 64Mi or 1G")
    return int(match[1]) * _BYTES[match[2]]


def count(text: str) -> int:
    """Read a number of things, one at least."""
    if not text.strip().isdigit() or int(text) < 1:
        raise ValueError("a whole number from 1")
    return int(text)


def unless_off(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Have ``0`` and ``off`` read as None: no limit."""

    def read_limit(text: str) -> Any:
        if text.strip().lower() in {"0", "off"}:
            return _OFF
        try:
            return read(text)
        except ValueError as error:
            raise ValueError(f"{error}, or `off`") from error

    return read_limit


def cores() -> int:
    """Count the processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "state_dir", "JOBYARD_STATE_DIR", Path, Path(".jobyard"),
        "the folder of the SQLite database, the logs and the scratch folders",
    ),
    Setting(
        "database", "JOBYARD_DATABASE_URL", str, None,
        "`postgresql://…` to keep everything there; SQLite in the state folder otherwise",
    ),
    Setting("url", "JOBYARD_URL", str, None, "the server that the commands talk to"),
    Setting("host", "JOBYARD_HOST", str, "127.0.0.1", "the address that the server listens on"),
    Setting("port", "JOBYARD_PORT", int, 1610, "the port that the server listens on"),
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
    Setting("log_level", "JOBYARD_LOG_LEVEL", str, "info", "`debug`, `info`, `warning`, `error`"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of this process."""

    state_dir: Path
    database: str | None
    url: str | None
    host: str
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
    log_level: str


def load(flags: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Settings:
    """Gather the settings: a flag that is not None wins over the environment and the default.

    Raises:
        InvalidSetting: a variable's text cannot be read.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        value = flags.get(setting.name)
        text = environ.get(setting.variable)
        if value is None and text:
            try:
                value = setting.read(text)
            except ValueError as error:
                raise InvalidSetting(
                    f"{setting.variable} is `{text}`", hint=f"it must be {error}"
                ) from error
        values[setting.name] = setting.default if value is None else value
        if value is _OFF:
            values[setting.name] = None
    if values["slots"] is None:
        values["slots"] = 2 * cores()
    values["state_dir"] = Path(values["state_dir"]).absolute()
    return Settings(**values)


def environment() -> dict[str, str]:
    """Copy this process's environment, for those who hand parts of it on."""
    return dict(os.environ)


def total_memory() -> int:
    """Tell the bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
