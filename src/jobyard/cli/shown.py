"""Jobs, attempts, events and workers as people read them: tables and short pages."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from jobyard.cli.printer import BOLD, COLOUR_OF_STATUS, colours, paint, table
from jobyard.core.indexes import IndexSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    Object = dict[str, Any]

LONGEST_CELL = 60


def jobs_table(jobs: Sequence[Object]) -> str:
    """Lay out a page of jobs."""
    rows = [
        (
            str(job["id"]), job["name"], job["status"], _done(job), _moment(job["created_at"]),
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


def _painted(member: Any, *, on: bool) -> str:
    if isinstance(member, (dict, list)):
        return json.dumps(member, ensure_ascii=False)
    text = str(member).lower() if isinstance(member, bool) else str(member)
    return paint(text, COLOUR_OF_STATUS.get(text), on=on)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return table(header, rows, on=colours(sys.stdout))


def _why(job: Object) -> str | None:
    """Say what a job waits for, or why it ended."""
    if job["status"] == "RUNNING" and job["retry_at"] is not None:
        return f"tries again at {_moment(job['retry_at'])}"
    why: str | None = job["waiting_reason"] or job["reason"]
    return why


def _done(job: Object) -> str:
    chosen = job["indexes"]
    total = job["completions"] if chosen is None else len(IndexSet.parse(chosen))
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
