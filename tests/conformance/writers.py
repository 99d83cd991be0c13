"""Jobs that write tables, for the tests of what becomes of their segments."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jobyard.core.extract import Extract
from jobyard.core.extraction import Cost, Publication, Wish
from jobyard.core.segments import Segment
from jobyard.testing.stage import make_spec

if TYPE_CHECKING:
    from jobyard.core.extraction import Extraction, Lacking
    from jobyard.store.base import Claim
    from jobyard.testing.stage import Stage, StageWorker

ORDERED = Extract("eth", "main", "dev", "hash", "evm-rpc", "evm", "net", ("blocks",))


def a(name: str, start: int, stop: int, prev_hash: str, own_hash: str) -> Segment:
    return Segment(name, "net", start, stop, own_hash, prev_hash, size=10)


DELAY = 60_000_000
"""Microseconds until a retired file may be collected."""
EMPTY = (None, None, 0, 0, 0)
LINE = [a("a", 0, 10, "-", "9"), a("b", 10, 20, "9", "19"), a("c", 20, 30, "19", "29")]


class Writer:
    """A job that writes the table `blocks`, with an attempt that is running."""

    def __init__(
        self, stage: Stage, worker: StageWorker | None = None, *, extract: Extract = ORDERED
    ) -> None:
        self.stage = stage
        self.extract = extract
        self.job_id = stage.submit_one(replace(make_spec(), extract=extract))
        self.worker = worker or stage.worker(f"w{self.job_id}")
        self.claim: Claim = self.worker.claim_one()

    def open(self, *tables: str) -> list[str]:
        wishes = [Wish(table, f"/data/{table}/{self.job_id}") for table in tables or ("blocks",)]
        session, claim = self.worker.session, self.claim
        opened = self.stage.do(
            self.stage.store.open_tables(
                session, claim.attempt_id, self.job_id, self.extract, wishes
            )
        )
        return [one.path for one in opened]

    def publish(
        self,
        segment: Segment,
        rows: int = 3,
        cost: Cost = Cost(),  # noqa: B008
        table: str = "blocks",
    ) -> list[str]:
        publication = Publication(table, segment, rows, cost)
        return self.stage.do(
            self.stage.store.publish(
                self.worker.session, self.claim.attempt_id, self.job_id, publication, DELAY
            )
        )

    def extraction(self) -> Extraction:
        found = self.stage.do(self.stage.store.extraction(self.job_id))
        assert found is not None
        return found

    def chain(self, table: str = "blocks") -> tuple[int | None, int | None, int, int, int]:
        one = self.extraction().tables[table]
        return one.start, one.stop, one.files, one.size, one.rows

    def names(self, table: str = "blocks") -> set[str]:
        files = self.stage.do(self.stage.store.table_files(self.job_id, table))
        return {name for name, *_ in files}

    def lacking(self, start: int, stop: int, table: str = "blocks") -> Lacking:
        return self.stage.do(self.stage.store.lacking(self.job_id, (start, stop)))[table]


def writer_path(writer: Writer) -> list[str]:
    return [f"/data/blocks/{writer.job_id}"]
