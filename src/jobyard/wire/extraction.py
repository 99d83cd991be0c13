"""How far an extraction is, as JSON: its tables, and the sums over all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobyard.clock import rfc3339
from jobyard.core.extract import MOST_BLOCK, is_relative, stop_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobyard.core.extraction import Extraction, Gaps, TableProgress
    from jobyard.core.ranges import Span
    from jobyard.core.records import Job

SECOND = 1_000_000
MOST_GAPS = 100
"""Gaps of a table that are listed; a table may have as many as it has files."""


def wanted_of(job: Job, stop: int | None) -> Span:
    """Tell the blocks that an extraction wants; ``stop`` is what a relative end was found to be."""
    ordered = job.spec.get("extract") or {}
    start: int = ordered.get("start", 0)
    behind = _stop(ordered, stop)
    return start, MOST_BLOCK if behind is None else max(start, behind)


def _stop(ordered: Mapping[str, Any], found: int | None) -> int | None:
    end: str | None = ordered.get("end")
    return found if is_relative(end) else stop_of(end, ordered.get("start", 0), None)


def extraction_members(
    job: Job, extraction: Extraction, gaps: Mapping[str, Gaps], now: int
) -> dict[str, Any]:
    """Write what an extraction adds to a job's progress.

    A table's ``current_block`` is the highest block of the contiguous range that begins with the
    first block wanted, null while that one is missing. ``percent`` is of blocks that every table
    has, ``blocks_per_second`` counts those of one table since the first start; what cannot be
    known is null. ``gaps`` are first and last block of each; there are ``gaps_count`` of them.
    """
    ordered = job.spec.get("extract") or {}
    start: int = ordered.get("start", 0)
    stop = _stop(ordered, extraction.stop)
    tables = {
        name: {**_table(_from(one, gaps.get(name)), start), **_gaps(gaps.get(name))}
        for name, one in sorted(extraction.tables.items())
    }
    rate = _rate(job, extraction, now)
    done = min((_done(table, start) for table in tables.values()), default=0)
    left = None if stop is None else max(0, stop - start - done)
    percent = None if left is None else _percent(done, done + left)
    over = job.state.terminal or not rate or left is None
    return {
        "tables": tables,
        "start_block": start,
        "end_block": None if stop is None else stop - 1,
        "head_block": extraction.head,
        "percent": percent,
        "blocks_per_second": None if rate is None else float(f"{rate:.6g}"),
        "rows": sum(one.rows for one in extraction.tables.values()),
        "eta": None if over else rfc3339(now + int((left or 0) / (rate or 1) * SECOND)),
        "requests": extraction.requests,
        "retries": extraction.retries,
        "bytes_fetched": extraction.bytes_fetched,
    }


def _from(one: TableProgress, gaps: Gaps | None) -> TableProgress:
    """Take what begins with the first block wanted, be it above the chain."""
    return one if gaps is None or gaps.beyond is None else gaps.beyond


def _table(one: TableProgress, start: int) -> dict[str, Any]:
    # A chain that begins above the first block that is wanted, or ends far below, is none yet.
    there = one.start is not None and one.stop is not None and one.start <= start <= one.stop
    return {
        "current_block": one.stop - 1 if there and one.stop is not None else None,
        "start_block": one.start if there else None,
        "files_count": one.files if there else 0,
        "total_size_bytes": one.size if there else 0,
    }


def _gaps(found: Gaps | None) -> dict[str, Any]:
    spans = () if found is None else found.spans
    return {
        "gaps": [[first, behind - 1] for first, behind in spans],
        "gaps_count": 0 if found is None else found.count,
    }


def _done(table: dict[str, Any], start: int) -> int:
    current = table["current_block"]
    return 0 if current is None else max(0, current + 1 - start)


def _percent(done: int, total: int) -> float:
    return round(100 * done / total, 2) if total else 100.0


def _rate(job: Job, extraction: Extraction, now: int) -> float | None:
    state = job.state
    if state.started_at is None or not extraction.blocks or not extraction.tables:
        return None
    took = (state.finished_at or now) - state.started_at
    return extraction.blocks / len(extraction.tables) * SECOND / took if took > 0 else None
