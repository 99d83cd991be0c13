"""EVM blocks to Parquet on one core, beside `orjson.loads` of the same bytes.

Real mainnet blocks where the chain data lies beside the project (`../shared/data/chain`), else the
blocks that the tests keep; renumbered to make a long chain. Times are the processor's: what one
core has to do, whoever else uses the machine.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import orjson
import pyarrow as pa

from jobyard.chain.evm_decode import read
from jobyard.chain.evm_tables import EVM_TABLES
from jobyard.chain.verify_evm import EvmVerifier
from jobyard.data.chains import EVM
from jobyard.data.extract import BATCH_BLOCKS
from jobyard.data.folder import DataFolder
from jobyard.data.footer import Extent
from jobyard.data.parquet import TableWriter
from lines import Benchmark, Goal, Line, Sample, Samples, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ground import Ground

ROOT = Path(__file__).resolve().parents[1]
REAL = ROOT.parent / "shared/data/chain/eth-mainnet-17686110-17686132.ndjson.gz"
MINTED = ROOT / "tests/data/anvil-prague.ndjson.gz"


class _Recorded(msgspec.Struct):
    block: msgspec.Raw
    receipts: msgspec.Raw = msgspec.Raw(b"[]")


class _Numbered(msgspec.Struct):
    number: str


@dataclass(frozen=True, slots=True)
class Given:
    """A block as a source gives it."""

    number: int
    block: bytes
    receipts: bytes


def recorded() -> list[Given]:
    """Read the recorded blocks."""
    path = REAL if REAL.exists() else MINTED
    if path is MINTED:
        sys.stderr.write("evm: small blocks, as no real ones lie beside the project\n")
    blocks = []
    for line in gzip.decompress(path.read_bytes()).splitlines():
        one = msgspec.json.decode(line, type=_Recorded)
        number = int(msgspec.json.decode(one.block, type=_Numbered).number, 16)
        blocks.append(Given(number, bytes(one.block), bytes(one.receipts)))
    return blocks


def renumbered(blocks: Sequence[Given], count: int) -> Iterator[Given]:
    """Repeat blocks under numbers that go on."""
    first = blocks[0].number
    for at in range(count):
        one = blocks[at % len(blocks)]
        old, new = (f'umber":"{number:#x}"'.encode() for number in (one.number, first + at))
        yield Given(first + at, one.block.replace(old, new), one.receipts.replace(old, new))


def batches(blocks: Sequence[Given]) -> Iterator[list[Given]]:
    """Cut blocks into the batches that an extraction would decode together."""
    batch: list[Given] = []
    size = 0
    for one in blocks:
        batch.append(one)
        size += len(one.block) + len(one.receipts)
        if size >= EVM.batch_bytes or len(batch) == BATCH_BLOCKS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def load(blocks: Sequence[Given]) -> None:
    """Do what the floor does."""
    for one in blocks:
        orjson.loads(one.block)
        orjson.loads(one.receipts)


def write(blocks: Sequence[Given], folder: Path, verifier: EvmVerifier | None = None) -> None:
    """Decode blocks and write all columns of the three tables."""
    target = DataFolder.at(folder)
    writers = [TableWriter(table, target.below(name), "m") for name, table in EVM_TABLES.items()]
    for batch in batches(blocks):
        _, decoded = read((one.block, one.receipts) for one in batch)
        if verifier is not None:
            verifier.check(decoded.blocks, decoded.transactions, decoded.logs)
        extent = Extent(batch[0].number, batch[-1].number + 1, "same", "same")
        for writer in writers:
            rows = decoded.table(writer.table.name)
            if rows is not None:
                writer.write(rows, extent)
    for writer in writers:
        writer.close()


def prove(blocks: Sequence[Given]) -> float:
    """Prove blocks in full; return the seconds that takes beside decoding."""
    verifier, took = EvmVerifier(full=True), 0.0
    for batch in batches(blocks):
        _, decoded = read((one.block, one.receipts) for one in batch)
        began = time.process_time()
        verifier.check(decoded.blocks, decoded.transactions, decoded.logs)
        took += time.process_time() - began
    assert verifier.report.sound
    return took


def measure(ground: Ground, runs: int) -> Iterator[Samples]:
    """Measure each in turn with the floor."""
    pa.set_cpu_count(1)
    real = recorded()
    blocks = list(renumbered(real, ground.few(230, 46)))
    for run in range(runs):

        def timed_write(verifier: EvmVerifier | None = None) -> float:
            with ground.folder() as folder:
                began = time.process_time()
                write(blocks, folder, verifier)
                return (time.process_time() - began) / len(blocks) * 1000

        def timed_load() -> float:
            began = time.process_time()
            load(blocks)
            return (time.process_time() - began) / len(blocks) * 1000

        took = in_turn(
            run,
            {
                "load": timed_load,
                "write": timed_write,
                "proved": lambda: timed_write(EvmVerifier(full=False)),
                "full": lambda: prove(real) / len(real) * 1000,
            },
        )
        floor = took["load"]
        yield {
            "write": Sample(took["write"], floor),
            "proved": Sample(took["proved"], floor),
            "full": Sample(took["full"], floor),
            "memory": Sample(memory(ground.few(4000, 400))),
        }


def memory(count: int) -> float:
    """Extract a long chain in a process of its own; return the most MiB that it held."""
    with subprocess.Popen(
        [sys.executable, __file__, str(count)],
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": ":".join(sys.path)},
    ) as child:
        said, _ = child.communicate()
    return float(json.loads(said))


def main(count: int) -> None:
    """Extract so many blocks as they come, and tell the most memory held, in MiB."""
    import tempfile

    real = recorded()
    with tempfile.TemporaryDirectory(prefix="jobyard-bench-") as folder:
        target = DataFolder.at(folder)
        writers = [
            TableWriter(table, target.below(name), "m") for name, table in EVM_TABLES.items()
        ]
        for one in renumbered(real, count):
            _, decoded = read([(one.block, one.receipts)])
            for writer in writers:
                rows = decoded.table(writer.table.name)
                if rows is not None:
                    extent = Extent(one.number, one.number + 1, "same", "same")
                    writer.write(rows, extent)
        for writer in writers:
            writer.close()
    # Not `ru_maxrss`: that of a child begins with its parent's.
    status = Path("/proc/self/status").read_text()
    print(json.dumps(int(status.split("VmHWM:")[1].split()[0]) / 1024))


FLOOR = "`orjson.loads` of the same bytes"
BENCHMARK = Benchmark(
    (
        Line(
            "write", "EVM: JSON to Arrow to Parquet, all columns of three tables, a block", "ms",
            FLOOR, "≤ 2.5 times the floor; aim: 2.0", (Goal(at_most=2.5, of_ratio=True),),
        ),
        Line(
            "proved", "the same, with header hash, links, order and gas proved, a block", "ms",
            FLOOR,
        ),
        Line("full", "EVM: proof in full from columns, a block", "ms", FLOOR),
        Line("memory", "EVM: most memory of an extraction of 4,000 blocks", "MiB", "",
             "< 400 MB", (Goal(at_most=381),)),
    ),
    measure,
)  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]))
