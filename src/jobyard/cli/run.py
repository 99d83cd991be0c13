"""`jobyard run`: run the jobs of files to their end, in this process or on a server."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from jobyard import app, clock, log
from jobyard.cli.live import Live
from jobyard.cli.options import COUNT, server_options
from jobyard.cli.printer import colours, say, seconds, show_json, table
from jobyard.cli.session import Session, is_suspended
from jobyard.cli.shown import done
from jobyard.config import Origin
from jobyard.errors import ExitCode, JobyardError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jobyard.cli.extracting import Outcome
    from jobyard.cli.session import Place
    from jobyard.config import Settings
    from jobyard.core.extract import Extract
    from jobyard.core.job import JobSpec
    from jobyard.spec.load import Loaded

    Object = Mapping[str, Any]

HERE_ALONE = {"slots": "--slots", "state_dir": "--state-dir", "database": "--database"}
"""Settings that mean nothing to a server that is asked, and their flags."""


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--executor", help="Run every job with this executor: process or fake.")
@click.option("--slots", type=COUNT, help="Programs at a time.")
@click.option(
    "--set", "sets", multiple=True, metavar="FIELD=VALUE", help="Set a field of each job."
)
@click.option("--json", "as_json", is_flag=True, help="Print the job objects and nothing else.")
@click.option("--exit-code-from", metavar="NAME", help="End with that job's program's exit code.")
@click.option("--watch", is_flag=True, help="Of extractions, show how far each table is.")
@server_options
@click.pass_context
def run(
    ctx: click.Context,
    /,
    settings: Settings,
    files: tuple[str, ...],
    executor: str | None,
    sets: tuple[str, ...],
    as_json: bool,
    exit_code_from: str | None,
    watch: bool,
) -> None:
    """Run the jobs and extractions of FILE… to their end, here and now; jobs on a named server.

    Shows their output with a prefix and a line of progress, prints a summary, and exits 0 only
    if all jobs completed, and all extractions have what was wanted. An interrupt stops them, a
    second one at once.
    """
    log.configure("warning")
    if watch and as_json:
        raise click.UsageError("--watch is for people, --json for programs")
    try:
        loaded = load_files(settings, files, executor, sets)
    except JobyardError:
        if as_json:
            show_json({"jobs": []})
        raise
    _check_name(exit_code_from, [one.specs for one in loaded])
    ran = _Run(settings, loaded, executor, watch=watch)
    session = app.run_async(ran.run(exit_code_from, quiet=as_json))
    jobs = list(session.jobs.values())
    if as_json:
        show_json({"jobs": jobs, **ran.as_json()})
    else:
        show_summary(jobs)
        ran.show()
    ctx.exit(_exit_code(session, complete=ran.complete))


def _exit_code(session: Session, *, complete: bool) -> int:
    if session.interrupted:
        return ExitCode.INTERRUPTED
    if session.exit_code is not None:
        return session.exit_code
    good = (job["status"] == "COMPLETED" or is_suspended(job) for job in session.jobs.values())
    return ExitCode.DONE if complete and all(good) else ExitCode.FAILED


def _check_name(name: str | None, files: Iterable[Iterable[JobSpec]]) -> None:
    names = sorted({spec.name for specs in files for spec in specs})
    if name is not None and name not in names:
        raise click.UsageError(f"--exit-code-from: no job is named `{name}` ({', '.join(names)})")


def _wants_a_server(settings: Settings) -> bool:
    """Tell whether a server was named, and nothing that is stronger says to work here.

    Raises:
        UsageError: the command line says both.
    """
    if settings.url is None:
        return False
    said = [name for name in HERE_ALONE if settings.origins[name] is Origin.FLAG]
    if said and settings.origins["url"] is Origin.FLAG:
        flag = HERE_ALONE[said[0]]
        raise click.UsageError(f"{flag} is for jobs that run here, --url is for a server's")
    return not said


class _Run:
    """One run of some files: their jobs, and behind them their extractions."""

    def __init__(
        self, settings: Settings, loaded: Sequence[Loaded], executor: str | None, *, watch: bool
    ) -> None:
        """Run what was read.

        Raises:
            UsageError: a server was named, and there are extractions.
        """
        self._settings = settings
        self._files = [one.specs for one in loaded if one.specs]
        self._wanted = [each for one in loaded for each in one.extractions]
        self._executor = executor
        self._watch = watch
        self._there = _wants_a_server(settings)
        self._outcomes: list[Outcome] = []
        if self._there and self._wanted:
            raise click.UsageError(
                "an extraction runs here, not on a server; "
                "`jobyard dataset register` and `deploy` have a server's workers do it"
            )

    async def run(self, exit_code_from: str | None, *, quiet: bool) -> Session:
        """Run all of it to its end."""
        woken = asyncio.Event()
        out = sys.stderr if quiet else sys.stdout
        place: Place
        live: Live
        extracts: list[Extract] = []
        settings = self._settings
        # Each way imports what only it needs: an engine, or the HTTP library.
        if self._there:
            from jobyard.cli.run_there import There

            live = Live(out, woken.set)
            place = There(settings, self._files, live, self._executor)
        elif self._wanted:
            from jobyard.cli.extracting import prepare, settings_for
            from jobyard.cli.run_watched import place_for
            from jobyard.spec.extraction import job_of

            extracts = await prepare(settings, self._wanted)
            settings = settings_for(settings, extracts)
            specs = [*self._specs(), *(job_of(one) for one in extracts)]
            place, live = place_for(settings, specs, out, woken.set, watch=self._watch)
        else:
            from jobyard.cli.run_here import Here

            live = Live(out, woken.set)
            place = Here(settings, self._specs(), live)
        session = Session(place, live, woken, exit_code_from)
        try:
            await session.run()
        except ExceptionGroup as group:
            # What several tasks do together ends in a group, of one error most of the time.
            known = group.subgroup(JobyardError)
            if known is None:
                raise
            raise _first(known) from group
        if extracts:
            from jobyard.cli.extracting import outcomes

            self._outcomes = await outcomes(settings, list(session.jobs.values()), extracts)
        return session

    def _specs(self) -> list[JobSpec]:
        return [spec for specs in self._files for spec in specs]

    def show(self) -> None:
        """Show what became of the extractions."""
        for one in self._outcomes:
            sys.stdout.write("\n")
            one.show()
            if one.lacking is not None:
                say(f"error: {one.lacking}")

    def as_json(self) -> Object:
        """Write what became of the extractions, if there are any."""
        found = [{"job_id": one.job["id"], **one.as_json()} for one in self._outcomes]
        return {"extractions": found} if found else {}

    @property
    def complete(self) -> bool:
        """Whether all extractions have what was wanted."""
        return all(one.lacking is None for one in self._outcomes)


def _first(error: Exception) -> Exception:
    return _first(error.exceptions[0]) if isinstance(error, ExceptionGroup) else error


def load_files(
    settings: Settings, files: Iterable[str], executor: str | None, sets: Iterable[str]
) -> list[Loaded]:
    """Read the jobs and extractions of each file; `-` is standard input.

    Raises:
        InvalidDocument: a file has problems; all of them are in it.
    """
    from jobyard.cli.sources import name_of, read_source
    from jobyard.spec.document import Limits
    from jobyard.spec.load import Purpose, load

    limits = Limits.of(settings)
    overrides = dict(_assignment(text) for text in sets)
    found = []
    for name in files:
        loaded = load(
            read_source(name, limits.size),
            now=clock.now(),
            executor=executor,
            overrides=overrides,
            limits=limits,
            source=name_of(name),
            purpose=Purpose.RUN,
        )
        found.append(loaded)
        for warning in loaded.warnings:
            if warning.code != "Note":
                say(f"warning: {warning}")
    return found


def _assignment(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--set takes FIELD=VALUE, not `{text}`")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def show_summary(jobs: Sequence[Object]) -> None:
    """Print a line for each job, and why it ended as it did."""
    rows = [
        (
            str(job["id"]), job["name"], job["status"], done(job), str(job["failed"]),
            seconds(_took(job)), _why(job),
        )
        for job in jobs
    ]  # fmt: skip
    header = ("ID", "NAME", "STATUS", "DONE", "FAILED", "TOOK", "WHY")
    sys.stdout.write(table(header, rows, on=colours(sys.stdout)) + "\n")


def _took(job: Object) -> float | None:
    if job["started_at"] is None:
        return None
    since = datetime.fromisoformat(job["started_at"])
    until = job["finished_at"]
    return (
        (clock.now() if until is None else datetime.fromisoformat(until)) - since
    ).total_seconds()


def _why(job: Object) -> str:
    if is_suspended(job):
        return f"suspended; `jobyard job resume {job['id']}` lets it go on"
    reason = job["reason"] if job["status"] != "COMPLETED" else None
    return ": ".join(part for part in (reason, job["message"]) if part)
