"""The columns that say what became of transactions: fees, balances, logs, rewards."""

from __future__ import annotations

from binascii import a2b_base64
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa

from jobyard.chain.solana_tables import BYTES, REWARD, TEXT, TOKEN_AMOUNT, TOKEN_BALANCE, U64
from jobyard.chain.tables import ListOf, arrow_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.chain.solana_json import Meta, Reward, TokenBalance
    from jobyard.chain.tables import ColumnType, Record

_encode = msgspec.json.encode


def columns(metas: list[Meta]) -> list[pa.Array]:
    """Make the columns of ``transactions`` from ``err`` to ``cost_units``."""
    loaded = [each.loaded_addresses for each in metas]
    returned = [each.return_data for each in metas]
    return [
        texts([None if each.err is None else _encode(each.err).decode() for each in metas]),
        _numbers([each.fee for each in metas]),
        _number_list([each.pre_balances for each in metas]),
        _number_list([each.post_balances for each in metas]),
        text_list([each.log_messages for each in metas]),
        _token_balances([each.pre_token_balances for each in metas]),
        _token_balances([each.post_token_balances for each in metas]),
        _rewards([each.rewards for each in metas]),
        text_list([None if each is None else each.writable for each in loaded]),
        text_list([None if each is None else each.readonly for each in loaded]),
        texts([None if each is None else each.program_id for each in returned]),
        pa.array(
            [None if each is None else list(a2b_base64(each.data[0])) for each in returned],
            arrow_type(BYTES),
        ),
        _numbers([each.compute_units_consumed for each in metas]),
        _numbers([each.cost_units for each in metas]),
    ]


def ragged(lists: Sequence[list[Any] | None]) -> tuple[pa.Array, list[Any]]:
    """Flatten lists; returns offsets, null where there is no list, and the items."""
    mask = None
    if None in lists:
        mask = np.array([*(each is None for each in lists), False])
        lists = [each or [] for each in lists]
    offsets = np.zeros(len(lists) + 1, np.int32)
    np.cumsum(np.fromiter(map(len, lists), np.int32, len(lists)), out=offsets[1:])  # type: ignore[arg-type]
    return pa.array(offsets, mask=mask), list(chain.from_iterable(lists))  # type: ignore[arg-type]


def structs(columns: list[pa.Array], kind: Record) -> pa.Array:
    """Make a column of structures."""
    return pa.StructArray.from_arrays(columns, fields=list(arrow_type(kind)))


def lists_of(offsets: pa.Array, values: pa.Array, kind: ColumnType, mask: Any = None) -> pa.Array:
    """Make a column of lists."""
    return pa.ListArray.from_arrays(offsets, values, type=arrow_type(ListOf(kind)), mask=mask)


def texts(values: list[str] | list[str | None]) -> pa.Array:
    """Make a column of Utf8."""
    return pa.array(values, pa.utf8())


def text_list(lists: Sequence[list[str] | None]) -> pa.Array:
    """Make a column of List<Utf8>."""
    offsets, values = ragged(lists)
    return lists_of(offsets, texts(values), TEXT)


def _numbers(values: list[int | None]) -> pa.Array:
    return pa.array(values, pa.uint64())


def _number_list(lists: list[list[int] | None]) -> pa.Array:
    offsets, values = ragged(lists)
    return lists_of(offsets, pa.array(values, pa.uint64()), U64)


def _token_balances(lists: list[list[TokenBalance] | None]) -> pa.Array:
    offsets, balances = ragged(lists)
    amounts = [each.ui_token_amount for each in balances]
    amount = structs(
        [
            pa.array([each.decimals for each in amounts], pa.uint8()),
            texts([each.amount for each in amounts]),
            texts([each.ui_amount_string for each in amounts]),
        ],
        TOKEN_AMOUNT,
    )
    values = structs(
        [
            pa.array([each.account_index for each in balances], pa.uint8()),
            texts([each.mint for each in balances]),
            amount,
            texts([each.owner for each in balances]),
            texts([each.program_id for each in balances]),
        ],
        TOKEN_BALANCE,
    )
    return lists_of(offsets, values, TOKEN_BALANCE)


def _rewards(lists: list[list[Reward] | None]) -> pa.Array:
    offsets, rewards = ragged(lists)
    values = structs(
        [
            texts([each.pubkey for each in rewards]),
            pa.array([each.lamports for each in rewards], pa.int64()),
            pa.array([each.post_balance for each in rewards], pa.uint64()),
            texts([each.reward_type for each in rewards]),
            pa.array([each.commission for each in rewards], pa.uint8()),
        ],
        REWARD,
    )
    return lists_of(offsets, values, REWARD)
