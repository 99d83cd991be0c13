"""Jobs, attempts, events and workers as people read them: tables and short pages."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from jobyard.cli.printer import (
    BOLD,
    COLOUR_OF_STATUS,
    as_text,
    colours,
    paint,
    show_indented,
    show_json,
    table,
)
from jobyard.core.indexes import IndexSet
from jobyard.errors import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Object = Mapping[str, Any]

LONGEST_CELL = 60
SHOWN_GAPS = 3
"""Gaps of a table that fit behind it; the JSON has more of them."""


def jobs_table(jobs: Sequence[Object]) -> str:
    """Lay out a page of jobs."""
    rows = [
        (
            str(job["id"]), job["name"], job["status"], done(job), _moment(job["created_at"]),
            _short(_why(job)),
        )
        for job in jobs
    ]  # fmt: skip
    return _table(("ID", "NAME", "STATUS", "DONE", "CREATED", "WHY"), rows)


def attempts_table(attempts: Sequence[Object]) -> str:
    """Lay out a page of attempts."""
    rows = [
        (
            str(attempt["id"]), _or_dash(attempt["index"]), str(attempt["number"]),
            attempt["status"], _or_dash(attempt["exit_code"]), _or_dash(attempt["worker_id"]),
            _moment(attempt["started_at"]), _moment(attempt["finished_at"]),
            _short(attempt["reason"]),
        )
        for attempt in attempts
    ]  # fmt: skip
    header = (
        "ID", "INDEX", "NUMBER", "STATUS", "EXIT", "WORKER", "STARTED", "FINISHED", "REASON",
    )  # fmt: skip
    return _table(header, rows)


def events_table(events: Sequence[Object]) -> str:
    """Lay out a job's ledger."""
    rows = [
        (
            str(event["id"]), _moment(event["at"]), event["event"], event["status"],
            _short(event["message"] or event["reason"]),
        )
        for event in events
    ]  # fmt: skip
    return _table(("ID", "AT", "EVENT", "STATUS", "WHY"), rows)


def workers_table(workers: Sequence[Object]) -> str:
    """Lay out workers."""
    rows = [
        (
            worker["id"], "draining" if worker["draining"] else "working", str(worker["running"]),
            _map(worker["slots"]), f"{worker['cpu']:g}", f"{worker['memory'] / 2**30:.1f}Gi",
            _map(worker["labels"]), f"{worker['heartbeat_age']:.1f}s", worker["version"],
        )
        for worker in workers
    ]  # fmt: skip
    header = (
        "ID", "STATE", "RUNNING", "SLOTS", "CPU", "MEMORY", "LABELS", "HEARTBEAT", "VERSION",
    )  # fmt: skip
    return _table(header, rows)


def plain_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Lay out what has no place of its own here; nothing is a dash."""
    return _table(header, [tuple(_or_dash(cell or None) for cell in row) for row in rows])


def page(value: Object) -> str:
    """Lay out one object: a line for each field that says something; the spec as JSON."""
    on = colours(sys.stdout)
    width = max(len(name) for name in value)
    lines = []
    for name, member in value.items():
        if member in (None, {}, []):
            continue
        label = paint(name.ljust(width), BOLD, on=on)
        lines.append(f"{label}  {_painted(member, on=on)}")
    return "\n".join(lines)


def show_object(value: Object, lay_out: Callable[[Object], str], *, as_json: bool) -> None:
    """Show one object to a person as a page, to anybody else as JSON."""
    if as_json:
        show_json(value)
    elif sys.stdout.isatty():
        sys.stdout.write(lay_out(value) + "\n")
    else:
        show_indented(value)


def progress_page(found: Object) -> str:
    """Lay out how far a job is: its completions on one line, each table on its own."""
    on = colours(sys.stdout)
    status = found["job_status"]
    lines = [
        f"job     {found['job_id']}",
        f"status  {paint(status, COLOUR_OF_STATUS.get(status), on=on)}",
        f"done    {_counts(found['completions'])}",
    ]
    if found.get("detail"):
        lines.append(f"detail  {as_text(found['detail'])}")
    if "percent" in found:
        lines.append(f"blocks  {_pace(found)}")
    if found["tables"]:
        rows = [(name, *_extent(found["tables"][name])) for name in sorted(found["tables"])]
        header = ("TABLE", "BLOCKS", "FILES", "SIZE", "GAPS")
        width = len(header) - (not any(row[-1] for row in rows))
        lines += ["", _table(header[:width], [row[:width] for row in rows])]
    return "\n".join(lines)


def _pace(found: Object) -> str:
    end = found["end_block"]
    parts = [f"{found['start_block']} - {'...' if end is None else end}"]
    if found["percent"] is not None:
        parts.append(f"{found['percent']:g} %")
    if found["head_block"] is not None:
        parts.append(f"head {found['head_block']}")
    if found["blocks_per_second"]:
        parts.append(f"{found['blocks_per_second']:.4g} blocks/s")
    if found["eta"]:
        parts.append(f"done at {_moment(found['eta'])}")
    parts.append(f"{found['rows']} rows")
    if found["requests"]:
        fetched = in_bytes(found["bytes_fetched"])
        parts.append(f"{found['requests']} requests, {found['retries']} retries, {fetched}")
    return " · ".join(parts)


def _counts(counted: Object) -> str:
    total = counted["total"]
    parts = [f"{counted['succeeded']}/{'?' if total is None else total}"]
    parts += [f"{counted[word]} {word}" for word in ("active", "failed") if counted[word]]
    if counted.get("rate"):
        parts.append(f"{counted['rate']:.3g}/s")
    if counted.get("eta"):
        parts.append(f"done at {_moment(counted['eta'])}")
    return " · ".join(parts)


def _extent(written: Object) -> tuple[str, str, str, str]:
    first, last = written["start_block"], written["current_block"]
    blocks = "(no data)" if last is None else f"{first} - {last}"
    size = in_bytes(written["total_size_bytes"])
    return blocks, str(written["files_count"]), size, _gaps(written)


def _gaps(written: Object) -> str:
    """Write the first gaps, and how many more there are."""
    first = [f"{a} - {b}" if a < b else str(a) for a, b in written.get("gaps", ())[:SHOWN_GAPS]]
    more = written.get("gaps_count", 0) - len(first)
    return ", ".join([*first, *([f"{more} more"] if more else [])])


def in_bytes(count: int) -> str:
    """Write a number of bytes as people read it, in steps of 1024."""
    value, unit = float(count), "B"
    for larger in ("KB", "MB", "GB", "TB"):
        if value < 1024:  # noqa: PLR2004 - the step
            break
        value, unit = value / 1024, larger
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"


def _painted(member: Any, *, on: bool) -> str:
    if isinstance(member, (dict, list)):
        return as_text(member)
    text = str(member).lower() if isinstance(member, bool) else printable(str(member))
    return paint(text, COLOUR_OF_STATUS.get(text), on=on)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return table(header, rows, on=colours(sys.stdout))


def _why(job: Object) -> str | None:
    """Say what a job waits for, or why it ended."""
    if job["status"] == "RUNNING" and job["retry_at"] is not None:
        return f"tries again at {_moment(job['retry_at'])}"
    why: str | None = job["waiting_reason"] or job["reason"] or _restarted(job)
    return why


def _restarted(job: Object) -> str | None:
    """Say that what runs has failed before: a program that crashes again and again looks well."""
    count = job.get("restarts", 0)
    return f"restarted {times(count)}" if count and job["status"] == "RUNNING" else None


def times(count: int) -> str:
    """Say how often."""
    return "once" if count == 1 else f"{count} times"


def total_of(job: Object) -> int | None:
    """Tell how many successes make a job complete; None for a work queue."""
    chosen = job["indexes"]
    total: int | None = job["completions"] if chosen is None else len(IndexSet.parse(chosen))
    return total


def done(job: Object) -> str:
    """Write how many successes there are, of how many."""
    total = total_of(job)
    return f"{job['succeeded']}/{'?' if total is None else total}"


def _moment(text: str | None) -> str:
    """Shorten a time to whole seconds, as the exact one is in the JSON."""
    return "-" if text is None else f"{text[:10]} {text[11:19]}"


def _map(value: Object) -> str:
    return ",".join(f"{name}={member}" for name, member in value.items()) or "-"


def _or_dash(value: Any) -> str:
    return "-" if value is None else str(value)


def _short(text: str | None) -> str:
    if not text:
        return ""
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"
