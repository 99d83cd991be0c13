"""The parameters that several routes share, as OpenAPI describes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import Path, Query

from jobyard.api.chosen import LONGEST_PATTERN, MOST_TAIL
from jobyard.api.desks.counter import MOST_ROWS
from jobyard.api.desks.jobs import MOST_JOBS, PAGE

LARGEST_ID = 2**63 - 1

JobId = Annotated[int, Path(ge=1, le=LARGEST_ID, description="The id of a job.")]
EventId = Annotated[int, Path(ge=1, le=LARGEST_ID, description="The id of an event.")]
WorkerId = Annotated[
    str,
    Path(
        max_length=253,
        pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
        description="The id of a worker.",
    ),
]
Limit = Annotated[int, Query(ge=1, le=MOST_JOBS, description=f"Jobs on a page, {PAGE} by default.")]
Rows = Annotated[int, Query(ge=1, le=MOST_ROWS, description="Entries on a page.")]
After = Annotated[int, Query(ge=0, le=LARGEST_ID, description="Only ids above this one.")]
Index = Annotated[int | None, Query(ge=0, le=2**31 - 1, description="Only attempts of this index.")]
Name = Annotated[str | None, Query(description="Only jobs called so.")]
Namespace = Annotated[str | None, Query(description="Only jobs of this namespace.")]
Labels = Annotated[
    Sequence[str],
    Query(description="Only jobs with this label, `key=value`, or without it, `key!=value`."),
]
Executor = Annotated[
    str | None,
    Query(description="Runs every job in place of what it asks for: `process`, `fake`."),
]
Attempt = Annotated[
    int | None, Query(ge=1, le=2**31 - 1, description="Only attempts of this number.")
]
AttemptId = Annotated[
    int | None, Query(ge=1, le=LARGEST_ID, description="Only the attempt of this id.")
]
StreamName = Annotated[Literal["stdout", "stderr"] | None, Query(description="Only this stream.")]
Since = Annotated[
    str | None,
    Query(description="Only what was read since a time (RFC 3339), or a duration ago (`10m`)."),
]
Tail = Annotated[
    int | None, Query(ge=0, le=MOST_TAIL, description="Only so many lines from the end.")
]
Pattern = Annotated[
    str | None,
    Query(
        max_length=LONGEST_PATTERN,
        description="Only lines in which this regular expression (RE2) is found.",
    ),
]
