"""Tables that are made of others by the real program are what their SQL says of the whole chain."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.data.chains import place
from tests.data.deriving import LAST, MINTED, Datasets, datasets, derived, rows

from jobyard.data.evaluate import MOST_BYTES
from jobyard.data.folder import DataFolder
from jobyard.data.verify import verify_folder
from jobyard.testing.replay import serving
from jobyard.testing.replay_chain import ReplayChain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jobyard.core.records import Job
    from jobyard.testing.replay import ReplayServer as Server

MOVES = (
    "SELECT l.address, l.log_index, t.tx_hash, t.value FROM eth.logs l"
    " JOIN eth.transactions t ON l._block_num = t._block_num AND l.tx_index = t.tx_index"
)
PAIRS = (
    "SELECT a.tx_hash AS one, b.tx_hash AS two FROM eth.transactions a"
    ' JOIN eth.transactions b ON a."to" = b."from" WHERE a.tx_index = 0 AND b.tx_index < 3'
)
BLOCK_OF_MOVES = MOVES.replace("SELECT ", "SELECT t._block_num, ", 1)
BOTH = "SELECT hash FROM eth.blocks UNION ALL SELECT tx_hash FROM eth.transactions"
COLUMNS = "m._block_num, b.hash, m.address, m.log_index, m.tx_hash, m.value"
OWN = (
    "WITH m AS (SELECT * FROM self.moves)"
    " SELECT b.hash, m.* FROM m JOIN eth.blocks b USING (_block_num)"
)
WHOLE = {
    "busy": (
        "SELECT * FROM eth.blocks WHERE gas_used > 0",
        "SELECT * FROM eth.blocks WHERE gas_used > 0",
    ),
    "moves": (MOVES, BLOCK_OF_MOVES),
    "pairs": (
        PAIRS,
        PAIRS.replace("SELECT ", "SELECT greatest(a._block_num, b._block_num) AS b, ", 1),
    ),
    "both": (BOTH, BOTH.replace("SELECT ", "SELECT _block_num, ")),
    "named": (
        OWN,
        OWN.replace("self.moves", f"({BLOCK_OF_MOVES})").replace("b.hash, m.*", COLUMNS),
    ),
}
"""The SQL of tables, and what it is over the whole chain, with the block of each row in front."""


@pytest.fixture
def node() -> Iterator[Server]:
    with serving(ReplayChain.read(MINTED, length=LAST + 1)) as server:
        yield server


def play(folder: Path, main: Any) -> Any:
    """Run a test's story with an engine."""

    async def run() -> Any:
        async with datasets(folder) as yard:
            return await main(yard)

    return asyncio.run(run())


def test_tables_made_batch_by_batch_through_kills_are_the_query_over_the_whole_chain(
    node: Server, tmp_path: Path
) -> None:
    async def story(yard: Datasets) -> None:
        await yard.raw(node.url)
        await yard.register("d", derived({name: sql for name, (sql, _) in WHOLE.items()}))
        made = await yard.desk.deploy("_/d@1.0.0", end_block=str(LAST), batch_blocks=7)
        killed = await yard.kill_after(made["job_id"], published=(0, 1, 2))
        job = await yard.engine.end(made["job_id"])
        assert job.state.status == "COMPLETED"
        assert killed == 3
        for name, (_, whole) in WHOLE.items():
            table = await yard.table(job, name)
            assert table.column_names[0] == "_block_num"
            numbers = table["_block_num"].to_pylist()
            assert numbers == sorted(numbers), name
            expected = yard.whole(tmp_path, whole)
            assert len(numbers) == expected.num_rows > 100, name
            assert rows(table) == rows(expected), name
        again = await yard.sync("d", end_block=str(LAST))
        assert again.result["blocks"] == 0

    play(tmp_path, story)


def test_a_dataset_may_be_made_of_one_that_is_made_itself(node: Server, tmp_path: Path) -> None:
    async def story(yard: Datasets) -> None:
        await yard.raw(node.url)
        await yard.register("d", derived({"moves": MOVES}))
        await yard.sync("d", end_block="150")
        sql = "SELECT m.address, b.hash FROM d.moves m JOIN eth.blocks b USING (_block_num)"
        await yard.register("e", derived({"t": sql}, d="_/d@1.0.0", eth="_/eth@1.0.0"))
        job = await yard.sync("e", end_block="latest")
        table = await yard.table(job, "t")
        expected = yard.whole(
            tmp_path,
            "SELECT l._block_num, l.address, b.hash FROM eth.logs l"
            " JOIN eth.blocks b USING (_block_num) WHERE l._block_num <= 150",
        )
        assert rows(table) == rows(expected)
        assert (await yard.progress(job))["tables"]["t"]["current_block"] == 150

    play(tmp_path, story)


def test_a_reorganised_source_is_followed(tmp_path: Path) -> None:
    chain = ReplayChain.read(MINTED, length=LAST + 1)
    chain.head = 60
    sqls = {"moves": WHOLE["moves"], "pairs": WHOLE["pairs"], "busy": WHOLE["busy"]}
    with serving(chain) as node:

        async def story(yard: Datasets) -> None:
            raw = await yard.raw(node.url, end=60)
            await yard.register("d", derived({name: sql for name, (sql, _) in sqls.items()}))
            made = await yard.desk.deploy("_/d@1.0.0", batch_blocks=9)
            for fork, head in ((55, 80), (79, 100)):
                for name in sqls:
                    await yard.reached(made["job_id"], name, chain.head)
                chain.fork(fork)
                chain.head = head
                raw = await yard.sync("eth", end_block=head)
            wanted = chain.hash_of(100)
            for name in sqls:
                await yard.linked(made["job_id"], name, wanted)
            await yard.desk.stop(made["job_id"])
            job = await yard.engine.end(made["job_id"])
            for name, (_, whole) in sqls.items():
                expected = await yard.answer(raw, whole)
                assert rows(await yard.table(job, name)) == rows(expected), name
                assert await yard.ends(job, name) == await yard.ends(raw, "blocks") == 101

        play(tmp_path, story)


def test_files_of_derived_tables_are_joined_and_verified_like_others(
    node: Server, tmp_path: Path
) -> None:
    async def story(yard: Datasets) -> None:
        await yard.raw(node.url)
        await yard.register("d", derived({"moves": MOVES}))
        for end in (40, 90, 130):
            await yard.sync("d", end_block=end)
        layout = {"compact_files": 2, "compact_after": 0, "compact_distance": 0}
        job = await yard.sync("d", end_block="latest", layout=layout)
        found = await yard.engine.store.extraction(job.id)
        assert found is not None
        assert (found.tables["moves"].files, found.tables["moves"].stop) == (1, LAST + 1)
        expected = rows(yard.whole(tmp_path, WHOLE["moves"][1]))
        assert rows(await yard.table(job, "moves")) == expected

        verified = verify_folder(DataFolder.at(tmp_path / "data/_/d"))
        assert (verified.sound, verified.rows) == (True, {"moves": len(expected)})
        assert verified.covered == {"moves": [(0, LAST)]}

    play(tmp_path, story)


def test_the_last_block_is_counted_from_what_the_sources_have(node: Server, tmp_path: Path) -> None:
    async def story(yard: Datasets) -> None:
        await yard.raw(node.url, end=99)
        await yard.register("d", derived({"t": "SELECT hash FROM eth.blocks"}))
        for end, last in (("-40", 59), ("latest", 99)):
            job = await yard.sync("d", end_block=end)
            progress = await yard.progress(job)
            assert (progress["end_block"], progress["head_block"]) == (last, 99)
            assert progress["tables"]["t"]["current_block"] == last
            assert progress["percent"] == 100.0

    play(tmp_path, story)


def test_a_job_waits_for_blocks_that_its_sources_do_not_have_yet(
    node: Server, tmp_path: Path
) -> None:
    async def story(yard: Datasets) -> None:
        await yard.raw(node.url, end=50)
        await yard.register("d", derived({"t": "SELECT hash FROM eth.blocks"}))
        made = await yard.desk.deploy("_/d@1.0.0", end_block=80)
        await yard.reached(made["job_id"], "t", 50)
        await yard.sync("eth", end_block=90)
        job = await yard.engine.end(made["job_id"])
        assert job.state.status == "COMPLETED"
        assert (await yard.table(job, "t")).num_rows == 81

    play(tmp_path, story)


def test_a_dataset_that_is_deployed_with_its_source_waits_for_it(
    node: Server, tmp_path: Path
) -> None:
    async def story(yard: Datasets) -> None:
        await yard.raw_registered(node.url)
        await yard.register("d", derived({"t": "SELECT hash FROM eth.blocks"}))
        await yard.desk.deploy("_/eth@1.0.0", end_block=30)
        job = await yard.sync("d", end_block=30)
        assert (await yard.table(job, "t")).num_rows == 31

    play(tmp_path, story)


def test_slots_without_a_block_are_covered_by_what_is_made_of_them(tmp_path: Path) -> None:
    tables = ("block_headers", "transactions", "instructions")
    raw = {
        "kind": "recorded", "network": "sol", "chain": "solana", "start_block": 31,
        "tables": {name: {} for name in tables},
    }  # fmt: skip
    sqls = {
        "headers": "SELECT slot, block_hash FROM sol.block_headers",
        "fees": (
            "SELECT i.program_id_index, t.fee FROM sol.instructions i JOIN sol.transactions t"
            " ON i._block_num = t._block_num AND i.tx_index = t.tx_index"
        ),
    }

    async def story(yard: Datasets) -> None:
        provider = {"kind": "recorded", "network": "sol", "path": str(place("surfpool-json"))}
        await yard.desk.register_provider("recorded", provider)
        await yard.register("sol", raw)
        source = await yard.sync("sol", end_block="latest")
        await yard.register("d", derived(sqls, sol="_/sol@1.0.0"))
        job = await yard.sync("d", end_block="latest", batch_blocks=4)
        for name, like in (("headers", "block_headers"), ("fees", "instructions")):
            made, given = await yard.table(job, name), await yard.table(source, like)
            assert made.num_rows == given.num_rows > 10
            assert await yard.ends(job, name) == await yard.ends(source, like) == 49
        headers = (await yard.table(job, "headers")).num_rows
        assert headers < 49 - 31

    play(tmp_path, story)


async def failure(yard: Datasets, job: Job) -> dict[str, Any]:
    """Read what the program of a job that failed has told."""
    found = await yard.engine.store.extraction(job.id)
    assert job.state.status == "FAILED"
    assert found is not None
    told: dict[str, Any] = json.loads(found.failure or "{}")
    return told


def test_what_was_never_extracted_fails_the_job_at_once(tmp_path: Path) -> None:
    async def story(yard: Datasets) -> None:
        await yard.raw_registered()
        await yard.register("d", derived({"t": "SELECT hash FROM eth.blocks"}))
        job = await yard.extract("d", end_block="latest")
        told = await failure(yard, job)
        assert told["error_code"] == "DEPENDENCY_NOT_SYNCED"
        assert "jobyard dataset deploy _/eth@" in told["hint"]

    play(tmp_path, story)


def test_rows_that_a_query_cannot_work_with_fail_the_job_and_keep_those_before(
    node: Server, tmp_path: Path
) -> None:
    async def story(yard: Datasets) -> None:
        await yard.raw(node.url, end=99)
        sql = "SELECT 1 / CASE WHEN block_num = 50 THEN 0 ELSE 1 END AS x FROM eth.blocks"
        await yard.register("d", derived({"t": sql}))
        job = await yard.extract("d", end_block="99", batch_blocks=10)
        told = await failure(yard, job)
        assert told["error_code"] == "TABLE_NOT_MADE"
        said = told["error_context"]
        assert (said["block_range_start"], said["block_range_end"]) == (50, 59)
        assert await yard.ends(job, "t") == 50

    play(tmp_path, story)


def test_rows_that_are_too_many_at_once_are_made_in_parts(node: Server, tmp_path: Path) -> None:
    async def story(yard: Datasets) -> None:
        await yard.raw(node.url)
        long = f"repeat('x', {MOST_BYTES // 60})"
        await yard.register(
            "d", derived({"t": f"SELECT length({long}) AS n, {long} AS x FROM eth.blocks"})
        )
        job = await yard.sync("d", end_block=LAST)
        found = await yard.engine.store.extraction(job.id)
        assert found is not None
        assert found.tables["t"].rows == LAST + 1

    play(tmp_path, story)


def test_a_file_of_a_source_that_is_gone_is_named(node: Server, tmp_path: Path) -> None:
    async def story(yard: Datasets) -> None:
        await yard.raw(node.url, end=99)
        (file,) = (tmp_path / "data/_/eth/blocks").rglob("*.parquet")
        file.unlink()
        await yard.register("d", derived({"t": "SELECT hash FROM eth.blocks"}))
        job = await yard.extract("d", end_block="99")
        told = await failure(yard, job)
        assert told["error_code"] == "DATA_FILE_MISSING"
        assert file.name in told["error_message"]

    play(tmp_path, story)
