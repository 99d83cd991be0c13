"""Hash, compress and count one part of the installed Python's sources."""

import hashlib
import json
import os
import sysconfig
import zlib
from pathlib import Path

index, parts = int(os.environ["JOB_COMPLETION_INDEX"]), int(os.environ["PARTS"])
root = Path(sysconfig.get_paths()["stdlib"])
sources = [path for path in sorted(root.rglob("*.py")) if "site-packages" not in path.parts]
mine = [path for path in sources if zlib.crc32(bytes(path)) % parts == index]

digest, size, lines, packed = hashlib.sha256(), 0, 0, 0
for done, path in enumerate(mine, 1):
    data = path.read_bytes()
    digest.update(data)
    size, lines, packed = (
        size + len(data),
        lines + data.count(b"\n"),
        packed + len(zlib.compress(data)),
    )
    Path(os.environ["JOBYARD_PROGRESS"]).write_text(f"{done}/{len(mine)}")

stock = {
    "files": len(mine),
    "bytes": size,
    "lines": lines,
    "packed": packed,
    "sha256": digest.hexdigest(),
}
out = Path(os.environ["OUT"])
out.mkdir(parents=True, exist_ok=True)
(out / f"part-{index:02}.json").write_text(json.dumps(stock))
Path(os.environ["JOBYARD_RESULT"]).write_text(json.dumps(stock))
print(
    f"{len(mine):4} files  {lines:7,} lines  {size / 1e6:5.1f} MB",
    f"{packed / size:.0%} packed  {stock['sha256'][:12]}",
    sep="  ",
)
