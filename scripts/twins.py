"""Make the blocking client of the asynchronous one: two clients, one text.

What awaits is written once, in the modules of ``TWINS``; their twins say the same without an event
loop. The differences are words, and all of them stand here.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
CLIENT = Path("src/jobyard/client")
TWINS = {
    CLIENT / "async_link.py": CLIENT / "link.py",
    CLIENT / "async_datasets.py": CLIENT / "datasets.py",
    CLIENT / "async_output.py": CLIENT / "output.py",
    CLIENT / "async_tables.py": CLIENT / "tables.py",
    CLIENT / "asynchronous.py": CLIENT / "blocking.py",
}
"""From what is written to what is made of it."""

NOTE = "# made by scripts/generate.py\n"
WORDS = {
    r"\basync (?=def |with |for )": "",
    r"\bawait ": "",
    r"\bAsync(?=Absence|Client|(?:Dataset|Table)Calls|Link|Output)": "",
    r"\bAsync(?=Generator|Iterator|BaseTransport)": "",
    r"\basync_(?=datasets\b|link\b|output\b|tables\b)": "",
    r"\basynccontextmanager\b": "contextmanager",
    r"\baclosing\b": "closing",
    r"__aenter__": "__enter__",
    r"__aexit__": "__exit__",
    r"\.aclose\(": ".close(",
    r"\.aread\(": ".read(",
    r"\.aiter_(?=bytes|lines|raw|text)": ".iter_",
    r"\bclock\.sleep\(": "clock.pause(",
    r"programs that run an event loop": "programs without an event loop",
    # A loop that only hands on is one word where nothing is awaited.
    r"\bfor (\w+) in ([^\n]+):\n\s+yield \1\n": r"yield from \2\n",
}


def twins() -> dict[Path, str]:
    """Make every twin, by its path below the repository's root."""
    return {twin: _twin(source, twin) for source, twin in TWINS.items()}


def _twin(source: Path, twin: Path) -> str:
    text = (ROOT / source).read_text(encoding="utf-8")
    for found, said in WORDS.items():
        text = re.sub(found, said, text)
    return formatted(NOTE + text, twin)


def formatted(text: str, path: Path) -> str:
    """Put a module that was made into the form that it has to have."""
    for step in (("check", "--select", "I", "--fix-only"), ("format",)):
        text = subprocess.run(
            [sys.executable, "-m", "ruff", *step, "--quiet", "--stdin-filename", path, "-"],
            cwd=ROOT,
            input=text,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    return text
