"""Files that are not part of their table any more: noted, kept for a while, then collected.

Whoever takes a file out of a table renames it at once (`data/folder.py`), so that no reader of the
folder meets the same blocks twice; those who have it open go on. The collector removes it when its
time has come, and only then is it forgotten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobyard.core.tables import RetiredFile
from jobyard.store.query import Query, Transaction
from jobyard.store.transactions.deciding import read_now

if TYPE_CHECKING:
    from collections.abc import Sequence

SUPERSEDED = "superseded"
"""Why a file goes whose blocks another one has."""


def retire(
    revision_id: int, segment_ids: Sequence[int], reason: str, delay_us: int
) -> Transaction[list[str]]:
    """Take segments out of a revision; they are collected after the delay. Returns their names.

    The canonical chain is the caller's to see to: `chains.withdraw` does both.
    """
    if not segment_ids:
        return []
    now = yield from read_now()
    noted = (revision_id, list(segment_ids), reason, now, now + delay_us)
    rows = yield Query("note_retired", noted)
    yield Query("delete_segments", ([row[0] for row in rows],))
    return sorted(row[1] for row in rows)


def collectable(limit: int) -> Transaction[list[RetiredFile]]:
    """Find files whose time has come, the longest due first."""
    now = yield from read_now()
    rows = yield Query("collectable_files", (now, limit))
    return [RetiredFile(*row) for row in rows]


def collected(file_ids: Sequence[int]) -> Transaction[None]:
    """Forget files that were removed."""
    yield Query("delete_retired", (list(file_ids),))


def postpone(file_ids: Sequence[int], delay_us: int) -> Transaction[None]:
    """Have files that could not be removed come up again later."""
    now = yield from read_now()
    yield Query("postpone_retired", (list(file_ids), now + delay_us))
