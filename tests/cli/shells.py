"""A person's shell in which the commands of the documents are typed as they stand there."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.cli.conftest import PATIENCE, SOURCE, Done, environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# What the foreign tools of the scripts are where they are not installed: jq's own language from
# its library, and the one thing that the scripts ask of watch.
STAND_INS = {
    "jq": f"""#!{sys.executable}
import json, sys, jq
for value in jq.compile(sys.argv[1]).input_text(sys.stdin.read()):
    print(json.dumps(value, indent=2))
""",
    "watch": """#!/bin/sh
# watch -n SECONDS COMMAND
while :; do sh -c "$3"; sleep "$2"; done
""",
}


class Shell:
    """Bash in a folder, with `jobyard` on its PATH."""

    def __init__(self, folder: Path, tools: Path) -> None:
        self.folder = folder
        self.tools = tools
        tools.mkdir()
        self.put("jobyard", f'#!/bin/sh\nexec "{sys.executable}" -m jobyard "$@"\n')
        for name, text in STAND_INS.items():
            if shutil.which(name) is None:
                self.put(name, text)

    def put(self, name: str, text: str) -> None:
        (self.tools / name).write_text(text)
        (self.tools / name).chmod(0o755)

    def environment(self, **more: str) -> Mapping[str, str]:
        plain = environment(PYTHONPATH=str(SOURCE), TERM="xterm", LANG="C.UTF-8")
        return {**plain, "PATH": f"{self.tools}:{plain['PATH']}", **more}

    def __call__(self, script: str) -> Done:
        return subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def watched(self, line: str, until: bytes) -> bytes:
        """Run a command on a terminal until it has shown some words; give what it has shown."""
        terminal, slave = pty.openpty()
        watching = subprocess.Popen(
            ["bash", "-c", f"exec {line}"],
            cwd=self.folder,
            env=self.environment(),
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        seen = b""
        try:
            while until not in seen:
                seen += os.read(terminal, 1 << 16)
        finally:
            watching.kill()
            watching.wait()
            os.close(terminal)
        return seen

    def ok(self, script: str) -> str:
        done = self(script)
        assert done.returncode == 0, f"$ {script}\n{done.stderr}"
        return done.stdout
