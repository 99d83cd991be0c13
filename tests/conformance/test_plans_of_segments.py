"""What segments are asked for, databases find by an index: the cost follows what is found."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from jobyard.store.postgres.connecting import connect
from jobyard.store.query import load_statements
from jobyard.testing.stage import sqlite_stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jobyard.testing.stage import Stage

COUNT = 20_000
"""Segments of each of two tables, half of them beside the chain."""
_NUMBERS = {
    "sqlite": "(WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c WHERE n < {}) "
    "SELECT n FROM c)",
    "postgres": "generate_series(1, {}) AS n",
}
_SEGMENTS = """
    INSERT INTO segments (
        revision_id, name, network, start_block, stop_block, hash, prev_hash, size, row_count,
        created_at, chained)
    SELECT n % 2, 'file ' || n, 'net', n, n + 1, 'hash ' || n, 'hash ' || (n - 1), 1, 1, n, {}
    FROM {}
"""
ASKED = sorted(
    name
    for name, statement in load_statements("jobyard.store.sqlite").items()
    if re.search(r"(FROM|UPDATE) segments\b", statement.sql)
)


THROUGH = {
    "beside_below", "chain_end", "covered_beside", "delete_segments_of", "files_of_revision",
    "gaps_beside", "lowest_segment", "note_all_retired", "segments_beside",
    "top_of_revision",
}  # fmt: skip
"""Questions about all of a table, or all beside its chain, and those that are over after a few."""


def fill(stage: Stage) -> Stage:
    half = COUNT // 2
    chained = f"n < {half}" if stage.kind == "postgres" else f"iif(n < {half}, 1, 0)"
    stage.sql(_SEGMENTS.format(chained, _NUMBERS[stage.kind].format(COUNT)))
    stage.sql("ANALYZE segments")
    return stage


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("plans")
    with sqlite_stage(folder) as stage:
        yield fill(stage).place


@pytest.fixture
def on_postgres(conformance_postgres: Stage) -> Iterator[Stage]:
    conformance_postgres.clear()
    yield fill(conformance_postgres)
    conformance_postgres.clear()


@pytest.mark.parametrize("name", ASKED)
def test_no_question_looks_through_a_table_on_sqlite(on_sqlite: str, name: str) -> None:
    sql = load_statements("jobyard.store.sqlite")[name].sql
    count = max((int(number) for number in re.findall(r"\?(\d+)", sql)), default=0)
    with closing(sqlite3.connect(on_sqlite)) as connection:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {sql}", ["[1]"] * count).fetchall()

    alias = re.search(r"(?:FROM|UPDATE) (segments)(?: AS (\w+))?", sql)
    assert alias is not None
    named = [alias[2] or alias[1]]
    steps = [row[3] for row in rows if row[3].split()[1:2] == named]
    assert steps
    for step in steps:
        assert step.startswith("SEARCH"), step
        assert name in THROUGH or "(revision_id=?)" not in step, step


def test_no_question_looks_through_a_table_on_postgres(on_postgres: Stage) -> None:
    plans = on_postgres.do(_plans(on_postgres.place))

    assert set(plans) == set(ASKED)
    for name, plan in plans.items():
        assert "Seq Scan on segments" not in plan, f"{name}: {plan}"
        assert name in THROUGH or "Cond: (revision_id = $1)" not in plan, f"{name}: {plan}"


async def _plans(dsn: str) -> dict[str, str]:
    statements = load_statements("jobyard.store.postgres")
    plans = {}
    connection = await connect(dsn)
    try:
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        for name in ASKED:
            sql = statements[name].sql
            count = max(int(number) for number in re.findall(r"\$(\d+)", sql))
            values = ", ".join(["NULL"] * count)
            await connection.execute(f"PREPARE {name} AS {sql}")
            rows = await connection.fetch(f"EXPLAIN EXECUTE {name} ({values})")
            plans[name] = "\n".join(row[0] for row in rows)
    finally:
        await connection.close()
    return plans
