"""Do all rows of a batch stand where they should: a batch at a time, without Python values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jobyard.chain.rows import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

_SAME = {"block_hash": "hash", "block_num": "block_num", "timestamp": "timestamp"}
"""Columns that repeat a column of the block."""


def in_order(
    blocks: pa.RecordBatch,
    transactions: pa.RecordBatch | None,
    logs: pa.RecordBatch | None,
    tx_places: Sequence[range],
    log_places: Sequence[range],
) -> bool:
    """Tell whether rows repeat what their block and transaction say, and are numbered in order.

    ``tx_places`` and ``log_places`` are the rows of each block.
    """
    if not blocks.column("_block_num").equals(blocks.column("block_num")):
        return False
    if transactions is not None and not _repeats(blocks, transactions, "tx_index", tx_places):
        return False
    if logs is not None and not _repeats(blocks, logs, "log_index", log_places):
        return False
    if transactions is None or logs is None:
        return True
    return _owned(transactions, logs, tx_places, log_places)


def _repeats(
    blocks: pa.RecordBatch, table: pa.RecordBatch, index: str, places: Sequence[range]
) -> bool:
    counts = _counts(places)
    if counts.sum() != table.num_rows:
        return False
    owners = np.repeat(np.arange(len(counts)), counts)
    starts = np.cumsum(counts) - counts
    if not np.array_equal(numbers(table.column(index)), np.arange(len(owners)) - starts[owners]):
        return False
    return all(
        table.column(name).equals(blocks.column(own).take(owners)) for name, own in _SAME.items()
    )


def _owned(
    transactions: pa.RecordBatch,
    logs: pa.RecordBatch,
    tx_places: Sequence[range],
    log_places: Sequence[range],
) -> bool:
    tx_counts, log_counts = _counts(tx_places), _counts(log_places)
    within = numbers(logs.column("tx_index")).astype(np.int64)
    if (within >= np.repeat(tx_counts, log_counts)).any():
        return False
    owners = within + np.repeat(np.cumsum(tx_counts) - tx_counts, log_counts)
    if (np.diff(owners) < 0).any():
        return False
    return bool(logs.column("tx_hash").equals(transactions.column("tx_hash").take(owners)))


def _counts(places: Sequence[range]) -> NDArray[np.int64]:
    return np.fromiter(map(len, places), np.int64, len(places))
