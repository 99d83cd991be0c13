"""What goes wrong when a node is asked, sorted by what helps against it."""

from __future__ import annotations

import re
from enum import Enum, auto

import msgspec


class Kind(Enum):
    """Kinds of failure, each with a cure of its own."""

    THROTTLED = auto()
    """Too much at a time: ask less, and later."""
    SLOW = auto()
    """No answer in time: ask less, and again."""
    BROKEN = auto()
    """The connection or the server broke: ask again."""
    UNREADABLE = auto()
    """The answer is not what was asked for: ask again, better somebody else."""
    TOO_LARGE = auto()
    """Too much in one request: split it."""
    NOT_YET = auto()
    """The block is not there (yet): ask somebody who is further, or later."""
    PRUNED = auto()
    """The provider no longer has it: ask somebody else."""
    SKIPPED = auto()
    """Solana: the slot has no block, and never will."""
    NO_METHOD = auto()
    """The provider does not know the method: ask in another way."""
    REJECTED = auto()
    """The provider understands and refuses: asking again does not help."""
    REFUSED = auto()
    """The provider does not accept who asks."""
    NOT_A_NODE = auto()
    """What answers is no node."""


class Failure(Exception):
    """One request or call that failed."""

    def __init__(self, kind: Kind, message: str, retry_after: float | None = None) -> None:
        """Sort it; ``retry_after`` are the seconds that the provider asked to wait."""
        super().__init__(message)
        self.kind = kind
        self.retry_after = retry_after


class RpcError(msgspec.Struct):
    """The error member of a JSON-RPC answer."""

    code: int = 0
    message: str = ""


_STATUSES = {
    401: Kind.REFUSED,
    403: Kind.REFUSED,
    404: Kind.NOT_A_NODE,
    405: Kind.NOT_A_NODE,
    408: Kind.SLOW,
    413: Kind.TOO_LARGE,
    425: Kind.BROKEN,
    429: Kind.THROTTLED,
    501: Kind.NOT_A_NODE,
    503: Kind.BROKEN,
    504: Kind.SLOW,
}
SERVER_ERROR = 500

# Providers agree on few codes, so the words of their messages come first. Sources: the nodes' own
# (geth, reth, erigon, agave) and the large hosted providers' public error references.
_MESSAGES = (
    (r"batch.*(large|size|limit|exceed|many|disabled|not (allowed|supported))", Kind.TOO_LARGE),
    (r"(response|payload|content|body|result).*(too (large|big)|size|exceed)", Kind.TOO_LARGE),
    (r"rate.?limit|too many requests|throttl|capacity|quota|credits|compute units", Kind.THROTTLED),
    (r"pruned|history.*(unavailable|not available)|missing trie node|cleaned up", Kind.PRUNED),
    (r"was skipped|missing in long-term storage", Kind.SKIPPED),
    (r"not (yet )?available for slot|status.*not.*available|header not found", Kind.NOT_YET),
    (r"block not found|unknown block|unfinalized|node is (behind|unhealthy)", Kind.NOT_YET),
    (r"unauthori[sz]ed|forbidden|invalid api key|must be authenticated", Kind.REFUSED),
    (r"timed? ?out|timeout|deadline exceeded", Kind.SLOW),
    (r"method.*(does not exist|not (found|supported|available|allowed))", Kind.NO_METHOD),
)
_CODES = {
    429: Kind.THROTTLED,
    4444: Kind.PRUNED,
    -32001: Kind.NOT_YET,
    -32002: Kind.NOT_YET,
    -32004: Kind.NOT_YET,
    -32005: Kind.THROTTLED,
    -32007: Kind.SKIPPED,
    -32009: Kind.SKIPPED,
    -32014: Kind.NOT_YET,
    -32016: Kind.NOT_YET,
    -32601: Kind.NO_METHOD,
    -32600: Kind.REJECTED,
    -32602: Kind.REJECTED,
    -32015: Kind.REJECTED,
}
_patterns = tuple((re.compile(words, re.IGNORECASE), kind) for words, kind in _MESSAGES)


def from_status(status: int, body: bytes, retry_after: float | None) -> Failure:
    """Sort an HTTP answer that is not a success."""
    error = _error_in(body)
    if error is not None and status not in {401, 403, 429}:
        return from_error(error)
    default = Kind.BROKEN if status >= SERVER_ERROR else Kind.NOT_A_NODE
    return Failure(_STATUSES.get(status, default), f"HTTP {status}", retry_after)


def from_error(error: RpcError) -> Failure:
    """Sort a JSON-RPC error."""
    text = f"{error.message or 'no message'} (code {error.code})"
    for words, kind in _patterns:
        if words.search(error.message):
            return Failure(kind, text)
    return Failure(_CODES.get(error.code, Kind.BROKEN), text)


class _Erring(msgspec.Struct):
    error: RpcError


def _error_in(body: bytes) -> RpcError | None:
    try:
        return msgspec.json.decode(body, type=_Erring).error
    except msgspec.DecodeError:
        return None
