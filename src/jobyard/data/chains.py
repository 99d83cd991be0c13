"""What differs between the kinds of chains, in a table: all else of an extraction is the same."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from jobyard.chain import evm_decode, solana_decode, solana_verify, verify_evm
from jobyard.chain.evm_tables import BLOCKS, EVM_TABLES, LOGS, TRANSACTIONS
from jobyard.chain.solana_tables import BLOCK_HEADERS
from jobyard.chain.solana_tables import TABLES as SOLANA_TABLES
from jobyard.errors import BlockDisproved, ReceiptsMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    import pyarrow as pa

    from jobyard.chain.evm_json import Withdrawal
    from jobyard.chain.report import Report
    from jobyard.chain.source import RawBlock
    from jobyard.chain.tables import Table
    from jobyard.core.ranges import Span


@dataclass(frozen=True, slots=True)
class Decoded:
    """Some blocks as rows of each table; None where the source does not have what a table needs.

    ``withdrawals`` are those of the JSON, which stand in no table.
    """

    tables: Mapping[str, pa.RecordBatch | None]
    withdrawals: Sequence[list[Withdrawal] | None] | None = None


class Prover(Protocol):
    """Checks blocks in the order of the chain."""

    @property
    def report(self) -> Report:
        """What was found so far."""

    def check(self, decoded: Decoded, span: Span) -> None:
        """Check some blocks with all rows of theirs; ``span`` are the numbers that they cover."""

    def finish(self) -> None:
        """Say what is left open at the end."""


@dataclass(frozen=True, slots=True)
class ChainKind:
    """What an extraction has to know of a kind of chain.

    ``header`` is the table with a row for each block; ``parent_hash``, ``hash`` and ``time`` are
    columns of it. ``skips`` tells whether numbers may have no block. ``batch_bytes`` of JSON are
    decoded together, ``step`` numbers are proved together, of what lies in files; ``needed`` are
    the tables that a proof in full needs. ``read`` decodes the tables that it is given the names
    of, and may decode others, too.
    """

    name: str
    tables: Mapping[str, Table]
    header: Table
    parent_hash: str
    hash: str
    time: str
    skips: bool
    batch_bytes: int
    step: int
    needed: frozenset[str]
    first_check: str
    read: Callable[[Sequence[RawBlock], Collection[str]], Decoded]
    prover: Callable[[Report, bool], Prover]

    def hash_text(self, value: bytes | str) -> str:
        """Write a hash of the header's table as the chain does."""
        return value if isinstance(value, str) else f"0x{value.hex()}"


class _EvmProver:
    def __init__(self, report: Report, full: bool) -> None:
        self.report = report
        self._verifier = verify_evm.EvmVerifier(full=full, report=report)

    def check(self, decoded: Decoded, span: Span) -> None:
        blocks, transactions, logs = (decoded.tables[table] for table in EVM_TABLES)
        if blocks is None:
            raise AssertionError(f"no blocks of {span}")
        self._verifier.check(blocks, transactions, logs, decoded.withdrawals)

    def finish(self) -> None:
        """Do nothing: each block is told of when it is checked."""


class _SolanaProver:
    def __init__(self, report: Report, full: bool) -> None:
        self.report = report
        self._verifier = solana_verify.SolanaVerifier(full=full, report=report)
        self.finish = self._verifier.finish

    def check(self, decoded: Decoded, span: Span) -> None:
        self._verifier.check(decoded.tables, span)


def _read_evm(blocks: Sequence[RawBlock], names: Collection[str]) -> Decoded:
    parsed, batch = evm_decode.read((block.block, block.receipts) for block in blocks)
    for block, number in zip(blocks, batch.blocks.column("block_num").to_pylist(), strict=True):
        if block.number != number:
            raise BlockDisproved(block.number, "number", f"the source gave block {number}")
    if batch.logs is None and LOGS.name in names:
        raise ReceiptsMissing(
            next(block.number for block in blocks if block.receipts is None and block.transactions)
        )
    tables = {
        BLOCKS.name: batch.blocks,
        TRANSACTIONS.name: batch.transactions,
        LOGS.name: batch.logs,
    }
    return Decoded(tables, [raw.block.withdrawals for raw in parsed])


def _read_solana(blocks: Sequence[RawBlock], names: Collection[str]) -> Decoded:
    return Decoded(solana_decode.decode(blocks, sorted(names)))


EVM = ChainKind(
    name="evm",
    tables=EVM_TABLES,
    header=BLOCKS,
    parent_hash="parent_hash",
    hash="hash",
    time="timestamp",
    skips=False,
    # Some blocks of a busy chain. Less pays more for each column, more keeps so many objects alive
    # that the processor's caches no longer hold them (bench/evm.py).
    batch_bytes=3_000_000,
    step=64,
    needed=frozenset(),
    first_check=verify_evm.Check.HEADER_HASH,
    read=_read_evm,
    prover=_EvmProver,
)
SOLANA = ChainKind(
    name="solana",
    tables=SOLANA_TABLES,
    header=BLOCK_HEADERS,
    parent_hash="previous_block_hash",
    hash="block_hash",
    time="block_time",
    skips=True,
    batch_bytes=solana_decode.PORTION,
    # Blocks have thousands of transactions.
    step=8,
    needed=frozenset({"transactions", "messages", "instructions"}),
    first_check=solana_verify.Check.PARENT_LINK,
    read=_read_solana,
    prover=_SolanaProver,
)
CHAINS: Mapping[str, ChainKind] = MappingProxyType({kind.name: kind for kind in (EVM, SOLANA)})
"""All kinds of chains, by the word that sources use."""
