"""Tell why a job is where it is, and what would help."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from jobyard.cli.desk import ask
from jobyard.cli.options import as_json, job_id, server_options
from jobyard.cli.printer import BOLD, colours, paint, show_json, table
from jobyard.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TextIO

    from jobyard.config import Settings

    Object = Mapping[str, Any]


@click.command()
@job_id
@as_json
@server_options
def explain(settings: Settings, job_id: int, as_json: bool) -> None:
    """Tell why a job is where it is: what it waits for, who could run it, how it failed."""
    found = ask(settings, lambda desk: desk.explain(job_id))
    if as_json:
        show_json(found)
    else:
        sys.stdout.write("\n".join(_lines(found, sys.stdout)) + "\n")


def _lines(found: Object, out: TextIO) -> Iterator[str]:
    on = colours(out)
    yield paint(printable(found["summary"]), BOLD, on=on)
    # The summary says the first of them already, most of the time.
    yield from (
        f"  {printable(reason)}" for reason in found["reasons"] if reason not in found["summary"]
    )
    if found["retry_at"] is not None:
        yield f"  it is tried again at {found['retry_at']}"
    for name, (header, row) in TABLES.items():
        rows = [tuple(_cell(one[key]) for key in row) for one in found[name]]
        if rows:
            yield ""
            yield table(header, rows, on=on)
    if found["hints"]:
        yield ""
    yield from (f"hint: `{printable(hint)}`" for hint in found["hints"])


TABLES = {
    "workers": (("WORKER", "FITS", "WHY"), ("id", "fits", "why")),
    "dependencies": (
        ("WAITS FOR", "TO BE", "STATUS", "SATISFIED"),
        ("job_id", "condition", "job_status", "satisfied"),
    ),
    "last_failures": (
        ("ATTEMPT", "INDEX", "NUMBER", "REASON", "EXIT", "SIGNAL", "MESSAGE"),
        ("attempt_id", "index", "number", "reason", "exit_code", "signal", "message"),
    ),
}
"""The parts of an explanation that are tables: their headers, and the members in the columns."""


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)
