"""What becomes of a program's words on the attempt channel.

Progress and result travel with the worker's news; a checkpoint is stored before it is answered.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jobyard import ids
from jobyard.engine.channel_server import ChannelServer
from jobyard.engine.extraction import Asked
from jobyard.errors import AttemptNotFound, TooLarge, Unusable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jobyard.engine.attempt import AttemptRun
    from jobyard.engine.extraction import Extractions
    from jobyard.store.base import Store

LARGEST_VALUE = 64 << 10
"""Bytes of JSON that a result or a checkpoint may have."""


class AttemptChannel:
    """Serves the programs of one worker, under the fences of their attempts.

    Args:
        store: where checkpoints are kept.
        find: gives the attempt of an id while this worker has it.
        extractions: answers the programs that extract.

    """

    def __init__(
        self,
        store: Store,
        find: Callable[[int], AttemptRun | None],
        extractions: Extractions,
    ) -> None:
        """Get ready; ``open`` listens."""
        self._extractions = extractions
        self._store = store
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
        """Serve a word of an extraction's program.

        Raises:
            Unusable: the attempt is none of an extraction.
        """
        attempt = self._attempt(attempt_id)
        extract = attempt.template.spec.extract
        if extract is None:
            raise Unusable(f"attempt {attempt_id} works on no table that takes segments")
        asked = Asked(self._session, attempt.claim, extract, value)
        return await self._extractions.answer(word, asked)


def _text(value: Any, what: str) -> str:
    text = json.dumps(value)
    if len(text) > LARGEST_VALUE:
        raise TooLarge(f"{what} may have {LARGEST_VALUE} bytes of JSON, this one has {len(text)}")
    return text
