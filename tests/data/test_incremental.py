"""Queries that are answered block by block: what they give all together, and which are refused."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from datafusion import SessionContext
from hypothesis import given, settings
from hypothesis import strategies as st

from jobyard.data.chains import EVM
from jobyard.data.incremental import MOST_LEAVES, incremental
from jobyard.data.parquet import stored_schema
from jobyard.data.plan import Plan, plan

if TYPE_CHECKING:
    from jobyard.errors import TableRefused

KNOWN = {"eth": {name: stored_schema(table) for name, table in EVM.tables.items()}}


def planned(**tables: str) -> Plan:
    return plan(tables, KNOWN)


def refusal(sql: str, **others: str) -> TableRefused:
    found = planned(t=sql, **others).refused
    assert found, sql
    return found[0]


def names_of(sql: str) -> list[str]:
    (table,) = planned(t=sql).sound()
    names: list[str] = table.schema.names
    return names


REFUSED: dict[str, dict[str, str | None]] = {
    "NON_INCREMENTAL_QUERY": {
        "SELECT DISTINCT hash FROM eth.blocks": "DISTINCT",
        "SELECT count(*) AS n FROM eth.blocks": "count",
        "SELECT approx_median(gas_used) AS n FROM eth.blocks": "approx_median",
        "SELECT miner FROM eth.blocks GROUP BY miner": "GROUP BY miner",
        "SELECT hash FROM eth.blocks LIMIT 2": "LIMIT 2",
        "(SELECT hash FROM eth.blocks) LIMIT 2": "LIMIT 2",
        "SELECT hash FROM eth.blocks OFFSET 2": "OFFSET 2",
        "SELECT hash FROM eth.blocks FETCH FIRST 1 ROWS ONLY": "FETCH",
        "SELECT hash FROM eth.blocks ORDER BY hash": "ORDER BY hash",
        "SELECT * FROM (SELECT hash FROM eth.blocks ORDER BY hash) AS x": "ORDER BY hash",
        "SELECT row_number() OVER (ORDER BY hash) AS n FROM eth.blocks": "row_number()",
        "SELECT b.hash FROM eth.blocks b LEFT JOIN eth.logs l USING (_block_num)": "LEFT JOIN",
        "SELECT b.hash FROM eth.blocks b FULL JOIN eth.logs l USING (_block_num)": "FULL JOIN",
        "SELECT b.hash FROM eth.blocks b LEFT SEMI JOIN eth.logs l ON hash = block_hash": "SEMI",
        "SELECT b.hash FROM eth.blocks b LEFT ANTI JOIN eth.logs l ON hash = block_hash": "ANTI",
        "WITH RECURSIVE x AS (SELECT 1 FROM eth.blocks) SELECT * FROM x": "RECURSIVE",
        "SELECT hash FROM eth.blocks WHERE hash IN (SELECT block_hash FROM eth.logs)": "block_hash",
        "SELECT hash FROM eth.blocks WHERE EXISTS (SELECT 1 FROM eth.logs)": "EXISTS",
        "SELECT (SELECT 1 FROM eth.logs) AS x FROM eth.blocks": "eth.logs",
        "SELECT hash FROM eth.blocks UNION SELECT tx_hash FROM eth.transactions": "UNION",
        "SELECT hash FROM eth.blocks EXCEPT SELECT tx_hash FROM eth.transactions": "EXCEPT",
        "SELECT now() AS n FROM eth.blocks": "now()",
        "SELECT current_date AS n FROM eth.blocks": "current_date",
        "SELECT random() AS n FROM eth.blocks": "random()",
        (
            "SELECT x.h FROM (SELECT hash AS h FROM eth.blocks UNION ALL SELECT l.tx_hash AS h"
            " FROM eth.logs l, eth.blocks b) AS x, eth.logs"
        ): "UNION ALL",
    },
    "INVALID_TABLE_SQL": {
        "SELECT FROM WHERE": None,
        "DROP TABLE eth.blocks": None,
        "SELECT 1 FROM eth.blocks; SELECT 2 FROM eth.blocks": None,
        "SELECT nothing FROM eth.blocks": None,
        "SELECT nothing(hash) FROM eth.blocks": None,
        "SELECT hash INTO x FROM eth.blocks": "INTO",
        "SELECT NULL AS x FROM eth.blocks": None,
        "SELECT hash, parent_hash AS hash FROM eth.blocks": None,
        "SELECT * FROM eth.blocks, eth.logs": None,
        "SELECT 1 AS _block_num FROM eth.blocks": "1 AS _block_num",
        "SELECT a._block_num FROM eth.blocks a, eth.logs b": "a._block_num",
        "SELECT x FROM unnest([1]) AS x": "UNNEST",
        "SELECT hash FROM eth.blocks TABLESAMPLE (10)": "TABLESAMPLE",
        "SELECT b.hash FROM eth.blocks b, eth.logs b": "b",
        "SELECT hash FROM eth.blocks UNION ALL SELECT tx_hash, value FROM eth.transactions": None,
    },
    "CATALOG_QUALIFIED_TABLE": {"SELECT 1 AS x FROM a.eth.blocks": "a.eth.blocks"},
    "TABLE_REFERENCE_RESOLUTION": {
        "SELECT 1 AS x FROM blocks": "blocks",
        "SELECT 1 AS x FROM sol.blocks": "sol.blocks",
        "SELECT 1 AS x FROM eth.slots": "eth.slots",
    },
    "NO_TABLE_REFERENCES": {"SELECT 1 AS x": "SELECT 1 AS x"},
    "SELF_REFERENCING_TABLE": {"SELECT 1 AS x FROM self.t": "self.t"},
    "SELF_REF_TABLE_NOT_FOUND": {"SELECT 1 AS x FROM self.u": "self.u"},
}
"""SQL by the code that it is refused with, and a word of the place that is named."""
CASES = [(code, sql, word) for code, each in REFUSED.items() for sql, word in each.items()]


@pytest.mark.parametrize(("code", "sql", "word"), CASES)
def test_what_cannot_be_made_block_by_block_is_refused_with_code_place_and_what_would_be_right(
    code: str, sql: str, word: str | None
) -> None:
    error = refusal(sql)

    assert error.code == code
    assert error.fields["table"] == "t"
    assert error.hint
    if word is not None:
        assert word in error.fields["place"]


def test_tables_that_are_made_of_each_other_are_refused_and_others_are_not() -> None:
    found = planned(
        a="SELECT 1 AS x FROM self.b",
        b="SELECT 1 AS x FROM self.a",
        c="SELECT x FROM self.d",
        d="SELECT 1 AS x FROM eth.blocks",
    )

    assert [(each.code, each.fields["table"]) for each in found.refused] == [
        ("CYCLIC_DEPENDENCY", "a"), ("CYCLIC_DEPENDENCY", "b"),
    ]  # fmt: skip
    assert [table.name for table in found.tables] == ["d", "c"]


def test_a_query_of_too_many_tables_is_refused() -> None:
    many = ", ".join(f"eth.blocks AS b{place}" for place in range(MOST_LEAVES + 1))
    assert refusal(f"SELECT b0.hash FROM {many}").code == "INVALID_TABLE_SQL"


def test_names_in_a_with_that_build_on_each_other_cost_what_they_read() -> None:
    steps = ", ".join(f"c{n} AS (SELECT hash FROM c{n - 1})" for n in range(1, 13))
    sql = f"WITH c0 AS (SELECT hash FROM eth.blocks), {steps} SELECT hash FROM c12"
    assert names_of(sql) == ["_block_num", "hash"]


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("SELECT hash, _block_num FROM eth.blocks", ["hash"]),
        ("SELECT eth.blocks.hash FROM eth.blocks", ["hash"]),
        ("SELECT b.* EXCLUDE (a) FROM (SELECT 1 AS a, 2 AS c FROM eth.blocks) AS b", ["c"]),
        (
            "SELECT * FROM (SELECT hash FROM eth.blocks) AS x, (SELECT tx_hash FROM eth.logs) AS y",
            ["hash", "tx_hash"],
        ),
        ("SELECT unnest(access_list)['address'] AS a FROM eth.transactions", ["a"]),
    ],
)
def test_the_block_stands_in_front_and_nowhere_else(sql: str, columns: list[str]) -> None:
    assert names_of(sql) == ["_block_num", *columns]


VALUES = """\
to_hex(gas_used)|gas_used ^ 3|try_cast(encode(hash, 'hex') AS int)|round(3.2, 1)|hash = X'ab'
date_part('year', timestamp)|gas_used NOT IN (1, 2)|miner IS NOT NULL|true IS NOT TRUE
encode(hash, 'hex') !~ 'x'|gas_used::int|cast(gas_used AS tinyint)|cast(gas_used AS bigint unsigned)
array_length([1, 2])|timestamp + interval '1 day'|CASE WHEN gas_used > 1 THEN 'a' ELSE 'b' END
trim(both 'x' from 'xax')|power(2, 3)|extract(year from timestamp)|log(2, 8)|if_null(1)
"""


@pytest.mark.parametrize("value", VALUES.replace("\n", "|").split("|")[:-2])
def test_a_value_stays_what_it_was(value: str) -> None:
    found = planned(t=f"SELECT {value} AS x FROM eth.blocks")
    assert not found.refused, found.refused
    assert found.tables[0].query.plain.lower().startswith("select")


SMALL = pa.schema([("_block_num", pa.uint64()), ("k", pa.int64()), ("v", pa.int64())])
QUERIES = {
    "SELECT k, v FROM x.a WHERE v > 1": True,
    "SELECT a.k, b.v FROM x.a JOIN x.b ON a._block_num = b._block_num AND a.k = b.k": True,
    "SELECT a.k, b.v FROM x.a JOIN x.b ON a.k = b.k": False,
    "SELECT a.k, b.v, c.v AS w FROM x.a, x.b, x.a AS c WHERE a.k = b.k AND b.v = c.v": False,
    (
        "SELECT a.k, b.v, c.v AS w FROM x.a, x.b, x.a AS c"
        " WHERE a.k = b.k AND (b._block_num = c._block_num)"
    ): False,
    (
        "SELECT p.k, b.v FROM (SELECT a.k, greatest(a._block_num, b._block_num) AS _block_num"
        " FROM x.a JOIN x.b ON a.k = b.v) AS p JOIN x.b ON p._block_num = b._block_num"
    ): False,
    "SELECT a.k, c.v FROM x.a JOIN x.b USING (_block_num) JOIN x.a AS c USING (_block_num)": True,
    "SELECT a.k, b.v FROM x.a NATURAL JOIN x.b": True,
    "SELECT k FROM x.a UNION ALL SELECT a.v FROM x.a JOIN x.b ON a.k = b.k": False,
    (
        "SELECT p.k, b.v FROM (SELECT k FROM x.a UNION ALL SELECT v AS k FROM x.b) AS p"
        " JOIN x.b ON p.k = b.k"
    ): False,
}
"""Queries, and whether rows of a block need no other blocks."""
ROWS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2), st.integers(0, 3)), max_size=12)


def answer(sql: str, **tables: pa.Table) -> list[tuple[Any, ...]]:
    context = SessionContext()
    context.sql("CREATE SCHEMA x")
    for name, table in tables.items():
        context.catalog().schema("x").register_table(name, ds.dataset(table))
        context.register_dataset(name, ds.dataset(table))
    found = context.sql(sql).collect()
    return [tuple(row.values()) for batch in found for row in batch.to_pylist()]


@pytest.mark.parametrize("sql", QUERIES)
@settings(max_examples=15, deadline=None)
@given(a=ROWS, b=ROWS, cuts=st.lists(st.integers(1, 9), max_size=3))
def test_the_rows_of_all_batches_are_the_rows_of_the_query_each_once_under_its_greatest_block(
    sql: str, a: list[Any], b: list[Any], cuts: list[int]
) -> None:
    tables = {
        name: pa.Table.from_pylist(
            [dict(zip(SMALL.names, row, strict=True)) for row in rows], SMALL
        )
        for name, rows in (("a", a), ("b", b))
    }
    query = incremental("t", sql)
    assert query.local is QUERIES[sql]
    leaves = {leaf.name: tables[leaf.table] for leaf in query.leaves}
    made = []
    edges = [0, *sorted(set(cuts)), 10]
    for start, stop in pairwise(edges):
        batch = answer(query.query(start, stop), **leaves)
        assert all(start <= row[0] < stop for row in batch)
        made += batch
    assert sorted(row[1:] for row in made) == sorted(answer(sql, **tables))
