"""What the programs of extractions are told and what becomes of their words.

The contract is in `wire/extract.py`. Every write goes to the store under the attempt's fence.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from jobyard import clock, ids
from jobyard.core.compaction import Merger
from jobyard.core.extraction import Cost, Publication, Wish
from jobyard.core.places import below
from jobyard.core.segments import Segment
from jobyard.core.shares import Share
from jobyard.engine.sources import links, sources
from jobyard.errors import InvalidRequest

if TYPE_CHECKING:
    from jobyard.core.extract import Extract
    from jobyard.store.base import Claim, Store


@dataclass(frozen=True, slots=True)
class Asked:
    """A word of a program: under which fence, about what, with which JSON."""

    session: str
    claim: Claim
    extract: Extract
    value: Any

    def get(self, name: str, kind: type) -> Any:
        """Take a member of the value.

        Raises:
            InvalidRequest: it is not there, or of another kind.
        """
        value = self.value.get(name) if isinstance(self.value, dict) else None
        if not isinstance(value, kind) or isinstance(value, bool):
            raise InvalidRequest(f"`{name}` must be there and be of the kind {kind.__name__}")
        return value


class Extractions:
    """Answers the programs of one worker that extract."""

    def __init__(self, store: Store, data: str, collect_after: float) -> None:
        """Keep their words in ``store``; tables lie below ``data`` if nothing else is said.

        A file that is not part of its table any more may go after ``collect_after`` seconds.
        """
        self._store = store
        self._data = data
        self._delay_us = int(collect_after * 1_000_000)

    async def answer(self, word: str, asked: Asked) -> Any:
        """Answer one word."""
        return await getattr(self, f"_{word}")(asked)

    async def _tables(self, asked: Asked) -> Any:
        extract, claim = asked.extract, asked.claim
        root = extract.folder or below(self._data, extract.namespace, extract.name)
        # Later revisions sort behind earlier ones.
        revision = f"{clock.now_us():014x}-{ids.session()[:8]}"
        wishes = [Wish(table, below(root, table, revision)) for table in extract.tables]
        opened = await self._store.open_tables(
            asked.session, claim.attempt_id, claim.job_id, extract, wishes
        )
        return {"tables": [{"table": one.table, "path": one.path} for one in opened]}

    async def _lacking(self, asked: Asked) -> Any:
        wanted = asked.get("start", int), asked.get("stop", int)
        mine = Share(*(asked.get(name, int) for name in ("chunk", "index", "writers")))
        if not (mine.chunk > 0 and 0 <= mine.index < mine.writers):
            raise InvalidRequest("a share has a chunk, and an index below its writers")
        found = await self._store.lacking(asked.claim.job_id, wanted, mine)
        return {
            "tables": {
                table: {"spans": one.spans, "repairs": one.repairs, "known": one.known}
                for table, one in found.items()
            }
        }

    async def _files(self, asked: Asked) -> Any:
        job_id, table = asked.claim.job_id, asked.get("table", str)
        return {
            "files": await self._store.table_files(job_id, table),
            "retired": await self._store.retired_names(job_id, table),
        }

    async def _sources(self, asked: Asked) -> Any:
        return await sources(self._store, asked)

    async def _links(self, asked: Asked) -> Any:
        return await links(self._store, asked)

    async def _segments(self, asked: Asked) -> Any:
        segment = _segment(asked)
        cost = _cost(asked.get("cost", dict))
        table, rows = asked.get("table", str), asked.get("rows", int)
        publication = Publication(table, segment, rows, cost)
        claim = asked.claim
        gone = await self._store.publish(
            asked.session, claim.attempt_id, claim.job_id, publication, self._delay_us
        )
        return {"gone": gone}

    async def _chain(self, asked: Asked) -> Any:
        table, start = asked.get("table", str), asked.get("start", int)
        part = await self._store.chain_part(asked.claim.job_id, table, start)
        return asdict(part)

    async def _compact(self, asked: Asked) -> Any:
        segment = _segment(asked)
        table, rows, parents = (
            asked.get("table", str),
            asked.get("rows", int),
            asked.get("parents", list),
        )
        claim = asked.claim
        gone = await self._store.compact(
            asked.session,
            claim.attempt_id,
            claim.job_id,
            Merger(table, segment, rows, parents),
            asked.extract.layout,
            self._delay_us,
        )
        return {"gone": gone}

    async def _cost(self, asked: Asked) -> None:
        claim = asked.claim
        cost = _cost(asked.value)
        await self._store.count_cost(asked.session, claim.attempt_id, claim.job_id, cost)

    async def _failure(self, asked: Asked) -> None:
        claim = asked.claim
        text = json.dumps(asked.value)
        await self._store.note_failure(asked.session, claim.attempt_id, claim.job_id, text)


def _segment(asked: Asked) -> Segment:
    segment = Segment(
        asked.get("name", str),
        asked.get("network", str),
        asked.get("start", int),
        asked.get("stop", int),
        asked.get("hash", str),
        asked.get("prev_hash", str),
        size=asked.get("size", int),
    )
    if not 0 <= segment.start < segment.stop:
        raise InvalidRequest("a segment has blocks: `start` is below `stop`")
    return segment


def _cost(words: Any) -> Cost:
    try:
        return Cost(**words)
    except TypeError as error:
        raise InvalidRequest("a cost has requests, retries, bytes_fetched and head") from error
