"""The predicate mutator finds every predicate, and takes away exactly one."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest

import mutate_sql
from mutate_sql import Trial, all_mutants, excuses, judge, mutants_of

QUERIES = """\
-- Said once for the whole file: WHERE nothing AND nobody.

-- name: claim
-- Takes what is due, WHERE it is free.
UPDATE attempt
SET status = 'it''s WHERE x AND y'
WHERE id IN (
    SELECT id
    FROM attempt
    WHERE due BETWEEN :low AND :high
      AND (kind = 'a' OR kind = 'b')  -- AND not c
      AND left(name, 1) = 'n'
    ORDER BY id
    LIMIT 5)
  AND session = :session
RETURNING id;

-- name: count-all
SELECT count(*) FILTER (WHERE done), CASE WHEN a AND b THEN 1 END FROM attempt;
"""


def _found(text: str) -> list[tuple[str, str]]:
    return [(m.query, m.predicate) for m in mutants_of(Path("q.sql"), "sqlite", text)]


def test_every_predicate_is_found_once() -> None:
    outer, *others = _found(QUERIES)

    assert outer[1].startswith("id IN ( SELECT id FROM attempt WHERE")
    assert outer[1].endswith("LIMIT 5)")
    assert others == [
        ("claim", "due BETWEEN :low AND :high"),
        ("claim", "(kind = 'a' OR kind = 'b')"),
        ("claim", "left(name, 1) = 'n'"),
        ("claim", "session = :session"),
        ("count-all", "done"),
        ("count-all", "b"),
    ]


def test_one_predicate_becomes_true_and_all_else_stays() -> None:
    session = next(
        m for m in mutants_of(Path("q.sql"), "sqlite", QUERIES) if "session" in m.predicate
    )

    mutated = session.apply(QUERIES)

    assert mutated == QUERIES.replace(
        "AND session = :session", "AND ((session = :session) OR TRUE)"
    )
    assert QUERIES.splitlines()[session.line - 1].strip() == "AND session = :session"


def test_a_mutant_keeps_its_parameters_and_lets_every_row_through() -> None:
    text = "-- name: pick\nSELECT n FROM t\nWHERE n > :low\n  AND n < :high\nORDER BY n"
    low, high = mutants_of(Path("q.sql"), "sqlite", text)
    base = sqlite3.connect(":memory:")
    base.execute("CREATE TABLE t AS SELECT 1 AS n UNION SELECT 2 UNION SELECT NULL UNION SELECT 5")

    def pick(sql: str) -> list[int | None]:
        return [row[0] for row in base.execute(sql, {"low": 1, "high": 5})]

    picked = pick(text), pick(low.apply(text)), pick(high.apply(text))
    base.close()

    assert picked == ([2], [1, 2], [2, 5])


def test_a_join_ends_a_predicate_and_so_does_a_second_statement() -> None:
    text = (
        "-- name: two\nSELECT 1 FROM a JOIN b ON a.x = b.x AND a.y = b.y LEFT JOIN c ON c.x = a.x"
        " WHERE a.z IS NULL; DELETE FROM a WHERE a.q = 1 RETURNING a.q"
    )

    assert [p for _, p in _found(text)] == ["a.y = b.y", "a.z IS NULL", "a.q = 1"]


def test_an_excuse_needs_a_reason() -> None:
    assert excuses("# a comment\n\nsqlite claim: a = 'x' -- the index says so\n") == {
        "sqlite claim: a = 'x'": "the index says so"
    }
    with pytest.raises(ValueError, match="no reason"):
        excuses("sqlite claim: a = 'x'")


_SUITE = """
import pathlib, sys
text = (pathlib.Path(sys.argv[1]) / "jobyard/store/sqlite/queries/q.sql").read_text()
sys.exit(int("(a) OR TRUE" in text) or 5 * int("(c) OR TRUE" in text))
"""


def test_survivors_and_broken_runs_are_complaints_and_the_sources_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = tmp_path / "src" / "jobyard" / "store" / "sqlite" / "queries"
    queries.mkdir(parents=True)
    text = "-- name: q\nSELECT 1 FROM t\nWHERE a\n  AND b\n  AND c\n  AND d"
    (queries / "q.sql").write_text(text)
    suite = tmp_path / "suite.py"
    suite.write_text(_SUITE)
    monkeypatch.setattr(mutate_sql, "ROOT", tmp_path)
    trial = Trial(f"{sys.executable} {suite} {{src}}", tmp_path / "copies", jobs=2)
    mutants = all_mutants(tmp_path / "src", ["sqlite"])

    complaints = judge(trial, mutants, 2, {"sqlite q: d": "for a reason"})

    assert trial.baseline("sqlite") == 0
    assert [complaint.partition("q.sql:")[2] for complaint in complaints] == [
        "4 sqlite q: b: survived",
        "5 sqlite q: c: broken: exit code 5",
    ]
    assert judge(trial, mutants[:1], 1, {"sqlite q: a": "for a reason"}) != []
    assert (queries / "q.sql").read_text() == text
