"""Check documents without running them, and print their schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jobyard import clock, config
from jobyard.cli.options import as_json
from jobyard.cli.printer import say, show_error, show_indented, show_json
from jobyard.errors import ExitCode, InvalidDocument, JobyardError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.errors import Problem

    Object = dict[str, Any]


SHAPES = ("application", "kubernetes-job", "extraction")


@click.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE...",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
)
@click.option("--executor", help="Check as if this executor ran every job.")
@as_json
@click.pass_context
def validate(
    ctx: click.Context, files: tuple[str, ...], executor: str | None, as_json: bool
) -> None:
    """Check files without running them; every problem is told, with its place."""
    checked = [_check(file, executor, quiet=as_json) for file in files]
    if as_json:
        show_json({"files": checked})
    if not all(file["valid"] for file in checked):
        ctx.exit(ExitCode.FAILED)


def _check(file: str, executor: str | None, *, quiet: bool) -> Object:
    # Reading documents takes the YAML reader, which only commands that read them import.
    from jobyard.cli.sources import name_of, read_source
    from jobyard.spec.document import Limits
    from jobyard.spec.load import Purpose, load

    name, limits = name_of(file), Limits.of(config.load({}))
    found: Object = {"file": file, "valid": True, "jobs": [], "problems": [], "warnings": []}
    try:
        text = read_source(file, limits.size)
        loaded = load(
            text,
            now=clock.now(),
            executor=executor,
            limits=limits,
            source=name,
            purpose=Purpose.RUN,
        )
    except JobyardError as error:
        found["valid"] = False
        problems = error.problems if isinstance(error, InvalidDocument) else []
        found["problems"] = _listed(problems) or [{"message": error.detail}]
        if not quiet:
            show_error(error)
        return found
    found["jobs"] = [spec.name for spec in loaded.specs]
    found["warnings"] = _listed(loaded.warnings)
    if loaded.extractions:
        found["extractions"] = [one.kind for one in loaded.extractions]
    if not quiet:
        counts = [_counted(len(loaded.specs), "job")] if loaded.specs else []
        if loaded.extractions:
            counts.append(_counted(len(loaded.extractions), "extraction"))
        click.echo(f"{name}: valid, {', '.join(counts)}")
        for warning in loaded.warnings:
            say(f"  {'note' if warning.code == 'Note' else 'warning'}: {_line(warning)}")
    return found


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _line(problem: Problem) -> str:
    return str(problem) if problem.path else problem.message


def _listed(problems: Sequence[Problem]) -> list[Object]:
    return [
        {
            "path": problem.path,
            "line": problem.line,
            "code": problem.code,
            "message": problem.message,
            "value": problem.value,
            "legal": problem.legal,
        }
        for problem in problems
    ]


@click.command()
@click.argument("shape", type=click.Choice(SHAPES), default="application")
def schema(shape: str) -> None:
    """Print the JSON Schema of a document: with jobs, a Kubernetes Job, or an extraction."""
    from jobyard.spec.schema import schemas

    show_indented(schemas()[shape])
