"""One attempt of making tables of others: find out what is missing, make it, publish it.

Nothing is remembered between attempts but the files that are published. Tables are made one after
the other, each behind those that it reads; DataFusion uses all cores for each.
"""

from __future__ import annotations

import asyncio
import contextlib
from enum import Enum
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobyard import clock, log
from jobyard.core.derived import SELF
from jobyard.core.extract import is_relative, stop_of
from jobyard.core.layout import FileLayout
from jobyard.core.shares import Share
from jobyard.data.canon import Canon, Header, confirmed
from jobyard.data.chains import CHAINS
from jobyard.data.compaction import Compaction
from jobyard.data.evaluate import MOST_BYTES, TooMuch, evaluate
from jobyard.data.extractor import FOLLOW_AFTER, POLL, PUBLISH_AFTER, TableFolders
from jobyard.data.footer import Extent
from jobyard.data.incremental import incremental
from jobyard.data.parquet import MadeTable, TableWriter, layout_of
from jobyard.data.plan import plan
from jobyard.data.sources import Sources
from jobyard.data.tidy import Place, settle, tidy
from jobyard.errors import DataFileMissing, DependencyNotSynced, TableNotMade

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.core.ranges import Span
    from jobyard.data.link import Link
    from jobyard.data.parquet import Published
    from jobyard.data.plan import PlannedTable
    from jobyard.data.sources import Named, SourceTable
    from jobyard.errors import JobyardError
    from jobyard.wire.extract import Orders

MOST_BLOCKS = 100_000
"""Blocks of which a query is evaluated at once at most, however small they are."""
BATCH_BYTES = 8 << 20
"""Bytes of the sources' files that are read at once; in memory they are several times that."""
TELL_AFTER = 60.0
"""Seconds between two words that there is nothing to do."""
MOST_STALE = 2
"""Looks for a file that is part of a table and not there."""


class State(Enum):
    """How a table is when what could be made of it is made."""

    MORE = "more"
    WAITS = "waits"
    DONE = "done"


class Deriver:
    """Makes the tables of a derived dataset."""

    def __init__(self, orders: Orders, link: Link, stopping: asyncio.Event) -> None:
        """Follow ``orders``; when ``stopping`` is set, publish what is complete and return."""
        derived = orders["derived"]
        if derived is None:
            raise AssertionError("the job makes no tables of others")
        self._orders, self._derived = orders, derived
        self._link = link
        self._stopping = stopping
        self._stop = orders["stop"]
        self._files = FileLayout(**orders["layout"])
        self._layout = layout_of(self._files)
        self._compact_at = 0.0
        self._most: dict[str, int] = {}
        self._origins = {one["alias"]: one for one in derived["origins"]}
        self._headers: Sequence[Named] = ()
        self._canons: dict[str, tuple[tuple[int, ...], Canon, Sequence[SourceTable]]] = {}
        self._told_at = clock.monotonic()
        self._rows = 0
        self._tables: Sequence[PlannedTable] = ()
        self._sources = Sources(link, ())
        self._folders: TableFolders
        self._compaction: Compaction

    async def run(self) -> dict[str, Any]:
        """Make tables until nothing is missing; tell what was done.

        Raises:
            TableRefused: a table cannot be made of what is there.
            ChainFailed: it cannot go on; says where, why, and whether trying again helps.
            ChannelError: the worker does not take what was made.
            OSError: files cannot be written.
        """
        await self._tidy()
        stale, states = 0, set[State]()
        while not self._stopping.is_set():
            try:
                states = await self._round()
                stale = 0
            except FileNotFoundError as error:
                # Files of sources are retired when others take their place: look again.
                stale += 1
                if stale > MOST_STALE:
                    raise self._missing_file(error) from error
                self._sources.forget()
                states = {State.WAITS}
            if states == {State.DONE}:
                break
            if State.MORE not in states:
                await self._wait()
        while states == {State.DONE} and await self._compact():
            pass
        await self._link.tell_cost()
        return {"blocks": self._link.published, "rows": self._rows}

    async def _tidy(self) -> None:
        """Compare the tables' folders with what the store knows of them."""
        orders = self._orders
        places = await self._link.tables()
        self._folders = TableFolders({place.table: place.path for place in places})
        revision = f"{orders['namespace']}/{orders['dataset']}@{orders['version']}"
        whose = Place(revision, orders["folder"])
        for place in places:
            folder = self._folders.below(place.table)
            await tidy(folder, place.table, self._link, lambda _: True, whose)

    async def _compact(self) -> bool:
        """Join some small files; tell whether there may be more."""
        return self._files.compact and await self._compaction.step()

    async def _round(self) -> set[State]:
        """Make what each table lacks now; tell how they are then."""
        if not self._tables and not await self._open():
            return {State.WAITS}
        if self._stop is None and is_relative(self._orders["end_block"]):
            await self._sources.refresh()
            canons = [self._canon(table) for table in self._tables if not _own(table)]
            if None in canons:
                return {State.WAITS}
            head = min(canon.limit for canon in canons if canon is not None) - 1
            stop = stop_of(self._orders["end_block"], self._orders["start_block"], head)
            self._stop = await self._link.fix_stop(stop or 0)
        return {await self._advance(table) for table in self._tables}

    async def _open(self) -> bool:
        """Plan the tables over the files of what they are made of; tell whether all are there."""
        queries = self._derived["tables"]
        leaves = {
            (leaf.alias, leaf.table)
            for name, sql in queries.items()
            for leaf in incremental(name, sql).leaves
        }
        headers = [
            (one["alias"], header)
            for one in self._derived["headers"]
            if (header := CHAINS[self._orders["chain"]].header.name) in one["tables"]
        ]
        known = sorted(
            (alias, table)
            for alias, table in leaves
            if alias in self._origins and table in self._origins[alias]["tables"]
        )
        own = [(SELF, name) for name in queries]
        self._headers = headers
        self._sources = Sources(self._link, [*known, *headers, *own])
        await self._sources.refresh()
        schemas: dict[str, dict[str, pa.Schema]] = {alias: {} for alias in self._origins}
        for alias, table in known:
            source = self._ready(alias, table)
            if source is None:
                return False
            schemas[alias][table] = await asyncio.to_thread(_columns, source)
        self._tables = plan(queries, schemas).sound()
        self._compaction = Compaction(
            self._link,
            self._folders,
            [MadeTable.of(table.name, table.schema) for table in self._tables],
            self._files,
            is_mine=lambda _: True,
            stopping=self._stopping.is_set,
        )
        return True

    def _ready(self, alias: str, table: str) -> SourceTable | None:
        """Find a source; None while it is only about to have its first blocks.

        Raises:
            DependencyNotSynced: nobody has extracted it, nor does anybody.
        """
        source = self._sources.get((alias, table))
        if alias == SELF:
            return source
        origin = self._origins[alias]
        if source is not None and source.start <= origin["start"]:
            return source
        if not self._sources.told[alias, table].active:
            raise DependencyNotSynced(origin["dataset"], origin["manifest_hash"], table)
        return None

    def _canon(self, table: PlannedTable) -> Canon | None:
        """Compare the sources of a table; None while one of them has no blocks."""
        names = sorted({(leaf.alias, leaf.table) for leaf in table.query.leaves})
        sources = [self._ready(*name) for name in names]
        found = [source for source in sources if source is not None]
        if len(found) < len(names):
            return None
        headers = [one for name in self._headers if (one := self._sources.get(name)) is not None]
        key = tuple(id(one.chain) for one in (*found, *headers))
        known = self._canons.get(table.name)
        if known is None or known[0] != key:
            first = self._orders["start_block"]
            begins = [
                self._origins[alias]["start"] if alias != SELF else first for alias, _ in names
            ]
            kind = CHAINS[self._orders["chain"]]
            canon = Canon(found, begins, [Header(one, kind) for one in headers])
            # The sources are kept, too: what is gone might leave its place to another.
            known = self._canons[table.name] = key, canon, (*found, *headers)
        return known[1]

    async def _advance(self, table: PlannedTable) -> State:
        """Make what a table lacks of the blocks that its sources have."""
        await self._sources.refresh()
        canon = await asyncio.to_thread(self._canon, table)
        if canon is None:
            return State.WAITS
        self._link.head = max(self._link.head or 0, canon.limit - 1)
        stop = canon.limit if self._stop is None else min(canon.limit, self._stop)
        span = await self._missing(table, canon, stop)
        if span is not None:
            return State.MORE if await self._make(table, canon, span) else State.WAITS
        return State.DONE if self._stop is not None and stop >= self._stop else State.WAITS

    async def _missing(self, table: PlannedTable, canon: Canon, stop: int) -> Span | None:
        """Find the first blocks that a table lacks, or has of a chain that is left."""
        start = self._orders["start_block"]
        own = self._sources.get((SELF, table.name))
        if own is None:
            return (start, stop) if start < stop else None
        end = await asyncio.to_thread(confirmed, own, canon)
        if end != own.stop:
            again = start if end is None else end
            log.info("the sources were reorganised", table=table.name, again_from=again)
            return again, max(stop, min(own.stop, canon.limit))
        if own.start <= start and own.stop >= stop:
            return None
        # There is one writer: all pieces are its own.
        share = Share(stop, 0, 1)
        spans = (await self._link.lacking(start, stop, share))[table.name].spans
        # What is covered beside the chain, and not linked to it, is of no use.
        return spans[0] if spans else (own.stop, stop)

    async def _make(self, table: PlannedTable, canon: Canon, span: Span) -> bool:
        """Make some blocks; what is complete of them is published whatever happens."""
        made = MadeTable.of(table.name, table.schema)
        folder = self._folders.below(table.name)
        writer = TableWriter(made, folder, self._orders["network"], self._layout)
        publish_after = self._files.flush_after or PUBLISH_AFTER
        at, published_at = span[0], clock.monotonic()
        try:
            while at < span[1] and not self._stopping.is_set():
                batch = await asyncio.to_thread(self._batch, table, canon, at, span[1])
                if batch is None:
                    break
                rows, extent = batch
                await self._publish(await asyncio.to_thread(writer.write, rows, extent))
                self._rows += rows.num_rows
                at = extent.stop
                if clock.monotonic() - published_at > publish_after:
                    published_at = clock.monotonic()
                    await self._publish(await asyncio.to_thread(writer.close))
        finally:
            await self._publish(await asyncio.to_thread(writer.close))
        return at > span[0]

    def _batch(
        self, table: PlannedTable, canon: Canon, start: int, stop: int
    ) -> tuple[pa.RecordBatch, Extent] | None:
        """Make the rows of the next blocks, as many as are worth it."""
        sources = {leaf: self._sources.at((leaf.alias, leaf.table)) for leaf in table.query.leaves}
        most = self._derived["batch_blocks"] or _worth(set(sources.values()), start)
        most = min(most, self._most.get(table.name, most))
        edge = canon.edge(start, most, stop)
        before = canon.hash_below(start)
        last = None if edge is None else canon.hash_below(edge)
        if edge is None or before is None or last is None:
            return None
        try:
            rows = evaluate(table, sources, start, edge)
        except TooMuch:
            self._most[table.name] = (edge - start) // 2
            least = edge - start == 1 or canon.edge(start, self._most[table.name], stop) == edge
            if least:
                size = f"more than {MOST_BYTES >> 20} MiB of rows"
                raise TableNotMade(table.name, size).at(start, edge) from None
            return self._batch(table, canon, start, stop)
        self._most[table.name] = 2 * (edge - start)
        return rows, Extent(start, edge, before, last)

    async def _publish(self, done: Sequence[Published]) -> None:
        for one in done:
            await settle(one, self._folders.below(one.table), self._link)

    async def _wait(self) -> None:
        """Wait for new blocks, and join small files meanwhile; say so once in a while."""
        if self._tables and clock.monotonic() >= self._compact_at:
            if await self._compact():
                return
            self._compact_at = clock.monotonic() + (self._files.flush_after or FOLLOW_AFTER)
        if clock.monotonic() - self._told_at > TELL_AFTER:
            self._told_at = clock.monotonic()
            told = {
                ".".join(name): one.stop for name, one in self._sources.told.items() if one.active
            }
            log.info("waiting for blocks", sources=told or "nobody extracts them")
        await self._link.tell_cost()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), POLL)

    def _missing_file(self, error: FileNotFoundError) -> JobyardError | FileNotFoundError:
        """Name the file that is part of a source and not there."""
        for name in self._sources.told:
            source = self._sources.get(name)
            if source is None:
                continue
            there = {one.name for one in source.folder.files()}
            for one in source.chain:
                if one.name not in there:
                    repair = "put it back, or `jobyard verify` the dataset with `--quarantine`"
                    return DataFileMissing(".".join(name), one.name, source.folder.path, repair)
        return error


def _own(table: PlannedTable) -> bool:
    """Tell whether a table is made of others of its dataset."""
    return any(leaf.alias == SELF for leaf in table.query.leaves)


def _columns(source: SourceTable) -> pa.Schema:
    with source.folder.open(source.chain[-1].name) as stream:
        return pq.read_schema(stream).remove_metadata()


def _worth(sources: set[SourceTable], number: int) -> int:
    """Tell how many blocks from this one on are worth one evaluation."""
    size = sum(source.bytes_per_block(number) for source in sources)
    return max(1, min(MOST_BLOCKS, int(BATCH_BYTES / max(size, 1))))
