"""Keep an installation in order: bring the schema up to date, tell what works here."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobyard import __version__, app, config
from jobyard.cli import options
from jobyard.cli.options import as_json, server_options, store_options
from jobyard.cli.printer import GREEN, RED, colours, paint, say, show_json, table
from jobyard.errors import ExitCode, JobyardError, SchemaMismatch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobyard.config import Setting, Settings

    Object = Mapping[str, Any]

_PASSWORD = re.compile(r"(?<=://)([^:/@]*):[^@]*@")


@click.command()
@store_options
def migrate(settings: Settings) -> None:
    """Bring the database's schema up to date."""
    options.run(_open(settings))
    found, _ = options.run(app.schema_versions(settings))
    say(f"{where(settings)} has schema version {found}")


@click.command()
@as_json
@server_options
@click.pass_context
def doctor(ctx: click.Context, settings: Settings, as_json: bool) -> None:
    """Tell what works here, and every setting with where it comes from."""
    checks, code = _checks(settings)
    found = {
        "version": __version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "settings": _settings(settings),
        "executors": [_executor(name, settings) for name in app.EXECUTORS],
        "checks": checks,
    }
    if as_json:
        show_json(found)
    else:
        _show(found)
    ctx.exit(code)


def _settings(settings: Settings) -> list[Object]:
    return [
        {
            "name": setting.name,
            "variable": setting.variable,
            "value": _hidden(setting, getattr(settings, setting.name)),
            "source": str(settings.origins[setting.name]),
        }
        for setting in config.SETTINGS
    ]


def _hidden(setting: Setting, value: Any) -> Any:
    return "***" if setting.secret and value is not None else _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return ",".join(value) or None
    if isinstance(value, Path):
        return str(value)
    return without_password(value) if isinstance(value, str) else value


def without_password(url: str) -> str:
    """Leave the password out of a URL that is shown."""
    return _PASSWORD.sub(r"\1:***@", url)


def _executor(name: str, settings: Settings) -> Object:
    try:
        able = app.make_executor(name, settings).capabilities()
    except (JobyardError, OSError) as error:
        return {"name": name, "available": False, "notes": [str(error)]}
    return {
        "name": name,
        "available": True,
        "memory_limit": able.memory_limit,
        "cpu_limit": able.cpu_limit,
        "adopts": able.adopts,
        "notes": list(able.notes),
    }


def _checks(settings: Settings) -> tuple[list[Object], int]:
    """Try what the commands will need; the exit code is that of the first thing that fails."""
    checks, code = [], ExitCode.DONE
    if not settings.database:
        problem = _folder_problem(settings.state_dir)
        folder = str(settings.state_dir)
        there = "" if settings.state_dir.is_dir() else ", to be made"
        checks.append(_check("state folder", problem, f"{folder}{there}"))
        if problem is not None:
            return checks, ExitCode.CONFIGURATION
        if not (settings.state_dir / "jobs.db").exists():
            checks.append(_check("database", None, "SQLite, to be made in the state folder"))
            return checks, code
    try:
        found, known = options.run(app.schema_versions(settings))
        if found > known:
            raise SchemaMismatch(found, known)
    except JobyardError as error:
        checks.append(_check("database", error.detail, where(settings)))
        return checks, error.exit_code
    version = f"schema version {found}"
    if found < known:
        version += f", to be brought to {known} when it is opened or by `jobyard migrate`"
    checks.append(_check("database", None, f"{where(settings)}, {version}"))
    return checks, code


def _check(name: str, problem: str | None, detail: str) -> Object:
    told = detail if problem is None else f"{detail}: {problem}"
    return {"name": name, "ok": problem is None, "detail": told}


def _folder_problem(folder: Path) -> str | None:
    """Say why a folder could not be used or made; None when it could."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        return f"{place} is no folder"
    if not os.access(place, os.W_OK | os.X_OK):
        return f"{place} cannot be written"
    return None


async def _open(settings: Settings) -> None:
    async with app.open_yard(settings):
        pass


def where(settings: Settings) -> str:
    """Name the database that the settings choose."""
    if settings.database:
        return without_password(settings.database)
    return f"SQLite {settings.state_dir / 'jobs.db'}"


def _show(found: Object) -> None:
    on = colours(sys.stdout)
    click.echo(f"jobyard {found['version']}, Python {found['python']}, SQLite {found['sqlite']}\n")
    settings = [
        (s["variable"], "-" if s["value"] is None else str(s["value"]), s["source"])
        for s in found["settings"]
    ]
    click.echo(table(("SETTING", "VALUE", "FROM"), settings, on=on) + "\n")
    executors = [
        (e["name"], e.get("memory_limit", "-"), e.get("cpu_limit", "-"), "; ".join(e["notes"]))
        for e in found["executors"]
    ]
    header = ("EXECUTOR", "MEMORY LIMIT", "CPU LIMIT", "NOTES")
    click.echo(table(header, executors, on=on) + "\n")
    for check in found["checks"]:
        word = paint("ok", GREEN, on=on) if check["ok"] else paint("failed", RED, on=on)
        click.echo(f"{check['name']}: {word}, {check['detail']}")
