"""Merge what the parts counted into one stock of the sources."""

import json
import os
from pathlib import Path

out = Path(os.environ["OUT"])
parts = [
    json.loads((out / f"part-{index:02}.json").read_text())
    for index in range(int(os.environ["PARTS"]))
]
total = {name: sum(part[name] for part in parts) for name in ("files", "bytes", "lines", "packed")}
Path(os.environ["JOBYARD_RESULT"]).write_text(json.dumps(total))
print(
    f"{total['files']:,} files",
    f"{total['lines']:,} lines",
    f"{total['bytes'] / 1e6:.1f} MB",
    f"{total['packed'] / 1e6:.1f} MB packed",
    sep=", ",
)
