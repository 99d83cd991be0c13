"""Which jobs are meant: what lists, deletion and retention are asked with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.core.states import JobStatus


@dataclass(frozen=True, slots=True)
class LabelFilter:
    """A label to have, or not to have: a job without the label does not have it either."""

    key: str
    value: str
    equal: bool = True

    @property
    def text(self) -> str:
        """The label as stores keep it; a key has no equals sign."""
        return f"{self.key}={self.value}"


@dataclass(frozen=True, slots=True)
class JobQuery:
    """Which jobs are meant: newest first, ids below ``after``, all given filters at once.

    ``worker_id`` is who claimed of the job last; with a ``*`` at its end it is a prefix.
    ``dataset`` is ``namespace/name``. Times are microseconds since 1970: created after, not at,
    ``created_after``; finished before, not at, ``finished_before``.
    """

    statuses: Sequence[JobStatus] | None = None
    name: str | None = None
    namespace: str | None = None
    ids: Sequence[int] | None = None
    after: int | None = None
    limit: int = 50
    labels: Sequence[LabelFilter] = ()
    trigger: str | None = None
    worker_id: str | None = None
    workflow_id: int | None = None
    dataset: str | None = None
    created_after: int | None = None
    finished_before: int | None = None
    manifest_hash: str | None = None
    """A revision of ``dataset``, which is given too."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long finished jobs are kept, for each terminal status on its own; None is for ever.

    Those with a time to live of their own are not meant.
    """

    age: float | None = None
    """Seconds after the end."""
    count: int | None = None
    """Jobs, the latest to end."""
