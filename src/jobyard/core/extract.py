"""What an extraction job extracts, and how people say where it ends."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobyard.core.derived import Derivation

from jobyard.core.layout import DEFAULT_LAYOUT, FileLayout

LATEST = "latest"
MOST_BLOCK = 2**63 - 2
"""The largest number of a block; the one behind it is still an id that databases can hold."""
MOST_WRITERS = 2**16 - 1
"""The largest parallelism of one extraction."""
FATAL_EXIT = 65
"""The exit code of what no other attempt would do better (EX_DATAERR of sysexits.h)."""
END_RULE = "a block's number, `latest`, `-n` for n blocks below the head, or nothing"

_NUMBER = re.compile(r"-?\d{1,19}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Extract:
    """One dataset's revision, and the blocks of it that are wanted.

    ``version`` is what people call the revision; ``manifest_hash`` is what it is. ``end`` is the
    last block as people write it (``end_of``), None for a job that follows the head and never
    completes. Index i of ``parallelism`` works on every ``parallelism``-th piece of the blocks.
    """

    namespace: str
    name: str
    version: str
    manifest_hash: str
    kind: str
    """``evm-rpc``, ``solana`` or ``recorded``: what reads the blocks; ``manifest`` for SQL."""
    chain: str
    """``evm`` or ``solana``: what the blocks and the tables look like."""
    network: str
    tables: tuple[str, ...]
    start: int = 0
    end: str | None = None
    parallelism: int = 1
    verify: float = 0.0
    """The share of blocks of which everything is proved that can be, 0 to 1; the rest in part."""
    finalized_only: bool = False
    providers: tuple[str, ...] = ()
    """The only providers to read from; none named means all of the kind and the network."""
    folder: str | None = None
    """Where its tables lie; None means below the data folder, by namespace and name."""
    sparse: bool = False
    """Whether blocks that a recording does not have are none that are wanted."""
    derived: Derivation | None = None
    """How its tables are made of others; None for one that is read from a chain."""
    layout: FileLayout = DEFAULT_LAYOUT

    @property
    def dataset(self) -> str:
        """The dataset as ``namespace/name``."""
        return f"{self.namespace}/{self.name}"


def end_of(text: str) -> str | None:
    """Put a last block as people write it into its one form; ``none`` means that there is none.

    Raises:
        ValueError: it is nothing of the kind.
    """
    word = text.strip().lower()
    if word in {"none", "null"}:
        return None
    if word == LATEST:
        return LATEST
    if not _NUMBER.fullmatch(word) or abs(int(word)) > MOST_BLOCK:
        raise ValueError(END_RULE)
    # `-0` is the head itself, and the number 0 is the genesis block.
    return LATEST if word.startswith("-") and int(word) == 0 else str(int(word))


def is_relative(end: str | None) -> bool:
    """Tell whether an end depends on where the chain's head is."""
    return end == LATEST or (end is not None and end.startswith("-"))


def stop_of(end: str | None, start: int, head: int | None) -> int | None:
    """Tell the block behind the last one; None when there is no last one.

    ``head`` is the newest block, None when there is none yet: an end relative to it then leaves
    nothing to do.
    """
    if end is None:
        return None
    if not is_relative(end):
        return int(end) + 1
    if head is None:
        return start
    return max(start, head + 1 + (0 if end == LATEST else int(end)))
