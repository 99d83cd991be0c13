"""The options that several commands share, and the settings they make."""

from __future__ import annotations

import re
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from jobyard import app, clock, config
from jobyard.cli import completion
from jobyard.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    Command = Callable[..., Any]

    _ParamType = click.ParamType[Any]
else:
    # Generic for type checkers only: older releases of click cannot be subscripted.
    _ParamType = click.ParamType

T = TypeVar("T")
_RFC3339_DAY = re.compile(r"\d{4}-\d\d-\d\d")


class Number(click.IntRange):
    """A whole number within limits, called so where it is not one."""

    name = "number"


def _moment(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Read a time: one that is a duration ago is told to the server as what it is."""
    del ctx, param
    if value is None:
        return None
    try:
        ago = config.duration(value)
    except ValueError:
        if _RFC3339_DAY.match(value):
            return value
        raise InvalidRequest(
            f"--created-after is `{value}`",
            hint="it is a time such as 2030-01-31T08:00:00Z, or a time ago such as 2h",
        ) from None
    return clock.rfc3339(clock.now_us() - int(ago * 1_000_000))


def store_options(command: Command) -> Command:
    """Let a command choose its store; it gets ``settings`` for the options it declares."""
    return _gathered(_state_dir(_database(command)))


def server_options(command: Command) -> Command:
    """Let a command choose the server it talks to, or a store to work on without one."""
    return _gathered(_url(_token(_state_dir(_database(command)))))


def _gathered(command: Command) -> Command:
    """Hand a command ``settings`` in place of the options that are settings."""
    names = [setting.name for setting in config.SETTINGS]

    @wraps(command)
    def gathering(*args: Any, **options: Any) -> Any:
        flags = {name: options.pop(name) for name in names if name in options}
        return command(*args, settings=config.load(flags), **options)

    return gathering


_state_dir = click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of the SQLite database, logs and scratch folders.",
)
_database = click.option("--database", metavar="URL", help="PostgreSQL in place of SQLite.")
_url = click.option("--url", metavar="URL", help="The server to talk to.")
_token = click.option(
    "--auth-token", "token", metavar="TOKEN", help="Who speaks, if the server asks for it."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, one line of it.")
LARGEST_ID = 2**63 - 1
JOB_ID = Number(1, LARGEST_ID)
job_id = click.argument("job_id", type=JOB_ID, metavar="ID", shell_complete=completion.job_ids)
job_ids = click.argument(
    "job_ids",
    type=JOB_ID,
    metavar="ID...",
    nargs=-1,
    required=True,
    shell_complete=completion.job_ids,
)
_FILTERS = {
    "name": click.option("--name", help="Only jobs called so."),
    "namespace": click.option("--namespace", "-n", help="Only jobs of this namespace."),
    "labels": click.option(
        "--label", "labels", multiple=True, metavar="KEY=VALUE",
        help="Only jobs with this label; KEY!=VALUE: only without it.",
    ),
    "trigger": click.option("--trigger", help="Only jobs made so: api, cli, run, retry, …"),
    "worker_id": click.option(
        "--worker", "worker_id", metavar="ID", help="Only jobs of this worker.",
        shell_complete=completion.worker_ids,
    ),
    "workflow_id": click.option(
        "--workflow", "workflow_id", type=JOB_ID, metavar="ID", help="Only jobs of this workflow."
    ),
    "dataset": click.option(
        "--dataset", metavar="NAMESPACE/NAME", help="Only jobs of this dataset."
    ),
    "created_after": click.option(
        "--created-after", metavar="TIME", callback=_moment,
        help="Only jobs made after this: RFC 3339, or a time ago such as 2h.",
    ),
}  # fmt: skip


def filtered(*names: str) -> Callable[[Command], Command]:
    """Let a command choose jobs by these filters, all if none is named; it gets ``filters``."""
    chosen = names or tuple(_FILTERS)

    def declared(command: Command) -> Command:
        @wraps(command)
        def gathering(*args: Any, **options: Any) -> Any:
            given = {name: options.pop(name) for name in chosen}
            filters = {name: value for name, value in given.items() if value not in (None, ())}
            return command(*args, filters=filters, **options)

        for name in reversed(chosen):
            gathering = _FILTERS[name](gathering)
        return gathering

    return declared


class Read(_ParamType):
    """An option whose text is read as the setting of the same kind is."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        """Read with ``read``, which raises ValueError with what would be legal."""
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a text; anything else is a default and stays itself."""
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except ValueError as error:
            self.fail(f"`{value}` is not {error}", param, ctx)


DURATION = Read("duration", config.duration)
SIZE = Read("size", config.size)
COUNT = Read("count", config.count)
NAMES = Read("names", config.names)


def pairs(texts: Sequence[str], flag: str) -> dict[str, str]:
    """Read options of the form ``KEY=VALUE``.

    Raises:
        InvalidRequest: one has no ``=`` or no key.
    """
    read = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InvalidRequest(f"{flag} is `{text}`", hint=f"it must be {flag} KEY=VALUE")
        read[name] = value
    return read


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work in an event loop."""
    return app.run_async(work)
