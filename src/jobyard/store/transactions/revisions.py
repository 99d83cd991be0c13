"""Revisions of tables: register, activate, restore, prune, delete; and the files of each.

A revision that a job writes is left alone until the job is over: its attempts would go on with
another one, or find that files of theirs are gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobyard.core.extraction import Publication
from jobyard.core.tables import RetiredFile, TableFile, TableOf, TableRevision
from jobyard.errors import (
    FileNotKnown,
    RevisionIsActive,
    RevisionNotFound,
    RevisionPathTaken,
    TableNotFound,
    TableNotRegistered,
    WriterJobNotTerminal,
)
from jobyard.store.query import Query, Row, Transaction
from jobyard.store.transactions.chains import Chain, add, insert, withdraw
from jobyard.store.transactions.deciding import read_now
from jobyard.store.transactions.retiring import retire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.core.segments import Segment

TRUNCATED, PRUNED, MISSING = "truncated", "pruned", "missing"
"""Why files leave their table here."""
UNNEEDED = "not needed"
"""Why a file goes whose blocks an older one has."""


def revisions(active: bool | None, after: int, limit: int) -> Transaction[list[TableRevision]]:
    """List revisions of tables by id."""
    return [_revision(row) for row in (yield Query("list_revisions", (after, active, limit)))]


def revision(revision_id: int) -> Transaction[TableRevision]:
    """Read a revision.

    Raises:
        RevisionNotFound: there is none of this id.
    """
    for row in (yield Query("find_revision", (revision_id,))):
        return _revision(row)
    raise RevisionNotFound(revision_id)


def _revision(row: Row) -> TableRevision:
    number, path, dataset, manifest_hash, table, network, active, *rest = row
    of = TableOf(dataset, manifest_hash, table, network)
    return TableRevision(number, path, of, bool(active), *rest)


def register(of: TableOf, path: str) -> Transaction[int]:
    """Keep a folder as a revision of a table that is not active; tell its id. Idempotent.

    Raises:
        RevisionPathTaken: the folder is a revision of another table.
    """
    for number, *whose in (yield Query("revision_at", (path,))):
        if tuple(whose) != _key(of):
            raise RevisionPathTaken(path, number)
        return int(number)
    now = yield from read_now()
    made = yield Query("register_revision", (path, *_key(of), of.network, now))
    return int(made[0][0])


def _key(of: TableOf) -> tuple[str, str, str]:
    return of.dataset, of.manifest_hash, of.table


def activate(of: TableOf, revision_id: int) -> Transaction[None]:
    """Have a revision be the one that is read and written, in place of the one that is.

    Raises:
        TableNotRegistered: the table has no revision at all.
        RevisionNotFound: there is none of this id, or it is one of another table.
        WriterJobNotTerminal: a job that is not over writes the one that is active.
    """
    if not (yield Query("revisions_of_table", _key(of))):
        raise TableNotRegistered(of.dataset, of.table)
    current = yield Query("active_revision", _key(of))
    wanted = yield Query("hold_revision", (revision_id,))
    if not wanted or tuple(wanted[0][1:4]) != _key(of):
        raise RevisionNotFound(revision_id, of.table)
    if wanted[0][4]:
        return
    now = yield from read_now()
    for number, _, writer, over in current:
        yield from _check_writer(number, writer, over)
        yield Query("activate_revision", (number, False, now))
    yield Query("activate_revision", (revision_id, True, now))


def deactivate(of: TableOf) -> Transaction[None]:
    """Have a table have no active revision: the next job begins a new one. Idempotent.

    Raises:
        TableNotFound: the table has no revision at all.
        WriterJobNotTerminal: a job that is not over writes the one that is active.
    """
    if not (yield Query("revisions_of_table", _key(of))):
        raise TableNotFound(of.dataset, of.table)
    for number, _, writer, over in (yield Query("active_revision", _key(of))):
        yield from _check_writer(number, writer, over)
        yield Query("activate_revision", (number, False, (yield from read_now())))


def _check_writer(revision_id: int, writer: int | None, over: int | None) -> Transaction[None]:
    """See that nobody writes a revision.

    Raises:
        WriterJobNotTerminal: a job that is not over does.
    """
    # A job that was deleted was over.
    if writer is not None and over is None and (yield Query("jobs_by_id", ([writer],))):
        raise WriterJobNotTerminal(revision_id, writer)


def _hold(revision_id: int, *, inactive: bool = False) -> Transaction[None]:
    """Have nobody else change a revision before this transaction ends.

    Raises:
        RevisionNotFound: there is none of this id.
        RevisionIsActive: it is active, and must not be.
        WriterJobNotTerminal: a job that is not over writes it.
    """
    for number, _, _, _, active, writer, over in (yield Query("hold_revision", (revision_id,))):
        if inactive and active:
            raise RevisionIsActive(number)
        yield from _check_writer(number, writer, over)
        return
    raise RevisionNotFound(revision_id)


def delete(revision_id: int) -> Transaction[None]:
    """Forget a revision and its files; what lies in storage stays there.

    Raises:
        RevisionNotFound, RevisionIsActive, WriterJobNotTerminal: as of any change of it.
    """
    yield from _hold(revision_id, inactive=True)
    yield Query("delete_segments_of", (revision_id,))
    yield Query("delete_revision", (revision_id,))


def truncate(revision_id: int) -> Transaction[None]:
    """Forget a revision; all of its files are retired, to be removed at once.

    Raises:
        RevisionNotFound, RevisionIsActive, WriterJobNotTerminal: as of any change of it.
    """
    yield from _hold(revision_id, inactive=True)
    now = yield from read_now()
    yield Query("note_all_retired", (revision_id, TRUNCATED, now))
    yield Query("hurry_retired", (revision_id, now))
    yield Query("delete_segments_of", (revision_id,))
    yield Query("delete_revision", (revision_id,))


def retired(revision_id: int, after: str, limit: int) -> Transaction[list[RetiredFile]]:
    """List retired files of a revision, which may be gone itself, by name."""
    rows = yield Query("retired_of_revision", (revision_id, after, limit))
    return [RetiredFile(*row) for row in rows]


def prune(revision_id: int, below: int, delay_us: int, limit: int) -> Transaction[list[str]]:
    """Retire some files that are not in the canonical chain; tell their names.

    Raises:
        RevisionNotFound, WriterJobNotTerminal: as of any change of it.
    """
    yield from _hold(revision_id)
    rows = yield Query("beside_below", (revision_id, below, limit))
    return (yield from retire(revision_id, [row[0] for row in rows], PRUNED, delay_us))


def known(revision_id: int) -> Transaction[tuple[set[str], set[str]]]:
    """Name the files of a revision that nobody writes, and those that are retired.

    Raises:
        RevisionNotFound, WriterJobNotTerminal: as of any change of it.
    """
    yield from _hold(revision_id)
    files = yield Query("files_of_revision", (revision_id,))
    gone = yield Query("retired_names", (revision_id,))
    return {row[0] for row in files}, {row[0] for row in gone}


def take_in(
    revision_id: int, found: Sequence[tuple[Segment, int]], delay_us: int
) -> Transaction[list[str]]:
    """Make files that lie in a revision's folder part of it; tell the names of those retired.

    They are taken in the order in which they were made, as if they were published once more.

    Raises:
        RevisionNotFound, WriterJobNotTerminal: as of any change of it.
    """
    yield from _hold(revision_id)
    chain = Chain(*(yield Query("chain_of_revision", (revision_id,)))[0])
    now = yield from read_now()
    gone: list[str] = []
    for segment, rows in found:
        publication = Publication("", segment, rows)
        names = yield from add(chain, publication, now, delay_us)
        if segment.name in names:
            # It lies there, so somebody has to remove it.
            number = yield from insert(chain, publication, now)
            yield from retire(revision_id, [number], UNNEEDED, delay_us)
        gone += names
    return gone


def lose(revision_id: int, names: Sequence[str]) -> Transaction[int]:
    """Take files out of a revision that are not there any more; tell how many.

    Raises:
        RevisionNotFound, WriterJobNotTerminal: as of any change of it.
    """
    yield from _hold(revision_id)
    rows = yield Query("segments_named", (revision_id, list(names)))
    return len((yield from withdraw(revision_id, [row[0] for row in rows], MISSING, 0)))


def files(revision_id: int, after: str, limit: int) -> Transaction[list[TableFile]]:
    """List files of a revision by name, which begins with the first block.

    Raises:
        RevisionNotFound: there is no such revision.
    """
    yield from revision(revision_id)
    return [_file(row) for row in (yield Query("files_page", (revision_id, after, limit)))]


def _file(row: Row) -> TableFile:
    number, revision_id, path, name, start, stop, size, rows, created_at, chained, *gone = row
    known = (number, revision_id, path, name, start, stop, size, rows, created_at)
    return TableFile(*known, bool(chained), *gone)


def file(file_id: int) -> Transaction[TableFile]:
    """Read a file, also one that is retired and not collected yet.

    Raises:
        FileNotKnown: there is none of this id.
    """
    for name in ("find_file", "find_retired"):
        for row in (yield Query(name, (file_id,))):
            return _file(row)
    raise FileNotKnown(file_id)
