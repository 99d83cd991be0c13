"""Mixed traffic for a server: reads and writes in turn, and an account of what was accepted.

Nothing of it is random: the n-th request is the same in every run, as far as ids allow.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

SPEC: dict[str, Any] = {
    "name": "traffic",
    "executor": "fake",
    "labels": {"of": "traffic"},
    "fake": {"run_for": 0.01},
}
STRIDE = 7
"""A step through the jobs that were accepted: neighbours in time ask for different ones."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of request; ``{job}`` in the path is an accepted job."""

    method: str
    path: str
    weight: int
    good: tuple[int, ...] = (200,)
    """Statuses that are no error: a job may be over, not over, or deleted meanwhile."""
    body: Any = None


KINDS = (
    Kind("POST", "/jobs", 6, (201,), SPEC),
    Kind("GET", "/jobs/{job}", 4, (200, 404)),
    Kind("GET", "/jobs?limit=20", 1),
    Kind("GET", "/jobs?status=all&name=traffic&limit=20", 1),
    Kind("GET", "/jobs?status=completed&label=of=traffic&limit=20", 1),
    Kind("GET", "/jobs/{job}/progress", 1, (200, 404)),
    Kind("GET", "/jobs/{job}/events", 1, (200, 404)),
    Kind("GET", "/jobs/{job}/attempts", 1, (200, 404)),
    Kind("GET", "/jobs/{job}/explain", 1, (200, 404)),
    Kind("PATCH", "/jobs/{job}", 1, (200, 400, 404, 409), {"priority": 1}),
    Kind("PUT", "/jobs/{job}/stop", 1, (200, 404)),
    Kind("DELETE", "/jobs/{job}", 1, (204, 409)),
)
_TURNS = tuple(kind for kind in KINDS for _ in range(kind.weight))


@dataclass(slots=True)
class Traffic:
    """Asks a server, and remembers what it promised."""

    http: httpx.AsyncClient
    answered: Counter[str] = field(default_factory=Counter)
    """Good answers by method."""
    errors: list[str] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)
    deleted: set[int] = field(default_factory=set)

    async def ask(self, number: int) -> None:
        """Send the request of a number; whatever goes wrong is remembered, not raised."""
        kind = _TURNS[number * STRIDE % len(_TURNS)]
        job = 0
        if "{job}" in kind.path:
            if self.accepted:
                job = self.accepted[number * STRIDE % len(self.accepted)]
            else:
                kind = KINDS[0]
        path = kind.path.format(job=job)
        try:
            answer = await self.http.request(kind.method, path, json=kind.body)
        except Exception as error:  # noqa: BLE001 - every failure of a request is an error to count
            self.errors.append(f"{kind.method} {path}: {error!r}")
            return
        if answer.status_code not in kind.good:
            self.errors.append(f"{kind.method} {path}: {answer.status_code} {answer.text[:200]}")
            return
        self.answered[kind.method] += 1
        if kind.method == "POST":
            self.accepted.append(answer.json()["id"])
        elif kind.method == "DELETE" and answer.is_success:
            self.deleted.add(job)

    async def unaccounted(self) -> set[int]:
        """Name the jobs that were accepted and not deleted and are in no list, or the reverse."""
        listed: set[int] = set()
        cursor: int | None = None
        while True:
            path = "/jobs?status=all&name=traffic&limit=1000"
            after = "" if cursor is None else f"&last_job_id={cursor}"
            page = (await self.http.get(path + after)).json()
            listed |= {job["id"] for job in page["jobs"]}
            cursor = page.get("next_cursor")
            if cursor is None:
                return listed ^ (set(self.accepted) - self.deleted)
