"""Print lines of 100 bytes, half of each incompressible, at a steady pace: the logs' load.

`paced.py MEGABYTES_A_SECOND SECONDS REPORT`: writes what it printed, how long that took and the
checksum of it to the file REPORT, as JSON. Alone on the standard library.
"""

from __future__ import annotations

import json
import os
import sys
import time
import zlib
from pathlib import Path

LINE = 100
SLICE = 400 * LINE
"""Bytes of one write."""
POOL = 32_000_000
"""Bytes that are made beforehand, so that making them takes nothing from the pace."""


def make_pool() -> bytes:
    """Make lines whose first half is random letters and whose second half is always the same."""
    text = b"GET /api/v1/jobs?limit=50 HTTP/1.1 200 worker-17\n"
    half = LINE - len(text)
    lines = POOL // LINE
    noise = os.urandom(half * lines).replace(b"\n", b"\x00")
    pool = bytearray((b"\x00" * half + text) * lines)
    for column in range(half):
        pool[column::LINE] = noise[column * lines : (column + 1) * lines]
    return bytes(pool)


def main() -> None:
    """Print at the pace, catching up after every delay."""
    rate, seconds, report = float(sys.argv[1]) * 1e6, float(sys.argv[2]), Path(sys.argv[3])
    pool = make_pool()
    slices = [pool[at : at + SLICE] for at in range(0, POOL, SLICE)]
    printed = checksum = 0
    start = time.monotonic()
    while printed < rate * seconds:
        piece = slices[printed // SLICE % len(slices)]
        checksum = zlib.crc32(piece, checksum)
        early = start + printed / rate - time.monotonic()
        if early > 0:
            time.sleep(early)
        left = memoryview(piece)
        while left:
            left = left[os.write(1, left) :]
        printed += SLICE
    took = time.monotonic() - start
    report.write_text(json.dumps({"bytes": printed, "seconds": took, "checksum": checksum}))


if __name__ == "__main__":
    main()
