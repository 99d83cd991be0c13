"""Measure Jobyard against floors: `run.py [NAME…] [--runs N] [--quick]`; a name may be a prefix.

All benchmarks together write RESULTS.md beside this file; named ones only their own lines of it
when `--write` says so. `--list` names every line.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import engine
import evm
import evm_peers
import extracting
import fetching
import floors
import following
import history
import idle
import latency
import logs
import processes
import size
import soak
import solana
import startup
import submission
import tables
from ground import Ground
from jobyard import __version__, config
from lines import Benchmark, Figure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RESULTS = Path(__file__).with_name("RESULTS.md")
BENCHMARKS: Mapping[str, Benchmark] = {
    "processes": processes.BENCHMARK,
    "engine": engine.BENCHMARK,
    "submission": submission.BENCHMARK,
    "latency": latency.BENCHMARK,
    "startup": startup.BENCHMARK,
    "idle": idle.BENCHMARK,
    "history": history.CLAIMS,
    "fairness": history.FAIRNESS,
    "size": size.BENCHMARK,
    "logs": logs.BENCHMARK,
    "evm": evm.BENCHMARK,
    "following": following.BENCHMARK,
    "soak": soak.BENCHMARK,
    "solana": solana.BENCHMARK,
    "fetching": fetching.BENCHMARK,
    "evm_peers": evm_peers.BENCHMARK,
    "extracting": extracting.BENCHMARK,
    "tables": tables.BENCHMARK,
}
HEADER = (
    "name",
    "what",
    "figure",
    "floor",
    "ratio",
    "floor is",
    "target",
    "result",
    "what holds it",
)
DIGITS = 100
"""Figures below this are written with three digits, others as whole numbers."""


def number(value: float | None, unit: str = "") -> str:
    """Write a figure for people."""
    if value is None:
        return ""
    text = f"{value:,.0f}" if abs(value) >= DIGITS else f"{value:.3g}"
    return f"{text}{unit}" if unit.startswith("/") else f"{text} {unit}".rstrip()


def cells(name: str, figure: Figure) -> tuple[str, ...]:
    """Write a line of the table."""
    line, ratio = figure.line, figure.ratio
    return (
        name,
        line.what,
        number(figure.value, line.unit),
        number(figure.floor, line.unit),
        "" if ratio is None else f"{ratio:.2f}",
        line.floor,
        line.target,
        figure.verdict,
        line.holds,
    )


def measure(name: str, benchmark: Benchmark, ground: Ground, runs: int) -> dict[str, Figure]:
    """Run one benchmark; its lines by their full names."""
    by_key = {line.name: Figure(line) for line in benchmark.lines}
    began = time.perf_counter()
    try:
        for samples in benchmark.measure(ground, runs):
            for key, sample in samples.items():
                by_key[key].samples.append(sample)
    except Exception:  # noqa: BLE001 - the other benchmarks have figures to tell
        traceback.print_exc()
        sys.stderr.write(f"{name} failed: its figures are incomplete\n")
    sys.stderr.write(f"{name}: {time.perf_counter() - began:.0f} s\n")
    return {f"{name}.{key}": figure for key, figure in by_key.items() if figure.samples}


def facts(ground: Ground, runs: int) -> dict[str, str]:
    """Tell what the figures depend on."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "Jobyard": __version__,
        "cores": str(config.cores()),
        "memory": f"{config.total_memory() / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}, {platform.machine()}",
        "Python": platform.python_version(),
        **floors.database_versions(ground),
        "PostgreSQL's settings": "fsync on, shared_buffers 512 MB, max_wal_size 4 GB",
        "load before": f"{os.getloadavg()[0]:.2f}",
        "runs": f"{runs}, medians",
    }


def table(rows: Iterable[tuple[str, ...]]) -> str:
    """Write a table in Markdown."""
    lines = [HEADER, ("---",) * len(HEADER), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines) + "\n"


def known_rows() -> dict[str, tuple[str, ...]]:
    """Read the lines of RESULTS.md by name."""
    if not RESULTS.exists():
        return {}
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split(" | "))
        for line in RESULTS.read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and line.count(" | ") == len(HEADER) - 1
    ]
    return {row[0]: row for row in rows[2:]}


def write(rows: Mapping[str, tuple[str, ...]], said: Mapping[str, str]) -> None:
    """Write RESULTS.md."""
    text = "# What Jobyard does, beside what this machine can do\n\n"
    text += (
        "Made by `make bench`. Figures and floors are medians of runs in which both were measured"
        " in turn; the ratio is the median of the runs' ratios, so it means more than the figures."
        " Where a target is missed, the last column says what holds the figure.\n\n"
    )
    text += "".join(f"- {name}: {fact}\n" for name, fact in said.items())
    RESULTS.write_text(f"{text}\n{table(rows.values())}", encoding="utf-8")


def show(name: str, figure: Figure) -> None:
    """Print one line for people who wait."""
    _, _, value, floor, ratio, _, target, verdict, _ = cells(name, figure)
    beside = f"floor {floor}, ratio {ratio}" if ratio else ""
    print(f"{name:34} {value:>14}  {beside:38} {verdict:14} {target}", flush=True)


def is_meant(name: str, by: str) -> bool:
    """Tell whether somebody means a benchmark by its name, or by the beginning of it."""
    return name == by if by in BENCHMARKS else name.startswith(by)


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="small sizes, one run")
    parser.add_argument("--write", action="store_true", help="write the named lines, too")
    parser.add_argument("--list", action="store_true")
    asked = parser.parse_args()
    if asked.list:
        for name, benchmark in BENCHMARKS.items():
            for line in benchmark.lines:
                print(f"{name}.{line.name}: {line.what} {line.target}")
        return
    chosen = {
        name: benchmark
        for name, benchmark in BENCHMARKS.items()
        if not asked.names or any(is_meant(name, by) for by in asked.names)
    }
    if not chosen:
        parser.error(f"there is only {', '.join(BENCHMARKS)}")
    runs = 1 if asked.quick else asked.runs
    ground = Ground(quick=asked.quick)
    try:
        said = facts(ground, runs)
        rows = known_rows() if asked.names else {}
        for name, benchmark in chosen.items():
            for full_name, figure in measure(name, benchmark, ground, runs).items():
                show(full_name, figure)
                rows[full_name] = cells(full_name, figure)
    finally:
        ground.close()
    if asked.write or not (asked.names or asked.quick):
        write(rows, said)
        print(f"written to {RESULTS.name}")


if __name__ == "__main__":
    main()
