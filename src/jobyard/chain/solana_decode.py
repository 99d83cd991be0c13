"""Solana blocks to Arrow: JSON to lean structures, structures to columns, never to rows.

Feed a few blocks at a time (`portions`): more objects alive at once cost more than larger columns
save.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa

from jobyard.chain import solana_base58, solana_meta, solana_wire
from jobyard.chain.solana_base58 import offsets_of
from jobyard.chain.solana_json import NO_META, Base64Block, JsonBlock, base64_block, json_block
from jobyard.chain.solana_meta import lists_of, ragged, structs, text_list, texts
from jobyard.chain.solana_tables import BYTES, HEADER, LOOKUP, TABLES, TEXT, U8
from jobyard.chain.solana_wire import LEGACY, Instructions, Spans
from jobyard.chain.tables import arrow_schema, arrow_type
from jobyard.errors import BlockUnparsable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from jobyard.chain.solana_base58 import Ragged
    from jobyard.chain.solana_json import Base64Transaction, JsonTransaction
    from jobyard.chain.source import RawBlock

_u8 = np.dtype(np.uint8)
KEY = 32
"""Bytes of a key, and of a hash."""
PORTION = 1_500_000
"""Bytes of JSON that are decoded together: measured best, from blocks of 0.2 to 4 MB."""


def portions(blocks: Iterable[RawBlock], size: int = PORTION) -> Iterator[list[RawBlock]]:
    """Group blocks, in their order, so that each group has about ``size`` bytes."""
    group: list[RawBlock] = []
    held = 0
    for block in blocks:
        group.append(block)
        held += len(block.block)
        if held >= size:
            yield group
            group, held = [], 0
    if group:
        yield group


def decode(
    blocks: Sequence[RawBlock], tables: Collection[str] = tuple(TABLES)
) -> dict[str, pa.RecordBatch]:
    """Turn blocks into a record batch for each of ``tables``, rows in the blocks' order.

    The blocks' encodings may be ``json`` or ``base64``; ``jsonParsed`` has lost the instructions'
    data and is refused.

    Raises:
        BlockUnparsable: A block is not what it should be; says which.
    """
    try:
        with _without_collecting():
            return _decoded(blocks, tables)
    except (BlockUnparsable, pa.ArrowInvalid, OverflowError) as error:
        if len(blocks) > 1:
            # Find out which one it is: alone it fails again.
            for block in blocks:
                decode([block], tables)
        number = blocks[0].number
        detail = error.detail if isinstance(error, BlockUnparsable) else f"does not fit: {error}"
        raise BlockUnparsable(detail).at(number, number + 1) from error


def _decoded(blocks: Sequence[RawBlock], tables: Collection[str]) -> dict[str, pa.RecordBatch]:
    batch = _Batch([(raw.number, _read(raw)) for raw in blocks])
    return {table: getattr(batch, table)() for table in tables}


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Keep the cyclic collector from walking a million objects that hold no cycles."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _read(raw: RawBlock) -> JsonBlock | Base64Block:
    try:
        return json_block.decode(raw.block)
    except msgspec.ValidationError as as_json:
        try:
            return base64_block.decode(raw.block)
        except msgspec.ValidationError as error:
            said = as_json if "$.transactions[...].transaction" in str(error) else error
            message = f"not a block in the encoding json or base64: {said}"
            raise BlockUnparsable(message) from error
    except msgspec.DecodeError as error:
        message = f"not JSON: {error}"
        raise BlockUnparsable(message) from error


class _Batch:
    """Some blocks on their way to columns."""

    def __init__(self, blocks: list[tuple[int, JsonBlock | Base64Block]]) -> None:
        self._slots = [slot for slot, _ in blocks]
        self._blocks = [block for _, block in blocks]
        self._lengths = [len(block.transactions) for block in self._blocks]
        self._metas = [
            each.meta or NO_META for block in self._blocks for each in block.transactions
        ]
        self._parts: list[_JsonPart | _WirePart] = []
        self._counts: list[int] = []
        for kind, group in groupby(self._blocks, type):
            transactions: list[Any] = [each for block in group for each in block.transactions]
            part = _JsonPart if kind is JsonBlock else _WirePart
            self._parts.append(part(transactions))
            self._counts.append(len(transactions))
        self._versions = [version for part in self._parts for version in part.versions]

    def block_headers(self) -> pa.RecordBatch:
        blocks = self._blocks
        return _batch(
            "block_headers",
            [self._slots, self._slots],
            [
                [block.parent_slot for block in blocks],
                [block.blockhash for block in blocks],
                [block.previous_blockhash for block in blocks],
                [block.block_height for block in blocks],
                [block.block_time for block in blocks],
            ],
        )

    def block_rewards(self) -> pa.RecordBatch:
        lists = [block.rewards or [] for block in self._blocks]
        slots = np.repeat(np.array(self._slots, np.uint64), [len(each) for each in lists])
        rewards = list(chain.from_iterable(lists))
        commissions = [each.commission for each in rewards]
        return _batch(
            "block_rewards",
            [slots, slots],
            [
                [each.pubkey for each in rewards],
                [each.lamports for each in rewards],
                [each.post_balance for each in rewards],
                [each.reward_type for each in rewards],
                [None if each is None else str(each) for each in commissions],
            ],
        )

    def transactions(self) -> pa.RecordBatch:
        metas = self._metas
        signatures = _concat([part.signatures() for part in self._parts])
        first = [*self._places(), pa.array(self._versions, pa.utf8()), signatures]
        return _batch("transactions", first, solana_meta.columns(metas))

    def messages(self) -> pa.RecordBatch:
        columns = [part.messages() for part in self._parts]
        joined = [_concat([each[index] for each in columns]) for index in range(4)]
        return _batch("messages", self._places(), joined)

    def instructions(self) -> pa.RecordBatch:
        outer = _joined([part.instructions() for part in self._parts], self._counts)
        inner, under, heights = self._inner()
        who = np.concatenate([outer.transaction, inner.transaction])
        above = np.concatenate([outer.place, under])
        within = np.concatenate([np.full(len(outer.place), -1), inner.place])
        order = np.lexsort((within, above, who))
        program = np.concatenate([outer.program, inner.program])[order]
        accounts = _either(outer.accounts, inner.accounts).chosen(order).packed()
        data = _either(outer.data, inner.data).chosen(order).packed()
        called = within[order] >= 0
        height = np.concatenate([np.full(len(outer.place), -1), heights])[order]
        slots, _, indexes = self._numbers()
        slot = slots[who[order]]
        return _batch(
            "instructions",
            [slot, slot, indexes[who[order]]],
            [
                pa.array(program, pa.uint8()),
                bytes_list(accounts),
                bytes_list(data),
                pa.array(above[order], pa.uint32(), mask=~called),
                pa.array(np.maximum(height, 0), pa.uint32(), mask=~called | (height < 0)),
            ],
        )

    def _inner(self) -> tuple[Instructions, NDArray[np.int64], NDArray[np.int64]]:
        """Collect what instructions called: the calls, whose they are, how deep they are."""
        groups = [
            (who, group)
            for who, meta in enumerate(self._metas)
            for group in meta.inner_instructions or ()
        ]
        calls = list(chain.from_iterable(group.instructions for _, group in groups))
        counts = np.array([len(group.instructions) for _, group in groups], np.int64)
        who = np.repeat(np.array([who for who, _ in groups], np.int64), counts)
        under = np.repeat(np.array([group.index for _, group in groups], np.int64), counts)
        within = np.arange(len(calls)) - np.repeat(offsets_of(counts)[:-1], counts)
        heights = [-1 if call.stack_height is None else call.stack_height for call in calls]
        return _from_json(calls, who, within), under, np.array(heights, np.int64)

    def _numbers(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint32]]:
        counts = np.array(self._lengths, np.int64)
        slots = np.repeat(np.array(self._slots, np.uint64), counts)
        places = np.arange(len(slots)) - np.repeat(offsets_of(counts)[:-1], counts)
        return slots, slots, places.astype(np.uint32)

    def _places(self) -> list[pa.Array]:
        return [pa.array(column) for column in self._numbers()]


class _JsonPart:
    """Transactions in the encoding ``json``."""

    def __init__(self, transactions: list[JsonTransaction]) -> None:
        self._payloads = [each.transaction for each in transactions]
        self._messages = [each.message for each in self._payloads]
        # Nodes that are not asked for versions leave them out; then all are legacy ones.
        self.versions = [
            "legacy" if each.version is None else str(each.version) for each in transactions
        ]

    def signatures(self) -> pa.Array:
        return text_list([each.signatures for each in self._payloads])

    def messages(self) -> list[pa.Array]:
        headers = [each.header for each in self._messages]
        header = structs(
            [
                pa.array([each.num_required_signatures for each in headers], pa.uint8()),
                pa.array([each.num_readonly_signed_accounts for each in headers], pa.uint8()),
                pa.array([each.num_readonly_unsigned_accounts for each in headers], pa.uint8()),
            ],
            HEADER,
        )
        lists = [
            each.address_table_lookups or ([] if version != "legacy" else None)
            for each, version in zip(self._messages, self.versions, strict=True)
        ]
        offsets, lookups = ragged(lists)
        values = structs(
            [
                texts([each.account_key for each in lookups]),
                _small_lists([each.writable_indexes for each in lookups]),
                _small_lists([each.readonly_indexes for each in lookups]),
            ],
            LOOKUP,
        )
        return [
            header,
            lists_of(offsets, values, LOOKUP),
            text_list([each.account_keys for each in self._messages]),
            texts([each.recent_blockhash for each in self._messages]),
        ]

    def instructions(self) -> Instructions:
        lists = [each.instructions for each in self._messages]
        counts = np.fromiter(map(len, lists), np.int64, len(lists))
        who = np.repeat(np.arange(len(lists)), counts)
        place = np.arange(len(who)) - np.repeat(offsets_of(counts)[:-1], counts)
        return _from_json(list(chain.from_iterable(lists)), who, place)


class _WirePart:
    """Transactions in the encoding ``base64``."""

    def __init__(self, transactions: list[Base64Transaction]) -> None:
        self._wire = solana_wire.parse([each.transaction[0] for each in transactions])
        said = {LEGACY: "legacy"}
        self.versions = [said.get(each, str(each)) for each in self._wire.version.tolist()]

    def signatures(self) -> pa.Array:
        return _key_list(self._wire.signatures, 64)

    def messages(self) -> list[pa.Array]:
        wire = self._wire
        header = structs([pa.array(wire.header[:, column].copy()) for column in range(3)], HEADER)
        counts = np.bincount(wire.lookups.transaction, minlength=len(wire.version))
        lookups = structs(
            [
                _key_texts(wire.lookups.key),
                bytes_list(wire.lookups.writable.packed()),
                bytes_list(wire.lookups.readonly.packed()),
            ],
            LOOKUP,
        )
        nothing = pa.array(wire.version == LEGACY)
        offsets = pa.array(offsets_of(counts).astype(np.int32))
        return [
            header,
            lists_of(offsets, lookups, LOOKUP, mask=nothing),
            _key_list(wire.keys, KEY),
            _key_texts(wire.recent),
        ]

    def instructions(self) -> Instructions:
        return self._wire.instructions


def _from_json(calls: list[Any], who: NDArray[Any], place: NDArray[Any]) -> Instructions:
    try:
        accounts = list(map(bytes, [call.accounts for call in calls]))
    except ValueError as error:
        message = f"an account's index above 255: {error}"
        raise BlockUnparsable(message) from error
    lengths = np.fromiter(map(len, accounts), np.int64, len(accounts))
    buffer = np.frombuffer(b"".join(accounts), _u8)
    data = solana_base58.decode([call.data for call in calls])
    return Instructions(
        who,
        place,
        np.array([call.program_id_index for call in calls], _u8),
        Spans(buffer, offsets_of(lengths)[:-1], lengths),
        Spans(data.data, data.offsets[:-1], np.diff(data.offsets)),
    )


def _either(first: Spans, second: Spans) -> Spans:
    """Put two groups of byte strings into one."""
    return Spans(
        np.concatenate([first.buffer, second.buffer]),
        np.concatenate([first.starts, second.starts + len(first.buffer)]),
        np.concatenate([first.lengths, second.lengths]),
    )


def _joined(parts: list[Instructions], counts: list[int]) -> Instructions:
    """Put the instructions of blocks behind each other; transactions are counted through."""
    if len(parts) == 1:
        return parts[0]
    firsts = offsets_of(np.array(counts))
    accounts, data = parts[0].accounts, parts[0].data
    for part in parts[1:]:
        accounts, data = _either(accounts, part.accounts), _either(data, part.data)
    return Instructions(
        np.concatenate([each.transaction + firsts[n] for n, each in enumerate(parts)]),
        np.concatenate([each.place for each in parts]),
        np.concatenate([each.program for each in parts]),
        accounts,
        data,
    )


def bytes_list(strings: Ragged) -> pa.Array:
    """Make a column of List<UInt8>."""
    offsets = pa.array(strings.offsets.astype(np.int32))
    return lists_of(offsets, pa.array(strings.data), U8)


def _small_lists(lists: list[list[int]]) -> pa.Array:
    return pa.array(lists, arrow_type(BYTES))


def _text_array(strings: Ragged) -> pa.Array:
    buffers = [None, pa.py_buffer(strings.offsets.astype(np.int32)), pa.py_buffer(strings.data)]
    return pa.Array.from_buffers(pa.utf8(), len(strings), buffers)


def _key_list(keys: Spans, width: int) -> pa.Array:
    """Make a column of List<Utf8> of keys or signatures that stand behind each other."""
    offsets = offsets_of(keys.lengths // width).astype(np.int32)
    rows = keys.rows(width)
    values = _key_texts(rows) if width == KEY else _text_array(solana_base58.encode(rows))
    return lists_of(pa.array(offsets), values, TEXT)


def _key_texts(rows: NDArray[np.uint8]) -> pa.Array:
    """Write keys, of which most come again and again, each only once."""
    data = rows.tobytes()
    places: dict[bytes, int] = {}
    found = [places.setdefault(data[at : at + KEY], len(places)) for at in range(0, len(data), KEY)]
    distinct = np.frombuffer(b"".join(places), np.uint8).reshape(-1, KEY)
    return _text_array(solana_base58.encode(distinct)).take(pa.array(found, pa.int32()))


def _concat(arrays: list[pa.Array]) -> pa.Array:
    return arrays[0] if len(arrays) == 1 else pa.concat_arrays(arrays)


def _batch(table: str, first: Sequence[Any], rest: Sequence[Any]) -> pa.RecordBatch:
    schema = arrow_schema(TABLES[table])
    columns = [
        column if isinstance(column, pa.Array) else pa.array(column, field.type)
        for column, field in zip([*first, *rest], schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
