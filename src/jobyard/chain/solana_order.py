"""The order of rows in Solana's tables, which belongs to what they say.

A message is its instructions in the order of their rows, so rows that changed places would be
another message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jobyard.chain.rows import numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa
    from numpy.typing import NDArray

    from jobyard.chain.report import Report
    from jobyard.core.ranges import Span


def places(table: pa.Table) -> NDArray[np.int64]:
    """Tell slot and place of the transaction that each row belongs to."""
    return np.stack([_column(table, "slot"), _column(table, "tx_index")], axis=1)


def check_places(tables: Mapping[str, pa.Table], report: Report, check: str, span: Span) -> bool:
    """Check where rows stand, of all tables that are there; tell whether nothing is wrong.

    One failure is told of each table, where the disorder begins.
    """
    wrong = [
        (int(table["slot"][row].as_py()), f"{name}: {cause}")
        for name, table in tables.items()
        if (found := _disorder(name, table, tables, span)) is not None
        for row, cause in [found]
    ]
    wrong += _unequal(tables)
    for slot, cause in wrong:
        report.fail(check, slot, cause)
    if not wrong:
        headers = tables.get("block_headers")
        report.prove(check, span[1] - span[0] if headers is None else len(headers))
    return not wrong


def _disorder(
    name: str, table: pa.Table, tables: Mapping[str, pa.Table], span: Span
) -> tuple[int, str] | None:
    """Find the first row that is out of place."""
    slot = _column(table, "slot")
    checks = [
        ("slot is not `_block_num`", slot != _column(table, "_block_num")),
        ("it is outside of the slots that are covered", (slot < span[0]) | (slot >= span[1])),
        ("its slot is below the one before", _falls(slot)),
    ]
    headers = tables.get("block_headers")
    if name == "block_headers":
        checks.append(("its slot stands there twice", np.append(False, slot[1:] == slot[:-1])))
    elif headers is not None:
        checks.append(("there is no such block", ~np.isin(slot, _column(headers, "slot"))))
    if name in {"transactions", "messages"}:
        checks.append(("transactions are not numbered 0, 1, 2 …", _misnumbered(table, slot)))
    if name == "instructions":
        checks += _of_instructions(table, tables.get("transactions"))
    for cause, wrong in checks:
        if wrong.any():
            return int(np.argmax(wrong)), cause
    return None


def _misnumbered(table: pa.Table, slot: NDArray[np.int64]) -> NDArray[np.bool_]:
    if not len(slot):
        return np.zeros(0, bool)
    starts = np.flatnonzero(np.append(True, slot[1:] != slot[:-1]))
    lengths = np.diff(np.append(starts, len(slot)))
    wanted = np.arange(len(slot)) - np.repeat(starts, lengths)
    return np.asarray(_column(table, "tx_index") != wanted)


def _of_instructions(
    table: pa.Table, transactions: pa.Table | None
) -> list[tuple[str, NDArray[np.bool_]]]:
    """Check instructions against their transaction, and calls against what made them."""
    key = _key(table)
    inner = table["inner_index"].combine_chunks()
    called = inner.is_valid().to_numpy(zero_copy_only=False)
    starts = np.flatnonzero(np.append(True, key[1:] != key[:-1])) if len(key) else key
    outer = np.cumsum(~called)
    # How many instructions of messages stand before a transaction's first row.
    before = np.repeat(outer[starts] - ~called[starts], np.diff(np.append(starts, len(key))))
    caller = inner.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    checks = [
        ("it stands behind instructions of a later transaction", _falls(key)),
        ("a call does not stand behind its instruction", called & (caller != outer - before - 1)),
    ]
    if transactions is not None:
        checks.append(("there is no such transaction", ~np.isin(key, _key(transactions))))
    return checks


def _unequal(tables: Mapping[str, pa.Table]) -> list[tuple[int, str]]:
    """Check that transactions and messages are of the same transactions."""
    if not {"transactions", "messages"} <= tables.keys():
        return []
    only = np.setxor1d(_key(tables["transactions"]), _key(tables["messages"]))
    if not len(only):
        return []
    return [(int(only[0] >> 32), "transactions and messages are not of the same blocks")]


def _key(table: pa.Table) -> NDArray[np.int64]:
    """Make one number of slot and place, in the same order."""
    return _column(table, "slot") << 32 | _column(table, "tx_index")


def _falls(column: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.append(False, column[1:] < column[:-1])[: len(column)]


def _column(table: pa.Table, name: str) -> NDArray[np.int64]:
    return numbers(table[name].combine_chunks()).astype(np.int64)
