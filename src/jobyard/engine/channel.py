"""What becomes of a program's words on the attempt channel.

Progress and result travel with the worker's news; a checkpoint is stored before it is answered.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jobyard import ids
from jobyard.core.extract import is_relative
from jobyard.engine.channel_server import ChannelServer
from jobyard.engine.extraction import Asked
from jobyard.engine.supply import Supplied
from jobyard.errors import AttemptNotFound, TooLarge, Unusable
from jobyard.wire.extract import orders

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jobyard.core.extract import Extract
    from jobyard.engine.attempt import AttemptRun
    from jobyard.engine.extraction import Extractions
    from jobyard.engine.supply import Supply
    from jobyard.store.base import Claim, Store
    from jobyard.wire.extract import Orders

LARGEST_VALUE = 64 << 10
"""Bytes of JSON that a result or a checkpoint may have."""


class AttemptChannel:
    """Serves the programs of one worker, under the fences of their attempts.

    Args:
        store: where checkpoints are kept.
        find: gives the attempt of an id while this worker has it.
        supply: finds the providers that an extraction reads from.
        extractions: takes what programs that extract say of their tables.

    """

    def __init__(
        self,
        store: Store,
        find: Callable[[int], AttemptRun | None],
        supply: Supply | None = None,
        extractions: Extractions | None = None,
    ) -> None:
        """Get ready; ``open`` listens."""
        self._extractions = extractions
        self._store = store
        self._supply = supply
        self._find = find
        self._server = ChannelServer(self)
        self._session = ""

    async def open(self, session: str) -> None:
        """Listen on loopback for the programs of a worker session."""
        self._session = session
        await self._server.open()

    async def close(self) -> None:
        """Listen no more."""
        await self._server.close()

    def variables_for(self, attempt_id: int) -> Mapping[str, str]:
        """Let an attempt's program speak, and tell it where and with which token."""
        token = ids.token()
        self._server.grant(attempt_id, token)
        return {
            "JOBYARD_ATTEMPT_URL": self._server.url_for(attempt_id),
            "JOBYARD_ATTEMPT_TOKEN": token,
        }

    def revoke(self, attempt_id: int) -> None:
        """Let an ended attempt's program, or what is left of it, speak no more."""
        self._server.revoke(attempt_id)

    def _attempt(self, attempt_id: int) -> AttemptRun:
        attempt = self._find(attempt_id)
        if attempt is None:
            raise AttemptNotFound(attempt_id)
        return attempt

    async def progress(self, attempt_id: int, done: int, total: int | None) -> None:
        """Note how far the attempt is."""
        self._attempt(attempt_id).progress(done, total)

    async def result(self, attempt_id: int, value: Any) -> None:
        """Keep a JSON value as the attempt's result; it is stored with the attempt's end."""
        self._attempt(attempt_id).result = _text(value, "a result")

    async def checkpoint(self, attempt_id: int, value: Any) -> None:
        """Remember a JSON value for the next attempt of this index."""
        self._attempt(attempt_id)
        await self._store.checkpoint(self._session, attempt_id, _text(value, "a checkpoint"))

    async def last_checkpoint(self, attempt_id: int) -> Any:
        """Recall what was remembered last for this index, None if nothing."""
        claim = self._attempt(attempt_id).claim
        text = await self._store.last_checkpoint(claim.job_id, claim.index)
        return None if text is None else json.loads(text)

    async def extraction(self, attempt_id: int, word: str, value: Any) -> Any:
        """Serve what an extraction's program says of its tables."""
        claim, extract = self._extraction(attempt_id)
        if self._extractions is None:
            raise Unusable("this worker keeps no tables")
        asked = Asked(self._session, claim, extract, value)
        answer = await self._extractions.answer(word, asked)
        if word == "segments":
            self._attempt(attempt_id).advanced = True
        return answer

    async def orders(self, attempt_id: int) -> Orders:
        """Tell what an attempt of an extraction is to do, and what it may read from."""
        claim, extract = self._extraction(attempt_id)
        stop = await self._store.stop_of(claim.job_id)
        supplied = Supplied() if self._supply is None else await self._supply(extract)
        return orders(
            claim.job_id,
            attempt_id,
            claim.index or 0,
            extract,
            stop=stop,
            providers=supplied.providers,
            variables=supplied.variables,
        )

    async def fix_stop(self, attempt_id: int, stop: int) -> int:
        """Note the block behind the last one of a job, unless it is known; tell what counts."""
        claim, extract = self._extraction(attempt_id)
        if not is_relative(extract.end):
            raise Unusable(f"where job {claim.job_id} ends does not depend on the head")
        return await self._store.fix_stop(self._session, attempt_id, claim.job_id, stop)

    def _extraction(self, attempt_id: int) -> tuple[Claim, Extract]:
        attempt = self._attempt(attempt_id)
        extract = attempt.template.spec.extract
        if extract is None:
            raise Unusable(f"attempt {attempt_id} extracts nothing")
        return attempt.claim, extract


def _text(value: Any, what: str) -> str:
    text = json.dumps(value)
    if len(text) > LARGEST_VALUE:
        raise TooLarge(f"{what} may have {LARGEST_VALUE} bytes of JSON, this one has {len(text)}")
    return text
