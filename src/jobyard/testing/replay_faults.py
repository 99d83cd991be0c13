"""What goes wrong at the replay server: a plan with a seed, the same for the same requests.

Whether a request is struck depends on the seed, on what is asked and on how often it was asked
before - not on the order in which requests arrive, which concurrency makes random.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from enum import StrEnum


class Trouble(StrEnum):
    """One way in which an answer fails to come, or comes wrong."""

    THROTTLE = "throttle"
    """429, with ``Retry-After`` if the plan names one."""
    ERROR = "error"
    """500, 502 or 503."""
    HANG = "hang"
    """No answer at all, until the client goes away."""
    DROP = "drop"
    """The connection is closed without an answer."""
    TRUNCATE = "truncate"
    """The connection is closed in the middle of the answer."""
    CUT = "cut"
    """Half the answer, with a length that says that it is all."""
    GARBAGE = "garbage"
    """200 with something that is not JSON."""
    NULL = "null"
    """``null`` where a block or receipts are."""
    STRANGE = "strange"
    """Another block, or another block's receipts, than asked for."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Which share of requests (0 to 1, together at most 1) meets which trouble; other habits."""

    seed: int = 0
    throttle: float = 0.0
    error: float = 0.0
    hang: float = 0.0
    drop: float = 0.0
    truncate: float = 0.0
    cut: float = 0.0
    garbage: float = 0.0
    null: float = 0.0
    strange: float = 0.0
    retry_after: float | None = None
    """Seconds that a 429 says in ``Retry-After``."""
    latency: float = 0.0
    """Seconds that each answer takes."""
    jitter: float = 0.0
    """Up to this many seconds more, by the seed."""
    shuffle: bool = False
    """Answer a batch in another order than it was asked."""
    batch_limit: int | None = None
    """Refuse batches of more calls."""
    answer_limit: int | None = None
    """Refuse requests whose answer has more bytes, as too large."""
    concurrency_limit: int | None = None
    """Answer 429 to requests above this many at a time (counts only those that take time)."""
    no_block_receipts: bool = False
    """Do not know ``eth_getBlockReceipts``."""
    token: str | None = None
    """Answer 401 unless the request carries it as a bearer."""
    chain_id: int | None = None
    """Say another chain id than the chain's."""
    pruned_below: int = 0
    """Have no blocks below this number."""
    finality: int = 0
    """Blocks between the newest one and the newest finalized one."""

    def __post_init__(self) -> None:
        """Refuse shares that are more than everything."""
        if sum(getattr(self, trouble) for trouble in Trouble) > 1:
            message = "the shares of all troubles together are more than 1"
            raise ValueError(message)

    def strike(self, asked: bytes, times: int) -> Trouble | None:
        """Tell what happens to a request that was asked ``times`` times before."""
        draw = self.draw(asked, times)
        for trouble in Trouble:
            draw -= getattr(self, trouble)
            if draw < 0:
                return trouble
        return None

    def draw(self, asked: bytes, times: int) -> float:
        """Draw a number from 0 (included) to 1 (excluded) for a request."""
        text = b"%d/%d/%s" % (self.seed, times, asked)
        return int.from_bytes(hashlib.blake2b(text, digest_size=6).digest()) / 2**48


def names() -> list[str]:
    """List what a plan can say."""
    return [field.name for field in fields(Faults)]
