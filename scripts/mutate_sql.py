"""Ask of every predicate in the stores' SQL whether a test would miss it.

One predicate at a time is made always true in a copy of the sources, and the conformance suite
runs on the copy. The suite has to fail: a predicate that no test misses is either not needed or
not promised. A survivor that is right to survive is named, with a reason, in
``mutate_sql_survivors.txt`` beside this program, one a line::

    sqlite claim_attempts: status = 'SCHEDULED' -- the partial index holds no other

Exit code 0: every predicate is missed or excused. 1: some are not. 2: the run itself is no good.
"""

from __future__ import annotations

import argparse
import os
import queue
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parents[1]
SURVIVORS = Path(__file__).with_name("mutate_sql_survivors.txt")
BACKENDS = ("sqlite", "postgres")
COMMAND = (
    f"{shlex.quote(sys.executable)} -m pytest -x -q -p no:cacheprovider -o timeout=120 "
    "-o pythonpath={src} tests/conformance -k '{backend} and not kit and not history'"
)
SECONDS_A_RUN = 400

_TOKEN = re.compile(
    r"""
    (?P<skip> --[^\n]* | /\*.*?\*/ | \s+ )
  | (?P<word> [A-Za-z_]\w* )
  | (?P<other> '(?:[^']|'')*' | "(?:[^"]|"")*" | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ | \w+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_NAME = re.compile(r"^--\s*name:\s*(?P<name>[\w-]+)", re.MULTILINE)
# What ends a predicate when it stands at the predicate's own depth of parentheses.
_ENDS = re.compile(
    r"AND|CROSS|DO|ELSE|END|EXCEPT|FETCH|FOR|FULL|GROUP|HAVING|INNER|INTERSECT|JOIN|LEFT|LIMIT"
    r"|OFFSET|ON|OR|ORDER|RETURNING|RIGHT|THEN|UNION|WHEN|WHERE|WINDOW|;"
)
_ALSO_FUNCTIONS = frozenset(["LEFT", "RIGHT"])


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of SQL that is neither space nor comment; words are in capitals."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Mutant:
    """One predicate of one query, and where it stands in its file."""

    path: Path
    backend: str
    query: str
    line: int
    predicate: str
    start: int
    end: int

    @property
    def key(self) -> str:
        """Name the predicate the way the list of survivors does."""
        return f"{self.backend} {self.query}: {self.predicate}"

    def apply(self, text: str) -> str:
        """Make the predicate true for every row, in the text of its file.

        It stays in place, because a query that no longer names a parameter is refused by the
        driver, and then any test would fail, whatever the predicate is good for.
        """
        return f"{text[: self.start]}(({text[self.start : self.end]}) OR TRUE){text[self.end :]}"


def tokens(sql: str) -> list[Token]:
    """Cut SQL into tokens, without space and comments."""
    found = []
    for match in _TOKEN.finditer(sql):
        if match["skip"] is None:
            text = match[0].upper() if match["word"] else match[0]
            found.append(Token(text, match.start(), match.end()))
    return found


def predicates(sql: str) -> Iterator[tuple[int, int]]:
    """Find what follows each WHERE and each AND, as start and end in the text.

    The AND of a BETWEEN is not one. Predicates inside the parentheses of another are found too.
    """
    every = tokens(sql)
    betweens: list[int] = [0]
    for position, token in enumerate(every):
        if token.text == "(":
            betweens.append(0)
        elif token.text == ")" and len(betweens) > 1:
            betweens.pop()
        elif token.text == "BETWEEN":
            betweens[-1] += 1
        elif token.text == "AND" and betweens[-1]:
            betweens[-1] -= 1
        elif token.text in {"AND", "WHERE"}:
            end = _end(every, position + 1)
            if end > position:
                yield every[position + 1].start, every[end].end


def _end(every: list[Token], first: int) -> int:
    """Tell the position of the last token of the predicate that begins at ``first``."""
    depth = betweens = 0
    for position in range(first, len(every)):
        text = every[position].text
        if text == "(":
            depth += 1
        elif text == ")":
            depth -= 1
        elif depth == 0 and text == "BETWEEN":
            betweens += 1
        elif depth == 0 and text == "AND" and betweens:
            betweens -= 1
        elif depth == 0 and _ends_here(every, position):
            return position - 1
        if depth < 0:
            return position - 1
    return len(every) - 1


def _ends_here(every: list[Token], position: int) -> bool:
    text = every[position].text
    called = position + 1 < len(every) and every[position + 1].text == "("
    return bool(_ENDS.fullmatch(text)) and not (called and text in _ALSO_FUNCTIONS)


def mutants_of(path: Path, backend: str, text: str) -> Iterator[Mutant]:
    """Find the predicates of every named query in one file."""
    names = list(_NAME.finditer(text))
    ends = [name.start() for name in names[1:]] + [len(text)]
    for name, block_end in zip(names, ends, strict=True):
        offset = name.end()
        for start, end in predicates(text[offset:block_end]):
            here, there = offset + start, offset + end
            yield Mutant(
                path=path,
                backend=backend,
                query=name["name"],
                line=text.count("\n", 0, here) + 1,
                predicate=" ".join(re.sub(r"--[^\n]*", "", text[here:there]).split()),
                start=here,
                end=there,
            )


def all_mutants(source: Path, backends: Sequence[str]) -> list[Mutant]:
    """Find the predicates of all queries of some backends; paths are relative to ``source``."""
    return [
        mutant
        for backend in backends
        for file in sorted(source.glob(f"jobyard/store/{backend}/queries/*.sql"))
        for mutant in mutants_of(file.relative_to(source), backend, file.read_text())
    ]


def excuses(text: str) -> dict[str, str]:
    """Read the list of survivors: key and reason.

    Raises:
        ValueError: A line has no reason.
    """
    found = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        key, dashes, reason = line.partition(" -- ")
        if not dashes or not reason.strip():
            message = f"no reason given: {line}"
            raise ValueError(message)
        found[key.strip()] = reason.strip()
    return found


class Trial:
    """Runs the suite on copies of the sources, as many at once as there are copies."""

    def __init__(self, command: str, folder: Path, jobs: int) -> None:
        """Make the copies below a temporary folder."""
        self._command = command
        self._copies: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for number in range(jobs):
            copy = folder / f"src{number}"
            shutil.copytree(ROOT / "src", copy, ignore=shutil.ignore_patterns("__pycache__"))
            self._copies.put(copy)

    def baseline(self, backend: str) -> int:
        """Run the suite on unchanged sources and return its exit code."""
        copy = self._copies.get()
        try:
            return self._run(copy, backend)[0]
        finally:
            self._copies.put(copy)

    def verdict(self, mutant: Mutant) -> str:
        """Run the suite without one predicate: ``missed``, ``survived``, or what went wrong."""
        copy = self._copies.get()
        file = copy / mutant.path
        original = file.read_text()
        try:
            file.write_text(mutant.apply(original))
            code, printed = self._run(copy, mutant.backend)
        except subprocess.TimeoutExpired:
            return "hung"
        finally:
            file.write_text(original)
            self._copies.put(copy)
        print(f"{mutant.key}: exit code {code}", file=sys.stderr, flush=True)
        if "syntax error" in printed:
            return "broken: the mutant is no SQL"
        return {0: "survived", 1: "missed"}.get(code, f"broken: exit code {code}")

    def _run(self, copy: Path, backend: str) -> tuple[int, str]:
        command = shlex.split(self._command.format(src=shlex.quote(str(copy)), backend=backend))
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            timeout=SECONDS_A_RUN,
        )
        return done.returncode, done.stdout


def judge(trial: Trial, mutants: Sequence[Mutant], jobs: int, excused: dict[str, str]) -> list[str]:
    """Try the mutants and return one line on each that is not as it should be."""
    with ThreadPoolExecutor(jobs) as pool:
        verdicts = list(zip(mutants, pool.map(trial.verdict, mutants), strict=True))
    survivors = {mutant.key for mutant, verdict in verdicts if verdict == "survived"}
    complaints = []
    for mutant, verdict in verdicts:
        place = f"src/{mutant.path}:{mutant.line} {mutant.key}"
        if verdict == "missed" and mutant.key in excused.keys() - survivors:
            complaints.append(f"{place}: excused, but a test misses it")
        elif verdict != "missed" and not (verdict == "survived" and mutant.key in excused):
            complaints.append(f"{place}: {verdict}")
    return complaints


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Drop each SQL predicate, demand a red test.")
    parser.add_argument("--backend", choices=BACKENDS, action="append", help="default: all")
    parser.add_argument("--query", action="append", help="only queries of this name")
    parser.add_argument("--jobs", type=int, default=1, help="suites at once")
    parser.add_argument("--sample", type=int, metavar="N", help="only N predicates")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--list", action="store_true", help="print the predicates, run nothing")
    parser.add_argument("--command", default=COMMAND, help="the suite; {src} and {backend} vary")
    return parser.parse_args(arguments)


def chosen(wanted: argparse.Namespace) -> list[Mutant]:
    """Find the predicates that the command line asks for."""
    mutants = all_mutants(ROOT / "src", wanted.backend or BACKENDS)
    if wanted.query:
        mutants = [mutant for mutant in mutants if mutant.query in wanted.query]
    if wanted.sample is not None and wanted.sample < len(mutants):
        mutants = random.Random(wanted.seed).sample(mutants, wanted.sample)
    return mutants


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as the module says, and return the exit code."""
    wanted = options(arguments)
    mutants = chosen(wanted)
    if wanted.list:
        for mutant in mutants:
            print(f"src/{mutant.path}:{mutant.line} {mutant.key}")
        return 0
    if not mutants:
        print("no predicates found")
        return 2
    excused = excuses(SURVIVORS.read_text())
    with tempfile.TemporaryDirectory(prefix="jobyard-mutants-") as folder:
        trial = Trial(wanted.command, Path(folder), wanted.jobs)
        for backend in sorted({mutant.backend for mutant in mutants}):
            if code := trial.baseline(backend):
                print(f"the suite for {backend} fails on unchanged sources (exit code {code})")
                return 2
        complaints = judge(trial, mutants, wanted.jobs, excused)
    if not (wanted.backend or wanted.query or wanted.sample is not None):
        known = {mutant.key for mutant in mutants}
        complaints += [f"{key}: excused, but no such predicate" for key in excused.keys() - known]
    print("\n".join([*complaints, f"{len(mutants)} predicates, {len(complaints)} complaints"]))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
