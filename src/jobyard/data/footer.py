"""What a Parquet file says of itself: its table and the blocks that it covers.

One key of the file's metadata holds JSON::

    {"table": "logs", "created_at": "…Z", "ranges": [{"numbers": {"start": 0, "end": 99},
     "network": "mainnet", "hash": "0x…", "prev_hash": "0x…", "timestamp": 1438269988}], …}

``numbers`` are inclusive, as people write them; ``hash`` is that of the last block, ``prev_hash``
the parent of the first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jobyard import clock
from jobyard.core.segments import Segment
from jobyard.errors import DataFileDamaged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEY = "jobyard"
PARENTS_KEY, GENERATION_KEY = "parent_file_ids", "generation"
"""Keys that other programs which compact such files know, too."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Blocks ``[start, stop)`` that were read, and what links them to others.

    ``timestamp`` is that of the last block, in seconds since 1970; None where there is none.
    """

    start: int
    stop: int
    prev_hash: str
    hash: str
    timestamp: int | None = None

    def follows(self, other: Extent) -> bool:
        """Tell whether these blocks go on where the others end."""
        return self.start == other.stop and self.prev_hash == other.hash

    def joined(self, later: Extent) -> Extent:
        """Make one of these blocks and those that follow."""
        return Extent(self.start, later.stop, self.prev_hash, later.hash, later.timestamp)


def describe(
    table: str,
    name: str,
    network: str,
    extent: Extent,
    created_at: int,
    *,
    generation: int = 0,
    parents: Sequence[str] = (),
) -> dict[str, str]:
    """Make the metadata of a file; ``parents`` are the names of those that its rows were in."""
    about = {
        "table": table,
        "filename": name,
        "created_at": clock.rfc3339(created_at),
        "ranges": [
            {
                "numbers": {"start": extent.start, "end": extent.stop - 1},
                "network": network,
                "hash": extent.hash,
                "prev_hash": extent.prev_hash,
                "timestamp": extent.timestamp,
            }
        ],
    }
    made_of = json.dumps(list(parents))
    return {KEY: json.dumps(about), PARENTS_KEY: made_of, GENERATION_KEY: str(generation)}


@dataclass(frozen=True, slots=True)
class About:
    """What a file says of itself."""

    table: str
    segment: Segment
    extent: Extent
    generation: int = 0
    """How often its rows were copied from smaller files."""


def understand(metadata: Mapping[bytes, bytes] | None, name: str, size: int) -> About:
    """Read the metadata of a file.

    Raises:
        DataFileDamaged: it is missing or not what was written.

    """
    text = (metadata or {}).get(KEY.encode())
    if text is None:
        raise DataFileDamaged(name, f"its metadata has no `{KEY}`")
    try:
        about: dict[str, Any] = json.loads(text)
        (covered,) = about["ranges"]
        extent = Extent(
            covered["numbers"]["start"],
            covered["numbers"]["end"] + 1,
            covered["prev_hash"],
            covered["hash"],
            covered["timestamp"],
        )
        segment = Segment(
            name,
            covered["network"],
            extent.start,
            extent.stop,
            extent.hash,
            extent.prev_hash,
            clock.to_us(datetime.fromisoformat(about["created_at"])),
            size,
        )
        generation = int((metadata or {}).get(GENERATION_KEY.encode(), 0))
        return About(about["table"], segment, extent, generation)
    except (ValueError, KeyError, TypeError) as error:
        raise DataFileDamaged(name, f"its metadata cannot be read: {error!r}") from error
