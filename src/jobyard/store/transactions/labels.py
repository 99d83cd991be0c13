"""Keep the labels of jobs one by one as well, for lists that ask for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobyard.store.query import Query, Transaction

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jobyard.core.job import JobSpec


def insert_labels(specs: Iterable[tuple[int, JobSpec]]) -> Transaction[None]:
    """Write the labels of jobs, given by their ids."""
    labels = [
        (f"{key}={value}", job_id) for job_id, spec in specs for key, value in spec.labels.items()
    ]
    if labels:
        yield Query("insert_labels", (), labels)


def delete_labels(job_ids: Sequence[int]) -> Transaction[None]:
    """Take the labels of jobs away, while their specs still say which these are."""
    labels = [tuple(row) for row in (yield Query("labels_of", (list(job_ids),)))]
    if labels:
        yield Query("delete_labels", (), labels)
