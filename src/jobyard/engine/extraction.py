"""What the programs of extractions are told and what becomes of their words.

The contract is in `wire/extract.py`. Every write goes to the store under the attempt's fence.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobyard import clock, ids
from jobyard.core.extraction import Cost, Publication, Wish
from jobyard.core.segments import Segment
from jobyard.errors import InvalidRequest
from jobyard.wire.extract import orders

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jobyard.core.extract import Extract
    from jobyard.store.base import Claim, Store

_VARIABLE = re.compile(r"\$\{(\w+)\}")


def _none(names: Sequence[str]) -> list[tuple[str, Mapping[str, Any]]]:
    del names
    return []


@dataclass(frozen=True, slots=True)
class Reading:
    """What a worker tells the programs that extract of the place where it runs.

    ``providers`` finds providers by their names, as name and config.
    """

    data: str = "data"
    providers: Callable[[Sequence[str]], list[tuple[str, Mapping[str, Any]]]] = _none
    environment: Mapping[str, str] = field(default_factory=dict)


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

    def __init__(self, store: Store, reading: Reading) -> None:
        """Keep their words in ``store``; tell them what ``reading`` says."""
        self._store = store
        self._reading = reading

    async def answer(self, word: str, asked: Asked) -> Any:
        """Answer one word."""
        return await getattr(self, f"_{word}")(asked)

    async def _orders(self, asked: Asked) -> Any:
        claim = asked.claim
        found = await self._store.extraction(claim.job_id)
        providers = self._reading.providers(asked.extract.providers)
        names = _VARIABLE.findall(json.dumps([config for _, config in providers]))
        environment = self._reading.environment
        return orders(
            claim.job_id,
            claim.attempt_id,
            claim.index or 0,
            asked.extract,
            stop=None if found is None else found.stop,
            providers=providers,
            variables={name: environment[name] for name in names if name in environment},
        )

    async def _stop(self, asked: Asked) -> Any:
        stop = asked.get("stop", int)
        claim = asked.claim
        fixed = await self._store.fix_stop(asked.session, claim.attempt_id, claim.job_id, stop)
        return {"stop": fixed}

    async def _tables(self, asked: Asked) -> Any:
        extract, claim = asked.extract, asked.claim
        root = extract.folder or f"{self._reading.data}/{extract.namespace}/{extract.name}"
        # Later revisions sort behind earlier ones.
        revision = f"{clock.now_us():014x}-{ids.session()[:8]}"
        wishes = [Wish(table, f"{root}/{table}/{revision}") for table in extract.tables]
        opened = await self._store.open_tables(
            asked.session, claim.attempt_id, claim.job_id, extract, wishes
        )
        return {"tables": [{"table": one.table, "path": one.path} for one in opened]}

    async def _lacking(self, asked: Asked) -> Any:
        wanted = asked.get("start", int), asked.get("stop", int)
        found = await self._store.lacking(asked.claim.job_id, wanted)
        return {
            "tables": {
                table: {"spans": one.spans, "repairs": one.repairs, "known": one.known}
                for table, one in found.items()
            }
        }

    async def _files(self, asked: Asked) -> Any:
        found = await self._store.table_files(asked.claim.job_id, asked.get("table", str))
        return {"files": found}

    async def _segments(self, asked: Asked) -> Any:
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
        cost = _cost(asked.get("cost", dict))
        table, rows = asked.get("table", str), asked.get("rows", int)
        publication = Publication(table, segment, rows, cost)
        claim = asked.claim
        gone = await self._store.publish(asked.session, claim.attempt_id, claim.job_id, publication)
        return {"gone": gone}

    async def _cost(self, asked: Asked) -> None:
        claim = asked.claim
        cost = _cost(asked.value)
        await self._store.count_cost(asked.session, claim.attempt_id, claim.job_id, cost)

    async def _failure(self, asked: Asked) -> None:
        claim = asked.claim
        text = json.dumps(asked.value)
        await self._store.note_failure(asked.session, claim.attempt_id, claim.job_id, text)


def _cost(words: Any) -> Cost:
    try:
        return Cost(**words)
    except TypeError as error:
        raise InvalidRequest("a cost has requests, retries, bytes_fetched and head") from error
